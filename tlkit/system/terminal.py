"""The console: what is printed can't steer the terminal, and a terminal that fails does not end a run."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import IO, Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from tlkit.system.remote_names import named
from tlkit.system.visible import visible, visible_line, visible_message


class Terminal(Console):
    """A console of rich that takes text as it is: no markup, no emoji codes, no control characters.

    Args:
        stderr: whether to write to standard error.
        quiet: whether to write nothing.
        soft_wrap: whether lines may be longer than the terminal is wide.
    """

    def __init__(self, *, stderr: bool = False, quiet: bool = False, soft_wrap: bool = True) -> None:
        super().__init__(
            stderr=stderr, quiet=quiet, soft_wrap=soft_wrap, markup=False, emoji=False, highlight=False, log_path=False
        )

    @property
    def file(self) -> IO[str]:
        """The stream that is written to; while it fails, what is written is dropped."""
        return _Lenient(super().file, self)  # type: ignore[return-value]

    @file.setter
    def file(self, new: IO[str]) -> None:
        self._file = new

    def print(self, *objects: Any, **settings: Any) -> None:
        """Print like rich's consoles; a string is a message, whose first line alone begins at the margin."""
        shown = [Text(visible_message(named(each))) if isinstance(each, str) else each for each in objects]
        for each in shown:
            if isinstance(each, Table) and each.title is not None:  # rich would fill its line with blanks
                super().print(Text(visible_line(str(each.title)), style="table.title"))
                each.title = None
        super().print(*shown, **settings)

    def render_str(self, text: str, **settings: Any) -> Text:
        """Return a string, such as the cell of a table, as rich prints it; it is one line."""
        return super().render_str(visible_line(text), **settings)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield the parts of what is printed; only rich itself may steer the terminal."""
        for part in super().render(renderable, options):
            yield part if part.control else Segment(visible(part.text), part.style)


class _Lenient:
    """A stream whose errors don't reach the code that prints.

    Args:
        stream: the stream.
        console: the console that becomes quiet when the stream fails.
    """

    def __init__(self, stream: IO[str], console: Console) -> None:
        self._stream = stream
        self._console = console

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError as error:
            self._failed(error)
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            self._failed(error)

    def _failed(self, error: OSError) -> None:
        if not self._console.quiet:
            self._console.quiet = True
            warnings.warn(f"the output can't be written: {error.strerror}; nothing more is printed", stacklevel=2)
