"""How much is measured."""

from __future__ import annotations

from dataclasses import dataclass, replace

_LEAST = 64


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Args:
        side: the side of the images in pixels.
        large_side: the side where the backbone is MobileNetV2 or EfficientNetB0.
        small_side: the side for the memory and the checkpoints.
        tiny_side: the side of the many small images.
        epochs: the epochs of most runs.
        batch: images per step.
        segmentation_batch: images per step with the U-Net head.
        images: images of the frozen passes and of ``predict``.
        finetuned: images of the fine-tuning.
        finetuned_epochs: its epochs.
        masks: images of the segmentation.
        whole: images of the small run, whose whole command is measured.
        memory: two numbers of photos whose peak memory is compared.
        many: two numbers of small images whose peak memory is compared.
        folders: the folders that the many small images are in.
        trusted_epochs: epochs of the run whose checks and checkpoints are measured.
        growth: numbers of images whose time per image is compared.
        rounds: how often each measurement is made, in turn with those that it is compared with.
        starts: the same for the measurements of less than a few seconds.
    """

    side: int = 160
    large_side: int = 224
    small_side: int = 96
    tiny_side: int = 32
    epochs: int = 10
    batch: int = 32
    segmentation_batch: int = 16
    images: int = 2000
    finetuned: int = 500
    finetuned_epochs: int = 5
    masks: int = 400
    whole: int = 400
    memory: tuple[int, int] = (2000, 20_000)
    many: tuple[int, int] = (10_000, 100_000)
    folders: int = 1000
    trusted_epochs: int = 6
    growth: tuple[int, ...] = (2000, 4000, 8000)
    rounds: int = 2
    starts: int = 10

    def scaled(self, images: int) -> Sizes:
        """Return sizes for fewer images: the frozen passes have ``images``, and the other rows as many times fewer.

        The small run keeps its 400 photos, since its row is about what a few hundred photos take.
        """
        share = images / self.images

        def scale(number: int) -> int:
            return max(_LEAST, round(number * share))

        return replace(
            self,
            images=scale(self.images),
            finetuned=scale(self.finetuned),
            masks=scale(self.masks),
            memory=(scale(self.memory[0]), scale(self.memory[1])),
            many=(scale(self.many[0]), scale(self.many[1])),
            folders=max(10, round(self.folders * share)),
            growth=tuple(map(scale, self.growth)),
        )


QUICK = Sizes(
    side=64,
    large_side=64,
    small_side=64,
    epochs=2,
    batch=16,
    segmentation_batch=8,
    images=48,
    finetuned=32,
    finetuned_epochs=2,
    masks=32,
    whole=48,
    memory=(48, 96),
    many=(200, 400),
    folders=10,
    trusted_epochs=2,
    growth=(48, 96),
    rounds=1,
    starts=1,
)
"""Sizes that check that every path works; the figures mean nothing."""
