"""``tlkit check --apply``: what somebody decided about labels becomes a table that a recipe reads."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from command_line import tlkit_command

import tlkit
from tlkit.jobs.from_recipe import open_samples
from tlkit.recipe.load import load_recipe

HEADER = "decision,key,split,label\n"


@pytest.fixture
def recipe(class_folders, write_recipe) -> Path:
    folder = class_folders({"cat": 4, "dog": 4, "owl": 2})
    return write_recipe(data={"name": "folder", "path": folder}, input={"image_size": 16})


@pytest.fixture
def table(tmp_path):
    def write(*rows: str, header: str = HEADER, encoding: str = "utf-8") -> Path:
        path = tmp_path / "labels.csv"
        path.write_text(header + "\n".join(rows) + "\n", encoding=encoding)
        return path

    return write


def labels_of(recipe: Path, registry) -> dict[str, str]:
    found = open_samples(load_recipe(recipe, registry))
    return {each.key: found.classes[each.label] for each in found.samples}


def pasted(recipe: Path, out: str) -> Path:
    """Return a recipe with the printed lines in place of its table [data]."""
    table = out.partition("by these lines:\n")[2].partition("\n\n")[0].splitlines()
    text = recipe.read_text().splitlines()
    first = text.index("[data]")
    after = next(place for place in range(first + 1, len(text)) if text[place].startswith("["))
    path = recipe.with_name("pasted.toml")
    path.write_text("\n".join([*text[:first], *table, "", *text[after:]]))
    return path


def test_the_printed_lines_make_a_recipe_with_the_labels_as_decided(recipe, table, tmp_path, registry):
    before = labels_of(recipe, registry)
    files = {path: path.read_bytes() for path in (tmp_path / "photos").rglob("*.png")}
    decisions = table(
        "fix:dog,cat/000.png,train,cat",
        "drop,cat/001.png,train,cat",
        " KEEP ,dog/000.png,train,dog",
        ",dog/001.png,train,dog",
    )
    outcome = tlkit_command("check", recipe, "--apply", decisions)
    assert outcome.code == 0, outcome.err
    assert "1 fixed, 1 dropped, 8 kept" in outcome.out
    after = labels_of(pasted(recipe, outcome.out), registry)
    assert after == {**{key: label for key, label in before.items() if key != "cat/001.png"}, "cat/000.png": "dog"}
    assert {path: path.read_bytes() for path in (tmp_path / "photos").rglob("*.png")} == files


def test_a_table_that_exists_is_kept(recipe, table, tmp_path):
    decisions = table("fix:dog,cat/000.png,train,cat")
    (tmp_path / "labels-applied.csv").write_text("mine")
    outcome = tlkit_command("check", recipe, "--apply", decisions)
    assert outcome.code == 2
    assert "labels-applied.csv: already exists" in outcome.err
    assert (tmp_path / "labels-applied.csv").read_text() == "mine"
    assert tlkit_command("check", recipe, "--apply", decisions, "--overwrite").code == 0
    outcome = tlkit_command("check", recipe, "--apply", decisions, "--out", decisions, "--overwrite")
    assert "is the file with the decisions" in outcome.err
    (tmp_path / "same.csv").symlink_to(decisions)
    outcome = tlkit_command("check", recipe, "--apply", decisions, "--out", tmp_path / "same.csv", "--overwrite")
    assert "is the file with the decisions" in outcome.err


def test_decisions_that_leave_no_image_are_refused(recipe, table, tmp_path, registry):
    rows = [f"drop,{key},," + label for key, label in labels_of(recipe, registry).items()]
    outcome = tlkit_command("check", recipe, "--apply", table(*rows))
    assert outcome.code == 2
    assert "labels.csv: drops all 10 images" in outcome.err
    assert not (tmp_path / "labels-applied.csv").exists()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("fix:dgo,cat/000.png,train,cat", 'labels.csv:2: fix:dgo: no class "dgo"; did you mean "dog"?'),
        ("fix:,cat/000.png,train,cat", "labels.csv:2: fix: without a class"),
        ("fix,cat/000.png,train,cat", 'labels.csv:2: the decision "fix" is none; expected keep, fix:NAME or drop'),
        ("remove,cat/000.png,train,cat", 'labels.csv:2: the decision "remove" is none'),
        ("drop,cat/00.png,train,cat", "labels.csv:2: the data has no image cat/00.png; did you mean"),
        ("drop,cat/000.png,train,dog", "labels.csv:2: cat/000.png has the label cat now, but dog in the table"),
        ("drop,cat/000.png", "labels.csv:2: expected 4 cells, received 2"),
        (
            "keep,cat/000.png,,cat\ndrop,cat/000.png,,cat",
            "labels.csv:3: the image cat/000.png stands in line 2 already",
        ),
    ],
)
def test_a_row_that_is_wrong_is_named(recipe, table, tmp_path, row, message):
    outcome = tlkit_command("check", recipe, "--apply", table(row))
    assert outcome.code == 2
    assert message in outcome.err
    assert not (tmp_path / "labels-applied.csv").exists()


def test_an_image_that_vanished_is_named(recipe, table, tmp_path):
    (tmp_path / "photos" / "cat" / "000.png").unlink()
    outcome = tlkit_command("check", recipe, "--apply", table("drop,cat/000.png,train,cat"))
    assert "labels.csv:2: the data has no image cat/000.png" in outcome.err
    assert "moved or removed" in outcome.err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"key,label\n", "no column decision; expected those of tlkit labels"),
        (b"", "no column decision and no column key"),
        (b"decision,key,decision\ndrop,cat/000.png,keep\n", "has 2 columns decision; expected one"),
        (HEADER.encode() + b"fix:\xe9,cat/000.png,,cat\n", "not text in UTF-8"),
    ],
)
def test_a_file_that_is_no_table_of_decisions_is_an_error(recipe, tmp_path, content, message):
    (tmp_path / "d.csv").write_bytes(content)
    outcome = tlkit_command("check", recipe, "--apply", tmp_path / "d.csv")
    assert outcome.code == 2
    assert f"d.csv: {message}" in outcome.err


def test_tables_as_spreadsheets_save_them_are_read(recipe, table, tmp_path):
    decisions = table("fix:dog;cat/000.png;train;cat", header=HEADER.replace(",", ";"), encoding="utf-8-sig")
    outcome = tlkit_command("check", recipe, "--apply", decisions)
    assert "1 fixed, 0 dropped" in outcome.out


def test_a_class_without_an_image_left_is_told(recipe, table):
    outcome = tlkit_command("check", recipe, "--apply", table("drop,owl/000.png,,owl", "fix:cat,owl/001.png,,owl"))
    assert "no image is left of owl" in outcome.out


def test_several_labels_prescribed_splits_and_groups_stay(class_folders, write_recipe, table, tmp_path, registry):
    folder = class_folders({"a": 3, "b": 3})
    rows = [["image", "labels", "part", "patient"]]
    rows += [[f"a/00{number}.png", "cat;dog" if number else "", "train", f"p{number}"] for number in range(3)]
    rows += [["b/000.png", "owl", "test", "p9"]]
    with (tmp_path / "t.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    data = {"name": "csv", "path": tmp_path / "t.csv", "root": folder, "label": "labels", "separator": ";"}
    recipe = write_recipe(data=data | {"split": "part", "group": "patient"}, input={"image_size": 16})
    decisions = table("fix:owl|cat,a/000.png,train,", "fix:,a/001.png,train,cat|dog")
    outcome = tlkit_command("check", recipe, "--apply", decisions)
    assert "2 fixed, 0 dropped, 2 kept" in outcome.out, outcome.err
    found = open_samples(load_recipe(pasted(recipe, outcome.out), registry))
    assert found.classes == ("cat", "dog", "owl")
    assert [(each.key, each.label, each.split, each.group) for each in found.samples] == [
        ("a/000.png", (0, 2), "train", "p0"),
        ("a/001.png", (), "train", "p1"),
        ("a/002.png", (0, 1), "train", "p2"),
        ("b/000.png", (2,), "test", "p9"),
    ]


def test_images_that_are_no_files_have_no_table(write_recipe, table):
    recipe = write_recipe()
    key = "0000"
    outcome = tlkit_command("check", recipe, "--apply", table(f"drop,{key},,"))
    assert outcome.code == 2
    assert "no files" in outcome.err or "no image" in outcome.err


def test_the_table_to_write_needs_decisions(recipe, tmp_path):
    outcome = tlkit_command("check", recipe, "--out", tmp_path / "o.csv")
    assert outcome.code == 2
    assert "give --apply FILE" in outcome.err


def test_masks_that_are_dropped_are_in_no_split(write_recipe, tmp_path, table, registry):
    import numpy as np
    from PIL import Image

    random = np.random.default_rng(0)
    for kind, values in (("images", 256), ("masks", 2)):
        (tmp_path / kind).mkdir()
        for name in "abcdef":
            Image.fromarray(random.integers(0, values, (24, 24), np.uint8)).save(tmp_path / kind / f"{name}.png")
    data = {"name": "masks", "images": tmp_path / "images", "masks": tmp_path / "masks"}
    data |= {"values": {"0": "background", "1": "cell"}}
    changes = {"task": "segmentation", "data": data, "head": {"name": "linear_seg"}, "input": {"image_size": 16}}
    recipe = write_recipe(**changes)
    outcome = tlkit_command("check", recipe, "--apply", table("drop,b.png,train,", "fix:cell,c.png,train,"))
    assert "a mask can't be fixed in a table" in outcome.err
    outcome = tlkit_command("check", recipe, "--apply", table("drop,b.png,train,", "keep,c.png,train,"))
    assert outcome.code == 0, outcome.err
    assert "[input]\nsamples = " in outcome.out
    found = open_samples(load_recipe(recipe, registry, [f"input.samples={tmp_path / 'labels-applied.csv'}"]))
    again = tlkit_command("check", recipe, "--set", f"input.samples={tmp_path / 'labels-applied.csv'}")
    assert "does not have them: b.png" in again.out
    assert len(found.samples) == 6


def test_the_recipe_of_a_folder_can_be_decided_on(recipe, table, tmp_path):
    outcome = tlkit_command("check", tmp_path / "photos", "--apply", table("drop,cat/000.png,train,cat"))
    assert "0 fixed, 1 dropped" in outcome.out, outcome.err
    assert tlkit.check(recipe).task == "classification"
