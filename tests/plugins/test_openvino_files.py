"""OpenVINO's files: what tlkit writes, and what it refuses to run."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from export_context import export_context, network, pictures
from tlkit_exporters.openvino_check import check_openvino
from tlkit_exporters.openvino_export import write_openvino
from tlkit_exporters.openvino_file import open_openvino

import tlkit


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("openvino")
    path = folder / "model.xml"
    write_openvino(export_context(network("unet_bilinear"), folder), path, tlkit.Options())
    return path


@pytest.fixture
def change(written: Path, tmp_path: Path) -> Callable[[str, str], Path]:
    """Copy a file with a text in it replaced."""

    def changed(old: str, new: str) -> Path:
        text = written.read_text()
        assert re.search(old, text)
        path = tmp_path / "model.xml"
        path.write_text(re.sub(old, lambda match: match.expand(new), text, count=1))
        path.with_suffix(".bin").write_bytes(written.with_suffix(".bin").read_bytes())
        return path

    return changed


def test_a_file_computes_in_float32_whatever_the_processor_has(written: Path) -> None:
    assert open_openvino(written, 1).precision == "float32"


def test_weights_are_not_halved(written: Path) -> None:
    assert 'element_type="f16"' not in written.read_text()


def test_int8_reaches_the_convolutions(tmp_path: Path) -> None:
    path = tmp_path / "model.xml"
    write_openvino(export_context(network("unet_transpose"), tmp_path, quantize="int8"), path, tlkit.Options())
    assert open_openvino(path, 1).precision.startswith("int8")


def test_int8_without_the_packages_that_calibrate_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tlkit_exporters.openvino_export.find_spec", lambda name: None)
    ctx = export_context(network("cnn"), tmp_path, quantize="int8")
    with pytest.raises(tlkit.DataError, match=r'pip install "tlkit\[onnx,openvino\]"'):
        write_openvino(ctx, tmp_path / "model.xml", tlkit.Options())


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('type="Convolution" version="opset1"', 'type="Convolution" version="extension"', "'extension.Convolution'"),
        ('type="ReLU"', 'type="ReadValue"', "'opset1.ReadValue' is not one that is allowed"),
        ('type="ReLU" version="opset1">', r"\g<0><body />", "has a part 'body'"),
        (r"<rt_info>\s*<info", r"<rt_info><runtime_options /><info", "the setting 'runtime_options'"),
        ("</rt_info>\\s*</net>", "</rt_info><statistics /></net>", "not a graph of OpenVINO's version 11"),
        ('offset="0"', 'offset="999999999"', "outside the file of weights"),
        ('offset="0"', 'offset="-4"', "outside the file of weights"),
        ('offset="0" size="[0-9]+"', 'offset="0" size="8"', "not as long as its shape"),
        ('element_type="f32"( shape="[^"]*" offset)', r'element_type="string"\1', "not of numbers"),
        ('element_type="f32" shape="', rf"\g<0>{'1, ' * 150}", "a constant has 4[0-9]{2} characters"),
        ("^", "<!DOCTYPE net [<!ENTITY a 'b'>]>", "DTD"),
        ("</layers>", "", "it is damaged"),
        (r'<input>\s*<port id="0"', '<input><port id="7"', "not numbered from 0"),
        ('to-layer="3"', 'to-layer="7777"', "leads nowhere"),
        (r'shape="\?,34,26,3"', 'shape="?,?,26,3"', "depends on the image"),
        (r'shape="\?,34,26,3"', 'shape="?,340000,26000,3"', "numbers for one image"),
        (r'shape="\?,34,26,3"', 'shape="?,34,26,4"', "it is not valid"),
    ],
)
def test_a_file_that_could_do_more_than_compute_is_refused(
    change: Callable[[str, str], Path], old: str, new: str, reason: str
) -> None:
    with pytest.raises(tlkit.DataError, match=reason) as raised:
        check_openvino(change(old, new))
    assert "or --trust if you know who made them" in str(raised.value)


def layer(number: int, kind: str, inputs: int, data: str = "") -> str:
    ports = "".join(f'<port id="{port}" />' for port in range(inputs))
    given = f"<input>{ports}</input>" if inputs else ""
    return (
        f'<layer id="{number}" name="n{number}" type="{kind}" version="opset1">{data}{given}'
        f'<output><port id="{inputs}" precision="I64" /></output></layer>'
    )


def test_a_shape_that_takes_all_memory_to_compute_is_refused(tmp_path: Path) -> None:
    """A constant is joined with itself 40 times, and is then the shape of a Reshape."""
    constant = '<data element_type="i64" shape="1" offset="0" size="8" />'
    layers = [layer(0, "Parameter", 0, '<data shape="?,4,4,3" element_type="f32" />'), layer(1, "Const", 0, constant)]
    edges = ['<edge from-layer="0" from-port="0" to-layer="90" to-port="0" />']
    for number in range(2, 42):
        layers.append(layer(number, "Concat", 2, '<data axis="0" />'))
        edges += [f'<edge from-layer="{number - 1}" from-port="0" to-layer="{number}" to-port="{at}" />' for at in "01"]
    layers.append(layer(90, "Reshape", 2, '<data special_zero="false" />'))
    edges.append('<edge from-layer="41" from-port="2" to-layer="90" to-port="1" />')
    path = tmp_path / "model.xml"
    path.write_text(
        f'<net name="n" version="11"><layers>{"".join(layers)}</layers><edges>{"".join(edges)}</edges></net>'
    )
    path.with_suffix(".bin").write_bytes(bytes(8))
    with pytest.raises(tlkit.DataError, match="the shape that Concat computes has up to 8,192 numbers"):
        check_openvino(path)


def test_a_file_without_its_weights_is_refused(written: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.xml"
    path.write_bytes(written.read_bytes())
    with pytest.raises(tlkit.DataError, match=r"model\.bin, its file of weights, is not beside it"):
        check_openvino(path)


def test_a_file_of_other_inputs_is_not_opened(change: Callable[[str, str], Path]) -> None:
    with pytest.raises(tlkit.DataError, match="expected one input images, uint8 or float32"):
        open_openvino(change('element_type="u8"', 'element_type="i32"'), 1)


def test_the_same_images_give_the_same_answer_again(written: Path) -> None:
    file = open_openvino(written, 1)
    first = file.run(pictures(1, (34, 26)))
    before = {name: values.copy() for name, values in first.items()}
    file.run(pictures(1, (34, 26), seed=5))
    for name, values in first.items():
        assert (values == before[name]).all()
