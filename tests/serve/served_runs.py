"""Run folders of models that tell red, green and blue apart, and what serves them."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from evaluate_fakes import make_card
from PIL import Image

from tlkit.evaluation.limits import Limits, write_limits
from tlkit.jobs.serve import ModelOptions, ServeOptions, made, open_model
from tlkit.models.saving import Trained, save_model
from tlkit.models.tasks import task_of_card
from tlkit.runs.folder import RunFolder
from tlkit.serve.app import Served, make_app
from tlkit.serve.bounds import Bounds
from tlkit.serve.guard import Access
from tlkit.serve.server import listen, make_server, url_of

COLORS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}


def color_run(path: Path, *, with_limits: bool = False, **card_values: Any) -> Path:
    """Write a finished run whose model names the colour of an image, or of each pixel of a segmentation."""
    card = make_card(**{"image_size": (16, 16), **card_values})
    path.mkdir(parents=True)
    folder = RunFolder(path)
    images = np.random.default_rng(0).integers(0, 256, (4, *card.image_size, 3), np.uint8)
    model = _color_model(card.image_size, pixels=card.task == "segmentation")
    save_model(folder, Trained(model, task_of_card(card), images, "float32", "epoch 1"))
    folder.write_card(card.model_dump(mode="json"))
    if with_limits:
        scores = np.linspace(0, 0.5, 99, dtype=np.float32)
        none = np.empty(0, np.float32)
        write_limits(folder, Limits(None, none, "", "no images", scores, 1.0, "validation images"))
    return path


def _color_model(size: tuple[int, int], *, pixels: bool) -> Any:
    import keras

    images = keras.Input((*size, 3))
    layer = keras.layers.Conv2D(3, 1, use_bias=False)
    x = layer(keras.layers.Rescaling(0.1)(images))
    x = x if pixels else keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(images, keras.layers.Activation("linear", name="logits")(x))
    layer.set_weights([np.eye(3, dtype=np.float32)[None, None]])
    return model


def picture(color: str, size: tuple[int, int] = (40, 30), kind: str = "PNG") -> bytes:
    """Return a file with an image of one colour; ``size`` is width and height."""
    stream = io.BytesIO()
    Image.new("RGB", size, COLORS[color]).save(stream, kind)
    return stream.getvalue()


@contextmanager
def served_app(
    run: Path, bounds: Bounds | None = None, access: Access | None = None, **options: Any
) -> Iterator[tuple[Served, Any]]:
    """Open a model as ``tlkit serve`` does; yield it, and the application that answers."""
    model = ModelOptions(run)
    predictor, levels = open_model(model, lambda _text: None)
    served = made(predictor, levels, model, bounds or Bounds(), ServeOptions(**options), lambda _text: None)
    served.workers.start()
    try:
        yield served, make_app(served, access or Access(local=False))
    finally:
        served.workers.close()


@contextmanager
def listening(app: Any, seconds: float = 30.0, idle: int = 75) -> Iterator[str]:
    """Answer at a free port in a thread; yield the URL."""
    socket = listen("127.0.0.1", 0)
    server = make_server(app, seconds, idle)
    thread = threading.Thread(target=server.run, args=([socket],), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield url_of(socket)
    finally:
        server.should_exit = True
        thread.join()
