"""Read run folders that may be someone else's: files have a limited size and are inside the folder."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner
from run_folders import MODEL_CARD, write_run

from tlkit import RecipeError, RunError, TlkitError, resume
from tlkit.cli import cli
from tlkit.recipe.load import load_recipe
from tlkit.registry.discovery import make_registry
from tlkit.report.compared_runs import open_runs
from tlkit.runs.folder import RunFolder, create_run_folder
from tlkit.runs.plugins import load_run_recipe
from tlkit.runs.reading import MAX_BYTES, MAX_TABLE_BYTES, read_run_file, read_run_table

COLUMNS = {"loss": [2.0, 1.0], "val_loss": [2.0, 1.5]}


@pytest.fixture
def folder(tmp_path, registry):
    return write_run(tmp_path / "run", registry, {"all": COLUMNS}, metrics={"validation": {"loss": 1.5}})


def sparse(path: Path, size: int) -> Path:
    with path.open("wb") as file:
        file.truncate(size)
    return path


def test_a_file_is_read_up_to_its_size_limit(tmp_path):
    (tmp_path / "a").write_bytes(b"12345")
    assert read_run_file(tmp_path / "a", 5) == b"12345"
    with pytest.raises(RunError, match=r"a: has 5 bytes; expected at most 4"):
        read_run_file(tmp_path / "a", 4)
    with pytest.raises(RunError, match="has 64000001 bytes"):
        read_run_file(sparse(tmp_path / "b", MAX_BYTES + 1))
    with pytest.raises(RunError, match=r"t\.csv: has 500000001 bytes"):
        read_run_table(sparse(tmp_path / "t.csv", MAX_TABLE_BYTES + 1))


@pytest.mark.skipif(os.name != "posix", reason="links and pipes are tested on POSIX only")
def test_links_and_pipes_are_refused(tmp_path):
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(RunError, match="is a link"):
        read_run_file(tmp_path / "link")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(RunError, match="is not a file"):
        read_run_file(tmp_path / "pipe")


@pytest.mark.parametrize("content", [b"\xff\xfe", b'a,b\n"' + b"x" * 200_000 + b'",1\n'], ids=["bytes", "long"])
def test_a_file_that_is_not_a_table_is_reported(tmp_path, content):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(RunError, match=r"t\.csv: not a CSV file in UTF-8 .*; the file is damaged"):
        read_run_table(tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (",".join(f"c{n}" for n in range(20_000)) + "\n" + "a\n" * 1500, "has 20000 columns; expected at most 1000"),
        ("a,b\n1,2\n3\n", r"t\.csv:3: expected 2 values, received 1; the file is damaged"),
        ("a,b\n1,2,3\n", r"t\.csv:2: expected 2 values, received 3; the file is damaged"),
        ("a\n" + "1\n" * 11, "has more than 10 rows; tlkit did not write this file"),
    ],
    ids=["wide", "short", "long", "many"],
)
def test_a_table_takes_no_more_memory_than_its_bytes_suggest(tmp_path, content, message):
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(RunError, match=message):
        read_run_table(tmp_path / "t.csv", 1000 if len(content) < 1000 else 1_000_000)


def test_json_with_too_many_parts_is_not_parsed(tmp_path):
    (tmp_path / "metrics.json").write_text(f"[{','.join(['[]'] * 1_000_001)}]")
    with pytest.raises(RunError, match=r"metrics\.json: has 2000002 parts; expected at most 2000000"):
        RunFolder(tmp_path).read_json(tmp_path / "metrics.json")


@pytest.mark.parametrize("name", ["events.log", "checkpoints/99999999.json"])
@pytest.mark.skipif(os.name != "posix", reason="named pipes exist on POSIX only")
def test_a_pipe_in_a_run_folder_is_refused_before_it_is_opened(folder, name):
    path = folder.path / name
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    with pytest.raises(RunError, match=f"{name}: is neither a file nor a folder"):
        resume(folder.path, quiet=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"colors": [[0, 0, 0]]}, "colors: expected one per class, 2, received 1"),
        ({"colors": [[0, 0, 256], [0, 0, 0]]}, r"colors\.0\.2: .*255"),
        ({"colors": [[0, 0, -1], [0, 0, 0]]}, r"colors\.0\.2: .*0"),
        ({"classes": ["a", "a"]}, "classes: 'a' is listed twice"),
        ({"classes": ["a", "b", "c"], "colors": [[0, 0, 0]] * 3}, 'label_kind: "binary" needs 2 classes, received 3'),
        ({"task": "segmentation"}, 'task: "segmentation" needs label_kind "single"'),
    ],
    ids=["fewer", "bright", "negative", "twice", "binary", "masks"],
)
def test_an_inconsistent_model_card_is_reported(tmp_path, changes, message):
    (tmp_path / "model.json").write_text(json.dumps(MODEL_CARD))
    assert RunFolder(tmp_path).read_card().classes == ("a", "b")
    (tmp_path / "model.json").write_text(json.dumps(MODEL_CARD | changes))
    with pytest.raises(RunError, match=rf"model\.json: {message}.*; the file is damaged"):
        RunFolder(tmp_path).read_card()


DEEP = ["a = " + "[" * 100_000, "a = " + "[" * 60 + "]" * 60, ".".join("a" * 5000) + " = 1", "[" + "a." * 60 + "a]"]


@pytest.mark.parametrize("text", DEEP, ids=["open", "arrays", "dotted", "table"])
def test_a_deeply_nested_recipe_is_refused_by_every_command(folder, text):
    folder.environment.unlink()
    folder.recipe.write_text(text)
    for command in ("report", "evaluate", "inspect", "compare", "resume"):
        result = CliRunner().invoke(cli, [command, str(folder.path)])
        assert isinstance(result.exception, TlkitError), (command, result.exception)
    with pytest.raises(RecipeError, match="nested more than 50 deep"):
        load_recipe(folder.recipe, make_registry(environ={}), ["seed=3"])


@pytest.mark.parametrize("override", ["head.dropout=" + "[" * 100_000, "[" * 60 + "=1", "seed=" + "[" * 60 + "]" * 60])
def test_a_deeply_nested_override_is_an_error(registry, folder, override):
    with pytest.raises(RecipeError, match="--set"):
        load_recipe(folder.recipe, registry, [override])


@pytest.mark.parametrize("name", ["metrics.csv", "times.csv", "recipe.toml", "checkpoints", "events.log", ".lock"])
@pytest.mark.skipif(os.name != "posix", reason="links are tested on POSIX only")
def test_the_target_of_a_link_in_a_run_folder_is_neither_read_nor_written(folder, tmp_path, name):
    """If the history of someone else's folder were a link, ``resume`` would overwrite a file of this user."""
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


def test_the_run_folder_itself_may_be_a_link(folder, tmp_path, registry):
    (tmp_path / "latest").symlink_to(folder.path)
    assert load_run_recipe(RunFolder(tmp_path / "latest"), registry).name == "small"


def test_a_run_recipe_that_is_missing_or_not_text_is_reported(folder, registry):
    folder.recipe.write_bytes(b"\xff\xff")
    with pytest.raises(RunError, match=r"recipe\.toml: not UTF-8 text"):
        load_run_recipe(folder, registry)
    folder.recipe.unlink()
    with pytest.raises(RunError, match=r"recipe\.toml: no such file"):
        load_run_recipe(folder, registry)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs /dev/zero")
def test_an_endless_recipe_is_refused(registry):
    with pytest.raises(RecipeError, match=r"is larger than 2\.0 MB; expected a recipe"):
        load_recipe(Path("/dev/zero"), registry)


def test_a_model_with_compressed_weights_is_refused(folder, registry):
    with zipfile.ZipFile(folder.model, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("metadata.json", "config.json", "model.weights.h5"):
            archive.writestr(name, b"\0" * 1_000_000)
    with pytest.raises(RunError, match=r"model\.keras: \S+ is compressed"):
        open_runs([folder.path])


@pytest.mark.parametrize("name", [".lock", "events.log", "environment.json", ".recipe.toml-x"])
def test_the_files_of_a_failed_start_are_not_in_the_way_but_folders_of_these_names_are(tmp_path, name):
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / name).touch()
    assert create_run_folder("run", tmp_path / "files").path == tmp_path / "files"
    (tmp_path / "folders" / name).mkdir(parents=True)
    with pytest.raises(RunError):
        create_run_folder("run", tmp_path / "folders")
    assert (tmp_path / "folders" / name).is_dir()
