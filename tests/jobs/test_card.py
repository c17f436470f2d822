"""``tlkit card``: a model card from what a run folder says."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import tlkit_command
from hostile_names import CLASSES
from markdown_it import MarkdownIt
from PIL import Image
from run_folders import MODEL_CARD, write_run

import tlkit
from tlkit.models.families import APPLICATIONS
from tlkit.models.weight_licences import STATEMENTS, weights_statement
from tlkit.report.card_facts import card_facts
from tlkit.report.model_card import Offered, model_card
from tlkit.runs.folder import RunFolder
from tlkit.system.disk import write_atomically

FIXTURES = Path(__file__).parents[1] / "runs" / "fixtures"
EXPORT = {
    "format": "onnx",
    "quantize": "int8",
    "input": "uint8",
    "file": "exports/model-int8.onnx",
    "bytes": 2_500_000,
    "precision": "int8",
    "runtime": "ONNX Runtime 1.32.0",
    "images": 74,
    "split": "validation",
    "largest_difference": 0.012,
    "agreement": 0.987,
    "metric": "accuracy",
    "metric_keras": 0.9,
    "metric_file": 0.89,
    "ms_keras": 30.0,
    "ms_file": 10.0,
    "passed": True,
    "reason": "",
}


def finished_run(path: Path, registry: Any, metrics: Any, **card: Any) -> RunFolder:
    run = write_run(path, registry, {"full": {"loss": [1.0], "val_loss": [1.0]}}, metrics=metrics)
    run.write_card({**MODEL_CARD, **card})
    return run


def written(run: Path, *arguments: object) -> str:
    outcome = tlkit_command("card", run, *arguments)
    assert outcome.code == 0, outcome.err
    return (run / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["run_0_1_0_classification", "run_0_1_0_segmentation"])
def test_a_run_of_0_1_0_has_a_card_that_hugging_face_reads(name, tmp_path):
    run = tmp_path / name
    shutil.copytree(FIXTURES / name, run)
    text = written(run)
    from huggingface_hub import ModelCard

    card = ModelCard(text, ignore_metadata_errors=False)
    metrics = json.loads((run / "metrics.json").read_text())
    read = {(each.dataset_split, each.metric_name): each.metric_value for each in card.data.eval_results}
    assert card.data.library_name == "keras"
    assert card.data.pipeline_tag == ("image-segmentation" if "segmentation" in name else "image-classification")
    for split, of in metrics.items():
        for metric, value in of.items():
            if isinstance(value, float):
                assert read[split, metric.replace("_", " ")] == pytest.approx(value, abs=1e-6)
    for part in ("## Data", "## Metrics", "## Limits", "## Licences", "## How to use", "## Recipe"):
        assert f"\n{part}\n" in text


def test_a_file_of_the_user_is_not_replaced(tmp_path):
    run = tmp_path / "run"
    shutil.copytree(FIXTURES / "run_0_1_0_classification", run)
    (run / "README.md").write_text("mine")
    outcome = tlkit_command("card", run)
    assert outcome.code == 2
    assert "already exists" in outcome.err
    assert (run / "README.md").read_text() == "mine"
    assert written(run, "--overwrite") != "mine"
    assert tlkit.card(run, out=tmp_path / "card.md") == tmp_path / "card.md"


def test_the_folder_of_the_card_is_made_and_a_place_for_no_file_is_told(tmp_path):
    run = shutil.copytree(FIXTURES / "run_0_1_0_classification", tmp_path / "run")
    assert tlkit_command("card", run, "--out", tmp_path / "new" / "x.md").code == 0
    assert (tmp_path / "new" / "x.md").is_file()
    if Path("/proc").is_dir():
        outcome = tlkit_command("card", run, "--out", "/proc/x.md")
        told = "Error: /proc/x.md: can't be written: no file can be made there: /proc; choose another folder\n"
        assert (outcome.code, outcome.err) == (2, told)


def test_a_file_that_can_not_be_written_has_its_own_name_in_the_message(tmp_path):
    with pytest.raises(FileNotFoundError) as raised:
        write_atomically(tmp_path / "none" / "x.md", "text")
    assert raised.value.filename == str(tmp_path / "none" / "x.md")


def test_names_from_strangers_break_neither_markdown_nor_yaml(tmp_path, registry):
    per_class = {name: {"precision": 0.5, "recall": 0.5, "f1": 0.1 * n, "support": 3} for n, name in enumerate(CLASSES)}
    metrics = {"test": {"accuracy": 0.5, "per_class": per_class, "commonest": {"class": CLASSES[1], "accuracy": 0.2}}}
    card = {"classes": list(CLASSES), "label_kind": "single", "colors": [[0, 0, 0]] * 5, "name": CLASSES[1]}
    run = finished_run(tmp_path / "run", registry, metrics, **card)
    rows = [f"{n}.png,train,{json.dumps(name)},used," for n, name in enumerate(CLASSES)]
    rows = [row.replace('\\"', '""').replace("\\n", "\n").encode().decode() for row in rows]
    reason = "<b>|`\n# forged"
    run.samples.write_text(
        "key,split,label,status,reason\n" + "\n".join(rows) + f'\nx.png,,,set aside,"{reason}"\n', encoding="utf-8"
    )
    text = written(run.path)
    from huggingface_hub import ModelCard

    assert ModelCard(text).data.model_name == CLASSES[1]
    page = MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(text.split("---\n", 2)[2])
    assert set(re.findall(r"<(\w+)", page)) <= set(
        "h1 h2 h3 p table thead tbody tr th td strong em code pre ul li a details summary".split()  # noqa: SIM905
    )
    titles = re.findall(r"<h[123]>(.*?)</h[123]>", page)
    assert titles[1:3] == ["Data", "Metrics"]
    assert not any("forged" in title for title in titles[1:])
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e\u200b]", text)


def test_what_was_exported_and_what_was_refused_are_in_the_card(tmp_path, registry):
    run = finished_run(tmp_path / "run", registry, {"test": {"accuracy": 0.5}})
    refused = {**EXPORT, "quantize": "float16", "passed": False, "reason": "the metric is worse | by 0.2"}
    run.write_json(run.path / "exports.json", {"exports": [{**EXPORT, "agreement": 0.1}, refused, EXPORT]})
    text = written(run.path)
    assert re.findall(r"^\| onnx int8 \(uint8\) \| passed \| (\S+) \|", text, re.MULTILINE) == [
        "exports/model-int8.onnx"
    ]
    assert "98.70 %" in text
    assert "10.00 %" not in text  # the older row of the same format
    assert "- onnx float16 (uint8) was refused: the metric is worse &#124; by 0.2" in text


def test_the_licence_is_the_users_choice(tmp_path, registry):
    run = finished_run(tmp_path / "run", registry, {"test": {"accuracy": 0.5}})
    assert "has not stated a licence" in written(run.path)
    text = written(run.path, "--license", "cc-by-4.0", "--overwrite")
    assert '\nlicense: "cc-by-4.0"\n' in text
    outcome = tlkit_command("card", run.path, "--license", "Apache 2", "--overwrite")
    assert outcome.code == 2
    assert "expected an identifier such as apache-2.0" in outcome.err


def test_secrets_and_the_home_folder_do_not_leave(tmp_path, registry, monkeypatch):
    run = finished_run(tmp_path / "run", registry, {"test": {"accuracy": 0.5}})
    monkeypatch.setenv("HOME", "/home/alice")
    run.write_recipe('name = "a"\n[data]\nname = "folder"\npath = "/home/alice/photos"\ntoken = "hush"\n')
    text = written(run.path)
    assert 'path = "~/photos"' in text
    assert "alice" not in text
    assert "hush" not in text


def test_every_family_has_a_statement_with_an_address():
    families = {each.family for each in APPLICATIONS}
    assert set(STATEMENTS) == families
    assert all(each.address.startswith("https://github.com/") for each in STATEMENTS.values())
    assert weights_statement("small_cnn") is None
    assert "MIT" in weights_statement("ResNet50").says


def test_weights_whose_licence_nobody_stated_are_said_to_be_so(tmp_path, registry):
    run = finished_run(
        tmp_path / "run", registry, {"test": {"accuracy": 0.5}}, backbone={"name": "EfficientNetB0", "options": {}}
    )
    run.write_json(run.environment, {"settings": {"backbone": {"name": "EfficientNetB0", "weights": "imagenet"}}})
    assert "Their licence is not stated by their publisher" in written(run.path)


def test_what_is_no_finished_run_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "model.onnx").write_text("x")
    outcome = tlkit_command("card", tmp_path / "model.onnx")
    assert outcome.code == 1
    assert "model.onnx: is a file; expected the folder that tlkit run printed" in outcome.err
    for folder in ("empty", "gone"):
        outcome = tlkit_command("card", tmp_path / folder)
        assert outcome.code == 1
        assert not (tmp_path / folder / "README.md").exists()


def test_a_cross_validation_has_the_figures_of_its_folds(tmp_path, registry):
    run = tmp_path / "folds"
    for number, accuracy in ((1, 0.5), (2, 0.7)):
        fold = finished_run(run / f"fold-{number}", registry, {"validation": {"accuracy": accuracy}})
        fold.samples.write_text("key,split,label,status,reason\na.png,train,a,used,\nb.png,validation,b,used,\n")
        (run / f"fold-{number}.csv").touch()
    (run / "folds.toml").write_text('name = "a"\n')
    RunFolder(run).write_card({**MODEL_CARD, "folds": ["fold-1", "fold-2"]})
    text = written(run)
    assert "| accuracy | 0.5000 | 0.7000 | 0.6000 | 0.1414 |" in text
    assert "| all | 2 |" in text
    assert "model-index" not in text  # the mean of the folds is not what this model was measured at


def test_several_labels_per_image_are_said_to_be_so(tmp_path, registry):
    run = finished_run(tmp_path / "run", registry, {"test": {"accuracy": 0.5}}, label_kind="multi")
    run.samples.write_text("key,split,label,status,reason\na.png,train,a|b,used,\nb.png,train,b,used,\n")
    text = written(run.path)
    assert "finds which of 2 labels an image has" in text
    assert "| `b` | 2 |" in text


@pytest.mark.parametrize(
    "content", ["[]", '{"exports": 3}', '{"exports": [1]}', "{", '{"exports": [{"bytes": "x", "passed": 1}]}']
)
def test_a_damaged_exports_file_is_named(content, tmp_path, registry):
    run = finished_run(tmp_path / "run", registry, {"test": {"accuracy": 0.5}})
    (run.path / "exports.json").write_text(content)
    outcome = tlkit_command("card", run.path)
    assert outcome.code == 1
    assert "exports.json" in outcome.err


def test_the_card_does_not_say_where_a_file_outside_the_run_folder_lies(tmp_path, registry):
    run = finished_run(tmp_path / "run", registry, {"test": {"accuracy": 0.5}})
    run.write_json(run.path / "exports.json", {"exports": [{**EXPORT, "file": str(tmp_path / "mine.onnx")}]})
    text = model_card(card_facts(run), Offered({"onnx": "probabilities = images"}, {})).text
    assert str(tmp_path / "mine.onnx") not in text
    assert "FILE = 'mine.onnx'" in text


@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
def test_the_code_of_the_card_prepares_a_photo_as_tlkit_does(resize, tmp_path, registry, monkeypatch):
    from tlkit.data.images.decode import fit_image

    random = np.random.default_rng(0)
    run = finished_run(tmp_path / "run", registry, {"test": {"accuracy": 0.5}}, resize=resize, image_size=[32, 48])
    run.write_json(run.path / "exports.json", {"exports": [{**EXPORT, "format": "tiny"}]})
    photo = random.integers(0, 256, (61, 40, 3), np.uint8)
    Image.fromarray(photo).save(tmp_path / "photo.jpg", "PNG")
    snippets = {"tiny": "probabilities = images.mean((1, 2))"}
    text = model_card(card_facts(run), Offered(snippets, {})).text
    first, second = [
        block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "tlkit.load" not in block
    ]
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(first + second, names)
    assert (names["images"][0] == fit_image(photo, (32, 48), resize)).all()
    assert names["FILE"] == "exports/model-int8.onnx"
    names["metadata"] = {"classes": json.dumps(MODEL_CARD["classes"])}
    [named] = re.findall(r"the class is `(.*?)`", text)
    assert eval(named, {**names, "json": json}) in MODEL_CARD["classes"]
    assert names["probabilities"].shape == (1, 3)


@pytest.mark.parametrize("name", ["model.json", "recipe.toml", "x"])
def test_no_other_file_of_the_run_is_replaced(name, tmp_path, registry):
    run = finished_run(tmp_path / "run", registry, {})
    before = {file.name: file.read_bytes() for file in run.path.iterdir() if file.is_file()}
    outcome = tlkit_command("card", run.path, "--out", run.path / name, "--overwrite")
    assert outcome.code == 2
    assert "may be a file of the run; expected a name that ends with .md" in outcome.err
    assert {file.name: file.read_bytes() for file in run.path.iterdir() if file.is_file()} == before


@pytest.mark.parametrize("name", ["x" * 260, "a\0b"])
def test_a_name_that_no_file_can_have_is_refused(name, tmp_path, registry):
    run = finished_run(tmp_path / "run", registry, {})
    with pytest.raises(tlkit.DataError, match="no file can have this name"):
        tlkit.card(run.path, out=tmp_path / name)


def test_a_metric_that_is_no_number_is_not_in_the_front_matter(tmp_path, registry):
    values = {"accuracy": 0.5, "loss": float("nan")}
    run = finished_run(tmp_path / "run", registry, {"validation": values, "test": {"loss": float("inf")}})
    _, front, body = written(run.path).split("---\n", 2)
    assert 'type: "accuracy"' in front
    assert "loss" not in front
    assert "| loss | nan |" in body
