"""Whether other distributions offer entry points, looked up without importing importlib.metadata."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tlkit.system.entry_points import _pythons_own, offered_by_others


@pytest.fixture
def site(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [str(tmp_path), str(tmp_path / "gone"), ""])
    # Another test may have imported a package that adds a finder, such as importlib_metadata.
    monkeypatch.setattr(sys, "meta_path", _pythons_own())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def distribution(folder: Path, text: str) -> None:
    folder.mkdir(parents=True)
    (folder / "entry_points.txt").write_text(text, encoding="utf-8")


def test_only_another_distribution_with_this_group_counts(site):
    (site / "empty-1.dist-info").mkdir()
    distribution(site / "TLKIT-0.2.0.dist-info", "[tlkit]\nheads = tlkit_heads\n")
    distribution(site / "other-1.dist-info", "[console_scripts]\ntlkit = a:b\n# [tlkit]\n[tlkit.more]\na = b\n")
    assert not offered_by_others("tlkit", "tlkit")
    assert offered_by_others("console_scripts", "tlkit")


@pytest.mark.parametrize("name", ["x-1.dist-info", "x.egg-info", "tlkit_extra-1.dist-info"])
def test_a_group_is_found_however_it_is_written(site, name):
    distribution(site / name, "[console_scripts]\na = b:c\n\n [ tlkit ] \nx = y\n")
    assert offered_by_others("tlkit", "tlkit")


@pytest.mark.parametrize("name", ["x.egg", "plugins.zip"])
def test_what_can_not_be_looked_at_may_offer_some(site, monkeypatch, name):
    archive = site / name
    archive.mkdir() if name.endswith(".egg") else archive.touch()
    monkeypatch.setattr(sys, "path", [str(archive)])
    assert offered_by_others("tlkit", "tlkit")


def test_pythons_own_archive_offers_none(site, monkeypatch):
    (site / "python311.zip").touch()
    monkeypatch.setattr(sys, "path", [str(site / "python311.zip")])
    assert not offered_by_others("tlkit", "tlkit")


def test_an_import_system_of_its_own_may_offer_some(site, monkeypatch):
    finder = type("Finder", (), {"__module__": "theirs", "find_distributions": None})()
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, finder])
    assert offered_by_others("tlkit", "tlkit")


def test_help_reads_no_metadata():
    code = (
        "import sys\nbefore = 'importlib.metadata' in sys.modules\nfrom tlkit.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "assert before or 'importlib.metadata' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
