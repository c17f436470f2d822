"""Nothing that lies in the current folder is imported: it may be a data set that someone else made."""

from __future__ import annotations

import subprocess
import sys

import pytest
from command_line import tlkit_command
from recipe_text import recipe_text

NAMES = ("__future__", "ast", "csv", "json", "numpy", "pathlib", "sitecustomize", "tlkit_evil", "tlkit_heads", "typing")


@pytest.fixture
def downloaded(class_folders, tmp_path, monkeypatch):
    """Make a folder of images with Python files and a plugin in it, each of which leaves a trace when it runs."""
    folder = class_folders({"cat": 8, "dog": 8}, name="downloaded/photos").parent
    for name in NAMES:
        code = f"import os; os.close(os.open({str(tmp_path / 'trace')!r}, os.O_CREAT)); raise ImportError({name!r})"
        (folder / f"{name}.py").write_text(code, encoding="utf-8")
    package = folder / "evil-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text("[tlkit]\nevil = tlkit_evil\n[pydantic]\nevil = tlkit_evil\n")
    text = recipe_text(
        name="r",
        data={"name": "folder", "path": "photos"},
        input={"image_size": 16, "batch_size": 8},
        backbone={"name": "small_cnn", "filters": [8]},
        schedule={"epochs": 1},
    )
    (folder / "r.toml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(folder)
    yield
    assert not (tmp_path / "trace").exists()


def command(*arguments):
    ended = subprocess.run(
        [sys.executable, "-m", "tlkit", *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_no_verb_imports_from_the_current_folder(downloaded, tmp_path):
    assert "evil" not in command("plugins")
    command("init", "photos", "--out", tmp_path / "new.toml")
    command("check", "photos")
    command("run", "r.toml", "--out", tmp_path / "run")
    command("predict", tmp_path / "run", "photos", "--out", tmp_path / "p.csv")


def test_the_processes_of_folds_do_not_import_from_the_current_folder(downloaded, tmp_path):
    command("run", "r.toml", "--folds", 2, "--jobs", 2, "--out", tmp_path / "folds")


def test_the_processes_that_read_files_do_not_import_from_the_current_folder(downloaded, monkeypatch):
    from tlkit.data.checks import file_facts

    monkeypatch.setattr(file_facts, "FOR_PROCESSES", 1)
    assert "nothing found" in tlkit_command("check", "photos").out
