"""The rows of the table: which measurements each needs, and what is divided by what."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from statistics import median

from bench_builds import Build
from bench_check import check
from bench_cluster import cluster
from bench_line import Goal, Line
from bench_predict import photo, predict
from bench_process import Figures
from bench_rank import rank
from bench_scale import growth, many, memory
from bench_serve import serve
from bench_session import PLUGIN, Session, epoch_seconds
from bench_small import beside_training, ratios, small
from bench_start import start
from bench_trust import trust

DECODER = {"name": "unet", "filters": [128, 96, 64, 32], "output_stride": 2}
"""As in the shipped recipe pets_seg."""


def frozen(session: Session, backbone: str, side: int, goal: float) -> list[Line]:
    """Compare the training part of a frozen run, from the first decode to the end of the last epoch, with a bare pass.

    The part is what the run costs more than the same run with its images and features cached, and the latter's epochs.
    """
    sizes = session.sizes
    recipe = session.photo_recipe(
        sizes.images, {"name": backbone, "weights": "none"}, input={"image_size": side}, train={"cache": "on"}
    )

    best = session.in_turn(
        sizes.rounds,
        **session.of_each_build(lambda build: _training_part(session, build, recipe, recipe)),
        bare=lambda: session.measure("bench_keras.bare", backbone=backbone, side=side, images=sizes.images),
    )
    ours, bare = best["new"], best["bare"]
    return [
        Line(
            f"frozen head, {sizes.epochs} epochs, {sizes.images} JPEGs, {backbone} at {side}: over a bare pass",
            ours.wall / bare.wall,
            Goal("≤", goal),
            f"{ours.wall:.1f} s, bare {bare.wall:.1f} s",
            raw=best,
            **ratios(best, "bare"),
        )
    ]


def _training_part(session: Session, build: Build, recipe: str, again: str) -> Figures:
    """Return what a run costs more than one with its images and features cached, and the latter's epochs.

    Args:
        session: the session.
        build: the build that runs.
        recipe: the recipe of the first run.
        again: the recipe of the second, which finds everything cached.
    """
    with session.cache() as cache:
        first = session.run(build, recipe, cache)
        return first - beside_training(session.run(build, again, cache))


def finetune(session: Session) -> list[Line]:
    """Compare the training of ResNet50 from conv5 on with Keras's guide."""
    sizes = session.sizes
    epochs = sizes.finetuned_epochs
    schedule = {"name": "benchmark_from_block", "epochs": epochs, "block": "conv5"}
    recipe = session.photo_recipe(sizes.finetuned, schedule=schedule, train={"cache": "on"})

    def epoch(build: Build) -> Figures:
        clock, out = session.new_folder("clock"), session.new_folder("run")
        whole = session.tlkit(build, "--plugin", str(PLUGIN), "run", recipe, "--out", out, TLKIT_BENCHMARK_CLOCK=clock)
        cpu = json.loads(Path(clock).read_text(encoding="utf-8"))
        wall = epoch_seconds(out)
        return Figures(median(wall[1:]), median(cpu[1:]), whole.memory, {"epochs": wall, "epochs_cpu": cpu})

    def keras() -> Figures:
        measured = session.measure(
            "bench_keras.finetune",
            backbone="ResNet50",
            block="conv5",
            folder=session.photos(sizes.finetuned),
            side=sizes.side,
            batch=sizes.batch,
            epochs=epochs,
        )
        return replace(measured, wall=measured.more["later"], cpu=median(measured.more["epochs_cpu"][1:]))

    best = session.in_turn(1, **session.of_each_build(epoch), keras=keras)
    ours, theirs = best["new"], best["keras"]
    return [
        Line(
            f"fine-tuning from conv5, {sizes.finetuned} images, ResNet50: an epoch over Keras's, medians of all but "
            "the first",
            ours.wall / theirs.wall,
            Goal("≤", 0.28),
            f"{ours.wall:.1f} s, Keras {theirs.wall:.1f} s",
            raw=best,
            **ratios(best),
        )
    ]


def unet(session: Session) -> list[Line]:
    """Compare a U-Net head on a frozen ResNet50 with ``fit``; the part is that of ``frozen``."""
    sizes = session.sizes
    images, masks = session.photos_with_masks(sizes.masks)
    values = {"1": "pet", "2": "background", "3": "border"}
    data = {"name": "masks", "images": images, "masks": masks, "values": values}
    inputs = {"batch_size": sizes.segmentation_batch}
    recipe, once = (
        session.recipe(
            data,
            input=inputs,
            head=DECODER,
            train={"cache": "on"},
            schedule={"name": "frozen", "epochs": epochs},
        )
        for epochs in (sizes.epochs, 1)
    )

    best = session.in_turn(
        1,
        **session.of_each_build(lambda build: _training_part(session, build, recipe, once)),
        keras=lambda: session.measure("bench_keras.segment", recipe=recipe, epochs=sizes.epochs),
    )
    ours, keras = best["new"], best["keras"]
    share = keras.more["decoder_epoch"] / keras.more["later"]
    return [
        Line(
            f"U-Net head on a frozen ResNet50, {sizes.masks} images, {sizes.epochs} epochs: times faster than Keras",
            keras.wall / ours.wall,
            Goal("≥", 2.2),
            f"{ours.wall:.1f} s, Keras {keras.wall:.1f} s",
            raw=best,
            **ratios(best),
        ),
        Line(
            f"the decoder's own share of Keras's epoch, which limits it to {1 / share:.1f} times",
            share,
            shown=f"{keras.more['decoder_epoch']:.1f} s of {keras.more['later']:.1f} s",
        ),
    ]


ROWS: Mapping[str, Callable[[Session], list[Line]]] = {
    "start": start,
    "small": small,
    "photo": photo,
    "frozen-mobilenetv2": lambda session: frozen(session, "MobileNetV2", session.sizes.large_side, 0.45),
    "frozen-efficientnetb0": lambda session: frozen(session, "EfficientNetB0", session.sizes.large_side, 0.55),
    "frozen-resnet50": lambda session: frozen(session, "ResNet50", session.sizes.side, 0.80),
    "predict-mobilenetv2": lambda session: predict(session, "MobileNetV2", session.sizes.large_side, 2),
    "predict-resnet50": lambda session: predict(session, "ResNet50", session.sizes.side, 1.25),
    "finetune": finetune,
    "unet": unet,
    "many": many,
    "memory": memory,
    "growth": growth,
    "trust": trust,
    "check": check,
    "rank": rank,
    "serve": serve,
    "cluster": cluster,
}
"""The names that ``--only`` accepts."""
