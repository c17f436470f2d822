"""What it costs that a run can be trusted: files checked, bytes hashed, weights proved, checkpoints written."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock
from typing import Any

from bench_line import Goal, Line
from bench_session import Session

HOUR = 3600.0


def run(recipe: str, out: str) -> dict[str, Any]:
    """``tlkit run`` with a clock at each of these works.

    Returns:
        ``seconds`` of the run, ``parts`` (of each work, its seconds; those of several threads are added up and divided
        by their number) and ``checkpoint_bytes`` (of the largest).
    """
    import os

    import tlkit.data.prepare as prepare
    import tlkit.data.store.decoding as decoding
    import tlkit.models.freeze as freeze
    import tlkit.train.frozen_part as frozen_part
    import tlkit.train.ledger as ledger
    import tlkit.train.phase_run as phase_run
    from tlkit.cli import main
    from tlkit.models import saving
    from tlkit.train.checkpoint import Checkpoints

    parts: dict[str, float] = {}
    lock = Lock()

    def timed(owner: Any, name: str, part: str, threads: int = 1) -> None:
        original: Callable[..., Any] = getattr(owner, name)

        def clocked(*arguments: Any, **options: Any) -> Any:
            began = time.perf_counter()
            try:
                return original(*arguments, **options)
            finally:
                with lock:
                    parts[part] = parts.get(part, 0.0) + (time.perf_counter() - began) / threads

        setattr(owner, name, clocked)

    timed(prepare, "check_samples", "checking files")
    timed(decoding, "_digest", "hashing files", threads=max(2, os.cpu_count() or 2))
    for module in (freeze, frozen_part, ledger, phase_run):
        timed(module, "digests", "hashing weights")
    timed(saving, "save_model", "reading the model again and comparing")
    timed(phase_run.PhaseRun, "_save", "checkpoints")

    sizes: list[int] = []
    write = Checkpoints.write

    def sized(self: Checkpoints, state: Any, arrays: Any) -> None:
        write(self, state, arrays)
        sizes.append(sum(array.nbytes for array in arrays.values()))

    Checkpoints.write = sized  # type: ignore[method-assign]
    began = time.perf_counter()
    try:
        main(["run", recipe, "--out", out])
    except SystemExit as end:
        if end.code:
            raise
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "parts": parts, "checkpoint_bytes": max(sizes)}


def trust(session: Session) -> list[Line]:
    """All of ResNet50 trained, whose checkpoints are large, with the recipe's own settings."""
    sizes = session.sizes
    recipe = session.recipe(
        {"name": "folder", "path": session.photos(sizes.images)},
        {"name": "ResNet50"},
        head={"name": "linear"},
        schedule={"name": "full", "epochs": sizes.trusted_epochs},
        side=sizes.small_side,
        batch=sizes.batch,
        validation=0.2,
    )
    ours = session.measure("bench_trust.run", recipe=recipe, out=session.new_folder("run"))
    parts = dict(ours["parts"])
    again_and_again = parts.pop("checkpoints") / ours["seconds"]
    once = sum(parts.values())
    shown = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in parts.items())
    return [
        Line(
            "checking, hashing and checkpoints: share of a run of an hour",
            again_and_again + once / HOUR,
            Goal("≤", 0.03),
            shown=f"{shown}; checkpoints of {ours['checkpoint_bytes'] / 1e6:.0f} MB {again_and_again:.1%} of the "
            f"{ours['seconds']:.0f} s measured",
            raw={"tlkit": ours},
        )
    ]
