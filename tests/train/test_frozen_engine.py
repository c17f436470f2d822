"""Engines: others compute the frozen part as TensorFlow does, image by image, and TensorFlow stands in for them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest

import tlkit
from tlkit.jobs import finish
from tlkit.models import convert
from tlkit.models.convert import NotConvertibleError, convert_to_litert
from tlkit.models.engines import Engine, largest_difference
from tlkit.models.graph import name_layers
from tlkit.models.image_by_image import ImageByImage
from tlkit.models.litert import LiteRTNetwork
from tlkit.models.openvino_network import OpenVINONetwork
from tlkit.recipe.schema import TrainTable
from tlkit.system.cache import cache_entries, clear
from tlkit.train import asked_engine, frozen_engine
from tlkit.train.environment import computes_bfloat16
from tlkit.train.feature_cache import FeatureCache
from tlkit.train.frozen_engine import choose_engine, make_ready
from tlkit.train.frozen_part import FrozenPart
from tlkit.train.loop import Training
from tlkit.train.phase_run import PhaseRun

pytest.importorskip("ai_edge_litert")

RECIPE = {
    "name": "frozen",
    "seed": 4,
    "backbone": {"name": "resnet", "depth": 18, "units": [1, 1, 1], "filters": [8, 8, 16], "bias": False},
    "input": {"image_size": 24, "batch_size": 128},
    "head": {"name": "mlp"},
    "schedule": {"name": "frozen", "epochs": 2, "learning_rate": 0.01},
    "train": {"restore_best": False},
}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TLKIT_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def run(tmp_path, write_recipe, registry, cache, capsys):
    """A function that runs the recipe and returns the weights and what was printed."""

    def run_recipe(name, *overrides):
        file = write_recipe(**RECIPE)
        capsys.readouterr()
        folder = tlkit.run(file, overrides, tmp_path / name, registry=registry).folder
        model = keras.saving.load_model(folder / "model.keras", compile=False)
        return [np.array(weight) for weight in model.weights], capsys.readouterr().out

    return run_recipe


def a_network(outputs: int = 2) -> keras.Model:
    """Return a small network with BatchNormalization that has statistics, and several outputs."""
    keras.utils.set_random_seed(1)
    images = x = keras.Input((20, 16, 3), name="images")
    maps = []
    for filters in (8, 12, 16):
        x = keras.layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
        x = keras.layers.BatchNormalization()(x)
        x = keras.layers.DepthwiseConv2D(3, 2, "same", use_bias=False)(x)
        x = keras.layers.BatchNormalization()(x)
        x = keras.layers.ReLU(6.0)(x)
        maps.append(x)
    model = keras.Model(images, [*maps[: outputs - 1], keras.layers.GlobalAveragePooling2D()(x)], name="frozen_part")
    name_layers(model, "a_")
    random = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([random.uniform(0.5, 1.5, weight.shape) for weight in layer.get_weights()])
    return model


def some_images(count: int = 7) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 255, (count, 20, 16, 3)).astype(np.float32)


def in_engine(name: str, content: bytes, threads: int | None = None) -> ImageByImage:
    """Return a network in an engine; skip the test if that is not installed."""
    if name == "litert":
        return LiteRTNetwork(content, threads)
    pytest.importorskip("openvino")
    return OpenVINONetwork(content, threads=threads)


ENGINES = pytest.mark.parametrize("engine", ["litert", "openvino"])


@ENGINES
@pytest.mark.parametrize("limit", [0, 50e6], ids=["as variables", "as constants"])
def test_every_output_agrees_with_tensorflow_and_stands_in_its_place(monkeypatch, engine, limit):
    monkeypatch.setattr(convert, "_CONSTANT_BYTES", limit)
    model, images = a_network(4), some_images()
    features = in_engine(engine, convert_to_litert(model))(images)
    expected = [np.array(each) for each in model(images, training=False)]
    assert [each.shape for each in features] == [each.shape for each in expected]
    assert largest_difference(features, expected) <= 1e-5


@ENGINES
def test_no_bit_depends_on_other_images_or_on_threads(engine):
    content, images = convert_to_litert(a_network()), some_images()
    together = in_engine(engine, content, threads=1)(images)
    for threads, size in ((1, 1), (2, 3), (3, 7), (5, 2)):
        network = in_engine(engine, content, threads)
        parts = [network(images[first : first + size]) for first in range(0, len(images), size)]
        for whole, *pieces in zip(together, *parts, strict=True):
            np.testing.assert_array_equal(whole, np.concatenate(pieces))


def test_a_network_that_is_converted_again_computes_the_same_bits():
    first, second = (LiteRTNetwork(convert_to_litert(a_network()))(some_images()) for _ in range(2))
    for ours, theirs in zip(first, second, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_litert_writes_nothing_about_itself():
    code = (
        "import sys, tests_model; from tlkit.models.convert import convert_to_litert\n"
        "from tlkit.models.litert import LiteRTNetwork\n"
        "sys.stderr.write('begin\\n')\n"
        "images = tests_model.some_images(2)\n"
        "LiteRTNetwork(convert_to_litert(tests_model.a_network()))(images)\n"
    ).replace("tests_model", "test_frozen_engine")
    folders = [folder for folder in sys.path if folder]
    program = f"import sys; sys.path[:0] = {folders!r}\n{code}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    lines = done.stderr.splitlines()
    assert lines[lines.index("begin") + 1 :] == []


def table(engine="auto", **values) -> TrainTable:
    return TrainTable(engine=engine, **values)


def test_auto_takes_litert_where_the_images_repay_converting(monkeypatch):
    part = FrozenPart(a_network())
    enough = 1 + int(1e10 / part.operations_per_image)
    assert choose_engine(table(), part, enough).name == "litert"
    assert choose_engine(table(), part, enough // 2).name == "tensorflow"
    assert choose_engine(table(precision="mixed_bfloat16"), part, enough).name == "tensorflow"
    assert choose_engine(table("litert"), part, 1).name == "litert"
    monkeypatch.setattr(FrozenPart, "weight_count", 10**8)
    assert choose_engine(table(), part, enough).name == "tensorflow"
    monkeypatch.undo()
    monkeypatch.setattr(frozen_engine.tf.config, "list_physical_devices", lambda kind: ["a GPU"])
    assert choose_engine(table(), part, enough).name == "tensorflow"


def test_auto_takes_tensorflow_without_litert(monkeypatch):
    monkeypatch.setattr(Engine, "version", None)
    assert choose_engine(table(), FrozenPart(a_network()), 10**9).name == "tensorflow"


def test_a_resumed_phase_keeps_its_engine():
    part = FrozenPart(a_network())
    assert choose_engine(table(), part, 10**9, "tensorflow").name == "tensorflow"
    assert choose_engine(table(), part, 1, "litert").name == "litert"


def ready(part: FrozenPart) -> list[str]:
    notes: list[str] = []
    make_ready(part, some_images(), notes.append)
    return notes


def test_tensorflow_computes_where_the_engine_differs(monkeypatch, cache):
    part = FrozenPart(a_network())
    part.use(Engine("litert"))
    other = a_network()
    other.layers[1].set_weights([weight * 1.001 for weight in other.layers[1].get_weights()])
    monkeypatch.setattr(frozen_engine, "converted", lambda *_part, **_keep: convert_to_litert(other))
    (note,) = ready(part)
    assert "TensorFlow computes the frozen part, not LiteRT: they differ by 0.00" in note
    assert part.engine.name == "tensorflow"
    assert largest_difference(part(some_images()), [np.array(each) for each in part.model(some_images())]) < 1e-5


def test_a_network_that_can_not_be_converted_is_tried_once(monkeypatch, cache):
    tried = []

    def refuse(model):
        tried.append(model)
        raise NotConvertibleError("no such operation")

    monkeypatch.setattr("tlkit.train.converted.convert_to_litert", refuse)
    for _ in range(2):
        part = FrozenPart(a_network())
        part.use(Engine("litert"))
        assert ready(part) == ["  note: TensorFlow computes the frozen part, not LiteRT: no such operation"]
        assert part.engine.name == "tensorflow"
    assert len(tried) == 1


def test_a_converted_network_is_kept_and_converted_again_when_damaged(monkeypatch, cache):
    tried = []
    convert_it = convert_to_litert
    monkeypatch.setattr(
        "tlkit.train.converted.convert_to_litert", lambda model: tried.append(model) or convert_it(model)
    )

    def features():
        part = FrozenPart(a_network())
        part.use(Engine("litert"))
        return ready(part), part(some_images())

    first, second = features(), features()
    (entry,) = cache_entries()
    assert entry.about.startswith("a frozen network for LiteRT, ")
    (file,) = entry.folder.glob("*.shard")
    content = bytearray(file.read_bytes())
    content[-100] ^= 1
    file.write_bytes(content)
    notes, third = features()
    assert len(tried) == 2
    assert first[0] == second[0] == []
    assert "converted networks could not be used, so they were converted again" in notes[0]
    for each in (second[1], third):
        for ours, theirs in zip(each, first[1], strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_cache_on_and_off_agree_bit_for_bit(run):
    weights, output = run("on", "train.engine=litert", "train.cache=on")
    clear()
    again, _ = run("off", "train.engine=litert", "train.cache=off")
    assert [each.about for each in cache_entries()] == ["results of tlkit check"]
    assert "features are cached" in output
    for ours, theirs in zip(weights, again, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_when_all_features_are_kept_nothing_is_converted_or_folded(run, monkeypatch):
    run("first", "train.engine=litert", "train.cache=on")

    def fail(*_, **_keep):
        raise AssertionError("not needed")

    monkeypatch.setattr(frozen_engine, "converted", fail)
    monkeypatch.setattr("tlkit.models.tensorflow_network.FoldedModel", fail)
    _, output = run("second", "train.engine=litert", "train.cache=on", "head.units=[8]")
    assert "an earlier run left them all" in output


def test_features_of_the_engines_have_keys_of_their_own(run):
    for number, engine in enumerate(("litert", "tensorflow"), 1):
        run(engine, f"train.engine={engine}", "train.cache=on")
        features = [each for each in cache_entries() if each.folder.parent.name == "features"]
        assert len(features) == 2 * number


def test_an_engine_that_is_missing_is_named_before_anything_is_computed(run, monkeypatch):
    monkeypatch.setattr(Engine, "version", property(lambda engine: None if engine.name == "openvino" else "1"))
    with pytest.raises(tlkit.RecipeError, match=r"train\.engine.*pip install \"tlkit\[openvino\]\""):
        run("missing", "train.engine=openvino")


def test_bfloat16_is_refused_without_the_instructions(run, monkeypatch):
    monkeypatch.setattr(asked_engine, "computes_bfloat16", lambda: False)
    monkeypatch.setattr(Engine, "version", "1")
    with pytest.raises(tlkit.RecipeError, match="this processor has no instructions for bfloat16"):
        run("openvino", "train.engine_precision=bfloat16", "train.engine=openvino")


def test_images_with_the_pixels_of_an_earlier_view_are_not_computed_again(run, monkeypatch):
    computed = []
    computing = FrozenPart.__call__
    monkeypatch.setattr(
        FrozenPart, "__call__", lambda part, images: computed.append(len(images)) or computing(part, images)
    )
    options = ("train.engine=litert", "train.cache=on", "augment.name=flip", "train.views=4", "schedule.epochs=4")
    weights, output = run("copied", *options)
    copied, seen = (
        int(text.replace(",", ""))
        for text in re.search(r"(\S+) of (\S+) images have the pixels of an earlier view", output).groups()
    )
    assert sum(computed) == seen - copied
    assert copied > 0.4 * seen
    clear()
    monkeypatch.setattr(FeatureCache, "_repeat", lambda _cache: False)
    again, _ = run("computed", *options)
    for ours, theirs in zip(weights, again, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_other_pixels_are_not_looked_for(run):
    _, output = run("noise", "train.engine=litert", "train.cache=on", "augment.name=color_jitter", "schedule.epochs=1")
    assert "pixels of an earlier view" not in output


def test_the_same_recipe_gives_the_same_weights_twice_from_empty_caches(run):
    weights = []
    for name in ("one", "other"):
        clear()
        weights.append(run(name, "train.engine=litert", "augment.name=flip")[0])
    for ours, theirs in zip(*weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


class Killed(BaseException):
    """Stands for a kill: nothing catches it."""


def test_a_resumed_run_keeps_its_engine_or_says_that_it_can_not(
    tmp_path, write_recipe, registry, cache, monkeypatch, capsys
):
    monkeypatch.setattr(frozen_engine, "_OPERATIONS", 0.0)  # auto takes LiteRT
    file = write_recipe(**{**RECIPE, "train": {"restore_best": False, "cache": "off", "checkpoint_steps": 1}})
    pause, steps = PhaseRun._pause, []

    def killed(phase_run, epoch, step):
        pause(phase_run, epoch, step)
        steps.append(step)
        if len(steps) == 3:
            raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):  # noqa: PT012
        patch.setattr(PhaseRun, "_pause", killed)
        tlkit.run(file, (), tmp_path / "run", registry=registry, quiet=True)
    copy = shutil.copytree(tmp_path / "run", tmp_path / "copy")
    monkeypatch.setattr(frozen_engine, "_OPERATIONS", 1e30)  # a new run would take TensorFlow
    folders = [tlkit.run(file, ("train.engine=litert",), tmp_path / "whole", registry=registry, quiet=True).folder]
    folders.append(tlkit.resume(tmp_path / "run", registry=registry, quiet=True).folder)
    weights = [keras.saving.load_model(each / "model.keras", compile=False).get_weights() for each in folders]
    for ours, theirs in zip(*weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    monkeypatch.setattr(Engine, "version", property(lambda engine: None if engine.name == "litert" else "1"))
    capsys.readouterr()
    tlkit.resume(copy, registry=registry)
    printed = " ".join(capsys.readouterr().out.split())
    assert "TensorFlow computes the frozen part, not LiteRT: it is not installed" in printed


def test_a_run_that_is_killed_before_its_evaluation_is_evaluated_with_the_engine_of_its_last_phase(
    tmp_path, write_recipe, registry, cache, monkeypatch
):
    def killed(*_arguments):
        raise Killed

    evaluated = []
    in_parts = Training.in_parts

    def watched(training):
        parts = in_parts(training)
        evaluated.append(parts._frozen.engine.name)
        return parts

    monkeypatch.setattr(Training, "in_parts", watched)
    monkeypatch.setattr(frozen_engine, "_OPERATIONS", 0.0)  # auto takes LiteRT
    file = write_recipe(**{**RECIPE, "train": {"restore_best": False, "cache": "off"}})
    whole = tlkit.run(file, (), tmp_path / "whole", registry=registry, quiet=True).folder
    with monkeypatch.context() as patch, pytest.raises(Killed):  # noqa: PT012
        patch.setattr(finish, "save_model", killed)
        tlkit.run(file, (), tmp_path / "run", registry=registry, quiet=True)
    monkeypatch.setattr(frozen_engine, "_OPERATIONS", 1e30)  # a new run would take TensorFlow
    resumed = tlkit.resume(tmp_path / "run", registry=registry, quiet=True).folder
    assert evaluated == ["litert"] * 3
    for name in ("predictions.csv", "metrics.json"):
        assert (resumed / name).read_bytes() == (whole / name).read_bytes()


def test_a_run_in_bfloat16_ends_and_its_metrics_are_those_of_its_model(run, registry, tmp_path):
    pytest.importorskip("openvino")
    if not computes_bfloat16():
        pytest.skip("the processor has no instructions for bfloat16")
    run("half", "train.engine=openvino", "train.engine_precision=bfloat16", "train.cache=on", "input.test=0.1")
    metrics = json.loads((tmp_path / "half" / "metrics.json").read_text())
    measured = tlkit.evaluate(tmp_path / "half", split="test", registry=registry).metrics
    assert measured["loss"] == pytest.approx(metrics["test"]["loss"], rel=1e-4)
