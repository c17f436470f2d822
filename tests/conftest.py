"""Fixtures that all tests share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import numpy as np
import pytest
from PIL import Image

from tlkit.discovery import make_registry
from tlkit.registry import Registry


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Features are kept for the length of the tests, and not in the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TLKIT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def registry() -> Registry:
    """The installed plugins."""
    made = make_registry(environ={})
    assert made.failures == []
    return made


@pytest.fixture
def real_data() -> Path:
    """The folder of real images and weights; the test is skipped without it."""
    folder = os.environ.get("TLKIT_TEST_DATA")
    if not folder:
        pytest.skip("TLKIT_TEST_DATA names no folder")
    return Path(folder)


@pytest.fixture
def class_folders(tmp_path: Path) -> Callable[..., Path]:
    """Makes a folder of class folders whose images are told apart by their colour."""

    def make(classes: dict[str, int], *, size: tuple[int, int] = (40, 32), name: str = "photos") -> Path:
        root = tmp_path / name
        random = np.random.default_rng(0)
        for number, (label, count) in enumerate(classes.items()):
            (root / label).mkdir(parents=True)
            for index in range(count):
                pixels = random.integers(0, 60, (size[1], size[0], 3))
                pixels[..., number % 3] += 150 + 20 * (number // 3)
                Image.fromarray(pixels.astype(np.uint8)).save(root / label / f"{index:03d}.png")
        return root

    return make
