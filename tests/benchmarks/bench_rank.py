"""What ``tlkit rank`` costs, compared with a bare pass of each backbone."""

from __future__ import annotations

from functools import partial

from bench_line import Goal, Line
from bench_process import Figures
from bench_session import Session

BACKBONES = ("MobileNetV2", "EfficientNetB0", "ResNet50")


def rank(session: Session) -> list[Line]:
    """Compare the whole command, the start of TensorFlow and decoding included, with bare passes of the backbones."""
    sizes = session.sizes
    side, images = sizes.large_side, sizes.images
    recipe = session.photo_recipe(images, input={"image_size": side})
    named = ",".join(f"{name}:weights=none" for name in BACKBONES)

    def command() -> Figures:
        out = f"{session.new_folder('rank')}.png"
        arguments = ("--backbones", named, "--sample", str(images), "--out", out)
        return session.tlkit(session.builds["new"], "rank", recipe, *arguments)

    def bare(name: str) -> Figures:
        return session.measure("bench_keras.bare", backbone=name, side=side, images=images)

    passes = {f"bare-{name}": partial(bare, name) for name in BACKBONES}
    best = session.in_turn(1, new=command, **passes)
    ours, theirs = best["new"], sum(best[name].wall for name in passes)
    return [
        Line(
            f"tlkit rank, {images} JPEGs at {side}, {', '.join(BACKBONES)}, the whole command: over bare passes",
            ours.wall / theirs,
            Goal("≤", 1.2),
            f"{ours.wall:.1f} s, bare {theirs:.1f} s",
            raw=best,
        )
    ]
