"""Run the command line as ``python -m tlkit``; also the entry point of the command ``tlkit``."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; Ctrl-C during its import ends it without a traceback as well."""
    try:
        from tlkit.cli import main as command_line

        command_line()
    except KeyboardInterrupt:
        sys.stderr.write("\nStopped by Ctrl-C.\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
