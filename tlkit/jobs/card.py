"""``tlkit.card``: write the model card of a finished run."""

from __future__ import annotations

import re
from contextlib import nullcontext
from pathlib import Path

from tlkit.contracts import Dataset, Exporter
from tlkit.errors import DataError
from tlkit.registry import Registry
from tlkit.runs.disk_errors import explain_disk_errors
from tlkit.runs.folder import RunFolder
from tlkit.system.disk import check_new_file, write_atomically, writing

NAME = "README.md"
"""The file that Hugging Face's hub shows beside a model."""
_LICENCE = re.compile(r"[a-z0-9][a-z0-9.+-]{0,63}")


def card(
    run: str | Path,
    *,
    out: str | Path | None = None,
    license: str | None = None,
    overwrite: bool = False,
) -> Path:
    """Write the model card of a finished run, and return its file.

    Args:
        run: the folder of a run or of a cross-validation.
        out: the file to write; None: ``README.md`` in the run folder, where Hugging Face's hub looks for it.
        license: the licence that you choose for the model, by its identifier on the hub, such as ``apache-2.0``; None:
            the card says that none was stated.
        overwrite: replace a file that exists.

    Raises:
        RunError: this is not the folder of a finished run, or a file of it is damaged.
        DataError: the file exists or can't be written, the licence is no identifier, or Hugging Face's library, if it
            is installed, refuses the card.
    """
    from tlkit.registry.discovery import make_registry

    return write_card(Path(run), make_registry(), out=out, license=license, overwrite=overwrite)[0]


def write_card(
    run: Path,
    registry: Registry,
    *,
    out: str | Path | None = None,
    license: str | None = None,
    overwrite: bool = False,
) -> tuple[Path, bool]:
    """Write the model card of a finished run.

    Args:
        run, out, license, overwrite: as for ``card``.
        registry: the plugins; the exporters among them have the lines that use an exported file.

    Returns:
        the file, and whether Hugging Face's library has read the card.

    Raises:
        RunError, DataError: as for ``card``.
    """
    from tlkit.report.card_facts import card_facts
    from tlkit.report.model_card import Offered, model_card

    if license is not None and not _LICENCE.fullmatch(license):
        raise DataError(
            f"--license {license!r:.80}: expected an identifier such as apache-2.0, mit or cc-by-4.0; "
            "https://huggingface.co/docs/hub/repositories-licenses lists them"
        )
    folder = RunFolder(run)
    folder.expect_folder()
    file = folder.path / NAME if out is None else Path(out)
    check_new_file(file, overwrite=overwrite)
    if file.absolute().parent.resolve() == folder.path.resolve() and file.suffix.lower() != ".md":
        raise DataError(f"{file}: may be a file of the run; expected a name that ends with .md, or another folder")
    if file.is_symlink():
        raise DataError(f"{file}: is a link, and was not changed; name another file")
    with explain_disk_errors(folder.path):
        offered = Offered(
            snippets={record.name: record.snippet for record, _source in registry.records(Exporter)},
            summaries={record.name: record.summary for record, _source in registry.records(Dataset)},
        )
        made = model_card(card_facts(folder), offered, license)
        with nullcontext() if out is None else writing(file):
            write_atomically(file, made.text)
    return file, made.validated
