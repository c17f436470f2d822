"""Files of a run folder that anybody may have made: bounded, and inside the folder."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner
from run_folders import write_run

from tlkit import RecipeError, RunError, resume
from tlkit.cli import cli
from tlkit.evaluate.runs import open_runs
from tlkit.recipe.load import load_recipe
from tlkit.run_plugins import load_run_recipe
from tlkit.rundir import MOST_BYTES, MOST_TABLE_BYTES, RunFolder, own_content, own_table

COLUMNS = {"loss": [2.0, 1.0], "val_loss": [2.0, 1.5]}


@pytest.fixture
def folder(tmp_path, registry):
    return write_run(tmp_path / "run", registry, {"all": COLUMNS}, metrics={"validation": {"loss": 1.5}})


def sparse(path: Path, size: int) -> Path:
    with path.open("wb") as file:
        file.truncate(size)
    return path


def test_a_file_is_read_up_to_its_bound(tmp_path):
    (tmp_path / "a").write_bytes(b"12345")
    assert own_content(tmp_path / "a", 5) == b"12345"
    with pytest.raises(RunError, match=r"a: has 5 bytes; expected at most 4"):
        own_content(tmp_path / "a", 4)
    with pytest.raises(RunError, match="has 64000001 bytes"):
        own_content(sparse(tmp_path / "b", MOST_BYTES + 1))
    with pytest.raises(RunError, match=r"t\.csv: has 1000000001 bytes"):
        own_table(sparse(tmp_path / "t.csv", MOST_TABLE_BYTES + 1))


@pytest.mark.skipif(os.name != "posix", reason="links and pipes are POSIX's")
def test_a_link_and_a_pipe_are_no_files_of_a_run(tmp_path):
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(RunError, match="is a link"):
        own_content(tmp_path / "link")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(RunError, match="is no file"):
        own_content(tmp_path / "pipe")


@pytest.mark.parametrize("content", [b"\xff\xfe", b'a,b\n"' + b"x" * 200_000 + b'",1\n'], ids=["bytes", "long"])
def test_a_table_that_is_none_is_named(tmp_path, content):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(RunError, match=r"t\.csv: not a CSV file in UTF-8 .*; the file is damaged"):
        own_table(tmp_path / "t.csv")


@pytest.mark.parametrize("name", ["metrics.csv", "times.csv", "recipe.toml", "checkpoints", "events.log", ".lock"])
@pytest.mark.skipif(os.name != "posix", reason="links are POSIX's")
def test_what_a_link_in_a_run_folder_leads_to_is_neither_read_nor_written(folder, tmp_path, name):
    """A stranger's folder whose history is a link would have its owner's file written over by ``resume``."""
    outside = tmp_path / "outside"
    if name == "checkpoints":
        outside.mkdir()
    else:
        outside.write_text("kept\n")
    path = folder.path / name
    path.unlink(missing_ok=True)
    path.symlink_to(outside)
    before = sorted(entry.name for entry in folder.path.iterdir())
    with pytest.raises(RunError, match=rf"{name}: is a link"):
        resume(folder.path, quiet=True)
    for command in ("report", "evaluate", "inspect", "compare"):
        result = CliRunner().invoke(cli, [command, str(folder.path)])
        assert isinstance(result.exception, RunError), command
    assert sorted(entry.name for entry in folder.path.iterdir()) == before
    assert (list(outside.iterdir()) == []) if name == "checkpoints" else outside.read_text() == "kept\n"


def test_the_run_folder_itself_may_be_named_by_a_link(folder, tmp_path, registry):
    (tmp_path / "latest").symlink_to(folder.path)
    assert load_run_recipe(RunFolder(tmp_path / "latest"), registry).name == "small"


def test_a_recipe_of_a_run_that_is_missing_or_no_text_is_named(folder, registry):
    folder.recipe.write_bytes(b"\xff\xff")
    with pytest.raises(RunError, match=r"recipe\.toml: not UTF-8 text"):
        load_run_recipe(folder, registry)
    folder.recipe.unlink()
    with pytest.raises(RunError, match=r"recipe\.toml: no such file"):
        load_run_recipe(folder, registry)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="there is no file without an end here")
def test_a_recipe_without_an_end_is_refused(registry):
    with pytest.raises(RecipeError, match="has more than 16000000 bytes; expected a recipe"):
        load_recipe(Path("/dev/zero"), registry)


def test_a_model_that_every_look_would_unpack_is_refused(folder, registry):
    with zipfile.ZipFile(folder.model, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.weights.h5", b"\0" * 1_000_000)
    with pytest.raises(RunError, match=r"model\.keras: its weights are compressed"):
        open_runs([folder.path])
