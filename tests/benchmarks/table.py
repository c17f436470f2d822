"""The benchmarks: every row is measured in processes of its own, and written as a table and as JSON.

    python tests/benchmarks/table.py --json table.json
    python tests/benchmarks/table.py --only predict growth
    python tests/benchmarks/table.py --quick            # checks that all works, in a few minutes; figures mean nothing

This needs photos of the Oxford-IIIT Pet data set: a folder with ``pets/images`` and ``pets/annotations/trimaps``,
named by ``--data`` or ``TLKIT_TEST_DATA``. It needs no weights, since they are random. It takes about an hour on two
cores, and 5 GB in the folder for temporary files (``TMPDIR``). Each ratio compares measurements of the same session;
run it on an otherwise idle machine.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench_line import Line
from bench_rows import ROWS
from bench_session import QUICK, MeasurementError, Session, Sizes
from rich.console import Console
from rich.table import Table

PACKAGES = ("tlkit", "tensorflow", "keras", "numpy", "pillow", "scikit-learn")


def main() -> int:
    """Measure, print and write; returns 1 if a measurement failed. A missed goal is a result, not a failure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=ROWS, metavar="NAME", help=f"only these rows: {', '.join(ROWS)}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file after each row")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="the folder above pets/; default: $TLKIT_TEST_DATA")
    parser.add_argument("--quick", action="store_true", help="use few small images, to check that every row works")
    given = parser.parse_args()
    data = given.data or Path(os.environ.get("TLKIT_TEST_DATA") or ".")
    for folder in ("pets/images", "pets/annotations/trimaps"):
        if not (data / folder).is_dir():
            parser.error(f"{data / folder}: no such folder; name the folder above pets/ with --data or TLKIT_TEST_DATA")
    if given.json and not given.json.resolve().parent.is_dir():
        parser.error(f"{given.json.resolve().parent}: no such folder; expected an existing folder for --json")

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=140)
    sizes = QUICK if given.quick else Sizes()
    lines: list[tuple[str, Line]] = []
    failed: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="tlkit-benchmarks-") as work, console.status("") as status:

        def say(text: str) -> None:
            status.update(text)
            if not console.is_terminal:
                console.print(text, markup=False)

        session = Session(data.resolve(), Path(work).resolve(), sizes, say)
        for name in given.only or ROWS:
            try:
                lines += [(name, line) for line in ROWS[name](session)]
            except MeasurementError as error:
                failed[name] = str(error)
                console.print(f"{name}: {error}", markup=False, style="red")
            if given.json:
                written = _as_json(lines, failed, sizes)
                given.json.write_text(json.dumps(written, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    console.print(_table(lines, quick=given.quick))
    return 1 if failed else 0


def _table(lines: list[tuple[str, Line]], *, quick: bool) -> Table:
    machine = _machine()
    versions = ", ".join(f"{name} {machine['versions'][name]}" for name in ("tlkit", "tensorflow", "keras"))
    caption = f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_bytes'] / 1e9:.0f} GB; {versions}"
    table = Table(title="quick: these figures mean nothing" if quick else None, caption=caption, show_lines=True)
    for heading in ("row", "what", "goal", "measured", "", "computed from"):
        table.add_column(heading, overflow="fold")
    for name, line in lines:
        goal = "" if line.goal is None else f"{line.goal.sign} {line.goal.value:g}{line.unit}"
        table.add_row(name, line.what, goal, f"{line.value:.3g}{line.unit}", _verdict(line, quick=quick), line.shown)
    return table


def _verdict(line: Line, *, quick: bool) -> str:
    if line.goal is None or quick:
        return ""
    return "passed" if line.goal.met(line.value) else "missed"


def _as_json(lines: list[tuple[str, Line]], failed: dict[str, str], sizes: Sizes) -> dict[str, Any]:
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "quick": sizes == QUICK,
        "sizes": asdict(sizes),
        "machine": _machine(),
        "rows": [
            {
                "row": name,
                "what": line.what,
                "goal": None if line.goal is None else f"{line.goal.sign} {line.goal.value:g}{line.unit}",
                "seconds" if line.unit else "ratio": line.value,
                "verdict": _verdict(line, quick=sizes == QUICK) or None,
                "made_of": line.shown,
                "raw": line.raw,
            }
            for name, line in lines
        ],
        "failed": failed,
    }


def _machine() -> dict[str, Any]:
    names = [
        line.partition(":")[2].strip()
        for file in [Path("/proc/cpuinfo")]
        if file.is_file()
        for line in file.read_text(encoding="utf-8").splitlines()
        if line.startswith("model name")
    ]
    return {
        "cpu": names[0] if names else platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
    }


def _measure(name: str, arguments: str, result: str) -> None:
    """Call ``module.function`` in a measurement's own process and write its result."""
    module, _, function = name.partition(".")
    measured = getattr(import_module(module), function)(**json.loads(arguments))
    Path(result).write_text(json.dumps(measured), encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:2] == ["measure"]:
        _measure(*sys.argv[2:])
    else:
        sys.exit(main())
