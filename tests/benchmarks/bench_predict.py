"""What it costs to predict a photo, and thousands of them."""

from __future__ import annotations

from pathlib import Path

from bench_builds import Build
from bench_line import Goal, Line
from bench_process import Figures
from bench_session import Session
from bench_small import keras_script, ratios, recipe_of

_TRAINED_ON = 100
"""At most so many photos train the model that predicts thousands."""


def photo(session: Session) -> list[Line]:
    """Compare the whole command for one photo with ``import tensorflow``, and with a script that uses Keras's model."""
    sizes = session.sizes
    recipe = recipe_of(session, schedule={"name": "frozen", "epochs": 1})
    runs = {name: session.run(build, recipe).more["run"] for name, build in session.builds.items()}
    model = f"{session.new_folder('model')}.keras"
    keras_script(session, model)
    image = str(_files(session.photos(sizes.whole))[0])
    best = session.in_turn(
        min(sizes.starts, 5),
        **session.of_each_build(lambda build: session.tlkit(build, "predict", runs[build.name], image)),
        tensorflow=lambda: session.python("-c", "import tensorflow"),
        keras=lambda: session.python("-c", _keras_predict(model, image, sizes.large_side)),
    )
    ours, imported = best["new"], best["tensorflow"]
    return [
        Line(
            "tlkit predict of one photo, the whole command: over python -c 'import tensorflow'",
            ours.wall / imported.wall,
            Goal("≤", 0.5),
            f"{ours.wall:.2f} s ({ours.cpu:.2f} s of the processor), the import {imported.wall:.2f} s "
            f"({imported.cpu:.2f} s)",
            raw=best,
            **ratios(best),
        )
    ]


def predict(session: Session, backbone: str, side: int, goal: float) -> list[Line]:
    """Compare the images per second of ``tlkit predict`` with those of a bare pass.

    The time of a command for one photo is subtracted from that for all of them.
    """
    sizes = session.sizes
    recipe = session.photo_recipe(
        min(sizes.images, _TRAINED_ON),
        {"name": backbone, "weights": "none"},
        input={"image_size": side, "validation": 0.2},
        schedule={"name": "frozen", "epochs": 1},
    )
    runs = {name: session.run(build, recipe).more["run"] for name, build in session.builds.items()}
    folder = session.photos(sizes.images)
    image = str(_files(folder)[0])

    def command(build: Build, images: str) -> Figures:
        out = f"{session.new_folder('predictions')}.csv"
        return session.tlkit(build, "predict", runs[build.name], images, "--out", out)

    def without_start(build: Build) -> Figures:
        whole = command(build, folder)
        return Figures(whole.wall, whole.cpu, whole.memory, {"part": whole - command(build, image)})

    whole = session.in_turn(
        sizes.rounds,
        **session.of_each_build(without_start),
        bare=lambda: session.measure("bench_keras.bare", backbone=backbone, side=side, images=sizes.images),
    )
    best = {name: each.more.get("part", each) for name, each in whole.items()}
    ours, bare = best["new"], best["bare"]
    speed, bare_speed = (sizes.images - 1) / ours.wall, sizes.images / bare.wall
    return [
        Line(
            f"images per second of tlkit predict, {sizes.images} JPEGs, {backbone} at {side}: over the bare pass",
            speed / bare_speed,
            Goal("≥", goal),
            f"{speed:.1f}/s ({sizes.images / whole['new'].wall:.1f}/s with its start), bare {bare_speed:.1f}/s",
            raw=whole,
            **ratios(best, "bare"),
        )
    ]


def _files(folder: str) -> list[Path]:
    return sorted(Path(folder).rglob("*.jpg"))


def _keras_predict(model: str, image: str, side: int) -> str:
    return (
        "import keras\n"
        f"model = keras.saving.load_model({model!r})\n"
        f"image = keras.utils.load_img({image!r}, target_size=({side}, {side}))\n"
        "print(model.predict(keras.utils.img_to_array(image)[None], verbose=0).argmax())"
    )
