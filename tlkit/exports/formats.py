"""Which formats there are, what they need, and of which format a file is."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from tlkit.contracts import Exporter, Quantization
from tlkit.errors import DataError
from tlkit.registry import Registry
from tlkit.runs.folder import RunFolder
from tlkit.system.text import listed


def exporter_named(registry: Registry, name: str) -> Exporter:
    """Return the exporter of a format.

    Raises:
        DataError: there is none of this name, or two.
    """
    names = registry.names(Exporter)
    if name not in names:
        raise DataError(f"format: expected {listed([*names, 'all'])}; received {name!r:.60}")
    return registry.find(Exporter, name)


def check_quantization(exporter: Exporter, quantize: Quantization | None) -> None:
    """Check that a format has a quantization.

    Raises:
        DataError: it has not.
    """
    if quantize is not None and quantize not in exporter.quantizations:
        has = f"has {listed(list(exporter.quantizations))}" if exporter.quantizations else "has none"
        raise DataError(f'quantize: the format "{exporter.name}" {has}; received {quantize!r:.40}')


def what_is_missing(exporter: Exporter, *, writes: bool) -> str:
    """Return which packages a format lacks here and how they are installed; empty if it lacks none.

    Args:
        exporter: the format.
        writes: whether a file is to be written, besides being run.
    """
    needed = dict.fromkeys((*(exporter.writes_with if writes else ()), *exporter.runs_with))
    missing = [each for each in needed if not _is_installed(each)]
    if not missing:
        return ""
    one = len(missing) == 1
    what = f'format "{exporter.name}" needs {listed(missing)}, which {"is" if one else "are"} not installed'
    return f'{what}; pip install "{exporter.extra}" installs {"it" if one else "them"}'


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def check_installed(exporter: Exporter, *, writes: bool) -> None:
    """Check that what a format needs is installed.

    Raises:
        DataError: a package is missing; the message has the line to type.
    """
    if missing := what_is_missing(exporter, writes=writes):
        raise DataError(missing)


def exporter_of_file(registry: Registry, path: Path) -> Exporter:
    """Return the exporter whose format a file or folder has, by its name, or by what is in the folder.

    Raises:
        DataError: there is no such file, no format has such a name, or several have.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file or folder; expected a run folder, or a file that tlkit export wrote")
    records = [record for record, _ in registry.records(Exporter)]
    found = [each for each in records if _fits(each, path)]
    if not found:
        what = "has no model.json: it is not a run folder of tlkit, nor an exported model"
        what = what if path.is_dir() else "is no exported model"
        raise DataError(f"{path}: {what}; expected {_run_beside(path)}, or {_expected(records)}")
    if len(found) > 1:
        raise DataError(f"{path}: the formats {listed([each.name for each in found])} have such names; uninstall one")
    return found[0]


def _fits(exporter: Exporter, path: Path) -> bool:
    if path.is_dir():
        return bool(exporter.member) and (path / exporter.member).is_file()
    return bool(exporter.suffix) and not exporter.member and path.name.lower().endswith(exporter.suffix.lower())


def _run_beside(path: Path) -> str:
    """Return that a run folder is expected; if a file lies in one, which."""
    folder = RunFolder(path.parent if path.is_file() else path.absolute().parent)
    return f"the run folder {folder.path}" if folder.card.is_file() else "a run folder"


def _expected(records: Sequence[Exporter]) -> str:
    files = [f"a file that ends with {each.suffix}" for each in records if not each.member]
    folders = [f"a folder with {each.member}" for each in records if each.member]
    return listed([*files, *folders]) or "one of a format that a plugin offers"
