"""``tlkit compare``: its tables, its files, and the files that it leaves alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from command_line import tlkit_command
from run_folders import write_run

METRICS = {"test": {"loss": 0.5, "accuracy": 0.75}}
BETTER = {"test": {"loss": 0.25, "accuracy": 0.5}}
PHASES = {"full": {"loss": [1.0, 0.5], "accuracy": [0.5, 0.75], "val_loss": [1.0, 0.625], "val_accuracy": [0.5, 0.75]}}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """The current folder of the command."""
    monkeypatch.delenv("TLKIT_PLUGINS", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def runs(folder, registry) -> list[Path]:
    write_run(folder / "a", registry, PHASES, metrics=METRICS)
    write_run(folder / "b", registry, PHASES, metrics=BETTER, overrides=["schedule.optimizer=sgd"])
    write_run(folder / "c", registry, PHASES)
    return [Path("a"), Path("b"), Path("c")]


def cells(text: str, first: str) -> list[str]:
    """Return the cells of the row of the table that starts with ``first``."""
    rows = [[cell.strip() for cell in line.strip("│┃").replace("┃", "│").split("│")] for line in text.splitlines()]
    return next(row for row in rows if row[0] == first)


def test_the_metrics_are_side_by_side_and_the_best_are_marked(runs):
    outcome = tlkit_command("compare", *runs)
    assert outcome.code == 0, outcome.err
    titles = cells(outcome.out, "run")
    rows = {name: dict(zip(titles, cells(outcome.out, name), strict=True)) for name in ("a", "b", "c (unfinished)")}
    assert (rows["a"]["backbone"], rows["a"]["head"], rows["a"]["weights"]) == ("small_encoder", "linear", "–")
    assert (rows["a"]["epochs"], rows["a"]["best epoch"], rows["a"]["seconds"]) == ("2", "2", "4.0")
    assert [row["best val_loss"] for row in rows.values()] == ["0.6250"] * 3
    assert [row["test loss"] for row in rows.values()] == ["0.5000", "0.2500 *", "–"]
    assert [row["test accuracy"] for row in rows.values()] == ["0.7500 *", "0.5000", "–"]


def test_the_shortest_time_is_marked_unless_a_run_is_unfinished(folder, registry):
    short = {"full": {"loss": [1.0]}}
    write_run(folder / "long", registry, {"full": {"loss": [1.0, 0.5]}}, metrics=METRICS)
    write_run(folder / "short", registry, short, metrics=METRICS)
    write_run(folder / "started", registry, short)
    assert "2.0 *" in cells(tlkit_command("compare", "long", "short").out, "short")
    assert "2.0 *" not in tlkit_command("compare", "long", "short", "started", "--overwrite").out


def test_what_differs_in_the_recipes_is_shown(runs):
    outcome = tlkit_command("compare", *runs)
    assert cells(outcome.out, "schedule.optimizer.name") == ["schedule.optimizer.name", '"adam"', '"sgd"', '"adam"']
    assert "The recipes are the same." not in outcome.out
    assert "The recipes are the same." in tlkit_command("compare", "a", "c", "--overwrite").out


def test_runs_with_different_monitors_show_the_name_of_each(runs, folder, registry):
    write_run(folder / "d", registry, PHASES, overrides=["train.monitor=val_accuracy"])
    outcome = tlkit_command("compare", "a", "d")
    assert "best monitored value" in outcome.out
    assert "val_accuracy 0.7500" in outcome.out


def test_a_narrow_terminal_gets_several_tables_that_name_each_run(runs, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")
    outcome = tlkit_command("compare", *runs)
    shown = re.sub(r"\x1b\[[0-9;]*m", "", outcome.out)
    assert max(len(line) for line in shown.splitlines()) <= 60
    assert shown.count("c (unfinished)") > 2
    assert "0.2500 *" in shown


def test_the_picture_is_written_where_out_says(runs, folder):
    outcome = tlkit_command("compare", *runs)
    assert "Curves: compare.png" in outcome.out
    assert (folder / "compare.png").read_bytes().startswith(b"\x89PNG")
    assert tlkit_command("compare", *runs, "--out", "new/c.svg", "--x", "seconds", "--metric", "accuracy").code == 0
    assert (folder / "new" / "c.svg").read_bytes().startswith(b"<?xml")


def test_one_run_alone_is_drawn(runs, folder):
    outcome = tlkit_command("compare", "a")
    assert outcome.code == 0
    assert "differs" not in outcome.out
    assert (folder / "compare.png").is_file()


def test_the_histories_are_written_as_one_table(runs, folder):
    outcome = tlkit_command("compare", *runs, "--csv", "all.csv")
    assert "Histories: all.csv" in outcome.out
    assert len((folder / "all.csv").read_text().splitlines()) == 1 + 2 * len(runs)


@pytest.mark.parametrize("taken", ["mine.png", "all.csv"])
def test_a_file_that_is_named_and_exists_is_only_replaced_with_overwrite(runs, folder, taken):
    (folder / taken).write_text("mine")
    files = ("--out", "mine.png", "--csv", "all.csv")
    outcome = tlkit_command("compare", *runs, *files)
    assert outcome.code == 2
    assert f"{taken}: already exists and was not changed" in outcome.err
    assert [path.name for path in folder.iterdir() if path.is_file()] == [taken]
    assert tlkit_command("compare", *runs, *files, "--overwrite").code == 0
    assert (folder / taken).read_bytes() != b"mine"


def test_the_tables_are_printed_where_the_picture_of_an_earlier_comparison_is_kept(runs, folder):
    (folder / "compare.png").write_bytes(b"mine")
    outcome = tlkit_command("compare", *runs, "--csv", "all.csv")
    assert outcome.code == 0
    assert cells(outcome.out, "a")
    assert "compare.png: exists and was not changed; --overwrite draws it again" in outcome.out
    assert "Curves:" not in outcome.out
    assert (folder / "compare.png").read_bytes() == b"mine"
    assert (folder / "all.csv").is_file()
    assert tlkit_command("compare", *runs, "--overwrite").code == 0
    assert (folder / "compare.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "Missing argument 'RUN...'"),
        (["nowhere"], 1, "Error: nowhere: no such run folder"),
        (["a", "--out", "c.gif"], 2, "--out c.gif: expected a file that ends in .png, .svg, .pdf"),
        (["a", "--out", "a/x.png", "--csv", "a"], 2, "a: is a folder; expected a file"),
        (["a", "--metric", "acuracy"], 2, 'did you mean "accuracy"?'),
        (["a", "--out", "a/recipe.toml/c.png"], 2, "can't be written"),
    ],
)
def test_a_mistake_of_the_user_is_one_error_and_nothing_is_written(runs, folder, arguments, code, message):
    outcome = tlkit_command("compare", *arguments)
    assert outcome.code == code
    assert message in outcome.err
    there = {path.name for path in folder.rglob("*") if path.suffix in (".png", ".csv")}
    assert there <= {"metrics.csv", "times.csv"}
