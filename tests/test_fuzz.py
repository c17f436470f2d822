"""Whatever a file contains, reading it ends well or with an error of tlkit's own.

Each test tries 150 inputs; set TLKIT_FUZZ=25000 for as many as in the recorded long run.
"""

from __future__ import annotations

import io
import json
import os
import tempfile
import tomllib
import zipfile
from functools import cache
from pathlib import Path

import keras
import numpy as np
import pytest
import tomlkit
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from recipe_text import recipe_text
from run_folders import MODEL_CARD
from tlkit_datasets.npz_detect import detect_npz
from tlkit_datasets.options import CsvOptions
from tlkit_datasets.table import open_csv
from tlkit_datasets.table_detect import detect_csv

import tlkit
from tlkit.models import bounded, option_kinds
from tlkit.models.safe_load import load_model_file
from tlkit.recipe.load import parse_recipe
from tlkit.runs.folder import RunFolder
from tlkit.runs.samples import SamplesFile
from tlkit.train.checkpoint import Checkpoint, read_checkpoints
from tlkit.train.state import State

COUNT = int(os.environ.get("TLKIT_FUZZ", "150"))
fuzzed = settings(
    max_examples=COUNT,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)

RECIPE = recipe_text(
    seed=3,
    input={"image_size": 32, "validation": 0.2, "resize": "crop"},
    backbone={"name": "small_cnn", "filters": [8]},
    head={"dropout": 0.1},
    augment=[{"name": "flip"}],
    schedule={"name": "frozen", "epochs": 2, "curve": {"name": "cosine"}},
    train={"early_stop": 2, "class_weights": {"a": 1.0}},
)
SAMPLES = "key,path,mask,split,label,group,width,height,digest,status,reason\na,a.png,,train,x,,3,4,sha256:0,used,\n"

texts = st.text(max_size=20) | st.sampled_from(["name", "digits", "none", "auto", "\0", "relu", "[[", "1e999", "../x"])
numbers = st.integers() | st.floats() | st.sampled_from([0, -1, 2**31, 2**63, 10**30])


def paths(value, prefix=()):
    """Yield the path of every part of a nested value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in items:
        yield (*prefix, key)
        yield from paths(each, (*prefix, key))


def values_of(numbers):
    """Return nested values of these numbers, texts and the like."""
    return st.recursive(
        st.none() | st.booleans() | numbers | texts,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
        max_leaves=8,
    )


any_values = values_of(numbers)


@st.composite
def changed(draw, original, values=any_values):
    """Change, remove or add a few parts of a nested value."""
    value = json.loads(json.dumps(original))
    for _ in range(draw(st.integers(1, 4))):
        places = list(paths(value))
        if not places:
            break
        *way, last = draw(st.sampled_from(places))
        parent = value
        for key in way:
            parent = parent[key]
        action = draw(st.sampled_from(["set", "set", "remove", "add"]))
        if action == "remove":
            del parent[last]
        elif action == "add" and isinstance(parent, dict):
            parent[draw(texts)] = draw(values)
        else:
            parent[last] = draw(values)
    return value


@st.composite
def garbled(draw, original: bytes):
    """Overwrite, remove or double pieces of some bytes."""
    content = bytearray(original)
    for _ in range(draw(st.integers(1, 5))):
        start = draw(st.integers(0, max(len(content) - 1, 0)))
        end = min(len(content), start + draw(st.integers(0, 8)))
        content[start:end] = (
            draw(st.sampled_from([b"", bytes(content[start:end]) * 2]))
            if draw(st.booleans())
            else draw(st.binary(max_size=8))
        )
    return bytes(content)


@fuzzed
@given(values=changed(tomllib.loads(RECIPE)))
def test_a_recipe_of_any_values(registry, values):
    def without_none(value):
        if isinstance(value, dict):
            return {key: without_none(each) for key, each in value.items() if each is not None}
        return [without_none(each) for each in value if each is not None] if isinstance(value, list) else value

    try:
        text = tomlkit.dumps(without_none(values)) if isinstance(values, dict) else ""
    except (ValueError, TypeError, UnicodeEncodeError):
        return
    try:
        parse_recipe(text, registry)
    except tlkit.TlkitError as error:
        assert str(error)


@fuzzed
@given(content=garbled(RECIPE.encode()))
def test_a_recipe_of_any_bytes(registry, tmp_path, content):
    file = tmp_path / "recipe.toml"
    file.write_bytes(content)
    from tlkit.recipe.load import load_recipe

    try:
        load_recipe(file, registry)
    except tlkit.TlkitError as error:
        assert "recipe.toml" in str(error)


@fuzzed
@given(key=texts, value=texts)
def test_an_override_of_any_text(registry, key, value):
    try:
        parse_recipe(RECIPE, registry, [f"{key}={value}"])
    except tlkit.TlkitError as error:
        assert str(error)


@fuzzed
@given(content=garbled(SAMPLES.encode()) | st.binary(max_size=200))
@example(b"key,split,status\n\0,train,used\n")
def test_a_samples_csv_of_any_bytes(tmp_path, content):
    file = tmp_path / "samples.csv"
    file.write_bytes(content)
    try:
        SamplesFile(file).read_used()
    except tlkit.TlkitError as error:
        assert "samples.csv" in str(error)


CARD = {"format": 1, **MODEL_CARD}


TABLE = 'image;label,split\na.jpg;cat,"train"\nb\\a;dog|cat,val\n'


@fuzzed
@given(content=garbled(TABLE.encode()) | garbled(TABLE.encode("utf-16")) | st.binary(max_size=200))
@example(b"sep=\x00\n")
@example(b'"\n"\n\n"')
def test_a_table_of_any_bytes(tmp_path, content):
    file = tmp_path / "t.csv"
    file.write_bytes(content)
    (tmp_path / "a.jpg").touch()
    for try_it in (
        lambda: open_csv(tlkit.DatasetContext("classification", 0), CsvOptions(path=file, image="1", header=False)),
        lambda: detect_csv(file, None),
    ):
        try:
            try_it()
        except tlkit.TlkitError as error:
            assert "t.csv" in str(error) or "data." in str(error)


@fuzzed
@given(content=st.deferred(lambda: garbled(arrays())))
def test_an_npz_file_of_any_bytes(tmp_path, content):
    file = tmp_path / "a.npz"
    file.write_bytes(content)
    try:
        detect_npz(file, None)
    except tlkit.TlkitError as error:
        assert "a.npz" in str(error)


@cache
def arrays() -> bytes:
    stream = io.BytesIO()
    np.savez(stream, x_train=np.zeros((3, 2, 2), np.uint8), y_train=np.arange(3), class_names=np.array(["a", "b", "c"]))
    return stream.getvalue()


@fuzzed
@given(content=changed(CARD).map(lambda value: json.dumps(value).encode()) | garbled(json.dumps(CARD).encode()))
def test_a_model_card_of_any_content(tmp_path, content):
    (tmp_path / "model.json").write_bytes(content)
    try:
        RunFolder(tmp_path).read_card()
    except tlkit.TlkitError as error:
        assert "model.json" in str(error)


@cache
def model_parts():
    """Return the parts of a small model file, the same in every process."""
    images = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(2, 3, activation="relu", kernel_initializer="ones", name="conv")(images)
    x = keras.layers.ZeroPadding2D(name="pad")(keras.layers.BatchNormalization(name="norm")(x))
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    x = keras.layers.Dense(2, kernel_initializer="ones", name="logits")(x)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.keras"
        keras.Model(images, x, name="model").save(file)
        with zipfile.ZipFile(file) as archive:
            return {name: archive.read(name) for name in archive.namelist()}


def garbled_part(name):
    return garbled(model_parts()[name]).map(lambda content: (name, content))


small = values_of(st.integers(-3, 300) | st.floats(-10, 10) | st.sampled_from([float("nan"), float("inf")]))
"""Values for a configuration: its numbers are over the limits that ``check_model_file`` lowers, and small for Keras."""


def check_model_file(file, changes):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bounded, "_SPARE_ELEMENTS", 20)
        patch.setattr(bounded, "MAX_ELEMENTS", 2000)
        patch.setattr(option_kinds, "MAX_COUNT", 100)
        patch.setattr(option_kinds, "MAX_SIDE", 100)
        load_changed_model_file(file, changes)


def load_changed_model_file(file, changes):
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in {**model_parts(), **changes}.items():
            archive.writestr(name, content)
    try:
        model = load_model_file(file)
    except tlkit.TlkitError as error:
        assert "model.keras" in str(error)
    else:
        model([np.zeros([size or 1 for size in tensor.shape], np.float32) for tensor in model.inputs])


@pytest.mark.filterwarnings("ignore::UserWarning")  # Keras warns of odd but harmless configurations
@settings(fuzzed, max_examples=max(COUNT // 2, 1))
@given(config=st.deferred(lambda: changed(json.loads(model_parts()["config.json"]), small)))
def test_a_model_file_of_any_configuration(tmp_path, config):
    check_model_file(tmp_path / "model.keras", {"config.json": json.dumps(config).encode()})


@pytest.mark.filterwarnings("ignore::UserWarning")  # Keras warns of odd but harmless configurations
@settings(fuzzed, max_examples=max(COUNT // 2, 1))
@given(part=st.deferred(lambda: st.one_of(garbled_part(name) for name in model_parts())))
def test_a_model_file_of_any_bytes(tmp_path, part):
    check_model_file(tmp_path / "model.keras", dict([part]))


STATE = State(
    number=1,
    phase=0,
    inside=None,
    epochs_done=0,
    best_metrics={},
    best_epoch=0,
    monitor="",
    initial={},
    history="",
    times="",
    freeze="",
)


@fuzzed
@given(data=st.data())
def test_a_checkpoint_of_any_bytes_is_skipped_or_complete(tmp_path, data):
    from tlkit.train.checkpoint import Checkpoints

    folder = tmp_path / "checkpoints"
    Checkpoints(folder, 1.0, None).write(STATE, {})
    files = sorted(folder.iterdir())
    file = data.draw(st.sampled_from(files))
    file.write_bytes(data.draw(garbled(file.read_bytes()) | st.binary(max_size=50)))
    told = []
    for read in read_checkpoints(folder, told.append):
        assert isinstance(read, Checkpoint)
        assert read.state == STATE
        assert not told
