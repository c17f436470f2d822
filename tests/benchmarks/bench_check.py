"""What ``tlkit check`` costs, compared with decoding the same files."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench_line import Goal, Line
from bench_session import Session

_ROUNDS = 3


def run(recipe: str) -> dict[str, Any]:
    """Check the files of a recipe, and decode them, in turn; nothing is cached.

    Returns:
        ``check`` and ``decode``: the least of the rounds, in seconds of the processor; ``wall`` and ``cpu`` of all.
    """
    from tlkit.contracts import DatasetContext
    from tlkit.data.checks.check import check_samples
    from tlkit.data.checks.facts_cache import FactsCache
    from tlkit.data.checks.policy import CheckSettings
    from tlkit.data.images.source import image_of, mask_of
    from tlkit.recipe.load import load_recipe
    from tlkit.registry.discovery import make_registry
    from tlkit.system.parallel import in_threads

    checked = load_recipe(Path(recipe), make_registry(environ={}))
    samples = checked.data.record.open(DatasetContext(checked.task, checked.seed), checked.data.options)
    settings = CheckSettings(checked.input, checked.check, checked.task, checked.seed, 2)
    size = checked.input.image_size

    def decode(sample: Any) -> None:
        image, mask = image_of(sample, samples), mask_of(sample, samples)
        image.decode(image.read(), size, "stretch")
        if mask is not None:
            mask.decode(mask.read())

    def decode_all() -> None:
        for _ in in_threads(decode, samples.samples, name="decode", ahead=8):
            pass

    works: dict[str, Callable[[], Any]] = {
        "check": lambda: check_samples("photos", samples, settings, facts_cache=FactsCache(None)),
        "decode": decode_all,
    }
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(_ROUNDS):
        for name, work in works.items():
            began = time.process_time()
            work()
            seconds[name].append(time.process_time() - began)
    everything = sum(map(sum, seconds.values()))
    return {**{name: min(each) for name, each in seconds.items()}, "wall": everything, "cpu": everything}


def check(session: Session) -> list[Line]:
    """Compare a check with decoding, for photos and for photos with masks."""
    lines = []
    images, masks = session.photos_with_masks(session.sizes.masks)
    values = {"1": "pet", "2": "background", "3": "border"}
    pairs = {"name": "masks", "images": images, "masks": masks, "values": values}
    recipes = {
        "photos": session.photo_recipe(session.sizes.images),
        "photos with masks": session.recipe(pairs, head={"name": "linear_seg"}),
    }
    for name, recipe in recipes.items():
        measured = session.measure("bench_check.run", recipe=recipe)
        ours = measured.more
        lines.append(
            Line(
                f"{name}: tlkit check over decoding",
                ours["check"] / ours["decode"],
                Goal("≤", 1.0),
                shown=f"{ours['check']:.1f} s and {ours['decode']:.1f} s of the processor",
                raw={"new": measured},
            )
        )
    return lines
