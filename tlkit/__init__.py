"""tlkit: transfer learning from a recipe. This module is the public API; importing it imports nothing heavy.

The public names are listed once, in the stub ``__init__.pyi``: type checkers read it, and ``__getattr__`` imports a
name from the module given there when the name is first used (Scientific Python SPEC 1, "lazy loading").
"""

# Without "from __future__ import annotations": it would be imported from the current folder, as everything before this.
import sys

if getattr(sys, "argv", [])[:1] == ["-m"] and "tlkit" in sys.orig_argv:  # python -m tlkit
    from tlkit.system.import_path import leave_out_current_folder

    leave_out_current_folder()

from importlib import import_module
from pathlib import Path
from typing import Any

__version__ = "0.2.0"


def _read_stub() -> dict[str, str]:
    """Return every public name with the module that defines it, as the import lines of the stub say."""
    lines = Path(__file__).with_suffix(".pyi").read_text(encoding="utf-8").splitlines()
    imports = [line.split() for line in lines if line.startswith("from ")]  # from MODULE import NAME as NAME
    return {parts[-1]: parts[1] for parts in imports}


_DEFINED_IN = _read_stub()
__all__ = sorted(_DEFINED_IN)


def __getattr__(name: str) -> Any:
    if name not in _DEFINED_IN:
        raise AttributeError(f"module 'tlkit' has no attribute {name!r}")
    module = _DEFINED_IN[name]
    value = import_module(f"tlkit.{name}") if module == "tlkit" else getattr(import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
