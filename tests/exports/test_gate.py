"""``tlkit.export``: a file that answers as the model does is kept, any other is refused, and nothing of it stays."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from filelock import FileLock

import tlkit
from tlkit.runs.exports import read_exports
from tlkit.runs.folder import RunFolder
from tlkit.runs.lock import locked


def files_of(folder: Path) -> set[str]:
    return {each.relative_to(folder).as_posix() for each in folder.rglob("*")} - {".lock"}


def test_a_file_that_agrees_is_kept_with_its_row(run, offering):
    result = tlkit.export(run, format="tiny", registry=offering())
    assert result.files == (run / "exports" / "model.tiny",)
    [row] = read_exports(RunFolder(run))
    assert row == result.exports[0]
    assert (row.passed, row.reason, row.file, row.split, row.images) == (
        True,
        "",
        "exports/model.tiny",
        "validation",
        10,
    )
    assert (row.format, row.quantize, row.input, row.precision, row.runtime) == (
        "tiny",
        None,
        "uint8",
        "float32",
        "NumPy",
    )
    assert row.agreement == 1.0
    assert row.largest_difference is not None
    assert row.largest_difference < 1e-5
    assert row.metric == "accuracy"
    assert row.metric_file == row.metric_keras
    assert row.bytes == result.files[0].stat().st_size
    assert row.digest == f"sha256:{hashlib.sha256(result.files[0].read_bytes()).hexdigest()}"
    content = json.loads(result.files[0].read_text())
    assert content["metadata"]["resize"] == "crop"
    assert content["metadata"]["input"] == "uint8"
    assert json.loads(content["metadata"]["classes"]) == ["red", "green", "blue"]
    assert content["images"] == 0
    assert files_of(run / "exports") == {"model.tiny"}


WRONG = {
    "float16": "its probabilities differ by up to",
    "garbage": "its probabilities differ by up to",
    "squeezed picture": "its probabilities differ by up to",
    "stretched": "the text 'resize' inside it is 'stretch'; expected 'crop'",
    "no texts": "the text 'tlkit' inside it is missing",
    "nan": r"its logits are not finite \(NaN or infinity\)",
    "shapes": r"its logits have the shape \(1, 2\) for 1 images; expected \(1, 3\)",
    "names": "it gives no logits, but output_0",
    "logits for probabilities": "its probabilities differ by up to",
    "bfloat16": "its runtime computes in bf16 on this processor; expected float32",
    "signal": "its process was ended by SIGSEGV: about to crash",
    "exits": "its process ended with the exit code 3",
    "one at a time": "this file takes one image at a time",
    "refuses": "the runtime can't run it",
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_file_that_answers_otherwise_is_refused_and_removed(wrong, run, offering):
    before = files_of(run)
    with pytest.raises(tlkit.RunError, match=WRONG[wrong]) as raised:
        tlkit.export(run, format="tiny", registry=offering(wrong))
    assert "nothing was left behind" in str(raised.value)
    assert "try another format" in str(raised.value)
    assert files_of(run) == before | {"exports.json"}
    [row] = read_exports(RunFolder(run))
    assert not row.passed
    assert row.digest == ""
    assert row.reason in str(raised.value)


def test_a_runtime_that_hangs_is_ended(run, offering, monkeypatch):
    monkeypatch.setattr("tlkit.exports.process.PATIENCE", 8.0)
    with pytest.raises(tlkit.RunError, match="its process did not answer within 8 seconds and was ended"):
        tlkit.export(run, format="tiny", registry=offering("hangs"))
    assert not (run / "exports").exists()


def test_a_runtime_that_prints_does_not_disturb_the_answers(run, offering):
    assert tlkit.export(run, format="tiny", registry=offering("prints")).exports[0].passed


FAILED = {
    "raises": (tlkit.PluginError, "RuntimeError: the converter broke"),
    "inexpressible": (tlkit.DataError, "it has no operation for this"),
    "nothing": (tlkit.PluginError, "the exporter wrote no model.tiny"),
    "changes its file": (tlkit.PluginError, "its file changed while it was compared"),
    "other names": (tlkit.PluginError, r"the exporter wrote strange\.txt; expected names that begin with model\."),
}


@pytest.mark.parametrize("wrong", FAILED)
def test_an_exporter_that_fails_leaves_nothing_behind(wrong, run, offering):
    error, text = FAILED[wrong]
    with pytest.raises(error, match=text):
        tlkit.export(run, format="tiny", registry=offering(wrong))
    assert not (run / "exports").exists()
    assert text.rpartition("; ")[0].replace("\\", "") in read_exports(RunFolder(run))[0].reason


def test_a_disk_that_is_full_is_told_and_nothing_is_left_behind(run, offering):
    with pytest.raises(tlkit.RunError, match=r"model\.tiny: can't be written: the disk is full") as raised:
        tlkit.export(run, format="tiny", registry=offering("disk"))
    assert raised.value.exit_code == 74
    assert not (run / "exports").exists()


def test_ctrl_c_in_the_middle_leaves_nothing_behind(run, offering):
    with pytest.raises(KeyboardInterrupt):
        tlkit.export(run, format="tiny", registry=offering("interrupt"))
    assert not (run / "exports").exists()
    assert not (run / "exports.json").exists()


def test_a_file_that_exists_is_not_touched(run, offering, tmp_path):
    mine = tmp_path / "mine.tiny"
    mine.write_text("mine")
    with pytest.raises(tlkit.DataError, match=r"mine\.tiny: already exists and was not changed"):
        tlkit.export(run, format="tiny", out=mine, registry=offering())
    assert mine.read_text() == "mine"
    with pytest.raises(tlkit.RunError):
        tlkit.export(run, format="tiny", out=mine, overwrite=True, registry=offering("nan"))
    assert mine.read_text() == "mine"
    result = tlkit.export(run, format="tiny", out=mine, overwrite=True, registry=offering())
    assert json.loads(mine.read_text())["bias"] == [0, 0, 0]
    assert result.exports[0].file == str(mine)
    assert {each.name for each in tmp_path.iterdir()} == {"mine.tiny", "run", "photos", "fake_exporters.py"}


def left_behind(folder: Path) -> Path:
    """Write what a process leaves that is killed while it replaces model.tiny."""
    staging = folder / ".tlkit-export-killed"
    for each in ("new", "scratch", "replaced"):
        (staging / each).mkdir(parents=True)
    (staging / "lock").touch()
    (staging / "new" / "model.tiny").write_text("new")
    (staging / "replaced" / "old.tiny").write_text("old")
    (staging / "replaced" / "there.tiny").write_text("old")
    (folder / "there.tiny").write_text("there")
    return staging


def test_what_a_killed_export_left_is_cleared(run, offering):
    folder = run / "exports"
    left_behind(folder)
    (folder / ".tlkit-export-mine").mkdir()
    assert tlkit.export(run, format="tiny", registry=offering()).exports[0].passed
    assert {each.name for each in folder.iterdir()} == {"model.tiny", "old.tiny", "there.tiny", ".tlkit-export-mine"}
    assert (folder / "old.tiny").read_text() == "old"
    assert (folder / "there.tiny").read_text() == "there"


def test_links_of_somebody_else_are_not_followed(run, offering, tmp_path):
    staging = left_behind(tmp_path / "place")
    mine = tmp_path / "mine"
    (staging / "replaced").rename(mine)
    (staging / "replaced").symlink_to(mine)
    tlkit.export(run, format="tiny", out=tmp_path / "place" / "x.tiny", registry=offering())
    assert {each.name for each in mine.iterdir()} == {"old.tiny", "there.tiny"}


def test_what_another_export_is_writing_is_left_alone(run, offering):
    staging = left_behind(run / "exports")
    with FileLock(staging / "lock"):
        assert tlkit.export(run, format="tiny", registry=offering()).exports[0].passed
    assert (staging / "new" / "model.tiny").read_text() == "new"


@pytest.mark.parametrize("name", ["model.keras", "model.tflite", "Model.KERAS"])
def test_the_model_of_a_run_is_never_replaced(name, run, registry):
    before = (run / "model.keras").read_bytes()
    form = "litert" if name.endswith("tflite") else "keras"
    with pytest.raises(tlkit.DataError, match="is the model of a run itself"):
        tlkit.export(run, format=form, out=run / name, overwrite=True, registry=registry)
    assert (run / "model.keras").read_bytes() == before


def test_a_damaged_table_is_told_before_the_work(run, offering):
    (run / "exports.json").write_text('{"exports": 3}')
    with pytest.raises(tlkit.RunError, match=r"exports\.json: exports: .*the file is damaged: remove it"):
        tlkit.export(run, format="tiny", registry=offering())
    assert not (run / "exports").exists()


def test_a_busy_run_is_told_before_the_work(run, offering):
    with locked(run), pytest.raises(tlkit.RunError, match="another process works in this run folder"):
        tlkit.export(run, format="tiny", registry=offering())
    assert not (run / "exports").exists()


def test_a_file_of_the_users_beside_it_is_not_touched(run, offering, tmp_path):
    (tmp_path / "x.bin").write_text("mine")
    with pytest.raises(tlkit.DataError, match=r"x\.bin: already exists and was not changed"):
        tlkit.export(run, format="tiny", out=tmp_path / "x.tiny", registry=offering("beside"))
    assert not (tmp_path / "x.tiny").exists()
    assert (tmp_path / "x.bin").read_text() == "mine"


def test_the_digest_of_several_files_covers_all_of_them(run, offering, tmp_path):
    [row] = tlkit.export(run, format="tiny", out=tmp_path / "x.tiny", registry=offering("beside")).exports
    lines = [f"{name} {hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()}\n" for name in ("x.bin", "x.tiny")]
    assert row.digest == f"sha256:{hashlib.sha256(''.join(lines).encode()).hexdigest()}"


def test_a_quantized_file_is_calibrated_on_training_images_and_judged_by_other_limits(run, offering):
    result = tlkit.export(run, format="tiny", quantize="int8", registry=offering("bfloat16"))
    assert result.files == (run / "exports" / "model-int8.tiny",)
    assert json.loads(result.files[0].read_text())["images"] == 14
    with pytest.raises(
        tlkit.RunError, match=r"of its classes are the same; .*try --quantize int16x8 or --quantize float16"
    ):
        tlkit.export(run, format="tiny", quantize="int8", overwrite=True, registry=offering("garbage"))


def test_all_writes_each_format_and_quantization_and_tells_what_was_refused(run, offering, monkeypatch):
    registry = offering()
    monkeypatch.setattr(registry, "names", lambda _kind: ["tiny"])
    monkeypatch.setattr("tlkit.jobs.export.registry_for_recipe", lambda given, **_: given)
    result = tlkit.export(run, format="all", quantize="all", registry=registry)
    assert [each.quantize for each in result.exports] == [None, "float16", "int8", "int16x8"]
    assert all(each.passed for each in result.exports)
    assert len(read_exports(RunFolder(run))) == 4


@pytest.mark.parametrize("kind", ["binary"])
def test_two_classes_with_one_logit_have_two_probabilities(kind, tmp_path, registry, offering):
    from tiny_run import tiny_run

    run = tiny_run(tmp_path, registry, classes=("green", "red"), label_kind=kind)
    assert tlkit.export(run, format="tiny", registry=offering()).exports[0].passed


ASKED = {
    "format: expected .*tiny, all; received 'onnnx'": {"format": "onnnx"},
    "quantize: the format \"tiny\" has float16, int8, int16x8; received 'dynamic'": {"quantize": "dynamic"},
    "quantize: expected one of": {"quantize": "int4"},
    "input: expected uint8 or float32; received 'float64'": {"input": "float64"},
    "expected a name that ends with .tiny": {"out": "model.onnx"},
    "no file can have this name: File name too long": {"out": f"{'x' * 260}.tiny"},
    "no file can have this name: embedded null byte": {"out": "a\0.tiny"},
    "no file can have this name: File name too long;?": {"out": "x" * 260, "format": "savedmodel"},
    "/dev/null is a file; expected a folder": {"out": "/dev/null/x.tiny"},
    "names one file, and several are to be written": {"out": "x.tiny", "quantize": "all"},
    "--set note: .*str": {"options": {"note": 3}},
    '--set notes: .*did you mean "note"': {"options": {"notes": "x"}},
}


@pytest.mark.parametrize("message", ASKED)
def test_what_can_not_be_exported_is_told_before_the_work(message, run, offering):
    with pytest.raises(tlkit.DataError, match=message):
        tlkit.export(run, **{"format": "tiny", "registry": offering(), **ASKED[message]})
    assert not (run / "exports.json").exists()


def test_a_missing_package_is_told_with_the_line_to_type(run, offering):
    registry = offering(runs_with=("no_such_package",))
    message = r'format "tiny" needs no_such_package, which is not installed; pip install "tlkit\[tiny\]" installs it'
    with pytest.raises(tlkit.DataError, match=message):
        tlkit.export(run, format="tiny", registry=registry)


def test_an_object_of_this_process_can_not_offer_a_format(run, tmp_path):
    import runpy

    from fake_exporters import write_fake

    [record] = runpy.run_path(str(write_fake(tmp_path)))["tlkit_exporters"]()
    with pytest.raises(tlkit.PluginError, match="is a plugin that exists only in this process"):
        tlkit.export(run, format="tiny", registry=tlkit.plugins(record))


def test_the_models_of_folds_become_one_file(tmp_path, registry, offering):
    import keras
    from evaluate_fakes import color_model, make_card, save_run_with_data
    from recipe_text import recipe_text
    from tiny_run import write_tinted

    folds = tmp_path / "folds"
    folds.mkdir()
    text = recipe_text(
        data={"name": "folder", "path": write_tinted(tmp_path / "photos")}, input={"image_size": 8, "validation": 0.4}
    )
    for number in (1, 2):
        model = color_model()
        model.layers[-1].set_weights([model.layers[-1].get_weights()[0] * number])
        save_run_with_data(folds / f"fold-{number}", model, make_card(), text, registry)
    folder = RunFolder(folds)
    folder.write_card(make_card(folds=("fold-1", "fold-2")).model_dump(mode="json"))
    keras.backend.clear_session()
    result = tlkit.export(folds, format="savedmodel", registry=registry)
    assert result.files == (folds / "exports" / "savedmodel",)
    assert read_exports(folder)[0].passed
    photo = tmp_path / "photos" / "red" / "0.png"
    [ours], [theirs] = (tlkit.load(each, registry=registry).predict(photo) for each in (result.files[0], folds))
    assert ours.probabilities == pytest.approx(theirs.probabilities, abs=1e-6)


def test_images_with_several_labels_are_compared_label_by_label(tmp_path, registry):
    from evaluate_fakes import color_model, make_card, save_run_with_data
    from recipe_text import recipe_text
    from tiny_run import write_tinted

    photos = write_tinted(tmp_path / "photos")
    rows = [f"{name}/{number}.png,{name};blue" for name in ("red", "green") for number in range(8)]
    (tmp_path / "t.csv").write_text("\n".join(["image,label", *rows]) + "\n")
    data = {"name": "csv", "path": tmp_path / "t.csv", "root": photos, "separator": ";"}
    text = recipe_text(data=data, input={"image_size": 8, "validation": 0.4})
    run = save_run_with_data(tmp_path / "run", color_model(), make_card(label_kind="multi"), text, registry).path
    [row] = tlkit.export(run, format="savedmodel", registry=registry).exports
    assert row.passed
    assert row.metric == "accuracy"
    assert row.agreement == 1.0


LAYER = """
import keras
import tlkit


@keras.saving.register_keras_serializable("mine")
class Halved(keras.layers.Layer):
    def call(self, inputs):
        return inputs / 2


@tlkit.hookimpl
def tlkit_heads():
    return []
"""


def test_a_model_with_a_layer_of_a_plugin_is_exported_only_with_trust(tmp_path, registry):
    import sys

    import keras
    from evaluate_fakes import color_model, make_card, save_run_with_data
    from recipe_text import recipe_text
    from tiny_run import write_tinted

    (tmp_path / "my_layer.py").write_text(LAYER, encoding="utf-8")
    mine = tlkit.plugins(tmp_path / "my_layer.py")
    [layer] = [
        vars(each)["Halved"] for name, each in sys.modules.items() if name.startswith("tlkit_file_plugin_my_layer")
    ]
    plain = color_model()
    model = keras.Model(plain.input, layer()(plain.output))
    data = {"name": "folder", "path": write_tinted(tmp_path / "photos")}
    text = recipe_text(data=data, input={"image_size": 8, "validation": 0.4})
    run = save_run_with_data(tmp_path / "run", model, make_card(), text, registry).path
    with pytest.raises(tlkit.RunError, match=r"Halved.*--trust"):
        tlkit.export(run, format="savedmodel", registry=mine)
    result = tlkit.export(run, format="savedmodel", registry=mine, trust=True)
    assert result.exports[0].passed
    photo = tmp_path / "photos" / "red" / "0.png"
    [ours] = tlkit.load(result.files[0], registry=registry).predict(photo)
    [theirs] = tlkit.load(run, registry=mine, trust=True).predict(photo)
    assert ours.probabilities == pytest.approx(theirs.probabilities, abs=1e-6)
