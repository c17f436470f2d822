"""Where a model that was trained to find digits looks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import tlkit
from tlkit.jobs.explain import open_explainer
from tlkit.jobs.measured_data import own_data
from tlkit.registry.discovery import make_registry
from tlkit.runs.folder import RunFolder

_IMAGES = 24


def shares_on_digits(run: Path, folder: Path) -> dict[str, float]:
    """Return how many times their share of the area the digits' share of each map is, on validation images."""
    data = own_data(RunFolder(run), make_registry()).decode(folder, lambda *_: None)
    rows = data.indices("validation")[:_IMAGES]
    explainer = open_explainer(run, class_name="digit")
    found: dict[str, list[float]] = {"grad-cam": [], "occlusion": []}
    for row in rows.tolist():
        digit = np.asarray(data.store.masks[row]).reshape(data.store.images[row].shape[:2]) == 1
        if not digit.any():
            continue
        maps = explainer.maps(np.asarray(data.store.images[row]))
        for name, each in (("grad-cam", maps.grad_cam), ("occlusion", np.maximum(maps.occlusion, 0))):
            found[name].append(float(each[digit].sum() / each.sum() / digit.mean()))
    return {name: float(np.mean(each)) for name, each in found.items()}


@pytest.mark.slow
def test_the_maps_of_the_quickstart_lie_on_the_digits(tmp_path: Path) -> None:
    tlkit.run("quickstart", out=tmp_path / "run", quiet=True)
    (tmp_path / "data").mkdir()
    shares = shares_on_digits(tmp_path / "run", tmp_path / "data")
    assert shares["grad-cam"] >= 3
    assert shares["occlusion"] >= 2
