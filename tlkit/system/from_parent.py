"""The environment variables by which a process of tlkit tells those that it starts what they can't know."""

from __future__ import annotations

STOP_AT_END_OF_INPUT = "TLKIT_STOP_AT_END_OF_INPUT"
"""End when the parent does: the other end of the process's standard input is then closed by the system, even if the
parent was ended by SIGKILL."""
ALLOWED_BY_PARENT = "TLKIT_ALLOWED_BY_PARENT"
"""The digests of the plugin files that the parent has loaded, and that the process may load too."""
