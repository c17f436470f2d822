"""Cross-validation: the splits of the folds, one run per fold, and their results together."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
from command_line import tlkit_command
from rich.console import Console
from waiting import LONG, end_of, read_until, wait_until

import tlkit
from tlkit import Sample
from tlkit.data.splits.split_column import SplitColumn
from tlkit.data.store.decoding import Digests
from tlkit.jobs.folds import cross_validation, processes
from tlkit.jobs.folds.commands import FoldCommand
from tlkit.jobs.folds.cross_validation import cross_validate
from tlkit.jobs.folds.display import FoldsDisplay
from tlkit.jobs.folds.processes import FoldProcesses, run_fold
from tlkit.jobs.folds.splits import fold_notes, fold_splits
from tlkit.recipe.load import load_recipe
from tlkit.runs.folds import FoldsFolder
from tlkit.runs.lock import LOCK, BusyError, locked
from tlkit.system.terminal import Terminal


def made(labels, groups=None, splits=None):
    """Return the part of ``Data`` that the splits of the folds need."""
    count = len(labels)
    digests = {f"{row:03d}": Digests(f"{row}", f"{row}", "") for row in range(count)}
    return SimpleNamespace(
        samples=[Sample(f"{row:03d}", row, label=int(label)) for row, label in enumerate(labels)],
        labels=np.array(labels, np.int32),
        splits=SplitColumn.of(splits if splits is not None else ["train"] * count),
        groups=groups or [None] * count,
        classes=tuple("abc"),
        store=SimpleNamespace(read=digests, images=np.eye(8, dtype=np.uint8)[None, :, :, None].repeat(count, 0)),
    )


def test_each_image_that_is_not_a_test_image_validates_once_and_folds_are_stratified():
    labels = [row % 3 for row in range(60)]
    splits = ["test" if row < 12 else "validation" if row < 20 else "train" for row in range(60)]
    folds = fold_splits(made(labels, splits=splits), 4, seed=1)
    held = np.stack([fold == "validation" for fold in folds])
    assert held.sum(0).tolist() == [0] * 12 + [1] * 48
    assert all((fold[:12] == "test").all() for fold in folds)
    for each in held:
        assert np.bincount(np.array(labels)[each], minlength=3).tolist() == [4, 4, 4]


def test_groups_stay_together():
    labels = [row // 2 % 3 for row in range(60)]
    groups = [f"group {row // 4}" if row < 48 else None for row in range(60)]
    folds = fold_splits(made(labels, groups), 3, seed=1)
    for fold in folds:
        for name in set(groups[:48]):
            assert len({fold[row] for row in range(48) if groups[row] == name}) == 1
    assert np.stack([fold == "validation" for fold in folds]).sum(0).tolist() == [1] * 60


def test_folds_depend_on_the_seed_and_not_on_the_order_of_the_files():
    data = made([row % 3 for row in range(30)])
    backwards = SimpleNamespace(**{**vars(data), "samples": data.samples[::-1], "labels": data.labels[::-1]})
    for ours, theirs in zip(fold_splits(data, 3, seed=1), fold_splits(backwards, 3, seed=1), strict=True):
        assert ours.tolist() == theirs[::-1].tolist()
    assert fold_splits(data, 3, seed=1)[0].tolist() != fold_splits(data, 3, seed=2)[0].tolist()


@pytest.mark.parametrize(
    ("labels", "groups", "message"),
    [
        ([0, 0, 0, 1, 1, 2], None, r"--folds 3: fewer images than folds of b \(2\), c \(1\)"),
        ([0, 1], None, "--folds 3: there are only 2 images"),
        (
            [0] * 6,
            ["g", "g", "g", "h", "h", "h"],
            "--folds 3: there are only 2 groups: copies, .*; expected at most 2 folds",
        ),
        ([0, 2] * 5 + [1] * 4, [None] * 10 + ["g"] * 4, "--folds 3: all images of b are in one group"),
    ],
)
def test_too_few_images_are_named(labels, groups, message):
    with pytest.raises(tlkit.DataError, match=message):
        fold_splits(made(labels, groups), 3, seed=0)


def test_a_class_with_fewer_groups_than_folds_trains_in_each_fold_and_is_noted_where_it_does_not_validate():
    data = made([0, 2] * 6 + [1] * 6, [None] * 12 + ["g"] * 3 + ["h"] * 3)
    folds = fold_splits(data, 3, seed=0)
    held = [{data.groups[row] for row in range(12, 18) if fold[row] == "validation"} for fold in folds]
    assert sorted(map(sorted, held)) == [[], ["g"], ["h"]]
    assert fold_notes(data, folds) == [f"fold {held.index(set()) + 1} validates on no image of b"]


def test_folds_divide_data_of_which_all_images_train():
    """An array of strings holds no longer ones than it was made with."""
    folds = fold_splits(made([0, 1, 2] * 4), 2, seed=0)
    assert [sorted(set(fold.tolist())) for fold in folds] == [["train", "validation"]] * 2


def test_copies_in_several_folds_are_noted():
    data = made([0, 1, 2] * 4)
    data.store.read |= {f"{row:03d}": Digests("same", "same", "") for row in range(0, 12, 3)}
    folds = fold_splits(data, 2, seed=0)
    assert fold_notes(data, folds) == [
        "copies in several folds, which makes metrics too good: 1 image, such as 000 and 003 and 006"
    ]
    data.store.images = np.zeros((12, 8, 8, 3), np.uint8)
    assert fold_notes(data, folds) == []


def test_folds_that_have_all_classes_have_no_note():
    data = made([0, 1, 2] * 9)
    assert fold_notes(data, fold_splits(data, 3, seed=0)) == []


def test_a_folder_with_quotes_in_its_name_is_passed_to_the_folds(recipe, registry, tmp_path):
    out = tmp_path / 'o_"q'
    try:
        out.mkdir()
    except OSError:
        pytest.skip("the file system takes no such name")
    cross_validate(recipe, 2, ["schedule.epochs=1"], out, registry=registry, quiet=True)
    assert (out / "folds.json").is_file()


@pytest.fixture
def recipe(write_recipe, class_folders):
    return write_recipe(
        "tiny.toml",
        data={"name": "folder", "path": class_folders({"cat": 15, "dog": 15})},
        input={"image_size": 16, "batch_size": 8, "test": 0.2},
        backbone={"name": "small_cnn", "filters": [8]},
        schedule={"epochs": 2, "learning_rate": 0.01},
    )


def test_a_cross_validation_predicts_each_image_once_and_continues_where_it_failed(recipe, registry, tmp_path, capsys):
    out = tmp_path / "folds"
    blocked = out / "fold-2"
    blocked.mkdir(parents=True)
    (blocked / "notes.txt").write_text("a file of the user's")
    with pytest.raises(tlkit.RunError, match="not an empty folder"):
        cross_validate(recipe, 3, out=out, registry=registry)
    (blocked / "notes.txt").rename(tmp_path / "notes.txt")
    blocked.rmdir()

    def block(*_arguments, **_options):
        blocked.mkdir()
        (blocked / "notes.txt").write_text("a file of the user's")
        return splits(*_arguments, **_options)

    splits = cross_validation.fold_splits
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cross_validation, "fold_splits", block)
        with pytest.raises(
            tlkit.RunError, match=r"1 of 3 folds failed; the others are finished\. The reasons are in .*fold-2\.log"
        ):
            cross_validate(recipe, 3, out=out, registry=registry)
    assert (out / "fold-1" / "report.html").is_file()
    assert (out / "fold-3" / "report.html").is_file()
    assert "not an empty folder" in (out / "fold-2.log").read_text()
    (blocked / "notes.txt").unlink()
    before = (out / "fold-1" / "model.keras").stat().st_mtime_ns

    result = cross_validate(recipe, 3, out=out, registry=registry)
    assert (out / "fold-1" / "model.keras").stat().st_mtime_ns == before
    with (out / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len({row["key"] for row in rows}) == len(rows) == 24
    right = np.mean([row["truth"] == row["prediction"] for row in rows])
    written = json.loads((out / "folds.json").read_text())
    assert np.isclose(written["mean"]["accuracy"], right)
    assert result.splits["validation"].mean == written["mean"]
    accuracies = [fold["accuracy"] for fold in written["folds"]]
    assert np.isclose(written["standard_deviation"]["accuracy"], np.std(accuracies, ddof=1))
    tested = [json.loads((out / f"fold-{n}" / "metrics.json").read_text())["test"]["accuracy"] for n in (1, 2, 3)]
    assert np.isclose(written["test"]["mean"]["accuracy"], np.mean(tested))
    said = capsys.readouterr().out
    assert said.count("standard deviation") == 2
    assert "fold 2, phase full: epoch 2/2  loss" in said
    assert re.search(r"fold 3: test: loss \d", said)
    assert "Predictions of 24 images, each by the model that did not train on it" in said
    assert "the 6 test images are in none of the folds" in said
    report = (out / "report.html").read_text()
    assert "Each of these 24 images was predicted by the one model" in report
    assert 'href="fold-3/report.html"' in report

    card = json.loads((out / "model.json").read_text())
    assert card["folds"] == ["fold-1", "fold-2", "fold-3"]
    images = sorted((tmp_path / "photos").rglob("*.png"))[::4]
    ensemble = tlkit.load(out)
    single = [tlkit.load(out / name) for name in card["folds"]]
    for path, *each in zip(images, *[model.predict(images) for model in (ensemble, *single)], strict=True):
        together, *folds = (prediction.probabilities["cat"] for prediction in each)
        assert together == pytest.approx(np.mean(folds), abs=1e-5), path
    together = tlkit.evaluate(out, registry=registry)
    assert (together.split, together.count) == ("test", 6)
    probabilities = np.mean([[each.probabilities["dog"] for each in model.predict(images)] for model in single], 0)
    assert [each.label == "dog" for each in ensemble.predict(images)] == (probabilities > 0.5).tolist()
    (out / "report.html").unlink()
    assert tlkit_command("report", str(out)).code == 0
    assert (out / "report.html").read_text() == report
    with pytest.raises(tlkit.RunError, match='its folds are of "tlkit run --folds 3", not of "tlkit run --folds 4"'):
        cross_validate(recipe, 4, out=out, registry=registry)
    with pytest.raises(tlkit.RunError, match="its folds are of another recipe"):
        cross_validate(recipe, 3, ["seed=9"], out, registry=registry)


def test_a_folder_with_tables_of_the_users_own_is_refused(recipe, registry, tmp_path):
    own = tmp_path / "folds"
    own.mkdir()
    (own / "fold-1.csv").write_text("mine")
    with pytest.raises(tlkit.RunError, match="not an empty folder"):
        cross_validate(recipe, 3, out=own, registry=registry)
    assert (own / "fold-1.csv").read_text() == "mine"


def test_folds_can_not_be_combined_with_given_splits(recipe, registry):
    with pytest.raises(tlkit.RecipeError, match=r"input\.samples"):
        cross_validate(recipe, 3, ["input.samples=x.csv"], registry=registry)
    assert "1 is not in the range x>=2" in tlkit_command("run", str(recipe), "--folds", "1").err


def test_a_test_file_that_has_become_a_training_file_is_refused(recipe, registry, tmp_path):

    def opened(*overrides):
        from tlkit.jobs import from_recipe

        return from_recipe.open_data(load_recipe(recipe, registry, overrides), tmp_path / "store")

    (tmp_path / "store").mkdir()
    data = opened()
    data.write_samples_csv(tmp_path / "samples.csv")
    again = opened(f"input.samples={tmp_path / 'samples.csv'}")
    assert again.splits.tolist() == data.splits.tolist()
    train, test = (data.samples[data.indices(split)[0]].image for split in ("train", "test"))
    content = train.read_bytes()
    train.write_bytes(test.read_bytes())
    with pytest.raises(tlkit.DataError, match=f"have become training images: .*{train.name}"):
        opened(f"input.samples={tmp_path / 'samples.csv'}", "check.duplicate=keep")
    train.write_bytes(content + b"\n")
    assert any("changed since" in note for note in opened(f"input.samples={tmp_path / 'samples.csv'}").notes)
    train.unlink()
    with pytest.raises(tlkit.DataError, match=rf"names samples that are not there \(1\): .*{train.name}"):
        opened(f"input.samples={tmp_path / 'samples.csv'}")


def test_a_segmentation_is_cross_validated(registry, write_recipe, tmp_path):
    recipe = write_recipe(
        name="scenes",
        task="segmentation",
        data={"name": "digit_scenes", "count": 12, "size": 32},
        input={"image_size": 32, "batch_size": 4},
        backbone={"name": "small_cnn", "filters": [8]},
        head={"name": "linear_seg"},
        schedule={"epochs": 1},
    )
    result = cross_validate(recipe, 2, out=tmp_path / "folds", registry=registry, quiet=True)
    assert 0 <= result.splits["validation"].mean["mean_iou"] <= 1
    assert (result.folder / "folds.json").is_file()
    assert not (result.folder / "predictions.csv").exists()


def test_a_signal_ends_a_cross_validation_with_its_code(recipe, tmp_path):
    out = tmp_path / "folds"
    command = [sys.executable, "-m", "tlkit", "run", str(recipe), "--folds", "2", "--out", str(out)]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        read_until(process, b"fold 1 of 2")
        process.send_signal(signal.SIGTERM)
        said = end_of(process)
    assert process.returncode == 143, said
    assert f"the same command with --out {out}" in said.decode()
    assert not (out / "folds.json").exists()
    assert not (out / "fold-2").exists()


def test_stopping_ends_the_processes_of_the_folds_and_starts_no_other(tmp_path, monkeypatch):
    started = threading.Event()

    class Told(subprocess.Popen):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            started.set()

    monkeypatch.setattr(subprocess, "Popen", Told)
    processes = FoldProcesses()
    waits = ["-c", "import signal; signal.pause()"]
    with ThreadPoolExecutor(1) as pool:
        code = pool.submit(processes.run, waits, tmp_path / "log")
        assert started.wait(LONG)
        processes.stop()
        assert code.result() == -signal.SIGTERM
        assert processes.run(waits, tmp_path / "log") == 143


def test_the_lines_of_a_process_are_passed_on_and_kept(tmp_path):
    log, lines = tmp_path / "log", []
    log.write_text("of an earlier attempt\n")
    prints = ["-c", "print('one', flush=True); print('two'); print('no end', end='')"]
    assert FoldProcesses().run(prints, log, lines.append) == 0
    assert lines == ["one", "two"]
    assert log.read_text() == "of an earlier attempt\none\ntwo\nno end"


@pytest.fixture
def waiting_fold(tmp_path, monkeypatch):
    """Return the folder of a cross-validation, and a function that runs its fold 1 by a program instead of tlkit."""
    folder = FoldsFolder(tmp_path)
    folder.fold(1).path.mkdir()
    (folder.fold(1).path / LOCK).touch()

    def run(program):
        said = []
        monkeypatch.setattr(FoldCommand, "of_fold", lambda *_: ["-c", program])
        return run_fold(folder, 1, FoldCommand(), FoldProcesses(), said.append), said

    return folder.fold(1).path, run


def test_a_fold_in_which_another_process_still_saves_is_waited_for(waiting_fold, monkeypatch):
    path, run = waiting_fold
    looked, wait = threading.Event(), processes.wait_until_free

    def free(*arguments):
        found = wait(*arguments)
        looked.set()
        return found

    monkeypatch.setattr(processes, "wait_until_free", free)
    with ThreadPoolExecutor(1) as pool:
        with locked(path):
            ended = pool.submit(run, "print('mine')")
            assert looked.wait(30)
        assert ended.result() == (0, ["busy", "mine"])


def test_a_fold_in_which_another_process_goes_on_is_busy_and_not_failed(waiting_fold, monkeypatch):
    path, run = waiting_fold
    monkeypatch.setattr(processes, "PATIENCE", 0.1)
    with locked(path):
        assert run("print('mine')") == (75, ["busy"])
    assert run("raise SystemExit(75)") == (75, [])


def test_folds_in_use_are_told_as_busy(tmp_path, monkeypatch):
    codes = iter([0, 75, 1])
    monkeypatch.setattr(cross_validation, "run_fold", lambda *_: next(codes))

    def run(count):
        places = cross_validation._Places(count, 1, None)
        cross_validation._run_folds(FoldsFolder(tmp_path), FoldCommand(), places, Terminal(quiet=True))

    with pytest.raises(BusyError, match=r"another process works in fold-2; the others are finished"):
        run(2)
    codes = iter([0, 75, 1])
    with pytest.raises(tlkit.RunError, match=r"1 of 3 folds failed; another process works in fold-2;.*fold-3\.log"):
        run(3)


def wait_until_gone(process):
    """Wait for a process to end, 30 seconds at most; return whether it did."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_fold_ends_when_the_process_that_started_it_is_killed(tmp_path):
    program = (
        "import sys; from pathlib import Path; from tlkit.jobs.folds.processes import FoldProcesses;"
        "FoldProcesses().run(['-c', sys.argv[1]], Path(sys.argv[2]))"
    )
    child = (
        "import os, signal; from tlkit.system.signals import stop_with_parent;"
        "stop_with_parent(); print(os.getpid(), flush=True); signal.pause()"
    )
    log = tmp_path / "log"
    parent = subprocess.Popen([sys.executable, "-c", program, child, str(log)])
    try:
        wait_until(lambda: log.is_file() and log.read_text().endswith("\n"), "the number of the child", parent)
    finally:
        parent.kill()
        parent.wait()
    child = int(log.read_text())
    assert wait_until_gone(child)


@pytest.mark.parametrize("terminal", [True, False])
def test_the_epochs_of_the_folds_are_shown(terminal):
    console = Console(file=io.StringIO(), force_terminal=terminal, width=120, highlight=False)
    with FoldsDisplay(console, 2) as display:
        display.started(1, "folds/fold-1")
        display.said(1, "  starting TensorFlow: 4 s")
        display.said(1, "  computing features 120/401: 8 s, about 12 s left")
        for line in ("Data: 8 images", "Phase head: 3 epochs, X frozen", "  epoch 2/3  loss 0.5  (1.0 s)  best"):
            display.said(1, line)
        display.said(1, "validation: loss 0.5000")
        display.ended(1, 1)
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", console.file.getvalue())
    assert "fold 1 of 2: folds/fold-1" in shown
    assert "starting TensorFlow: 4 s" in shown
    assert "computing features 120/401: 8 s, about 12 s left" in shown
    assert "fold 1, phase head" in shown
    assert "2/3" in shown
    assert "fold 1: validation: loss 0.5000" in shown
    assert "fold 1: ended with exit code 1" in shown
    assert "Data: 8 images" not in shown


def test_a_fold_that_the_user_stops_is_not_said_to_have_failed(capsys):
    display = FoldsDisplay(Terminal(), 2)
    display.ended(1, -1, stopped=True)
    display.ended(2, 1)
    assert capsys.readouterr().out == "  fold 1: stopped\n  fold 2: ended with exit code 1\n"
