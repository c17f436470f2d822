"""The rows of the table: which measurements each needs, and what is divided by what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

from bench_check import check
from bench_line import Goal, Line
from bench_scale import growth, memory, overhead
from bench_session import LAST_BLOCK, Session
from bench_trust import trust

DECODER = {"name": "unet", "filters": [128, 96, 64, 32], "output_stride": 2}
"""As in the shipped recipe pets_seg."""


def frozen(session: Session, backbone: str, goal: float) -> list[Line]:
    """Compare the training part of a frozen run with a bare pass."""
    sizes = session.sizes
    ours, bare = _frozen(session, backbone), _bare(session, backbone)
    return [
        Line(
            f"frozen head, {sizes.epochs} epochs, {sizes.images} JPEGs, {backbone}: over a bare pass",
            ours["training_seconds"] / bare["seconds"],
            Goal("≤", goal),
            shown=f"{ours['training_seconds']:.1f} s, bare {bare['seconds']:.1f} s",
            raw={"tlkit": ours, "bare": bare},
        )
    ]


def idiom(session: Session, backbone: str) -> list[Line]:
    """Compare the same run with Keras's guide."""
    ours, keras = _frozen(session, backbone), _keras(session, backbone)
    seconds = ours["training_seconds"]
    return [
        Line(
            f"the same, {backbone}: times faster than the Keras idiom{what}",
            keras[key] / seconds,
            goal,
            shown=f"{seconds:.1f} s, Keras {keras[key]:.0f} s",
            raw={"tlkit": ours, "keras": keras},
        )
        for what, key, goal in (
            ("", "seconds", Goal("≥", 8)),
            (" with decoded images in memory", "cached_seconds", None),
        )
    ]


def second_head(session: Session) -> list[Line]:
    """Compare a second run, with another head on the same images, with Keras's guide.

    The guide's head is the measure: compared with the backbone, a hidden layer on pooled features costs nothing.
    """
    before, keras = _frozen(session, "ResNet50"), _keras(session, "ResNet50")
    recipe = session.photo_recipe(session.sizes.images, head={"name": "mlp"})
    ours = session.measure(
        "bench_tlkit.run", cache=_cache(session, "ResNet50"), recipe=recipe, out=session.new_folder("run")
    )
    return [
        Line(
            "second run, another head on the same data, ResNet50: times faster than the Keras idiom",
            keras["seconds"] / ours["training_seconds"],
            Goal("≥", 30),
            shown=f"{ours['training_seconds']:.1f} s, Keras {keras['seconds']:.0f} s",
            raw={"tlkit": ours, "tlkit_first_run": before, "keras": keras},
        )
    ]


def finetune(session: Session) -> list[Line]:
    """Compare the training of ResNet50 from conv5 on with Keras's guide."""
    sizes = session.sizes
    schedule = {"name": "benchmark_from_block", "epochs": sizes.epochs, "block": "conv5"}
    recipe = session.photo_recipe(sizes.finetuned, schedule=schedule, train={"cache": "on"})
    ours = session.measure("bench_tlkit.run", recipe=recipe, out=session.new_folder("run"), plugins=[str(LAST_BLOCK)])
    keras = session.measure(
        "bench_keras.finetune",
        backbone="ResNet50",
        block="conv5",
        folder=session.photos(sizes.finetuned),
        side=sizes.side,
        batch=sizes.batch,
        epochs=sizes.epochs,
    )
    raw = {"tlkit": ours, "keras": keras}
    what = f"fine-tuning from conv5, {sizes.finetuned} images, ResNet50"
    later, theirs = median(ours["epoch_seconds"][1:]), keras["later_seconds"]
    mean, their_mean = (seconds / sizes.epochs for seconds in (ours["train_seconds"], keras["seconds"]))
    return [
        Line(
            f"{what}: an epoch over Keras's, medians of all but the first",
            later / theirs,
            Goal("≤", 0.6),
            shown=f"{later:.1f} s, Keras {theirs:.1f} s",
            raw=raw,
        ),
        Line(
            f"{what}: mean of {sizes.epochs} epochs, including the one pass, over Keras's",
            mean / their_mean,
            shown=f"{mean:.1f} s, Keras {their_mean:.1f} s",
            raw=raw,
        ),
    ]


def unet(session: Session) -> list[Line]:
    """Compare a U-Net head on a frozen ResNet50 with ``fit``."""
    sizes = session.sizes
    images, masks = session.photos_with_masks(sizes.masks)
    values = {"1": "pet", "2": "background", "3": "border"}
    recipe = session.recipe(
        {"name": "masks", "images": images, "masks": masks, "values": values},
        head=DECODER,
        input={"batch_size": sizes.segmentation_batch},
    )
    ours = session.measure("bench_tlkit.run", recipe=recipe, out=session.new_folder("run"))
    keras = session.measure("bench_keras.segment", recipe=recipe, epochs=sizes.epochs)
    raw = {"tlkit": ours, "keras": keras}
    share = keras["decoder_share"]
    return [
        Line(
            f"U-Net head, {sizes.epochs} epochs, {sizes.masks} images, ResNet50: times faster than Keras",
            keras["seconds"] / ours["training_seconds"],
            Goal("≥", 1.5),
            shown=f"{ours['training_seconds']:.1f} s, Keras {keras['seconds']:.0f} s",
            raw=raw,
        ),
        Line(
            f"the decoder's own share of Keras's epoch, which limits it to {1 / share:.1f} times",
            share,
            shown=f"{keras['decoder_epoch_seconds']:.1f} s of {keras['later_seconds']:.1f} s",
            raw=raw,
        ),
    ]


def predict(session: Session) -> list[Line]:
    """Compare the images per second of ``tlkit predict`` with those of a bare pass."""
    sizes = session.sizes
    run = session.new_folder("run")
    recipe = session.photo_recipe(
        min(sizes.images, 200), schedule={"name": "frozen", "epochs": 1}, input={"validation": 0.2}
    )
    session.measure("bench_tlkit.run", recipe=recipe, out=run, whole=True)
    ours = session.measure("bench_tlkit.predict", run=run, folder=session.photos(sizes.images), batch=sizes.batch)
    bare = _bare(session, "ResNet50")
    speed, bare_speed = ours["images"] / ours["seconds"], sizes.images / bare["seconds"]
    return [
        Line(
            f"images per second of tlkit predict, {sizes.images} JPEGs, ResNet50: over the bare forward pass",
            speed / bare_speed,
            Goal("≥", 0.9),
            shown=f"{speed:.1f}/s, bare {bare_speed:.1f}/s",
            raw={"tlkit": ours, "bare": bare},
        )
    ]


ROWS: Mapping[str, Callable[[Session], list[Line]]] = {
    "frozen-resnet50": lambda session: frozen(session, "ResNet50", 1.25),
    "frozen-efficientnetb0": lambda session: frozen(session, "EfficientNetB0", 1.5),
    "idiom-resnet50": lambda session: idiom(session, "ResNet50"),
    "idiom-efficientnetb0": lambda session: idiom(session, "EfficientNetB0"),
    "second-head": second_head,
    "finetune": finetune,
    "unet": unet,
    "predict": predict,
    "memory": memory,
    "growth": growth,
    "overhead": overhead,
    "trust": trust,
    "check": check,
}
"""The names that ``--only`` accepts."""


def _cache(session: Session, backbone: str) -> Path:
    return session.work / f"cache-{backbone}"


def _frozen(session: Session, backbone: str) -> dict[str, Any]:
    """The first run, whose features are cached for the second."""

    def measure() -> dict[str, Any]:
        recipe = session.photo_recipe(session.sizes.images, {"name": backbone})
        out = session.new_folder("run")
        return session.measure("bench_tlkit.run", cache=_cache(session, backbone), recipe=recipe, out=out)

    return session.once(f"frozen {backbone}", measure)


def _bare(session: Session, backbone: str) -> dict[str, Any]:
    sizes = session.sizes
    return session.measure(
        "bench_keras.bare", backbone=backbone, side=sizes.side, images=sizes.images, batch=sizes.batch
    )


def _keras(session: Session, backbone: str) -> dict[str, Any]:
    sizes = session.sizes

    def measure() -> dict[str, Any]:
        return session.measure(
            "bench_keras.frozen",
            backbone=backbone,
            folder=session.photos(sizes.images),
            side=sizes.side,
            batch=sizes.batch,
            epochs=sizes.epochs,
        )

    return session.once(f"keras {backbone}", measure)
