"""How many images go through a network at a time."""

from __future__ import annotations

import keras
import pytest

from tlkit.models.inference import images_at_once


def network(side: int, channels: int) -> keras.Model:
    images = keras.Input((side, side, 3))
    x = keras.layers.Conv2D(channels, 1)(images)
    return keras.Model(images, keras.layers.GlobalAveragePooling2D()(x))


@pytest.mark.parametrize(
    ("side", "channels", "expected"),
    [
        (80, 96, 8),  # 2.5 MB each
        (100, 250, 2),  # 10 MB each
        (512, 64, 1),  # 67 MB each: one at a time, never none
    ],
)
def test_the_largest_feature_map_limits_how_many_images_go_at_once(side, channels, expected):
    assert images_at_once(network(side, channels)) == expected


def test_a_small_network_gets_many_images_at_once():
    assert images_at_once(network(8, 4)) >= 4096
