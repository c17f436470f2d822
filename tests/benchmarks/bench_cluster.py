"""What a cluster of this machine's processors costs, and what its workers compute."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench_line import Goal, Line
from bench_process import Figures
from bench_session import Session
from bench_small import recipe_of

_FEW = 8
_WARM = 0.25
"""The share of the images after which a pass is timed: before, its workers start."""


def cluster(session: Session) -> list[Line]:
    """Compare commands with and without ``--cluster local``, and the frozen pass of two workers with one process."""
    sizes, new = session.sizes, session.builds["new"]
    recipe = recipe_of(session, train={"engine": "litert", "cache": "on"})
    run = session.run(new, recipe).more["run"]
    photos = [str(each) for each in sorted(Path(session.photos(sizes.whole)).rglob("*.jpg"))[:_FEW]]
    local = ("--cluster", "local")

    def ran(*options: str) -> Callable[[], Figures]:
        return lambda: session.tlkit(new, "run", recipe, "--out", session.new_folder("run"), *options)

    best = session.in_turn(
        sizes.rounds,
        predict=lambda: session.tlkit(new, "predict", run, *photos),
        predict_spread=lambda: session.tlkit(new, "predict", run, *photos, *local),
        run=ran(),
        run_spread=ran(*local),
    )
    lines = []
    for name, what in (("predict", f"tlkit predict of {_FEW} photos"), ("run", f"a small run, {sizes.whole} photos")):
        alone, spread = best[name].wall, best[f"{name}_spread"].wall
        shown = f"{spread:.1f} s, without {alone:.1f} s"
        lines.append(
            Line(f"seconds that --cluster local adds to {what}", spread - alone, Goal("≤", 15), shown, raw=best)
        )
    asked = {"backbone": "MobileNetV2", "side": sizes.large_side, "images": sizes.images, "rounds": sizes.rounds}
    passes = session.measure("bench_cluster.features", photos=session.photos(sizes.images), **asked)
    alone, spread = passes.more["alone"], passes.more["spread"]
    lines.append(
        Line(
            f"images per second of the frozen pass, {sizes.images} photos, MobileNetV2 at {sizes.large_side}: 2 "
            "workers of one thread over one process of 2",
            spread / alone,
            Goal("≥", 0.9),
            f"{spread:.1f}/s, one process {alone:.1f}/s",
            raw={"pass": passes},
        )
    )
    return lines


def features(backbone: str, side: int, photos: str, images: int, rounds: int) -> dict[str, Any]:
    """Time the filling of the feature cache by this process with two threads, and by two workers of one, in turn.

    Returns:
        also ``alone`` and ``spread``: images per second, the best of the rounds.
    """
    from tlkit.cluster.ray_cluster import ClusterOptions
    from tlkit.train.feature_set import FeatureSet
    from tlkit.train.spread_features import computing_on

    began, cpu = time.monotonic(), time.process_time()
    found: dict[str, list[float]] = {"alone": [], "spread": []}
    with tempfile.TemporaryDirectory() as folder, _frozen(backbone, side, photos, Path(folder)) as (part, feed, rows):
        rows = rows[:images]
        for number in range(rounds):
            for name, options in (("alone", None), ("spread", ClusterOptions("local", workers=2))):
                with computing_on(options, part, print) as compute:
                    pace = _Pace()
                    made = FeatureSet(Path(folder) / f"{name}-{number}", part, feed, rows, None, key="benchmark")
                    made.fill(pace, compute=compute)
                    found[name].append(pace.rate)
    best = {name: max(rates) for name, rates in found.items()}
    return {"wall": time.monotonic() - began, "cpu": time.process_time() - cpu, **best, "rounds": found}


class _Pace:
    """Times a pass by its progress, but for the beginning."""

    def __init__(self) -> None:
        self._first: tuple[float, int] | None = None
        self.rate = 0.0

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if self._first is None and done >= _WARM * total:
            self._first = now, done
        elif self._first is not None and done > self._first[1] and done <= total:
            began, before = self._first
            self.rate = (done - before) / (now - began)


@contextmanager
def _frozen(backbone: str, side: int, photos: str, folder: Path) -> Iterator[tuple[Any, Any, Any]]:
    """Open photos and the frozen part of a network with random weights, on LiteRT."""
    import numpy as np

    from tlkit.data.feed.pipeline import Feed
    from tlkit.jobs import from_recipe
    from tlkit.models.engines import LITERT
    from tlkit.models.freeze import prepare
    from tlkit.recipe.load import read_recipe
    from tlkit.registry.discovery import make_registry
    from tlkit.train.frozen_engine import make_ready
    from tlkit.train.frozen_part import FrozenPart

    tables = {
        "data": {"name": "folder", "path": photos},
        "input": {"image_size": side},
        "backbone": {"name": backbone, "weights": "none"},
        "head": {"name": "linear"},
        "schedule": {"name": "frozen"},
    }
    recipe = read_recipe({"name": "benchmark", "task": "classification", **tables}, make_registry())
    (folder / "images").mkdir()
    data = from_recipe.open_data(recipe, folder / "images")
    network = from_recipe.build_network(recipe, data.classes, data.label_kind)
    part = FrozenPart(prepare(network, from_recipe.plan_phases(recipe, network)[0]).frozen_part)
    part.use(LITERT)
    rows = np.arange(len(data.samples))
    make_ready(part, data.store.images[rows[:2]], print)
    yield part, Feed(data, part.batch_size), rows
