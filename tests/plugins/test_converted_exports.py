"""ONNX and OpenVINO: the answers, names and texts of their files, and their snippets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tlkit_exporters
from export_context import METADATA, RECIPES, expected, export_context, network, pictures

import tlkit

NAMES = ("onnx", "openvino")
EXPORTERS = {record.name: record for record in tlkit_exporters.tlkit_exporters() if record.name in NAMES}
QUANTIZED = [(name, how) for name, record in EXPORTERS.items() for how in record.quantizations]
QUICK = ("cnn", "standardize", "unet_bilinear", "unet_transpose")
IMAGES = 4


def write(name: str, model: Any, folder: Path, **options: Any) -> Path:
    """Return the path of a file of that format; the options are those of ``export_context``."""
    record = EXPORTERS[name]
    path = folder / f"model{record.suffix}"
    record.write(export_context(model, folder, **options), path, record.options())
    return path


def opened(name: str, path: Path) -> tlkit.ExportedModel:
    """Check a file and open it."""
    record = EXPORTERS[name]
    assert record.check is not None
    record.check(path)
    return record.open(path, 1)


def use_snippet(name: str, path: Path, images: np.ndarray) -> Mapping[str, Any]:
    """Return the variables of a snippet after it ran."""
    variables: dict[str, Any] = {"FILE": str(path), "images": images}
    exec(EXPORTERS[name].snippet, variables)
    return variables


def assert_same(answer: Mapping[str, np.ndarray], right: Mapping[str, np.ndarray], limit: float) -> None:
    """Check the types, shapes and values of logits and probabilities."""
    assert answer.keys() == right.keys()
    for key, values in right.items():
        assert answer[key].dtype == np.float32
        assert answer[key].shape == values.shape
    np.testing.assert_allclose(answer["probabilities"], right["probabilities"], atol=limit)
    np.testing.assert_allclose(answer["logits"], right["logits"], atol=10 * limit)


@pytest.mark.parametrize("name", EXPORTERS)
@pytest.mark.parametrize("recipe", QUICK)
def test_a_file_answers_as_the_keras_model_for_any_number_of_images(name: str, recipe: str, tmp_path: Path) -> None:
    model = network(recipe)
    file = opened(name, write(name, model, tmp_path))
    for count in (1, IMAGES):
        images = pictures(count, RECIPES[recipe].size)
        assert_same(file.run(images), expected(model, images), 1e-5)
    assert file.precision == "float32"


@pytest.mark.parametrize("name", EXPORTERS)
@pytest.mark.parametrize("kind", ["binary", "multi"])
def test_a_file_has_the_probabilities_of_every_kind_of_label(name: str, kind: str, tmp_path: Path) -> None:
    model = network("cnn", kind=kind)
    images = pictures(IMAGES, RECIPES["cnn"].size)
    file = opened(name, write(name, model, tmp_path, kind=kind))
    assert_same(file.run(images), expected(model, images, kind), 1e-5)


@pytest.mark.parametrize("name", EXPORTERS)
@pytest.mark.parametrize("kind", ["uint8", "float32"])
def test_the_snippet_gives_the_probabilities_and_the_texts(name: str, kind: Any, tmp_path: Path) -> None:
    model = network("cnn")
    images = pictures(1, RECIPES["cnn"].size)
    path = write(name, model, tmp_path, input_type=kind)
    found = use_snippet(name, path, images.astype(kind))
    np.testing.assert_allclose(found["probabilities"], expected(model, images)["probabilities"], atol=1e-5)
    assert {key: found["metadata"][key] for key in METADATA} == METADATA


@pytest.mark.parametrize("name", EXPORTERS)
def test_a_file_that_takes_float32_is_given_the_same_images(name: str, tmp_path: Path) -> None:
    model = network("cnn")
    images = pictures(IMAGES, RECIPES["cnn"].size)
    file = opened(name, write(name, model, tmp_path, input_type="float32"))
    assert_same(file.run(images), expected(model, images), 1e-5)


@pytest.mark.parametrize("name", EXPORTERS)
def test_the_texts_in_a_file_are_those_that_were_given(name: str, tmp_path: Path) -> None:
    file = opened(name, write(name, network("cnn"), tmp_path))
    assert {key: file.metadata[key] for key in METADATA} == METADATA


@pytest.mark.parametrize("name", EXPORTERS)
def test_no_file_names_a_folder_of_this_computer(name: str, tmp_path: Path) -> None:
    path = write(name, network("cnn"), tmp_path)
    for each in path.parent.glob(f"{path.stem}.*"):
        assert str(tmp_path).encode() not in each.read_bytes()


@pytest.mark.parametrize(("name", "how"), QUANTIZED)
@pytest.mark.parametrize(
    "recipe", ["standardize", "unet_bilinear", pytest.param("unet_transpose", marks=pytest.mark.slow)]
)
def test_a_quantized_file_mostly_agrees(name: str, how: Any, recipe: str, tmp_path: Path) -> None:
    model = network(recipe)
    images = pictures(20, RECIPES[recipe].size)
    answer = opened(name, write(name, model, tmp_path, quantize=how)).run(images)["probabilities"]
    right = expected(model, images)["probabilities"]
    assert (answer.argmax(-1) == right.argmax(-1)).mean() >= 0.97
    assert np.abs(answer - right).mean() < 0.02
    assert not np.array_equal(answer, right)


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPORTERS)
@pytest.mark.parametrize("recipe", [recipe for recipe in RECIPES if recipe not in QUICK])
def test_large_networks_answer_as_the_keras_model(name: str, recipe: str, tmp_path: Path) -> None:
    model = network(recipe)
    images = pictures(IMAGES, RECIPES[recipe].size)
    assert_same(opened(name, write(name, model, tmp_path)).run(images), expected(model, images), 1e-3)
