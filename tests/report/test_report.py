"""The results that a run writes at its end."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest
from evaluate_fakes import BLUE, GREEN, RED, StandInData, color_model, make_card, plain_image
from recipe_text import recipe_text

from tlkit.contracts import ReportSection, SetAside
from tlkit.errors import PluginError
from tlkit.evaluation.logits import logits_of_model
from tlkit.recipe.load import parse_recipe
from tlkit.recipe.schema import Recipe
from tlkit.registry.discovery import make_registry
from tlkit.report.write_results import Additions, write_results
from tlkit.runs.folder import RunFolder
from tlkit.runs.profile import Profile
from tlkit.system.stages import StageTime

CLASSES = ("red", "<script>alert(1)</script>", "blue & co")


@pytest.fixture
def run_folder(tmp_path: Path) -> RunFolder:
    path = tmp_path / "run"
    path.mkdir()
    return RunFolder(path)


def some_data(splits: list[str]) -> StandInData:
    images = np.stack([plain_image(color) for color in (RED, GREEN, BLUE, RED)])
    labels = np.array([0, 1, 2, 1], np.int32)
    keys = ["a.png", "<img src=x>.png", "c.png", "wrong.png"]
    aside = (SetAside("<b>bad</b>.jpg", "not an image"),)
    return StandInData(images, splits, CLASSES, labels, keys=keys, set_aside=aside)


def recipe_of(loss: str | None = None, batch_size: int = 4) -> Recipe:
    train = {} if loss is None else {"train": {"loss": loss}}
    return parse_recipe(recipe_text(input={"batch_size": batch_size}, **train), make_registry(environ={}))


def write(folder: RunFolder, data: StandInData, sections=lambda _metrics: []):
    card = make_card(classes=CLASSES)
    logits = logits_of_model(color_model(), card, data, 2)
    return write_results(folder, card, data, logits, recipe=recipe_of(batch_size=2), added=Additions(sections))


def test_the_report_says_where_the_time_of_each_command_went(run_folder: RunFolder) -> None:
    write(run_folder, some_data(["validation"] * 4))
    assert "Where the time went" not in run_folder.report.read_text(encoding="utf-8")
    for name in ("computing features", "<b>training</b>"):
        Profile(run_folder.profile).write([StageTime(name, 2.0, 3.5, 400), StageTime("evaluating", 6.0, 6.0)])
    write(run_folder, some_data(["validation"] * 4))
    report = run_folder.report.read_text(encoding="utf-8")
    cells = '<td class="n">2.0</td><td class="n">3.5</td><td class="n">400</td><td class="n">200.0</td>'
    for name in ("computing features", "&lt;b&gt;training&lt;/b&gt;"):
        assert f'<tr><td>{name}</td>{cells}<td class="n">25.0 %</td></tr>' in report
    assert "<h3>continued</h3>" in report
    run_folder.profile.write_bytes(b"\0\xff")
    write(run_folder, some_data(["validation"] * 4))
    report = run_folder.report.read_text(encoding="utf-8")
    assert "Where the time went" not in report
    assert "profile.csv: not a CSV file in UTF-8" in report


def test_all_results_are_written_and_all_pictures_are_png_files(run_folder: RunFolder) -> None:
    run_folder.history.write_text(
        "phase,epoch,loss,val_loss,learning_rate,seconds\nhead,1,1.0,1.1,0.001,2.0\n", encoding="utf-8"
    )
    metrics = write(run_folder, some_data(["validation", "test", "test", "validation"])).metrics
    assert json.loads(run_folder.metrics.read_bytes()) == metrics
    assert metrics["validation"]["accuracy"] == 0.5
    assert metrics["test"]["accuracy"] == 1.0
    names = {path.name for path in run_folder.pictures.iterdir()}
    both = {"confusion.png", "samples.png", "test-confusion.png", "test-samples.png"}  # no test image is misclassified
    assert names == {"curves.png", "worst.png", *both}
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in run_folder.pictures.iterdir())
    assert run_folder.report.is_file()


def test_the_test_images_have_their_own_pages(run_folder: RunFolder) -> None:
    write(run_folder, some_data(["train", "validation", "test", "test"]))
    html = run_folder.report.read_text(encoding="utf-8")
    for title in ("Sample predictions: validation", "Sample predictions: test", "Most confidently wrong: test"):
        assert f"<h2>{title}</h2>" in html
    assert (run_folder.pictures / "test-worst.png").is_file()


def test_metrics_stand_with_their_intervals_and_what_the_commonest_class_gives(run_folder: RunFolder) -> None:
    write(run_folder, some_data(["validation"] * 4))
    metrics = json.loads(run_folder.metrics.read_text(encoding="utf-8"))["validation"]
    low, high = metrics["intervals"]["accuracy"]
    assert 0 <= low < metrics["accuracy"] == 0.75 < high <= 1
    assert metrics["commonest"]["class"] == CLASSES[1]
    assert metrics["commonest"]["accuracy"] == 0.5
    page = run_folder.report.read_text(encoding="utf-8")
    assert f"{low:.3f} to {high:.3f}" in page
    assert "commonest class: 0.500" in page


def test_the_calibration_of_each_split_is_shown_at_the_temperature_of_the_validation_images(
    run_folder: RunFolder,
) -> None:
    write(run_folder, some_data(["validation", "validation", "test", "validation"]))
    metrics = json.loads(run_folder.metrics.read_text(encoding="utf-8"))
    found = [metrics[split]["calibration"] for split in ("validation", "test")]
    assert found[0]["temperature"] == found[1]["temperature"]
    page = run_folder.report.read_text(encoding="utf-8")
    for each in found:
        assert f"expected calibration error {each['error']:.3f}" in page
        assert f"expected calibration error {each['scaled_error']:.3f}" in page
    assert page.count("It was chosen on these very images") == 1
    write(run_folder, some_data(["test"] * 4))
    assert "Are the probabilities right" not in run_folder.report.read_text(encoding="utf-8")


def test_each_picture_can_be_opened_larger_without_a_script(run_folder: RunFolder) -> None:
    sections = [ReportSection(title, "", Path("mine.png")) for title in ("One", "Two")]
    (run_folder.path / "mine.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    write(run_folder, some_data(["validation", "test", "test", "validation"]), lambda _metrics: sections)
    html = run_folder.report.read_text(encoding="utf-8")
    pictures = re.findall(r'<figure class="picture" id="([^"]+)">', html)
    assert len(pictures) == len(set(pictures)) == html.count("data:image/png")
    assert all(f'href="#{each}"' in html and f'id="{each}-section"' in html for each in pictures)


def test_names_break_at_their_parts_and_tables_scroll_by_themselves(run_folder: RunFolder) -> None:
    write(run_folder, some_data(["validation"] * 4))
    html = run_folder.report.read_text(encoding="utf-8")
    assert html.count("<table") == html.count('<div class="scroll"><table')
    assert '<td class="name">a.png</td>' in html
    style = html[html.index("<style>") : html.index("</style>")]
    assert not re.search(r"t[hd], t[hd] \{[^}]*anywhere", style)


def test_a_split_without_samples_has_no_metrics(run_folder: RunFolder) -> None:
    assert list(write(run_folder, some_data(["train", "train", "train", "test"])).metrics) == ["test"]


def test_a_run_without_held_out_images_gets_a_report(run_folder: RunFolder) -> None:
    assert write(run_folder, some_data(["train"] * 4)).metrics == {}
    assert (run_folder.pictures / "samples.png").is_file()
    assert "nothing was measured" in run_folder.report.read_text(encoding="utf-8")


def test_the_report_escapes_names_and_has_no_external_references(run_folder: RunFolder) -> None:
    run_folder.recipe.write_text('name = "<i>x</i>"', encoding="utf-8")
    write(run_folder, some_data(["validation"] * 4), lambda _metrics: [ReportSection("<u>T</u>", "<s>text</s>")])
    html = run_folder.report.read_text(encoding="utf-8").replace("<wbr>", "")
    script = (Path(write_results.__code__.co_filename).parent / "templates" / "report.js").read_text(encoding="utf-8")
    html = html.replace(f"<script>{script}</script>", "", 1)
    for raw in ("<script>", "<img src=x>", "<b>bad</b>", "<i>x</i>", "<u>T</u>", "<s>text</s>"):
        assert raw not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "&lt;b&gt;bad&lt;/b&gt;.jpg" in html
    assert not re.search(r"""(src|href)\s*=\s*["'](?!data:image/(png|jpeg);base64,|#)""", html)


def test_the_security_policy_allows_one_script_by_its_hash(run_folder: RunFolder) -> None:
    write(run_folder, some_data(["validation"] * 4))
    html = run_folder.report.read_text(encoding="utf-8")
    [policy] = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', html)
    [script] = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy == f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"


def test_the_report_summarises_the_freeze_table(run_folder: RunFolder) -> None:
    run_folder.freeze.write_text(
        "phase,layer,variable,should_change,changed\n"
        "head,conv,kernel,no,no\nhead,conv,bias,no,no\nhead,dense,kernel,yes,yes\n",
        encoding="utf-8",
    )
    write(run_folder, some_data(["validation"] * 4))
    html = run_folder.report.read_text(encoding="utf-8")
    assert '<td>head</td><td class="n">2</td><td class="n">0</td><td class="n">1</td><td class="n">0</td>' in html


def test_predictions_csv_has_one_row_per_held_out_sample(run_folder: RunFolder) -> None:
    write(run_folder, some_data(["validation", "train", "test", "validation"]))
    with (run_folder.path / "predictions.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["key"], row["split"], row["truth"], row["prediction"]) for row in rows] == [
        ("a.png", "validation", "red", "red"),
        ("wrong.png", "validation", CLASSES[1], "red"),
        ("c.png", "test", "blue & co", "blue & co"),
    ]
    assert float(rows[1]["loss"]) > float(rows[0]["loss"])


def test_a_segmentation_writes_its_results_without_a_table_of_predictions(run_folder: RunFolder) -> None:
    images = np.stack([plain_image(color) for color in (RED, GREEN)])
    masks = np.stack([np.full((8, 8), 0, np.uint8), np.full((8, 8), 1, np.uint8)])
    masks[:, 0] = 255
    data = StandInData(images, ["validation"] * 2, ("red", "green", "blue"), masks=masks)
    card = make_card(task="segmentation")
    logits = logits_of_model(color_model(pixels=True), card, data, 4)
    metrics = write_results(run_folder, card, data, logits, recipe=recipe_of("poisson"), added=Additions()).metrics
    assert list(metrics["validation"])[:2] == ["loss", "cross_entropy"]
    assert metrics["validation"]["loss"] != metrics["validation"]["cross_entropy"]
    assert "Files with the highest cross-entropy" in run_folder.report.read_text(encoding="utf-8")
    assert metrics["validation"]["iou"] == {"red": 1.0, "green": 1.0, "blue": None}
    assert {path.name for path in run_folder.pictures.iterdir()} == {"confusion.png", "samples.png", "worst.png"}
    assert not (run_folder.path / "predictions.csv").exists()


def test_a_section_receives_the_metrics(run_folder: RunFolder) -> None:
    def sections(metrics):
        return [ReportSection("Count", f"measured {metrics['validation']['count']}")]

    write(run_folder, some_data(["validation"] * 4), sections)
    assert "measured 4" in run_folder.report.read_text(encoding="utf-8")


@pytest.mark.parametrize("image", [Path("../outside.png"), Path("missing.png"), Path("metrics.json")])
def test_the_picture_of_a_section_must_be_a_png_in_the_run_folder(run_folder: RunFolder, image: Path) -> None:
    (run_folder.path.parent / "outside.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(PluginError, match="Mine"):
        write(run_folder, some_data(["validation"] * 4), lambda _metrics: [ReportSection("Mine", "", image)])


@pytest.mark.parametrize("value", [3, "x", None, [1], [{}], [{"plugin": [1]}], {"type": {}}, [[]], True], ids=repr)
def test_an_environment_with_any_values_is_shown(run_folder: RunFolder, value) -> None:
    odd = {"python": "3.11", "packages": value, "plugins": value, "devices": value, "processors": value}
    run_folder.write_json(run_folder.environment, odd)
    write(run_folder, some_data(["validation"] * 4))
    assert "3.11" in run_folder.report.read_text(encoding="utf-8")
