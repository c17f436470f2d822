"""``profile.csv`` of a run folder: where the time of each command that worked on the run went."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from tlkit.errors import RunError
from tlkit.runs.history import write_rows
from tlkit.runs.reading import MAX_SHORT_TABLE_BYTES, read_run_table
from tlkit.system.stages import OTHER, StageTime

_COLUMNS = ("command", "stage", "wall_seconds", "cpu_seconds", "images", "images_per_second", "share")
_MAX_ROWS = 10_000

Command = Sequence[StageTime]
"""The stages of one command."""


class Profile:
    """The file ``profile.csv``, and the command that writes to it.

    Args:
        path: the path of the file; the commands that it has already stay in it, unless it is damaged.

    Attributes:
        damage: what is wrong with the file, which is begun anew; empty if nothing is.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._earlier, self.damage = intact_profile(path)

    def write(self, times: Command) -> None:
        """Write the file with the stages of this command; an earlier text of its own is replaced.

        Raises:
            NoRoomError: the disk is full.
        """
        rows = [list(_COLUMNS)]
        for number, command in enumerate([*self._earlier, times], 1):
            rows += [[str(number), *row] for row in profile_rows(command)]
        write_rows(self._path, rows)


def profile_rows(times: Command) -> list[list[str]]:
    """Return a row per stage: name, wall seconds, CPU seconds, images, images per second, share of the wall time."""
    total = sum(each.wall for each in times) or 1.0
    return [
        [
            each.name,
            f"{each.wall:.3f}",
            f"{each.cpu:.3f}",
            str(each.images) if each.images else "",
            f"{each.images / each.wall:.1f}" if each.images and each.wall else "",
            f"{each.wall / total:.4f}",
        ]
        for each in times
    ]


def read_profile(path: Path) -> list[list[StageTime]]:
    """Read the stages of each command.

    Raises:
        RunError: the file is damaged.
        OSError: the file can't be read.
    """
    commands: dict[str, list[StageTime]] = {}
    rows = read_run_table(path, MAX_SHORT_TABLE_BYTES)
    if len(rows) > _MAX_ROWS:
        raise RunError(f"{path}: has {len(rows)} rows; expected at most {_MAX_ROWS}; tlkit did not write this file")
    try:
        for row in rows:
            images = int(row["images"] or 0)
            time = StageTime(row["stage"], float(row["wall_seconds"]), float(row["cpu_seconds"]), images)
            if not math.isfinite(time.wall + time.cpu) or min(time.wall, time.cpu, images) < 0:
                raise ValueError("expected numbers of at least 0")
            commands.setdefault(row["command"], []).append(time)
    except (KeyError, ValueError) as error:
        raise RunError(f"{path}: not a profile ({error}); the file is damaged") from error
    return list(commands.values())


def intact_profile(path: Path) -> tuple[list[list[StageTime]], str]:
    """Read the stages of each command, and say what is wrong with the file instead of raising an error.

    No result depends on it.

    Returns:
        The stages, none of a file that is missing or damaged; and what is wrong, or an empty text.
    """
    try:
        return (read_profile(path) if path.is_file() else []), ""
    except RunError as error:
        return [], str(error)
    except OSError as error:
        return [], f"{path}: can't be read: {error.strerror}"


def added_up(commands: Iterable[Command]) -> list[StageTime]:
    """Return the stages of several commands as one list, each with the sum of its times."""
    sums: dict[str, StageTime] = {}
    for time in (each for command in commands for each in command):
        total = sums.setdefault(time.name, StageTime(time.name))
        total.wall, total.cpu = total.wall + time.wall, total.cpu + time.cpu
        total.images += time.images
    return sorted(sums.values(), key=lambda each: each.name == OTHER)


def profile_text(times: Command) -> str:
    """Return the stages as a table to print."""
    width = max([30, *(len(each.name) + 1 for each in times)])
    # The lines below the first are indented by two more when they are printed.
    lines = [f"{'Where the time went':<{width + 2}}{'wall s':>9}{'CPU s':>9}{'share':>8}{'images':>9}{'images/s':>10}"]
    for name, wall, cpu, images, speed, share in profile_rows(times):
        numbers = f"{float(wall):9.1f}{float(cpu):9.1f}{float(share):8.1%}{images:>9}{speed:>10}"
        lines.append(f"{name:<{width}}{numbers}".rstrip())
    wall_seconds, cpu_seconds = sum(each.wall for each in times), sum(each.cpu for each in times)
    lines.append(f"{'all':<{width}}{wall_seconds:9.1f}{cpu_seconds:9.1f}")
    return "\n".join(lines)
