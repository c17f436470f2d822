"""Frames of a video are proposed as groups; a lone image of another format is a finding; near-copies are called so."""

from __future__ import annotations

import re
from array import array
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from recipe_text import recipe_text

from tlkit.contracts import Sample
from tlkit.data.checks.facts import Facts
from tlkit.data.checks.facts_column import FactsColumn
from tlkit.data.checks.findings import Finding, text_of
from tlkit.data.checks.format_checks import lone_formats
from tlkit.data.checks.frames import frame_runs, proposed_pattern
from tlkit.data.checks.sample_facts import KeyedFacts
from tlkit.jobs.from_recipe import check_data
from tlkit.recipe.load import parse_recipe
from tlkit.system.columns import Places


def scene(seed: int) -> np.ndarray:
    """Return a picture of soft blobs, float64 (96, 96), 0-255."""
    small = np.random.default_rng(seed).uniform(0, 255, (24, 24)).astype(np.uint8)
    return np.asarray(Image.fromarray(small).resize((96, 96), Image.Resampling.BICUBIC), np.float64)


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(path)


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """Two classes with four clips each, of six frames that hardly differ."""
    for number, (label, clip) in enumerate((label, clip) for label in ("cat", "dog") for clip in range(4)):
        for frame in range(6):
            noise = np.random.default_rng(frame).normal(0, 1, (96, 96))
            save(tmp_path / "videos" / label / f"clip{clip}_{5 * frame:04d}.png", scene(number) + noise)
    return tmp_path / "videos"


@pytest.fixture
def found(registry):
    """Return the findings of a check of class folders."""

    def check(path: Path, *overrides: str) -> list[Finding]:
        recipe = recipe_text(name="photos", data={"name": "folder", "path": path})
        return list(check_data(parse_recipe(recipe, registry, overrides)).report.findings)

    return check


def test_frames_are_proposed_as_groups_and_not_as_duplicates(videos, found):
    findings = [each for each in found(videos) if each.kind in ("frames", "duplicate")]
    assert {each.kind for each in findings} == {"frames"}
    assert len(findings) == 8
    assert findings[0].key == "cat/clip0_0000.png"
    assert len(findings[0].others) == 5
    assert findings[0].detail == r"near-copies in a row: 6; input.group_pattern = '^(.*\D)\d+\D*$'"


def test_the_proposed_pattern_is_a_valid_one_that_keeps_each_clip_together(videos, found):
    [pattern] = {re.search("'(.*)'", each.detail)[1] for each in found(videos) if each.kind == "frames"}
    again = found(videos, f"input.group_pattern='{pattern}'")
    details = {each.detail for each in again if each.kind == "frames"}
    assert "near-copies in a row: 6; all of them in the group dog/clip3_" in details
    assert not [each for each in again if each.kind in ("split", "leak")]


def test_a_policy_for_duplicates_still_holds_for_frames(videos, found):
    kinds = [each.kind for each in found(videos, "check.duplicate=skip")]
    assert kinds.count("duplicate") == 8


def test_copies_with_other_names_between_them_are_near_copies_and_not_frames(tmp_path, found):
    for label, seed in (("cat", 0), ("dog", 50)):
        for number in range(12):
            noise = np.random.default_rng(number).normal(0, 1, (96, 96))
            same = seed if number % 4 == 0 else seed + number
            save(tmp_path / "photos" / label / f"{number:02d}.png", scene(same) + noise)
    shown = [each for each in found(tmp_path / "photos") if each.kind in ("frames", "duplicate")]
    assert {each.kind for each in shown} == {"duplicate"}
    assert shown[0].detail == "near-copies"
    assert text_of(shown[0]) == "cat/00.png ≈ cat/04.png ≈ cat/08.png: near-copies"
    same = Finding("duplicate", "keep", "a.png", "the same bytes", ("b.png",))
    assert text_of(same) == "a.png = b.png: the same bytes"


def numbered(names: list[str], labels: list[int] | None = None) -> list[Sample]:
    return [Sample(name, Path(name), label=None if labels is None else labels[n]) for n, name in enumerate(names)]


def test_one_long_video_is_grouped_by_its_numbers():
    samples = numbered([f"frame{number}.png" for number in range(700)])
    runs = frame_runs([samples], samples, {each.key: Facts(digest=each.key) for each in samples})
    pattern = proposed_pattern(samples, runs[0])
    assert pattern == r"^(.*?)\d{1,2}\D*$"
    groups = {re.search(pattern, each.key)[1] for each in samples}
    assert groups == {"frame", *(f"frame{number}" for number in range(1, 7))}


def test_a_pattern_that_leaves_no_choice_is_not_proposed():
    samples = numbered([f"{label}/x{n}.png" for label in "ab" for n in range(4)], [n // 4 for n in range(8)])
    runs = frame_runs([samples[:4], samples[4:]], samples, {each.key: Facts(digest=each.key) for each in samples})
    assert proposed_pattern(samples, [run for each in runs.values() for run in each]) is None


def test_copies_of_the_same_bytes_are_not_frames():
    samples = numbered([f"copy{number}.png" for number in range(5)])
    assert frame_runs([samples], samples, dict.fromkeys([each.key for each in samples], Facts(digest="x"))) == {}


def lone(counts: dict[str, int]) -> list[tuple[str, str]]:
    keys, facts = Places(), FactsColumn(0)
    for name, count in counts.items():
        for number in range(count):
            keys.add(f"{name}{number}")
            facts.append(Facts(format=name))
    found = lone_formats(numbered(list(keys)), KeyedFacts(keys, facts, array("q", range(len(keys)))))
    return [(each.key, each.detail) for each in found]


@pytest.mark.parametrize(
    ("counts", "keys"),
    [
        ({"JPEG": 2999, "GIF": 1}, ["GIF0"]),
        ({"JPEG": 2000, "MPO": 900, "GIF": 2, "PNG": 1}, ["GIF0", "GIF1", "PNG0"]),
        ({"JPEG": 2999, "MPO": 1}, []),  # the same format by another of its names
        ({"JPEG": 198, "GIF": 1}, []),  # too few to tell
        ({"JPEG": 2900, "PNG": 100}, []),
        ({"JPEG": 10_000, "PNG": 6}, []),
        ({"JPEG": 500, "GIF": 3}, []),
    ],
)
def test_only_few_images_of_another_format_among_many_are_lone(counts, keys):
    assert [key for key, _ in lone(counts)] == keys


def test_a_lone_image_says_among_what_and_can_be_set_aside(tmp_path, found):
    assert lone({"JPEG": 2999, "GIF": 1}) == [("GIF0", "GIF among 2999 JPEG files")]
    for number in range(240):
        pixels = np.random.default_rng(number).integers(0, 255, (12, 12, 3))
        save(tmp_path / "photos" / ("cat", "dog")[number % 2] / f"{number}.jpg", pixels)
    gone = tmp_path / "photos" / "cat" / "gone.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (12, 12), np.uint8)).save(gone, "GIF")
    [finding] = [each for each in found(tmp_path / "photos", "check.lone_format=skip") if each.kind == "lone_format"]
    assert (finding.key, finding.level, finding.detail) == ("cat/gone.jpg", "skip", "GIF among 240 JPEG files")
