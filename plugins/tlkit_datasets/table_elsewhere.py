"""Read another table by the options of a first one, for measuring a model on other data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tlkit
from tlkit_datasets.options import CsvOptions
from tlkit_datasets.table_text import read_table


def elsewhere(options: CsvOptions, path: Path) -> CsvOptions:
    """Return the options for another table, whose own folder, delimiter and encoding count.

    The columns with images, labels or masks keep their names, and what labels mean stays. A column of splits is kept
    where the table has it. The first table's groups, further tables and places of images do not stay.

    Args:
        options: the options of the first table.
        path: the other table.
    """
    names = [options.image, *(options.labels or [options.mask or options.label or ""])]
    fresh = {"delimiter": "auto", "encoding": "auto", "header": options.header}
    given = {**fresh, "delimiter": options.delimiter, "encoding": options.encoding}
    columns: list[str] = []
    chosen: dict[str, Any] = fresh
    for choice in (fresh, given):
        delimiter, encoding = str(choice["delimiter"]), str(choice["encoding"])
        try:
            table = read_table(path, delimiter, encoding, header=options.header, wanted=names)
        except tlkit.DataError:
            continue  # told when the table is opened
        columns, chosen = [name.casefold() for name in table.columns], choice
        if {name.casefold() for name in names if name} <= set(columns):
            break
    update: dict[str, Any] = {
        **chosen,
        "path": path.resolve(),
        "root": None,
        "suffix": "",
        "strip_prefix": "",
        "group": None,
        "validation_path": None,
        "test_path": None,
        "split": options.split if (options.split or "").casefold() in columns else None,
    }
    return options.model_copy(update=update)
