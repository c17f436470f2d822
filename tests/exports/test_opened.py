"""``predict`` and ``evaluate`` with an exported file, which may be someone else's."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from command_line import tlkit_command

import tlkit
from tlkit.exports.opened import open_exported


@pytest.fixture
def exported(run, offering):
    """The run, the plugins, and a file that the run was exported to."""
    registry = offering()
    return run, registry, tlkit.export(run, format="tiny", registry=registry).files[0]


def photos_of(run: Path) -> list[Path]:
    return sorted((run.parent / "photos").rglob("*.png"))


def test_a_file_predicts_what_the_run_predicts(exported):
    run, registry, file = exported
    photos = photos_of(run)
    ours = tlkit.load(file, registry=registry)
    theirs = tlkit.load(run, registry=registry).predict(photos)
    assert ours.engine == "NumPy"
    assert ours.classes == ("red", "green", "blue")
    for mine, other in zip(ours.predict(photos), theirs, strict=True):
        assert mine.label == other.label
        assert mine.probabilities == pytest.approx(other.probabilities, abs=1e-5)


def test_a_file_is_measured_as_the_run_is(exported):
    run, registry, file = exported
    ours = tlkit.evaluate(run, model=file, registry=registry)
    theirs = tlkit.evaluate(run, registry=registry)
    assert ours.engine == "NumPy"
    assert ours.notes == theirs.notes
    assert ours.count == theirs.count
    assert ours.metrics["accuracy"] == theirs.metrics["accuracy"]
    assert ours.metrics["loss"] == pytest.approx(theirs.metrics["loss"], abs=1e-5)


def change(file: Path, **texts: str | None) -> Path:
    content = json.loads(file.read_text())
    metadata = {**content["metadata"], **texts}
    content["metadata"] = {key: text for key, text in metadata.items() if text is not None}
    other = file.with_name("other.tiny")
    other.write_text(json.dumps(content))
    return other


def test_what_is_no_file_is_never_waited_for(exported, tmp_path):
    _, registry, _ = exported
    pipe = tmp_path / "pipe.tiny"
    os.mkfifo(pipe)
    with pytest.raises(tlkit.DataError, match=r"pipe\.tiny: is no file, and reading it may never end"):
        open_exported(pipe, registry)


def changed_card(file: Path, **values: object) -> str:
    return json.dumps({**json.loads(json.loads(file.read_text())["metadata"]["card"]), **values})


def test_a_file_of_another_model_is_noted_and_one_of_other_images_is_refused(exported):
    run, registry, file = exported
    other = change(file, run="sha256:00")
    [note] = tlkit.evaluate(run, model=other, registry=registry).notes
    assert note.startswith(f"{other} was exported from another model")
    other = change(file, card=changed_card(file, resize="pad"), resize="pad")
    with pytest.raises(tlkit.DataError, match="its resize is 'pad'; expected 'crop'"):
        tlkit.evaluate(run, model=other, registry=registry)


TEXTS = {
    "has no text 'card' inside, which says what the model is": {"card": None},
    "its text 'card': Invalid JSON": {"card": "{"},
    "its text 'card' has too many parts": {"card": "[" * 2_000_001},
    "its text 'input' is 'int4'; expected uint8 or float32": {"input": "int4"},
    "its text 'resize' is 'stretch', but its card says 'crop'": {"resize": "stretch"},
    "its text 'classes' is .*; the file was changed": {"classes": '["a", "b", "c"]'},
    "has 70000.* characters of texts; expected at most": {"more": "x" * 70_000_000},
}


@pytest.mark.parametrize("message", TEXTS)
def test_texts_that_are_not_those_of_tlkit_are_refused(message, exported, monkeypatch):
    _, registry, file = exported
    other = change(file, **TEXTS[message])
    with pytest.raises(tlkit.DataError, match=message):
        open_exported(other, registry, trust=True)


def test_a_card_with_impossible_values_is_refused(exported):
    _, registry, file = exported
    other = change(file, card=changed_card(file, image_size=[10**9, 8]))
    with pytest.raises(tlkit.DataError, match=r"its text 'card': image_size: 0: .*the file is damaged"):
        open_exported(other, registry)


def test_a_file_is_checked_before_it_is_opened_unless_it_is_trusted(exported, offering, tmp_path):
    _, registry, file = exported
    large = change(file, more="x" * 2_000_000)
    with pytest.raises(tlkit.DataError, match=r"other\.tiny: is too large"):
        open_exported(large, registry)
    assert open_exported(large, registry, trust=True).classes == ("red", "green", "blue")
    unchecked = offering(check="None")
    with pytest.raises(tlkit.DataError, match=r'the format "tiny" can do more than compute.*give --trust'):
        open_exported(file, unchecked)
    assert open_exported(file, unchecked, trust=True).precision == "float32"


def test_a_file_that_gives_other_shapes_is_an_error_that_names_it(exported, offering):
    _, _, file = exported
    predictor = open_exported(file, offering("shapes"))
    with pytest.raises(tlkit.RunError, match=r"model\.tiny: NumPy: its logits have the shape \(1, 2\)"):
        predictor.predict(np.zeros((8, 8, 3), np.uint8))


def test_a_runtime_that_raises_is_an_error_that_names_the_file(exported, offering):
    _, _, file = exported
    predictor = open_exported(file, offering("refuses at run"))
    predictor.predict(np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(tlkit.RunError, match="is an exported file, which has no Keras model; expected the run folder"):
        _ = predictor.model


NO_FILE = {
    "gone.tiny": r"gone\.tiny: no such run folder or file; expected .* \(an exported file goes to tlkit predict",
    "text.txt": r"is no exported model; expected a run folder, or .*a file that ends with \.tiny",
    "photos": "has no model.json: it is not a run folder of tlkit, nor an exported model; expected",
}


@pytest.mark.parametrize("name", NO_FILE)
def test_what_is_no_model_is_refused(name, exported, tmp_path):
    _, registry, _ = exported
    (tmp_path / "text.txt").write_text("x")
    with pytest.raises(tlkit.TlkitError, match=NO_FILE[name]):
        tlkit.load(tmp_path / name, registry=registry)


def test_a_file_of_a_run_is_refused_with_the_run(exported):
    run, registry, _ = exported
    with pytest.raises(tlkit.DataError, match=f"model.json: is no exported model; expected the run folder {run}, or"):
        tlkit.load(run / "model.json", registry=registry)


@pytest.mark.parametrize("asked", [{"unknown": 0.05}, {"sets": 0.9}, {"engine": "litert"}])
def test_what_only_a_run_folder_has_is_refused(asked, exported):
    _, registry, file = exported
    with pytest.raises(tlkit.DataError, match=f"^{next(iter(asked))}: .*is no run folder"):
        tlkit.load(file, registry=registry, **asked)


def test_the_command_line_takes_a_file_in_each_place(exported, tmp_path):
    run, _, file = exported
    plugin = ["--plugin", str(tmp_path / "fake_exporters.py")]
    photos = [str(each) for each in photos_of(run)[:2]]
    texts = []
    for arguments in (
        ["predict", str(file), *photos],
        ["predict", "--model", str(file), *photos],
        ["predict", str(run), *photos, "--model", str(file)],
    ):
        ended = tlkit_command(*plugin, *arguments)
        assert ended.code == 0, ended.err
        assert "2 images predicted by NumPy" in ended.out + ended.err
        texts.append([line for line in ended.out.splitlines() if ".png" in line and "note:" not in line])
    assert texts[0] == texts[1] == texts[2]
    assert len(texts[0]) == 2
    ended = tlkit_command(*plugin, "evaluate", str(run), "--model", str(file))
    assert ended.code == 0, ended.err
    assert "images, computed by NumPy" in ended.out + ended.err
    ended = tlkit_command(*plugin, "predict", str(file))
    assert ended.code == 2
    assert "Missing argument 'FILES-OR-FOLDERS...'" in ended.out + ended.err


def test_the_command_line_exports_and_says_what_it_found(run, tmp_path, offering):
    offering()
    plugin = ["--plugin", str(tmp_path / "fake_exporters.py")]
    ended = tlkit_command(*plugin, "export", str(run), "--format", "tiny", "--set", "note=mine")
    assert ended.code == 0, ended.err
    assert "compared with the Keras model on 10 validation images" in ended.out + ended.err
    assert f"Written: {run / 'exports' / 'model.tiny'}" in ended.out + ended.err
    assert json.loads((run / "exports" / "model.tiny").read_text())["note"] == "mine"
    ended = tlkit_command(*plugin, "export", str(run), "--format", "tiny", "--quantize", "all", "--overwrite")
    assert ended.code == 0, ended.err
    assert ended.out.count("kept") == 4


@pytest.mark.slow
def test_workers_of_a_cluster_predict_and_measure_with_a_file_as_one_process_does(exported):
    pytest.importorskip("ray")
    from tlkit.cluster.ray_cluster import ClusterOptions, joined

    run, registry, file = exported
    two = ClusterOptions("local", workers=2)
    with joined(two):
        alone, spread = (tlkit.load(file, registry=registry, cluster=each) for each in (None, two))
        assert spread.predict(photos_of(run)) == alone.predict(photos_of(run))
        assert spread.engine == alone.engine == "NumPy"
        measured = [tlkit.evaluate(run, model=file, registry=registry, cluster=each) for each in (None, two)]
    assert measured[0] == measured[1]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["litert", "keras"])
def test_files_of_common_formats_give_the_same_bytes_on_a_cluster(kind, run, registry, tmp_path):
    pytest.importorskip("ray")
    file = tlkit.export(run, format=kind, registry=registry).files[0]
    photos, said = run.parent / "photos", {}
    for place, options in (("alone", ()), ("spread", ("--cluster", "local"))):
        own = ("--out", tmp_path / f"{place}.csv", *options)
        predicted = tlkit_command("predict", run, photos, "--model", file, *own)
        assert predicted.code == 0, predicted.err
        metrics = ("--out", tmp_path / f"{place}.json", *options)
        measured = tlkit_command("evaluate", run, "--split", "train", "--model", file, *metrics)
        assert measured.code == 0, measured.err
        said[place] = predicted.out.replace(place, ""), measured.out.replace(place, "")
        assert ("joined: process" in predicted.err) == bool(options)
    assert said["alone"] == said["spread"]
    for name in ("csv", "json"):
        assert (tmp_path / f"spread.{name}").read_bytes() == (tmp_path / f"alone.{name}").read_bytes()
