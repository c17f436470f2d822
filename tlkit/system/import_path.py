"""Where a process of tlkit's own imports from: not from the folder that it happens to be started in.

``python -m`` and an empty part of ``PYTHONPATH`` put the current folder on the import path. It may be a data set that
someone else made, and a ``csv.py`` in it would be imported instead of Python's. This module imports only modules that
Python itself has imported before.
"""

import os
import sys


def leave_out_current_folder() -> None:
    """Remove the current folder from the import path, unless ``PYTHONPATH`` names it or tlkit itself is in it."""
    path = [part for part in sys.path if part]
    try:
        current = os.path.realpath(os.getcwd())
    except OSError:  # it was deleted
        sys.path[:] = path
        return
    named = [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]
    package = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))
    if current not in map(os.path.realpath, (*named, package)):
        path = [part for part in path if os.path.realpath(part) != current]
    sys.path[:] = path


def import_path() -> list[str]:
    """Return the folders that this process imports from, absolute, for its children."""
    return [part if os.path.isabs(part) else os.path.abspath(part) for part in sys.path if part]
