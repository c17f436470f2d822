"""``tlkit serve FILE``: an exported file answers as its run does, and explains nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

import tlkit
from tlkit.jobs.serve import ModelOptions, ServeOptions, made, open_model
from tlkit.serve.app import make_app
from tlkit.serve.bounds import Bounds
from tlkit.serve.guard import Access


def test_an_exported_file_is_served(run: Path, offering: Any) -> None:
    registry = offering()
    file = tlkit.export(run, format="tiny", registry=registry).files[0]
    photos = sorted((run.parent / "photos").rglob("*.png"))[:6]
    model = ModelOptions(file, registry=registry)
    opened, levels = open_model(model, lambda _text: None)
    assert levels == {}
    served = made(opened, levels, model, Bounds(), ServeOptions(), lambda _text: None)
    served.workers.start()
    try:
        client = TestClient(make_app(served, Access(local=False)))
        answers = client.post("/predict", files=[("image", (each.name, each.read_bytes())) for each in photos]).json()
        expected = tlkit.load(run, registry=registry).predict(photos)
        for ours, theirs in zip(answers["predictions"], expected, strict=True):
            assert ours["label"] == theirs.label
            assert ours["probabilities"] == pytest.approx(theirs.probabilities, abs=1e-5)
        described = client.get("/model").json()
        assert (described["engine"], described["explain"], described["set"]) == ("NumPy", False, None)
        answer = client.post("/explain", content=photos[0].read_bytes())
        assert answer.status_code == 404
        assert "Grad-CAM takes a run folder" in answer.json()["detail"]
    finally:
        served.workers.close()
