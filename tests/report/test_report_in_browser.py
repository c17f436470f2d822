"""The report in a browser: nothing is fetched, nothing overflows, and cells, tables and the slider do what they say.

Needs Playwright and an installed Chromium or Chrome.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsers import HOSTILE, started_browser
from made_reports import made_classification, made_segmentation

CLASSES = (*HOSTILE, "red panda", "an animal whose name is so long that nobody would like to read it in a table", "d&e")
WIDTHS = (1400, 390)
NAMES = ("five", "two", "masks")


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("reports")
    made = {
        "five": made_classification(root / "five", CLASSES, images=150, names="pictures/<b>{}</b>.png"),
        "two": made_classification(root / "two", ("cat", HOSTILE[1]), images=150, kind="binary"),
        "masks": made_segmentation(root / "masks", ("background", HOSTILE[0], "tile"), images=20),
    }
    return {name: folder.report for name, folder in made.items()}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with started_browser() as started:
        yield started


@pytest.fixture
def opened(browser: Any, reports: dict[str, Path]) -> Iterator[Any]:
    """Open a report at a width, and check at the end that it fetched and reported nothing, and named no one's title."""
    pages, said, fetched = [], [], []

    def opened(name: str, width: int = 1400, **options: Any) -> Any:
        page = browser.new_page(viewport={"width": width, "height": 900}, **options)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: fetched.append(request.url))
        page.goto(reports[name].as_uri())
        pages.append((page, reports[name].as_uri()))
        return page

    yield opened
    for page, _ in pages:
        assert page.title().endswith("tlkit report")
        assert page.locator("img[src='x']").count() == 0
        page.close()
    assert said == []
    assert {url.partition("#")[0] for url in fetched if not url.startswith("data:")} <= {url for _, url in pages}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", NAMES)
def test_a_report_fits_the_window_and_fetches_nothing(opened: Any, name: str, width: int) -> None:
    page = opened(name, width)
    assert page.locator("h1").count() == 1
    wide = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert wide[0] <= wide[1] <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_colours_follow_the_system(opened: Any, scheme: str) -> None:
    page = opened("two", color_scheme=scheme)
    color = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (max(map(int, color[4:-1].split(","))) < 100) == (scheme == "dark")


@pytest.mark.parametrize("width", WIDTHS)
def test_a_click_on_a_cell_shows_its_images(opened: Any, width: int) -> None:
    page = opened("five", width)
    cell = page.locator("#test-confusion .confusions td.wrong a").first
    images = page.locator(cell.get_attribute("href"))
    assert not images.is_visible()
    cell.click()
    assert images.is_visible()
    assert f": {images.locator('li img').count()} image" in cell.get_attribute("aria-label")
    assert "pictures/<b>" in images.locator("li").first.text_content()
    assert "truth: " in images.locator("li").first.text_content()
    images.locator(".close").click()
    assert not images.is_visible()


def test_a_cell_can_be_opened_and_closed_with_the_keyboard(opened: Any) -> None:
    page = opened("five")
    cells = page.locator("#validation-confusion .confusions td a")
    cells.nth(1).focus()
    page.keyboard.press("Enter")
    images = page.locator(cells.nth(1).get_attribute("href"))
    assert images.is_visible()
    page.keyboard.press("Escape")
    assert not images.is_visible()
    assert cells.nth(1).evaluate("cell => cell === document.activeElement")
    page.keyboard.press("Tab")
    assert cells.nth(2).evaluate("cell => cell === document.activeElement")


def test_the_slider_changes_the_figures(opened: Any) -> None:
    page = opened("two")
    slider = page.locator("#validation-thresholds .slider")
    figures = slider.locator(".numbers b")
    at_half = figures.all_text_contents()
    [row] = page.locator("#validation-thresholds tr").filter(has=page.locator("td:first-child", has_text="0.50")).all()
    assert row.locator("td").all_text_contents()[1:] == at_half
    slider.locator("input").focus()
    page.keyboard.press("Home")
    assert slider.locator("output").text_content() == "0.00"
    at_zero = figures.all_text_contents()
    assert at_zero[1] == "1.000"
    assert at_zero[5:] == ["0", "0"]
    assert at_zero[0] < at_half[0]
    slider.locator("select").select_option(index=0)
    assert figures.all_text_contents()[0] != at_zero[0]


def test_a_click_on_the_head_of_a_column_sorts_the_table(opened: Any) -> None:
    page = opened("five")
    table = page.locator("table.sortable", has=page.locator("th", has_text="recall")).first
    column = table.locator("th").all_text_contents().index("recall")
    head = table.locator("th").nth(column)

    def values() -> list[float]:
        return [float(row.locator("td").nth(column).text_content()) for row in table.locator("tr").all()[1:]]

    before = values()
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    assert values() == sorted(before, reverse=True)
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert values() == sorted(before)
    assert before not in (sorted(before), sorted(before, reverse=True))


def test_without_script_a_cell_still_shows_its_images_and_tables_stand(opened: Any) -> None:
    page = opened("two", java_script_enabled=False)
    cell = page.locator("#test-confusion .confusions td a").first
    cell.click()
    assert page.locator(cell.get_attribute("href")).is_visible()
    assert not page.locator(".slider").first.is_visible()
    assert page.locator("#test-thresholds td").count() > 0
