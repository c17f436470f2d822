"""The browser of tests: Chromium or Chrome, driven by Playwright."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

HOSTILE = ("<img src=x onerror=document.title='taken'>", "</script><script>document.title='taken'</script>")
"""Names that take over a page that does not escape them; all they do is to change its title."""


@contextmanager
def started_browser(*options: str) -> Iterator[Any]:
    """Start a browser; the test is skipped where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"no browser: none of {', '.join(names)} is installed")
    with playwright.sync_playwright() as driver:
        # Its sandbox needs rights that a container rarely gives; the tests made the pages.
        started = driver.chromium.launch(executable_path=found, args=["--no-sandbox", *options])
        yield started
        started.close()
