"""A plugin that offers one of everything, and of which one function raises or changes the process."""

from __future__ import annotations

import dataclasses
import inspect
import json
import typing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tlkit import contracts, hookspecs


def functions_of_records() -> set[str]:
    """Return each field of each record of ``tlkit.contracts`` that is a function, such as ``Head.build``."""
    found = set()
    for name in contracts.__all__:
        record = getattr(contracts, name)
        if inspect.isclass(record) and dataclasses.is_dataclass(record) and record is not contracts.LazyFunction:
            hints = typing.get_type_hints(record, localns={"np": SimpleNamespace(ndarray=Any)})
            found |= {f"{name}.{field}" for field, hint in hints.items() if "Callable" in str(hint)}
    return found


def hooks() -> set[str]:
    """Return the names of all hooks."""
    return {name for name in vars(hookspecs) if name.startswith("tlkit_")}


def write_plugin(folder: Path, fails: str = "", code: str = "raise SystemExit(0)") -> Path:
    """Write the plugin and a recipe that uses it, ``recipe.toml``, into a folder.

    Args:
        folder: the folder.
        fails: the function that fails: a hook, a function of a record, ``import``, ``options`` or ``callback.METHOD``.
        code: what it does; one line.
    """
    text = _PLUGIN.replace("FAILS", json.dumps(fails)).replace("CODE", code)
    file = folder / "every_plugin.py"
    file.write_text(text, encoding="utf-8")
    masked = fails.startswith("DrawnMask")
    task, head = ("segmentation", "mine_seg") if masked else ("classification", "mine")
    (folder / "recipe.toml").write_text(
        f'name = "every"\ntask = "{task}"\n[data]\nname = "mine"\n[backbone]\nname = "mine"\n[head]\nname = "{head}"\n'
        f'[augment]\nname = "mine"\n[schedule]\nname = "mine"\n[input]\nimage_size = 16\nbatch_size = 8\n',
        encoding="utf-8",
    )
    return file


_PLUGIN = """
import asyncio
import os
import sys

import click
import numpy as np
from pydantic import model_validator

import tlkit


class OwnError(tlkit.TlkitError):
    exit_code = 0


class OwnExit(BaseException):
    pass


def maybe(place):
    if place == FAILS:
        CODE


maybe("import")


class MineOptions(tlkit.Options):
    units: int = 4

    @model_validator(mode="after")
    def check(self):
        maybe("options")
        return self


def build_head(features, ctx, options):
    maybe("Head.build")
    from keras import layers

    class Traced(layers.Layer):
        def call(self, inputs, training=False):
            if training:
                maybe("Layer.call")
            return inputs

    deepest = features[max(features)]
    if FAILS == "Layer.call":
        deepest = Traced()(deepest)
    if ctx.task == "segmentation":
        return layers.Conv2D(ctx.units, 1, name="head_logits")(deepest)
    return layers.Dense(ctx.units, name="head_logits")(layers.GlobalAveragePooling2D(name="head_pool")(deepest))


def build_backbone(images, ctx, options):
    maybe("Backbone.build")
    from keras import layers

    x = layers.Conv2D(4, 3, strides=2, padding="same", name="conv")(layers.Rescaling(1 / 255, name="scale")(images))
    return tlkit.BuiltBackbone({2: x}, (tlkit.Block("block1", ("conv",), 2),))


def pretrained(options):
    maybe("Backbone.pretrained")
    return tlkit.PretrainedFile("https://example.invalid/x.h5", "x.h5", None)


def loaded(layers, options):
    maybe("Backbone.loaded")


def build_policy(ctx, options):
    maybe("Augmentation.build")

    def augment(batch, seed):
        maybe("the function of Augmentation.build")
        if FAILS == "py_function":
            import tensorflow as tf

            def called(images):
                maybe("py_function")
                return images

            changed = tf.ensure_shape(tf.numpy_function(called, [batch["images"]], tf.float32), batch["images"].shape)
            return {**batch, "images": changed}
        return {**batch, "images": batch["images"] + 1.0}

    return augment


def plan(outline, options):
    maybe("Schedule.plan")
    return (tlkit.Phase(name="only", epochs=1, blocks=outline.names),)


def open_mine(ctx, options):
    maybe("Dataset.open")
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (24, 16, 16, 3), dtype=np.uint8)

    def read():
        maybe("DrawnMask.read")
        return b"{}"

    def draw(content):
        maybe("DrawnMask.draw")
        return np.tile(np.array([0, 1], np.uint8), (16, 8))

    masked = ctx.task == "segmentation"
    from pathlib import Path

    samples = tuple(
        tlkit.Sample(
            f"{row}", row, label=None if masked else row % 2,
            mask=tlkit.DrawnMask(Path(__file__), read, draw) if masked else None,
        )
        for row in range(24)
    )
    return tlkit.SampleSet(samples=samples, classes=("a", "b"), images=images)


def detect(path, task):
    maybe("Dataset.detect")


def relocate(options, path):
    maybe("Dataset.relocate")
    return options


def write_export(ctx, path, options):
    maybe("Exporter.write")


def open_export(path, threads):
    maybe("Exporter.open")

    def run(images):
        maybe("ExportedModel.run")
        return {}

    return tlkit.ExportedModel(run=run, metadata={}, precision="float32", runtime="none")


def check_export(path):
    maybe("Exporter.check")


@tlkit.hookimpl
def tlkit_exporters():
    maybe("tlkit_exporters")
    return [
        tlkit.Exporter(
            name="mine", summary="", options=tlkit.Options, suffix=".mine", write=write_export, open=open_export,
            check=check_export, snippet="",
        )
    ]


@tlkit.hookimpl
def tlkit_heads():
    maybe("tlkit_heads")
    for name, task in (("mine", "classification"), ("mine_seg", "segmentation")):
        yield tlkit.Head(name=name, summary="", task=task, options=MineOptions, build=build_head)


@tlkit.hookimpl
def tlkit_backbones():
    maybe("tlkit_backbones")

    class BackboneOptions(tlkit.BackboneOptions):
        weights: str = "none"

    yield tlkit.Backbone(
        name="mine", summary="", options=BackboneOptions, build=build_backbone, pretrained=pretrained, loaded=loaded
    )


@tlkit.hookimpl
def tlkit_augmentations():
    maybe("tlkit_augmentations")
    return [tlkit.Augmentation(name="mine", summary="", options=tlkit.Options, build=build_policy)]


@tlkit.hookimpl
def tlkit_schedules():
    maybe("tlkit_schedules")
    return [tlkit.Schedule(name="mine", summary="", options=tlkit.Options, plan=plan)]


@tlkit.hookimpl
def tlkit_datasets():
    maybe("tlkit_datasets")
    return [
        tlkit.Dataset(
            name="mine", summary="", options=tlkit.Options, open=open_mine, tasks=("classification", "segmentation"),
            detect=detect, relocate=relocate,
        )
    ]


@tlkit.hookimpl
def tlkit_commands():
    maybe("tlkit_commands")
    return [click.Command("mine", callback=lambda: maybe("command"))]


@tlkit.hookimpl
def tlkit_check_recipe(recipe):
    maybe("tlkit_check_recipe")


@tlkit.hookimpl
def tlkit_callbacks(run, phase, recipe):
    maybe("tlkit_callbacks")
    import keras

    def method(name):
        return lambda self, *args, **kwargs: maybe(f"callback.{name}")

    names = [name for name in dir(keras.callbacks.Callback) if name.startswith("on_")]
    return [type("Mine", (keras.callbacks.Callback,), {name: method(name) for name in names})()]


@tlkit.hookimpl
def tlkit_phase_finished(run, phase, metrics):
    maybe("tlkit_phase_finished")


@tlkit.hookimpl
def tlkit_run_finished(run, recipe, metrics):
    maybe("tlkit_run_finished")


@tlkit.hookimpl
def tlkit_report_sections(run, result):
    maybe("tlkit_report_sections")
"""
