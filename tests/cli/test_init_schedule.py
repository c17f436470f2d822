"""The schedule that ``tlkit init`` writes, the other one in its comments, and how many files it opened."""

from __future__ import annotations

import pytest
from PIL import Image

from tlkit.data.init.describe import describe
from tlkit.data.init.sample_files import Headers
from tlkit.data.init.scaffold import Choices, recipe_text
from tlkit.data.init.survey import Survey, survey
from tlkit.recipe.load import parse_recipe


@pytest.fixture
def photos(tmp_path) -> Survey:
    for label in ("cat", "dog"):
        folder = tmp_path / "photos" / label
        folder.mkdir(parents=True)
        for number in range(2):
            Image.new("RGB", (64, 48), (number, 9, 9)).save(folder / f"{number}.png")
    return survey(tmp_path / "photos")


def exchanged(text: str) -> str:
    """Return a recipe in which the lines of [schedule] are comments, and those of the other schedule are none."""
    lines = text.splitlines()
    first = lines.index("[schedule]")
    other = lines.index("# [schedule]")
    end = lines.index("", other)
    active = [line if line.startswith("#") or not line else f"# {line}" for line in lines[first : other - 1]]
    return "\n".join([*lines[:first], *active, *(line[2:] for line in lines[other:end]), *lines[end:]]) + "\n"


@pytest.mark.parametrize(("count", "chosen", "other"), [(10, "frozen", "two_phase"), (2500, "two_phase", "frozen")])
def test_the_other_schedule_is_in_comments_that_make_a_valid_recipe(photos, registry, count, chosen, other):
    many = Survey(photos.root, photos.layout, {"": {"cat": count, "dog": count}}, photos.headers)
    text = recipe_text(many, "photos.toml", Choices())
    assert parse_recipe(text, registry).schedule.record.name == chosen
    assert parse_recipe(exchanged(text), registry).schedule.record.name == other


def test_a_schedule_without_pretrained_weights_has_no_other(photos, registry):
    text = recipe_text(photos, "photos.toml", Choices(backbone="small_encoder", weights="none"))
    assert parse_recipe(text, registry).schedule.record.name == "full"
    assert "# [schedule]" not in text


def test_formats_say_how_many_files_were_opened(photos):
    assert "  formats: PNG 4" in describe(photos)
    sampled = Survey(photos.root, photos.layout, photos.counts, Headers(((64, 48),) * 400, {"JPEG": 400}, total=1470))
    assert "  formats: JPEG 400 (of 400 files opened of 1470)" in describe(sampled)
