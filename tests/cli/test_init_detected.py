"""``tlkit init`` for what a data set of a plugin recognises."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from PIL import Image

import tlkit
from tlkit.cli import main
from tlkit.data.init.data_table import Choices
from tlkit.data.init.scaffold import recipe_text
from tlkit.data.init.survey import survey


class ListOptions(tlkit.Options):
    path: Path
    classes: tuple[str, ...] = ()
    merge: dict[str, str] = {}  # noqa: RUF012


@pytest.fixture
def folder(tmp_path):
    for name in ("a", "b", "c"):
        Image.new("RGB", (32, 32), (len(name), 2, 3)).save(tmp_path / f"{name}.png")
    (tmp_path / "list.txt").write_text("a b c")
    return tmp_path


def dataset(name="listed", images=("a.png", "b.png")):
    def detect(path, task):
        if not (path / "list.txt").is_file():
            return None
        return tlkit.Detected(
            title=f"a list of {len(images)} images",
            task=task or "classification",
            options={"path": path, "classes": ["cat", "ö"], "merge": {"kitten": "cat"}},
            comments={"classes": "remove those to leave out"},
            counts={"train": {"cat": 1, "ö": 1}, "validation": {"cat": 1}},
            images=tuple(path / each for each in images),
            notes=("1 line has no image",),
        )

    return tlkit.Dataset(
        name=name,
        summary="",
        options=ListOptions,
        open=lambda ctx, options: None,
        tasks=("classification",),
        detect=detect,
    )


def test_a_data_set_recognises_a_folder(folder):
    seen = survey(folder, [dataset()])
    assert (seen.layout, seen.dataset, seen.splits, seen.total) == (
        "detected",
        "listed",
        {"train": 2, "validation": 1},
        3,
    )


def test_the_data_set_with_most_images_wins_and_the_other_is_named(folder):
    seen = survey(folder, [dataset("few", ("a.png",)), dataset("many")])
    assert seen.dataset == "many"
    assert seen.notes == ("1 line has no image", 'also readable as data.name = "few": a list of 1 images')


def test_the_recipe_has_the_options_that_the_data_set_proposes(folder):
    text = recipe_text(survey(folder, [dataset()]), "x.toml", Choices(weights="none"))
    assert 'classes = ["cat", "ö"]' in text
    assert "# remove those to leave out" in text
    assert '[data.merge]\n"kitten" = "cat"' in text
    assert "validation =" not in text.split("[input]")[1].split("[backbone]")[0]
    assert tomllib.loads(text)["data"] == {
        "name": "listed",
        "path": folder.as_posix(),
        "classes": ["cat", "ö"],
        "merge": {"kitten": "cat"},
    }


def test_a_file_that_no_data_set_recognises_is_refused(folder, tmp_path, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["init", str(folder / "list.txt"), "--out", str(tmp_path / "x.toml")])
    assert caught.value.code == 2
    assert "a file that no data set recognises" in capsys.readouterr().err
    assert not (tmp_path / "x.toml").exists()
