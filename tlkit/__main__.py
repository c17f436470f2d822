"""``python -m tlkit``, and the command ``tlkit`` itself."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; Ctrl-C while it is still being imported ends it without a traceback, too."""
    try:
        from tlkit.cli import main as command_line

        command_line()
    except KeyboardInterrupt:
        sys.stderr.write("\nStopped by Ctrl-C.\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
