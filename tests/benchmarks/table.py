"""The benchmarks: every row is measured in processes of its own, and written as a table and as JSON.

    python tests/benchmarks/table.py --json table.json
    python tests/benchmarks/table.py --against ../tlkit-0.2.0    # also compares with another revision's source
    python tests/benchmarks/table.py --images 600                # fewer images than the 2,000: half an hour
    python tests/benchmarks/table.py --only predict-resnet50 growth
    python tests/benchmarks/table.py --quick            # checks that all works, in a few minutes; figures mean nothing

This needs photos of the Oxford-IIIT Pet data set: a folder with ``pets/images`` and ``pets/annotations/trimaps``,
named by ``--data`` or ``TLKIT_TEST_DATA``. It needs no weights, since random ones cost the same. It takes an hour and a
half on two cores, and 5 GB in the folder for temporary files (``TMPDIR``). What is compared is measured in turn, in one
session, and the least of each counts; run it on an otherwise idle machine. Each process runs the source that this file
belongs to, or that of ``--against``, whatever is installed; both need what they depend on.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

PACKAGES = ("tensorflow", "keras", "ai-edge-litert", "openvino", "numpy", "pillow", "scikit-learn")


def main() -> int:
    """Measure, print and write; returns 1 if a measurement failed. A missed goal is a result, not a failure."""
    from bench_builds import HERE, NotABuildError, open_build
    from bench_rows import ROWS
    from bench_session import Session
    from bench_sizes import QUICK, Sizes

    parser, given = _arguments(ROWS)
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=180)
    sizes = QUICK if given.quick else Sizes() if given.images is None else Sizes().scaled(given.images)
    sizes = sizes if given.rounds is None else replace(sizes, rounds=given.rounds)
    with tempfile.TemporaryDirectory(prefix="tlkit-benchmarks-") as temporary, console.status("") as status:

        def say(text: str) -> None:
            status.update(text)
            if not console.is_terminal:
                console.print(text, markup=False)

        work = Path(temporary).resolve()
        try:
            roots = {"new": HERE} if given.against is None else {"new": HERE, "old": given.against.resolve()}
            builds = {name: open_build(name, root, work) for name, root in roots.items()}
        except NotABuildError as error:
            parser.error(str(error))
        session = Session(given.data.resolve(), work, sizes, builds, given.weights, say)
        lines, failed = _measured(ROWS, given, session, console)
    console.print(_table(lines, quick=given.quick))
    return 1 if failed else 0


def _measured(
    rows: Mapping[str, Any], given: argparse.Namespace, session: Any, console: Console
) -> tuple[list[tuple[str, Any]], dict[str, str]]:
    """Measure the rows, write the JSON after each, and return the lines, and the errors of rows that failed."""
    from bench_process import MeasurementError

    lines: list[tuple[str, Any]] = []
    failed: dict[str, str] = {}
    builds = {name: {"folder": str(each.root), "revision": each.revision()} for name, each in session.builds.items()}
    what = {"quick": given.quick, "sizes": asdict(session.sizes), "builds": builds}
    for name in given.only or rows:
        try:
            lines += [(name, line) for line in rows[name](session)]
        except MeasurementError as error:
            failed[name] = str(error)
            console.print(f"{name}: {error}", markup=False, style="red")
        if given.json:
            written = json.dumps(_as_json(lines, failed, what), indent=2, ensure_ascii=False)
            given.json.write_text(f"{written}\n", encoding="utf-8")
    return lines, failed


def _arguments(rows: Iterable[str]) -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = list(rows)
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME", help=f"only these rows: {', '.join(names)}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file after each row")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="the folder above pets/; default: $TLKIT_TEST_DATA")
    parser.add_argument("--against", type=Path, metavar="FOLDER", help="the source of the build to compare with")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="weights of MobileNetV2 0.35, for the small run")
    parser.add_argument("--images", type=int, metavar="N", help="photos of the frozen passes; other rows as many fewer")
    parser.add_argument("--rounds", type=int, metavar="N", help="how often each is measured, in turn; default: 2")
    parser.add_argument("--quick", action="store_true", help="use few small images, to check that every row works")
    given = parser.parse_args()
    given.data = given.data or Path(os.environ.get("TLKIT_TEST_DATA") or ".")
    for folder in ("pets/images", "pets/annotations/trimaps"):
        if not (given.data / folder).is_dir():
            parser.error(
                f"{given.data / folder}: no such folder; name the folder above pets/ with --data or TLKIT_TEST_DATA"
            )
    if given.weights is not None and not given.weights.is_file():
        parser.error(f"{given.weights}: no such file; expected the weights of MobileNetV2 0.35 for --weights")
    given.weights = given.weights and given.weights.resolve()
    for option, number in (("--images", given.images), ("--rounds", given.rounds)):
        if number is not None and number < 1:
            parser.error(f"{option} {number}: expected at least 1")
    if given.json and not given.json.resolve().parent.is_dir():
        parser.error(f"{given.json.resolve().parent}: no such folder; expected an existing folder for --json")
    return parser, given


def _table(lines: list[tuple[str, Any]], *, quick: bool) -> Table:
    machine = _machine()
    versions = ", ".join(f"{name} {each}" for name, each in machine["versions"].items())
    caption = f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_bytes'] / 1e9:.0f} GB; {versions}"
    table = Table(title="quick: these figures mean nothing" if quick else None, caption=caption, show_lines=True)
    for heading in ("row", "what", "goal", "measured", ""):
        table.add_column(heading, overflow="fold")
    for other in ("older build", "Keras"):
        table.add_column(f"over {other}: time, CPU")
    table.add_column("computed from", overflow="fold")
    for name, line in lines:
        goal = "" if line.goal is None else f"{line.goal.sign} {line.goal.value:g}"
        verdict = _verdict(line, quick=quick)
        ratios = ("" if each is None else f"{each[0]:.2f}, {each[1]:.2f}" for each in (line.old, line.keras))
        table.add_row(name, line.what, goal, f"{line.value:.3g}", verdict, *ratios, line.shown)
    return table


def _verdict(line: Any, *, quick: bool) -> str:
    if line.goal is None or quick:
        return ""
    return "passed" if line.goal.met(line.value) else "missed"


def _as_json(lines: list[tuple[str, Any]], failed: dict[str, str], what: dict[str, Any]) -> dict[str, Any]:
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        **what,
        "machine": _machine(),
        "rows": [
            {
                "row": name,
                "what": line.what,
                "goal": None if line.goal is None else f"{line.goal.sign} {line.goal.value:g}",
                "ratio": line.value,
                "verdict": _verdict(line, quick=what["quick"]) or None,
                **{
                    f"over_{other}": None if each is None else {"time": each[0], "cpu": each[1]}
                    for other, each in (("old", line.old), ("keras", line.keras))
                },
                "made_of": line.shown,
                "raw": {key: asdict(each) for key, each in line.raw.items()},
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
        "versions": {name: each for name in PACKAGES if (each := _version(name)) is not None},
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


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
