"""A folder in which the commands and examples of the documentation work."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from doc_bench import RECIPE, save_image
from doc_blocks import ROOT
from PIL import Image

import tlkit


@pytest.fixture(scope="session")
def _bench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bench")
    random = np.random.default_rng(0)
    for number, label in enumerate(("cat", "dog")):
        (folder / "photos" / label).mkdir(parents=True)
        for index in range(12):
            pixels = random.integers(0, 60, (40, 48, 3))
            pixels[..., number] += 150
            Image.fromarray(pixels.astype(np.uint8)).save(folder / "photos" / label / f"{index:02d}.png")
    (folder / "photos.toml").write_text(RECIPE, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        tlkit.run("photos.toml", out="runs/photos-1", quiet=True)
    shutil.copytree(folder / "runs" / "photos-1", folder / "runs" / "photos-2")
    shutil.copytree(folder / "photos", folder / "other_photos")
    shutil.copytree(folder / "photos" / "cat", folder / "new_photos")
    save_image(folder / "a.jpg", 1)
    save_image(folder / "b.png", 2)
    images = random.integers(0, 256, (24, 32, 32, 3), dtype=np.uint8)
    np.savez(folder / "arrays.npz", images=images, labels=np.array(["cat", "dog"] * 12))
    shutil.copytree(ROOT / "recipes", folder / "recipes")
    return folder


@pytest.fixture
def bench(_bench: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with images, a recipe and a finished run, as the pages assume them; it is the current folder.

    It has its own cache.
    """
    folder = tmp_path / "bench"
    shutil.copytree(_bench, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("TLKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("TLKIT_PLUGINS", raising=False)
    return folder
