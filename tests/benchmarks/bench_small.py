"""The small run: what someone with a few hundred photos waits for, from the command to the prompt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bench_builds import Build
from bench_line import Goal, Line, Ratios
from bench_process import Figures
from bench_session import KERAS_SCRIPT, Session


def ratios(best: Mapping[str, Figures], keras: str = "keras") -> dict[str, Ratios | None]:
    """Return the ratios of ``new`` over ``old`` and over Keras, as ``Line`` takes them."""
    ours = best["new"]
    return {
        "old": ours.over(best["old"]) if "old" in best else None,
        "keras": ours.over(best[keras]) if keras in best else None,
    }


def beside_training(run: Figures) -> Figures:
    """Return what a run costs without its epochs.

    With cached images and features, an epoch trains a head, with about one thread: its seconds count for both.
    """
    epochs = sum(run.more["epochs"])
    return replace(run, wall=run.wall - epochs, cpu=run.cpu - epochs)


def recipe_of(session: Session, **tables: Any) -> str:
    """Return the recipe of the small run: MobileNetV2 0.35, mirroring, a fifth for validation."""
    sizes = session.sizes
    return session.photo_recipe(
        sizes.whole,
        {"name": "MobileNetV2", "alpha": 0.35, "weights": session.weights},
        input={"image_size": sizes.large_side, "validation": 0.2},
        augment={"name": "flip", "horizontal": True},
        **tables,
    )


def keras_script(session: Session, saved: str) -> Figures:
    """Run the same as a script after Keras's guide, which saves its model as ``saved``."""
    sizes = session.sizes
    numbers = map(str, (sizes.large_side, sizes.batch, sizes.epochs))
    return session.python(str(KERAS_SCRIPT), session.photos(sizes.whole), session.weights, *numbers, saved)


def small(session: Session) -> list[Line]:
    """Compare whole commands, once with an empty cache, and once with another head on cached features."""
    linear, mlp = recipe_of(session), recipe_of(session, head={"name": "mlp"})

    def both(build: Build) -> Figures:
        with session.cache() as cache:
            first = session.run(build, linear, cache)
            second = session.run(build, mlp, cache)
        return replace(first, more={"second": second, "beside": beside_training(second)})

    measured = session.in_turn(
        session.sizes.rounds,
        **session.of_each_build(both),
        keras=lambda: keras_script(session, f"{session.new_folder('model')}.keras"),
    )
    parts = {
        part: {name: each.more.get(part, each) for name, each in measured.items()} for part in ("second", "beside")
    }
    return _lines(session, measured, **parts)


def _lines(
    session: Session, first: Mapping[str, Figures], second: Mapping[str, Figures], beside: Mapping[str, Figures]
) -> list[Line]:
    ours, keras, old = first["new"], first["keras"], first.get("old")
    what = f"whole command, {session.sizes.whole} photos, MobileNetV2 0.35, {session.sizes.epochs} epochs"
    lines = [
        Line(
            f"{what}: over the Keras script",
            ours.wall / keras.wall,
            Goal("≤", 0.20),
            f"{ours.wall:.1f} s ({ours.cpu:.1f} s of the processor), Keras {keras.wall:.1f} s ({keras.cpu:.1f} s)",
            raw=first,
            **ratios(first),
        ),
        Line(
            "the same with another head, images and features cached: over the Keras script",
            second["new"].wall / keras.wall,
            Goal("≤", 0.10),
            f"{second['new'].wall:.1f} s ({second['new'].cpu:.1f} s of the processor)",
            raw=second,
            **ratios(second),
        ),
        Line(
            "its peak memory over the Keras script's",
            ours.memory / keras.memory,
            Goal("≤", 0.75),
            f"{ours.memory / 1e6:.0f} MB, Keras {keras.memory / 1e6:.0f} MB",
        ),
    ]
    if old is None:
        return lines
    wall, cpu = ours.over(old)
    rest, rest_cpu = beside["new"].over(beside["old"])
    return [
        *lines,
        Line(f"{what}: over the older build", wall, Goal("≤", 0.45), f"{ours.wall:.1f} s, {old.wall:.1f} s"),
        Line("the same, seconds of the processor", cpu, Goal("≤", 0.45), f"{ours.cpu:.1f} s, {old.cpu:.1f} s"),
        Line(
            "what is not training, images or features in it: over the older build",
            rest,
            Goal("≤", 0.4),
            f"{beside['new'].wall:.1f} s, {beside['old'].wall:.1f} s",
            old=(rest, rest_cpu),
            raw=beside,
        ),
    ]
