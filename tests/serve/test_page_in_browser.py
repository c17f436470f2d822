"""The page of ``tlkit serve`` in a browser: photos are dropped, pasted and chosen, and every answer is shown as text.

Needs Playwright and an installed Chromium or Chrome.
"""

from __future__ import annotations

import base64
import csv
import io
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browsers import HOSTILE, started_browser
from served_runs import color_run, listening, picture, served_app

from tlkit.evaluation.predictor import Predictor
from tlkit.serve.bounds import Bounds
from tlkit.serve.guard import Access

CLASSES = (HOSTILE[0], "green", "an animal whose name is so long that nobody would like to read it beside a bar")
AXE = "4.10.3"
"""The version of axe-core (https://www.npmjs.com/package/axe-core) that judges the page."""

GIVE = """([kind, name, content]) => {
  const bytes = Uint8Array.from(atob(content), (each) => each.charCodeAt(0));
  const data = new DataTransfer();
  data.items.add(new File([bytes], name));
  const event = kind === "paste"
    ? new ClipboardEvent("paste", { clipboardData: data, bubbles: true })
    : new DragEvent("drop", { dataTransfer: data, bubbles: true });
  document.getElementById("drop").dispatchEvent(event);
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with started_browser("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream") as started:
        yield started


@pytest.fixture(scope="module")
def urls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The URLs of a model that classifies and of one that segments."""
    root = tmp_path_factory.mktemp("runs")
    labels = color_run(root / "labels", with_limits=True, classes=CLASSES, name=HOSTILE[1])
    masks = color_run(root / "masks", task="segmentation", classes=("background", HOSTILE[0], "blue"))
    with (
        served_app(labels, Bounds(megabytes=1), Access()) as (_, one),
        served_app(masks) as (_, other),
        listening(one) as labels_url,
        listening(other) as masks_url,
    ):
        yield {"labels": labels_url, "masks": masks_url}


@pytest.fixture
def opened(browser: Any, urls: dict[str, str]) -> Iterator[Callable[..., Any]]:
    """Open the page of a model, and check at the end that it asked nobody else, and that no name became markup."""
    pages, problems, fetched = [], [], []

    def opened(name: str, width: int = 1300, **options: Any) -> Any:
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text) if "Refused" in message.text else None)
        page.on("request", lambda request: fetched.append(request.url))
        page.goto(urls.get(name, name))
        pages.append(page)
        return page

    yield opened
    for page in pages:
        assert page.title().endswith("tlkit serve")
        assert page.locator("img[src='x']").count() == 0
        page.context.close()
    assert problems == []
    own = (*(url for url in urls.values()), "blob:", "data:", "http://127.0.0.1")
    assert all(url.startswith(own) for url in fetched)


def give(page: Any, kind: str, name: str, content: bytes) -> Any:
    """Drop or paste a file; return its card."""
    page.locator("#try").wait_for()
    page.evaluate(GIVE, [kind, name, base64.b64encode(content).decode()])
    return page.locator("#results > li").first


def choose(page: Any, *files: tuple[str, bytes]) -> None:
    page.locator("#try").wait_for()
    page.set_input_files("#files", [{"name": name, "mimeType": "", "buffer": content} for name, content in files])


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_a_photo_that_is_dropped_or_pasted_gets_bars(opened: Any, kind: str) -> None:
    card = give(opened("labels"), kind, HOSTILE[0], picture("green"))
    card.locator(".bars").wait_for()
    assert card.locator("h3").text_content() == HOSTILE[0]
    lines = card.locator(".bars li .line").all_text_contents()
    assert lines[0].startswith("green")
    assert lines[0].endswith("%")
    assert len(lines) == 3
    assert "Set that is right in 90 % of cases: green" in card.text_content()
    assert card.locator("img.given").get_attribute("alt").startswith(f"{HOSTILE[0]}: green, ")


def test_the_status_line_says_the_answer(opened: Any) -> None:
    page = opened("labels")
    choose(page, ("a.png", picture("green")))
    page.locator(".bars").wait_for()
    assert page.locator("#status").text_content().startswith("a.png: green, ")
    assert page.locator("#status").get_attribute("role") == "status"


def test_a_mask_lies_over_the_photo_with_an_opacity(opened: Any) -> None:
    page = opened("masks")
    card = give(page, "drop", "a.png", picture("green"))
    mask = card.locator("img.mask")
    mask.wait_for()
    assert mask.evaluate("image => getComputedStyle(image).opacity") == "0.55"
    page.locator("#opacity").focus()
    page.keyboard.press("End")
    assert mask.evaluate("image => getComputedStyle(image).opacity") == "1"
    assert mask.bounding_box() == card.locator("img.given").bounding_box()
    assert HOSTILE[0] in card.locator(".bars li").first.text_content()


def test_a_bad_file_gets_its_reason(opened: Any) -> None:
    page = opened("labels")
    card = give(page, "drop", HOSTILE[1], b"no image")
    card.locator(".problem").wait_for()
    assert card.locator(".problem").text_content().startswith("not an image; expected JPEG")
    card = give(page, "drop", "large.png", picture("red") + bytes(1_100_000))
    assert card.locator(".problem").text_content() == "too large: 1.1 MB; at most 1 MB are taken"
    assert "Browsers can't show this file." in page.locator("#results > li").nth(1).text_content()


def test_a_slow_model_is_waited_for(opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = threading.Event()
    predict = Predictor.predict_given

    def slow(*given: Any, **more: Any) -> Any:
        asked.wait(60)
        return predict(*given, **more)

    monkeypatch.setattr(Predictor, "predict_given", slow)
    page = opened("labels")
    card = give(page, "drop", "a.png", picture("green"))
    page.get_by_text("Still predicting").wait_for(timeout=20_000)
    assert card.locator(".busy").count() == 1
    asked.set()
    card.locator(".bars").wait_for()
    assert page.locator(".busy").count() == 0


def test_the_last_ten_are_shown_and_all_are_in_the_table(opened: Any) -> None:
    page = opened("labels")
    choose(page, *[(f"{number}.png", picture("green")) for number in range(12)], ("=1+1", b"bad"))
    page.locator("#results > li").first.locator(".problem").wait_for()
    page.locator(".busy").first.wait_for(state="detached")
    assert page.locator("#results h3").all_text_contents() == [
        "=1+1",
        *[f"{number}.png" for number in range(11, 2, -1)],
    ]
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as CSV").click()
    text = Path(download.value.path()).read_text(encoding="utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert sorted(row["image"] for row in rows) == sorted(["'=1+1", *[f"{number}.png" for number in range(12)]])
    assert {row["label"] for row in rows} == {"green", ""}
    assert {row["set"] for row in rows} == {"green", ""}
    assert all(0 <= float(row[CLASSES[2]]) <= 1 for row in rows if not row["error"])
    page.get_by_role("button", name="Clear").click()
    assert page.locator("#results > li").count() == 0
    assert page.get_by_role("button", name="Download as CSV").is_disabled()


def test_a_photo_of_the_camera_is_predicted(opened: Any) -> None:
    page = opened("labels")
    page.locator("#try").wait_for()
    page.locator("#camera").focus()
    page.keyboard.press("Enter")
    page.locator("#take:enabled").wait_for()
    page.locator("#take").click()
    page.locator(".bars").wait_for()
    assert page.locator("#results h3").text_content().startswith("camera-")
    assert not page.locator("#shot").is_visible()


def test_everything_is_reached_with_the_keyboard(opened: Any) -> None:
    page = opened("masks")
    choose(page, ("a.png", picture("green")))
    page.locator(".bars").wait_for()
    page.locator("body").click(position={"x": 1, "y": 1})
    reached = []
    for _ in range(12):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()"))
    for name in ("files", "camera", "opacity", "csv", "clear", "×", "Where it looks"):
        assert name in reached
    page.get_by_role("button", name="Remove a.png").focus()
    page.keyboard.press("Enter")
    assert page.locator("#results > li").count() == 0
    assert page.evaluate("document.activeElement.id") == "files"


def test_grad_cam_is_drawn_over_the_photo_when_it_is_asked_for(opened: Any) -> None:
    page = opened("labels")
    card = give(page, "drop", "a.png", picture("green"))
    button = card.get_by_role("button", name="Where it looks")
    button.click()
    card.locator("img.heat").wait_for(timeout=60_000)
    assert button.get_attribute("aria-pressed") == "true"
    assert "What speaks for green" in card.locator("img.heat").get_attribute("alt")
    button.click()
    assert card.locator("img.heat").count() == 0


def test_the_token_is_asked_for_and_taken_from_the_url(opened: Any, run: Path) -> None:
    with served_app(run, access=Access("sesame", local=False)) as (_, app), listening(app) as url:
        page = opened(url)
        page.locator("#token").fill("other")
        page.get_by_role("button", name="Continue").click()
        page.get_by_text("This is not the server's token.").wait_for()
        page.locator("#token").fill("sesame")
        page.keyboard.press("Enter")
        give(page, "drop", "a.png", picture("green")).locator(".bars").wait_for()
        page = opened(f"{url}/#token=sesame")
        page.locator("#try").wait_for()
        assert page.url == f"{url}/"


@pytest.mark.parametrize("name", ["labels", "masks"])
@pytest.mark.parametrize(("width", "scheme"), [(1300, "light"), (390, "dark")])
def test_the_page_fits_the_window_and_follows_the_system(opened: Any, name: str, width: int, scheme: Any) -> None:
    page = opened(name, width, color_scheme=scheme)
    choose(page, ("x" * 300 + ".png", picture("green")), (HOSTILE[0] * 4, b"bad"))
    page.locator(".bars").wait_for()
    wide = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert wide[0] <= wide[1] <= width
    color = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (max(map(int, color[4:-1].split(","))) < 100) == (scheme == "dark")


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The source of axe-core, from npm."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    folder = tmp_path_factory.mktemp("npm")
    command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", f"axe-core@{AXE}"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=300)
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["labels", "masks"])
@pytest.mark.parametrize(("width", "scheme"), [(1300, "light"), (1300, "dark"), (390, "light")])
def test_axe_finds_no_fault(opened: Any, axe: str, name: str, width: int, scheme: Any) -> None:
    page = opened(name, width, color_scheme=scheme)
    choose(page, ("a.png", picture("green")), ("b.png", picture("blue")), ("bad.png", b"bad"))
    page.locator(".bars").nth(1).wait_for()
    page.get_by_role("button", name="Where it looks").first.click()
    page.locator("img.heat").wait_for(timeout=60_000)
    page.evaluate(axe)
    faults = page.evaluate("axe.run()")["violations"]
    assert [(each["id"], each["impact"], [node["html"] for node in each["nodes"]]) for each in faults] == []
    page.locator("#camera").click()
    page.locator("#take:enabled").wait_for()
    assert page.evaluate("axe.run()")["violations"] == []
