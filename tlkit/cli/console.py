"""Progress bars, tables and files of the verbs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tlkit.errors import DataError

if TYPE_CHECKING:
    from rich.console import Console

    from tlkit.jobs.progress import StageProgress


def messages_console() -> Console:
    """Return the console for messages, which go to standard error."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=True)


def tables_console(width: int | None = None) -> Console:
    """Return the console for tables, which go to standard output.

    Args:
        width: width in characters if the output goes to a file or a pipe; None for rich's default.
    """
    from rich.console import Console

    console = Console(highlight=False)
    if width is not None and not console.is_terminal:
        console.width = width
    return console


@contextmanager
def progress_bars(console: Console) -> Iterator[StageProgress]:
    """Show how far a job is: a bar on a terminal; elsewhere a line when a stage begins and every 30 seconds."""
    from tlkit.system.progress import Reporter

    current = ""
    with Reporter(console) as reporter:

        def show(stage: str, done: int, total: int) -> None:
            nonlocal current
            if stage != current:
                current = stage
                reporter.begin(stage, total)
                if not console.is_terminal:
                    reporter.say(f"{stage}: {total:,} images")
            reporter.at(done, total, stage)

        yield show


@contextmanager
def writing(file: Path) -> Iterator[None]:
    """Create the folder of a file that is about to be written; explain a failure.

    Raises:
        DataError: the file can't be written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise DataError(f"{file}: can't be written: {error.strerror}") from error
