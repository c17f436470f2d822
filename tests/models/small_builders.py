"""Options with which the builders from scratch make small networks."""

from __future__ import annotations

from typing import Any

SCRATCH: dict[str, dict[str, Any]] = {
    "small_encoder": {"filters": (4, 8)},
    "small_cnn": {"filters": (4, 8)},
    "vgg": {"depth": 11, "filters": (4, 8, 8)},
    "resnet": {"depth": 18, "filters": (8, 16)},
    "resnet_v2": {"depth": 11, "filters": 4},
    "senet": {"depth": 18, "filters": (8, 16), "ratio": 4},
    "xception": {"middle": 1},
    "mini_xception": {"filters": (8, 8)},
    "densenet": {"units": (2, 2), "growth": 4},
    "nasnet": {"penultimate_filters": 96, "repeats": 1, "stem_filters": 8},
    "efficientnet": {"phi": -3.0},
    "alexnet": {"filters": (8, 8, 8, 8, 8)},
    "unet_encoder": {"filters": (4, 8)},
    "strided_encoder": {"filters": (4, 8)},
}
"""Name of a builder → its options."""
