"""``python -m tlkit``: the command line, where no script is on the path."""

from tlkit.cli import main

main()
