"""How long the command line takes to start."""

from __future__ import annotations

from bench_line import Goal, Line
from bench_session import Session

COMMANDS = {"--help": (("--help",), 2.0), "validate": (("validate", "pets_seg"), 5.0)}
"""What is shown of a command → its arguments, its goal."""


def start(session: Session) -> list[Line]:
    """Compare commands that need no TensorFlow with ``import click``, in turn."""
    lines = []
    for shown, (arguments, goal) in COMMANDS.items():
        best = session.in_turn(
            session.sizes.starts,
            **session.of_each_build(lambda build, arguments=arguments: session.tlkit(build, *arguments)),  # type: ignore[misc]
            click=lambda: session.python("-c", "import click"),
        )
        ours, click = best["new"], best["click"]
        lines.append(
            Line(
                f"tlkit {shown}: over python -c 'import click'",
                ours.wall / click.wall,
                Goal("≤", goal),
                f"{ours.wall:.3f} s, {click.wall:.3f} s",
                old=ours.over(best["old"]) if "old" in best else None,
                raw=best,
            )
        )
    return lines
