"""What a check finds about masks: palettes, a single class, values between classes; and the masks on its page."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tlkit import IGNORE, DrawnMask, MaskTable, Sample, SampleSet
from tlkit.data.checks.check import Checked, check_samples
from tlkit.data.checks.facts_cache import FactsCache
from tlkit.data.checks.policy import CheckSettings
from tlkit.recipe.check_table import CheckTable
from tlkit.recipe.schema import InputTable
from tlkit.report.check_page import check_page

BLACK, RED, GREEN = (0, 0, 0), (255, 0, 0), (0, 255, 0)


def palette(values: np.ndarray, *colors: tuple[int, int, int]) -> Image.Image:
    image = Image.frombytes("P", values.shape[::-1], values.tobytes())
    image.putpalette([part for color in colors for part in color])
    return image


def shape(number: int) -> np.ndarray:
    values = np.zeros((24, 30), np.uint8)
    values[4:15, 3 : 8 + number] = 1
    return values


def sample_set(root: Path, masks: list[Image.Image], table: dict, **options) -> SampleSet:
    samples = []
    for number, mask in enumerate(masks):
        image, file = root / f"{number}.png", root / "masks" / f"{number}.png"
        file.parent.mkdir(exist_ok=True)
        Image.fromarray(np.random.default_rng(number).integers(0, 255, (24, 30, 3)).astype(np.uint8)).save(image)
        mask.save(file)
        samples.append(Sample(f"{number}.png", image, mask=file, split=("train", "train", "validation")[number % 3]))
    return SampleSet(tuple(samples), ("ground", "thing"), mask_table=MaskTable(table, **options), root=root)


def check(found: SampleSet, minimum_classes: int = 2, **policy) -> Checked:
    table = CheckTable.model_validate(policy)
    settings = CheckSettings(InputTable(image_size=(24, 30)), table, "segmentation", 0, minimum_classes)
    return check_samples("scenes", found, settings, facts_cache=FactsCache(None))


def kinds(checked: Checked) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for each in checked.report.findings:
        found.setdefault(f"{each.kind} {each.level}", []).append(each.key)
    return found


@pytest.fixture
def reordered(tmp_path):
    """Masks of red on black, of which the last has red at index 0."""
    masks = [palette(shape(number), BLACK, RED) for number in range(5)]
    return tmp_path, [*masks, palette(1 - shape(5), RED, BLACK)]


def test_palettes_of_another_order_are_errors(reordered):
    checked = check(sample_set(*reordered, {0: 0, 1: 1}))
    assert kinds(checked) == {"mask_palette error": ["5.png"]}
    [finding] = checked.report.findings
    assert finding.detail == "#ff0000 has the index 0, in most masks 1"


def test_masks_with_such_palettes_may_be_set_aside(reordered):
    checked = check(sample_set(*reordered, {0: 0, 1: 1}), mask_palette="skip")
    assert [each.key for each in checked.set_aside] == ["5.png"]


def test_the_order_of_palettes_does_not_matter_where_colours_decide(reordered):
    checked = check(sample_set(*reordered, {BLACK: 0, RED: 1}))
    assert kinds(checked) == {}
    assert checked.report.classes["thing"]["pixels"] < 0.3


def test_unused_colours_and_other_shades_are_no_other_order(tmp_path):
    masks = [palette(shape(number), BLACK, (200 + number, 0, 0), (number, 9, 9)) for number in range(6)]
    assert kinds(check(sample_set(tmp_path, masks, {0: 0, 1: 1}))) == {}


def test_masks_that_all_have_one_class_are_an_error(tmp_path):
    found = sample_set(tmp_path, [Image.new("L", (30, 24), 0)] * 6, {0: 0, 1: 1})
    checked = check(found)
    assert kinds(checked)["masks_one_class error"] == ["6 masks"]
    assert "masks_one_class keep" in kinds(check(found, masks_one_class="keep"))
    assert not any("masks_one_class" in each for each in kinds(check(found, minimum_classes=1)))


def test_masks_whose_pixels_are_all_ignored_are_an_error(tmp_path):
    checked = check(sample_set(tmp_path, [Image.new("L", (30, 24), 9)] * 6, {0: 0, 1: 1, 9: IGNORE}))
    [finding] = [each for each in checked.report.findings if each.kind == "masks_one_class"]
    assert (finding.level, finding.detail) == ("error", "every pixel is ignored")


def test_masks_with_values_between_the_classes_are_named_with_their_share(tmp_path):
    values = shape(3) * np.uint8(255)
    values[0, :15] = 100
    masks = [Image.fromarray(shape(number) * np.uint8(255)) for number in range(5)] + [Image.fromarray(values)]
    checked = check(sample_set(tmp_path, masks, {0: 0, 255: 1}, nearest=True))
    [finding] = checked.report.findings
    assert (finding.kind, finding.level, finding.key) == ("mask_between", "keep", "5.png")
    assert finding.detail == "2.1% of the pixels count as the nearest class"


def test_the_page_shows_masks_of_each_class_and_split_over_their_images(tmp_path):
    masks = [Image.fromarray(shape(number) * (number > 8)) for number in range(12)]
    checked = check(sample_set(tmp_path, masks, {0: 0, 1: 1}))
    shown = checked.report.masks
    assert shown is not None
    assert {each.split for each in shown.samples} == {"train", "validation"}
    assert {"11.png", "10.png"} <= {each.key for each in shown.samples}
    page = check_page(checked.report)
    assert "Masks over their images" in page
    assert page.count('<figure class="pair">') == len(shown.samples)
    assert "ground" in page.split("Masks over their images")[1].split("</p>")[1]


def test_the_page_shows_drawn_masks_in_the_colours_of_the_data_set(tmp_path):
    files = sample_set(tmp_path, [Image.fromarray(shape(number)) for number in range(6)], {0: 0, 1: 1})
    samples = tuple(
        Sample(
            each.key,
            each.image,
            mask=DrawnMask(tmp_path / "a.json", lambda: b"x", lambda _: shape(4)),
            split=each.split,
        )
        for each in files.samples
    )
    drawn = SampleSet(samples, files.classes, root=tmp_path, colors={1: (1, 2, 254)})
    page = check_page(check(drawn).report)
    assert '<figure class="pair">' in page
    assert "background: #0102fe" in page


def test_the_page_of_images_without_masks_has_no_such_part(tmp_path):
    files = sample_set(tmp_path, [Image.fromarray(shape(number)) for number in range(6)], {0: 0, 1: 1})
    samples = tuple(Sample(each.key, each.image, label=number % 2) for number, each in enumerate(files.samples))
    settings = CheckSettings(InputTable(image_size=(24, 30)), CheckTable(), "classification", 0)
    found = SampleSet(samples, files.classes, root=tmp_path)
    report = check_samples("scenes", found, settings, facts_cache=FactsCache(None)).report
    assert report.masks is None
    assert "Masks over their images" not in check_page(report)
