"""An interrupted run, resumed, ends with the same bytes as an uninterrupted one."""

from __future__ import annotations

import functools
import itertools
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import tlkit_command
from everything import EVERYTHING, PLATEAU, everything
from same_runs import assert_same

import tlkit
from tlkit.jobs import finish, stages
from tlkit.jobs.damaged_products import damaged_products
from tlkit.models.losses import BatchLoss
from tlkit.runs.folder import RunFolder, create_run_folder
from tlkit.runs.profile import read_profile
from tlkit.system.signals import Interrupted, Signals
from tlkit.train import checkpoint as checkpoint_module
from tlkit.train.checkpoint import Checkpoints, read_checkpoints
from tlkit.train.passes import Passes
from tlkit.train.phase_run import PhaseRun


class Killed(BaseException):
    """Stands for a kill: nothing catches it."""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    file = tmp_path_factory.mktemp("recipe") / "everything.toml"
    file.write_text(everything())
    return file


@pytest.fixture(scope="module")
def whole(recipe, registry):
    """The uninterrupted run."""
    return tlkit.run(recipe, out=recipe.parent / "whole", registry=registry, quiet=True).folder


def kill(monkeypatch, owner, name, times):
    """Make the ``times``-th call of a function end like a kill."""
    original = getattr(owner, name)
    calls = []

    def killed(*arguments, **options):
        calls.append(name)
        if len(calls) == times:
            raise Killed
        return original(*arguments, **options)

    monkeypatch.setattr(owner, name, killed)


@pytest.mark.parametrize(
    ("owner", "name", "times"),
    [
        (PhaseRun, "_pause", 2),  # before the first checkpoint
        (Passes, "validate", 4),
        (Checkpoints, "write", 6),
        (finish, "save_model", 1),
        pytest.param(PhaseRun, "_pause", 7, marks=pytest.mark.slow),
        pytest.param(PhaseRun, "_pause", 29, marks=pytest.mark.slow),
        pytest.param(PhaseRun, "_prove", 2, marks=pytest.mark.slow),
        pytest.param(stages, "build_network", 1, marks=pytest.mark.slow),
        pytest.param(finish, "evaluate", 1, marks=pytest.mark.slow),
    ],
)
def test_a_killed_run_resumes_to_the_same_bytes(recipe, whole, registry, tmp_path, monkeypatch, owner, name, times):
    with monkeypatch.context() as patch, pytest.raises(Killed):  # noqa: PT012
        kill(patch, owner, name, times)
        tlkit.run(recipe, out=tmp_path / "run", registry=registry, quiet=True)
    tlkit.resume(tmp_path / "run", registry=registry, quiet=True)
    assert_same(tmp_path / "run", whole)


def test_a_run_killed_several_times_resumes_to_the_same_bytes(recipe, whole, registry, tmp_path, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(Killed):  # noqa: PT012
        kill(patch, PhaseRun, "_pause", 11)
        tlkit.run(recipe, out=tmp_path / "run", registry=registry, quiet=True)
    for times in (9, 6):
        with monkeypatch.context() as patch, pytest.raises(Killed):  # noqa: PT012
            kill(patch, PhaseRun, "_pause", times)
            tlkit.resume(tmp_path / "run", registry=registry, quiet=True)
    tlkit.resume(tmp_path / "run", registry=registry, quiet=True)
    assert_same(tmp_path / "run", whole)


def test_a_signal_saves_and_stops_after_the_current_step(recipe, whole, registry, tmp_path, monkeypatch, capsys):
    steps = []
    pause = PhaseRun._pause

    def counted(phase_run, epoch, step):
        steps.append((epoch, step))
        if len(steps) == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        pause(phase_run, epoch, step)

    with monkeypatch.context() as patch:
        patch.setattr(PhaseRun, "_pause", counted)
        with pytest.raises(Interrupted, match=r"SIGTERM.*tlkit resume") as stopped:
            tlkit.run(recipe, out=tmp_path / "run", registry=registry, quiet=True, profile=True)
    assert stopped.value.exit_code == 143
    assert len(steps) == 3
    (newest, *_) = read_checkpoints(tmp_path / "run" / "checkpoints", print)
    assert (newest.state.inside.epoch, newest.state.inside.step) == steps[-1]
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    shutil.copytree(tmp_path / "run", tmp_path / "damaged")
    tlkit.resume(tmp_path / "run", registry=registry, quiet=True)
    assert_same(tmp_path / "run", whole)
    first, second = ({each.name for each in times} for times in read_profile(tmp_path / "run" / "profile.csv"))
    assert "training" in first & second
    assert "saving the model" in second - first
    (tmp_path / "damaged" / "profile.csv").write_text("command,stage\n1,training,", encoding="utf-8")
    tlkit.resume(tmp_path / "damaged", registry=registry)
    assert "profile.csv:2: expected 2 values, received 3; the file is damaged; it is begun anew" in "".join(
        capsys.readouterr().out.split("\n")
    )
    [times] = read_profile(tmp_path / "damaged" / "profile.csv")
    assert second == {each.name for each in times}


def test_the_command_says_how_a_stopped_run_continues(recipe, tmp_path, monkeypatch):
    pause = PhaseRun._pause

    def signalled(phase_run, epoch, step):
        os.kill(os.getpid(), signal.SIGTERM)
        pause(phase_run, epoch, step)

    monkeypatch.setattr(PhaseRun, "_pause", signalled)
    with Signals().handled():
        outcome = tlkit_command("run", recipe, "--out", tmp_path / "run")
    assert outcome.code == 143
    assert outcome.err.endswith(f"\nStopped by SIGTERM. To continue: tlkit resume {tmp_path / 'run'}\n")


def test_a_signal_while_validating_loses_no_step(recipe, whole, registry, tmp_path, monkeypatch):
    validate = Passes.validate
    calls = []

    def signalled(passes):
        calls.append(passes)
        if len(calls) == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return validate(passes)

    with monkeypatch.context() as patch:
        patch.setattr(Passes, "validate", signalled)
        with pytest.raises(Interrupted) as stopped:
            tlkit.run(recipe, out=tmp_path / "run", registry=registry, quiet=True)
    assert stopped.value.exit_code == 130
    (newest, *_) = read_checkpoints(tmp_path / "run" / "checkpoints", print)
    assert newest.state.inside.step == -(-calls[-1].setting.train_rows.size // 128)
    tlkit.resume(tmp_path / "run", registry=registry, quiet=True)
    assert_same(tmp_path / "run", whole)


def test_a_finished_run_is_left_as_it_is(recipe, whole, registry, capsys):
    before = {file: file.stat().st_mtime_ns for file in whole.rglob("*") if file.suffix in (".keras", ".csv", ".html")}
    tlkit.resume(whole, registry=registry)
    assert "The run is already finished; nothing to do" in capsys.readouterr().out
    assert before == {file: file.stat().st_mtime_ns for file in before}


@pytest.fixture(scope="module")
def ended(tmp_path_factory, registry):
    """Run a recipe with a constant rate and no early stop; return the same folder for the same overrides."""
    root = tmp_path_factory.mktemp("plain")
    file = root / "plain.toml"
    train = {key: value for key, value in EVERYTHING["train"].items() if key != "early_stop"}
    file.write_text(everything(schedule={"learning_rate": 0.02}, train=train))

    @functools.cache
    def run(*overrides):
        return tlkit.run(file, overrides, root / str(len(list(root.iterdir()))), registry=registry, quiet=True).folder

    return run


@pytest.fixture
def plain(tmp_path, ended):
    """Return a copy of the folder of such a run."""

    def copy(name, *overrides):
        return Path(shutil.copytree(ended(*overrides), tmp_path / name))

    return copy


def test_an_extended_run_ends_like_a_run_of_the_full_length(plain, registry):
    short, long = plain("short", "schedule.epochs=2"), plain("long", "schedule.epochs=3")
    tlkit.resume(short, ["schedule.epochs=3"], registry=registry, quiet=True)
    assert_same(short, long)
    assert "epochs = 3" in (short / "recipe.toml").read_text()


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (PhaseRun, "_restore"),
        (finish, "save_model"),
        pytest.param(Checkpoints, "write", marks=pytest.mark.slow),
        pytest.param(finish, "evaluate", marks=pytest.mark.slow),
    ],
)
def test_a_killed_extension_is_unfinished_and_can_be_resumed(plain, registry, monkeypatch, capsys, owner, name):
    short, long = plain("short", "schedule.epochs=2"), plain("long", "schedule.epochs=3")
    with monkeypatch.context() as patch, pytest.raises(Killed):  # noqa: PT012
        kill(patch, owner, name, 1)
        tlkit.resume(short, ["schedule.epochs=3"], registry=registry, quiet=True)
    left = {file.name for file in short.iterdir()}
    assert not left & {"report.html", "metrics.json", "predictions.csv"}
    tlkit.resume(short, registry=registry)
    assert "nothing to do" not in capsys.readouterr().out
    assert_same(short, long)


def test_a_killed_extension_can_be_reverted(plain, registry, monkeypatch):
    short, same = plain("short", "schedule.epochs=2"), plain("same", "schedule.epochs=2")
    with monkeypatch.context() as patch, pytest.raises(Killed):  # noqa: PT012
        kill(patch, PhaseRun, "_restore", 1)
        tlkit.resume(short, ["schedule.epochs=3"], registry=registry, quiet=True)
    tlkit.resume(short, ["schedule.epochs=2"], registry=registry, quiet=True)
    assert_same(short, same)


def test_checkpoints_without_planned_phases_are_read(plain, registry):
    short, long = plain("short", "schedule.epochs=2"), plain("long", "schedule.epochs=3")
    for file in (short / "checkpoints").glob("[0-9]*.json"):
        parts = json.loads(file.read_bytes())
        state = json.loads(parts["state"])
        del state["planned"]
        text = json.dumps(state)
        file.write_text(json.dumps(parts | {"state": text, "sha256": checkpoint_module._digest(text, parts["arrays"])}))
    assert [each.state.planned for each in read_checkpoints(short / "checkpoints", print)] == [None, None]
    tlkit.resume(short, ["schedule.epochs=3"], registry=registry, quiet=True)
    assert_same(short, long)


PRODUCTS = ["model.keras", "model.json", "metrics.json", "metrics.csv", "freeze.csv", "report.html"]
PRODUCTS += ["model.tflite", "predictions.csv"]


@pytest.mark.parametrize("damage", ["removed", "empty", "garbage", "cut", "a folder"])
def test_each_product_that_is_damaged_is_found(plain, damage):
    folder = plain("run", "schedule.epochs=2")
    (checkpoint, *_) = read_checkpoints(folder / "checkpoints", print)
    lines = len((folder / "predictions.csv").read_text().splitlines()) - 1
    assert damaged_products(RunFolder(folder), checkpoint, lines) == []
    for name in PRODUCTS:
        file = folder / name
        content = file.read_bytes()
        file.unlink()
        if damage == "a folder":
            file.mkdir()
        elif damage != "removed":
            file.write_bytes({"empty": b"", "garbage": b"\0hello,\n", "cut": content[:-9]}[damage])
    assert damaged_products(RunFolder(folder), checkpoint, lines) == PRODUCTS


def test_damaged_products_of_a_finished_run_are_rewritten(plain, registry, capsys):
    folder, whole = plain("run", "schedule.epochs=2"), plain("whole", "schedule.epochs=2")
    (folder / "model.keras").write_bytes((folder / "model.keras").read_bytes()[:-100])
    (folder / "metrics.json").write_text("no JSON")
    (folder / "predictions.csv").unlink()
    tlkit.resume(folder, registry=registry)
    assert (
        "rewritten from the last checkpoint: model.keras, metrics.json, model.tflite, predictions.csv"
        in capsys.readouterr().out
    )
    assert_same(folder, whole)


def test_a_finished_run_without_checkpoints_is_not_started_again(plain, registry, capsys):
    folder = plain("run", "schedule.epochs=2")
    shutil.rmtree(folder / "checkpoints")
    before = {file: file.read_bytes() for file in folder.iterdir() if file.suffix in (".keras", ".csv", ".toml")}
    tlkit.resume(folder, registry=registry)
    assert "no checkpoint to continue from, and the run is finished; nothing to do" in capsys.readouterr().out
    with pytest.raises(tlkit.RunError, match=r"no checkpoint to continue from.*it can't be changed"):
        tlkit.resume(folder, ["schedule.epochs=3"], registry=registry)
    assert before == {file: file.read_bytes() for file in before}


def test_the_environment_is_written_before_the_recipe(recipe, registry, tmp_path, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(Killed):  # noqa: PT012
        kill(patch, RunFolder, "write_recipe", 1)
        tlkit.run(recipe, out=tmp_path / "run", registry=registry, quiet=True)
    assert (tmp_path / "run" / "environment.json").is_file()
    assert not (tmp_path / "run" / "recipe.toml").exists()
    create_run_folder("run", tmp_path / "run")


@pytest.mark.parametrize("name", ["checkpoints", "cache", "events.log", "metrics.json", "samples.csv", "report.html"])
def test_a_file_or_folder_in_the_place_of_one_of_the_run_is_named(plain, registry, name):
    folder = plain("run", "schedule.epochs=2")
    path = folder / name
    if path.is_dir() or name == "cache":
        shutil.rmtree(path, ignore_errors=True)
        path.write_text("a file")
    else:
        path.unlink()
        path.mkdir()
    what = "a file" if path.is_file() else "a folder"
    with pytest.raises(tlkit.RunError, match=rf"run/{name}: can't be written: {what} is in its place .*[Rr]emove it"):
        tlkit.resume(folder, registry=registry, quiet=True)


def test_a_model_that_diverged_is_not_written(recipe, registry, tmp_path, monkeypatch):
    def diverge(plan, _training, _checkpoint):
        for variable in plan.network.model.trainable_variables:
            variable.assign(variable * float("nan"))
        return finish.Best(7, "val_loss")

    monkeypatch.setattr(finish, "train", diverge)
    expected = r"the model's logits are not finite.*weights of epoch 7 \(best val_loss\) are in .*checkpoints"
    with pytest.raises(tlkit.RunError, match=expected):
        tlkit.run(recipe, out=tmp_path / "run", registry=registry, quiet=True)


# No epoch is better than the one before by 100.
PATIENT, IMPATIENT = ("train.early_stop={patience=%d, min_delta=100}" % patience for patience in (3, 1))  # noqa: UP031


def test_a_run_that_stopped_early_continues_when_its_early_stop_changes(plain, registry):
    short, long = plain("short", "schedule.epochs=5", IMPATIENT), plain("long", "schedule.epochs=5", PATIENT)
    assert len((short / "metrics.csv").read_text().splitlines()) == 1 + 2
    tlkit.resume(short, [PATIENT], registry=registry, quiet=True)
    assert len((short / "metrics.csv").read_text().splitlines()) == 1 + 4
    assert_same(short, long)


@pytest.mark.parametrize(
    ("override", "reason"),
    [
        (
            "schedule.epochs=9",
            r"stays stopped after epoch 2: train\.early_stop\.patience is 1; a larger value may continue it",
        ),
        ("train.early_stop.min_delta=90", r"stays stopped after epoch 2: train\.early_stop\.patience is 1"),
    ],
)
def test_a_run_that_stays_stopped_says_what_stopped_it(plain, registry, capsys, override, reason):
    folder = plain("run", "schedule.epochs=5", IMPATIENT)
    before = {file: file.read_bytes() for file in folder.iterdir() if file.suffix in (".toml", ".csv", ".html")}
    tlkit.resume(folder, [override], registry=registry)
    out = capsys.readouterr().out
    assert re.search(reason, out)
    assert "nothing to do" in out
    assert before == {file: file.read_bytes() for file in before}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("head.dropout=0.1", "head.dropout=0.1: can't be changed in a run that has started"),
        ("seed=5", "seed=5: can't be changed"),
        ("schedule.learning_rate=0.1", "the phase .* has started: its number of epochs and its early stop may change"),
        ("schedule.epochs=1", "2 epochs of the phase .* are done; expected at least as many, received 1"),
    ],
)
def test_a_change_that_is_refused_says_why(plain, registry, override, message):
    folder = plain("run", "schedule.epochs=2")
    recipe = (folder / "recipe.toml").read_bytes()
    with pytest.raises(tlkit.RecipeError, match=message):
        tlkit.resume(folder, [override], registry=registry, quiet=True)
    assert (folder / "recipe.toml").read_bytes() == recipe


def test_data_that_changed_since_the_run_started_is_named(registry, tmp_path, class_folders, monkeypatch):
    photos = class_folders({"cat": 12, "dog": 12})
    file = tmp_path / "recipe.toml"
    file.write_text(everything(epochs=1, data={"name": "folder", "path": photos}))
    with monkeypatch.context() as patch, pytest.raises(Killed):  # noqa: PT012
        kill(patch, PhaseRun, "_prove", 1)
        tlkit.run(file, ["input.batch_size=8"], tmp_path / "run", registry=registry, quiet=True)
    shutil.copyfile(photos / "dog" / "003.png", photos / "dog" / "004.png")
    with pytest.raises(tlkit.RunError, match=r"the data has changed since the run started: dog/004\.png\."):
        tlkit.resume(tmp_path / "run", registry=registry, quiet=True)


def test_a_run_with_relative_paths_resumes_from_any_folder(registry, tmp_path, class_folders, monkeypatch):
    photos = class_folders({"cat": 12, "dog": 12})
    (photos / "dog" / "empty.png").touch()
    file = tmp_path / "recipe.toml"
    file.write_text(everything(epochs=1, data={"name": "folder", "path": "photos"}))
    monkeypatch.chdir(tmp_path)
    settings = ["input.batch_size=8", "input.max_bad_share=0.5"]
    uninterrupted = tlkit.run(file, settings, "uninterrupted", registry=registry, quiet=True).folder
    with monkeypatch.context() as patch, pytest.raises(Killed):  # noqa: PT012
        kill(patch, PhaseRun, "_prove", 1)
        tlkit.run(file, settings, "run", registry=registry, quiet=True)
    (tmp_path / "run" / "check.html").unlink()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    tlkit.resume(tmp_path / "run", registry=registry, quiet=True)
    assert_same(tmp_path / "run", tmp_path / uninterrupted)
    assert (tmp_path / "run" / "check.html").is_file()


def test_a_second_run_in_a_folder_changes_nothing(recipe, registry, tmp_path, monkeypatch):
    codes = []
    begin = PhaseRun.run

    def beginning(phase_run, checkpoint):
        if not codes:
            before = sorted((file, file.stat().st_mtime_ns) for file in (tmp_path / "run").rglob("*") if file.is_file())
            for verb in (["run", str(recipe), "--out", str(tmp_path / "run")], ["resume", str(tmp_path / "run")]):
                ended = subprocess.run(
                    [sys.executable, "-m", "tlkit", *verb], capture_output=True, text=True, check=False
                )
                codes.append((ended.returncode, "another process works in this run folder" in ended.stderr))
            after = sorted((file, file.stat().st_mtime_ns) for file in (tmp_path / "run").rglob("*") if file.is_file())
            assert [each for each in before if each[0].name != ".lock"] == [
                each for each in after if each[0].name != ".lock"
            ]
        begin(phase_run, checkpoint)

    monkeypatch.setattr(PhaseRun, "run", beginning)
    tlkit.run(recipe, ["schedule.head_epochs=1"], tmp_path / "run", registry=registry, quiet=True)
    assert codes == [(75, True), (75, True)]


def test_a_full_disk_leaves_the_previous_checkpoint_and_the_run_can_be_resumed(
    recipe, whole, registry, tmp_path, monkeypatch
):
    save = checkpoint_module.safetensors.numpy.save_file
    calls = []

    def full(arrays, file):
        calls.append(file)
        if len(calls) == 4:
            Path(file).write_bytes(b"half")
            raise checkpoint_module.SafetensorError("Error while serializing: I/O error: No space left (os error 28)")
        save(arrays, file)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint_module.safetensors.numpy, "save_file", full)
        with pytest.raises(tlkit.RunError, match=r"the disk is full: a checkpoint needs \S+ [kM]B") as error:
            tlkit.run(recipe, out=tmp_path / "run", registry=registry, quiet=True)
    assert error.value.exit_code == 74
    assert len(read_checkpoints(tmp_path / "run" / "checkpoints", print)) == 2
    tlkit.resume(tmp_path / "run", registry=registry, quiet=True)
    assert_same(tmp_path / "run", whole)


def test_flipped_bytes_in_a_checkpoint_are_never_loaded(recipe, registry, tmp_path, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(Killed):  # noqa: PT012
        kill(patch, PhaseRun, "_pause", 13)
        tlkit.run(recipe, out=tmp_path / "run", registry=registry, quiet=True)
    folder = tmp_path / "run" / "checkpoints"
    files = sorted(folder.glob("[0-9]*"))
    assert len(files) == 4
    random.seed(0)
    for _ in range(100):
        file = random.choice(files)
        content = bytearray(file.read_bytes())
        whole = bytes(content)
        content[random.randrange(len(content))] ^= 1 << random.randrange(8)
        file.write_bytes(content)
        told = []
        left = read_checkpoints(folder, told.append)
        assert [each.state.number for each in left] == [int(each.stem) for each in files[::2] if each.stem != file.stem]
        assert len(told) == 1
        file.write_bytes(whole)


def test_a_clock_that_jumps_back_changes_nothing(recipe, whole, registry, tmp_path, monkeypatch):
    """The clock jumps back an hour at each reading, and the newest checkpoint seems to be the oldest."""
    moments = itertools.count(2e9, -3600)
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: float(next(moments)))
        with pytest.raises(Killed), monkeypatch.context() as killing:  # noqa: PT012
            kill(killing, PhaseRun, "_pause", 13)
            tlkit.run(recipe, out=tmp_path / "run", registry=registry, quiet=True)
        for age, file in enumerate(sorted((tmp_path / "run" / "checkpoints").glob("[0-9]*"))):
            os.utime(file, (4e9 - 3600 * age,) * 2)
        tlkit.resume(tmp_path / "run", registry=registry, quiet=True)
    assert next(moments) < 2e9 - 36_000
    assert_same(tmp_path / "run", whole)


def test_a_folder_without_a_recipe_can_not_be_resumed(tmp_path, registry):
    with pytest.raises(tlkit.RunError, match="no such run folder"):
        tlkit.resume(tmp_path / "nothing", registry=registry)
    with pytest.raises(tlkit.RunError, match=r"has no recipe\.toml"):
        tlkit.resume(tmp_path, registry=registry)


def test_a_run_killed_before_its_recipe_was_written_can_be_started_again(recipe, registry, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    for name in (".lock", "events.log", ".recipe.toml-abc"):
        (folder / name).touch()
    tlkit.run(recipe, ["schedule.head_epochs=1"], folder, registry=registry, quiet=True)
    with pytest.raises(tlkit.RunError, match=r"tlkit resume .* continues the run in it"):
        tlkit.run(recipe, out=folder, registry=registry, quiet=True)


def test_a_loss_that_is_not_finite_names_the_step_its_files_and_the_rate(recipe, registry, tmp_path, monkeypatch):
    compute = BatchLoss.__call__

    def not_a_number(self, batch, logits):
        loss, count = compute(self, batch, logits)
        return loss * float("nan"), count

    monkeypatch.setattr(BatchLoss, "__call__", not_a_number)
    with pytest.raises(
        tlkit.RunError, match=r"phase head, epoch 1, step 1: the loss is nan at learning rate 0\.02; .*digits/"
    ):
        tlkit.run(recipe, out=tmp_path / "run", registry=registry, quiet=True)


def test_weights_that_an_epochs_last_step_made_infinite_are_named(recipe, registry, tmp_path, monkeypatch):
    train = Passes.train

    def overflow(passes, epoch, start, after_step):
        result = train(passes, epoch, start, after_step)
        variable = passes.steps.variables[0]
        variable.assign(variable * float("inf"))
        return result

    monkeypatch.setattr(Passes, "train", overflow)
    expected = r"phase head, epoch 1, step \d+: the weights are no longer finite at learning rate 0\.02; .*digits/"
    with pytest.raises(tlkit.RunError, match=expected):
        tlkit.run(recipe, out=tmp_path / "run", registry=registry, quiet=True)


def test_a_validation_loss_that_is_not_finite_stops_the_run(recipe, registry, tmp_path, monkeypatch):
    validate = Passes.validate
    monkeypatch.setattr(Passes, "validate", lambda self: validate(self) | {"loss": float("nan")})
    with pytest.raises(tlkit.RunError, match=r"phase head, epoch 1, step \d+: the validation loss is nan at learning"):
        tlkit.run(recipe, out=tmp_path / "run", registry=registry, quiet=True)


def test_a_signal_while_the_best_weights_are_restored_is_not_lost(recipe, whole, registry, tmp_path, monkeypatch):
    use_best, calls = PhaseRun._use_best_weights, []

    def signalled(phase_run):
        calls.append(phase_run)
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return use_best(phase_run)

    with monkeypatch.context() as patch:
        patch.setattr(PhaseRun, "_use_best_weights", signalled)
        with pytest.raises(Interrupted) as stopped:
            tlkit.run(recipe, out=tmp_path / "run", registry=registry, quiet=True)
    assert stopped.value.exit_code == 143
    tlkit.resume(tmp_path / "run", registry=registry, quiet=True)
    assert_same(tmp_path / "run", whole)


@pytest.fixture
def small_disk(tmp_path):
    """Return a function that mounts, or resizes, a file system of some kilobytes; skip where that is not permitted."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(*options):
        command = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(folder)]
        if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("a tmpfs can't be mounted here; it takes root on Linux")
        return folder

    yield mount
    subprocess.run(["umount", str(folder)], capture_output=True, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("kilobytes", range(300, 2100, 200))
def test_on_a_disk_that_fills_the_run_ends_with_74_and_resumes_when_there_is_room(small_disk, tmp_path, kilobytes):
    recipe = tmp_path / "everything.toml"
    backbone = EVERYTHING["backbone"] | {"filters": [8, 16, 32]}
    recipe.write_text(everything(schedule={"learning_rate": 0.02, "curve": PLATEAU}, backbone=backbone))

    def command(*arguments):
        arguments = [sys.executable, "-m", "tlkit", *map(str, arguments)]
        return subprocess.run(arguments, capture_output=True, text=True, check=False)

    settings = ["--set", "schedule.epochs=2"]
    assert command("run", recipe, "--out", tmp_path / "whole", *settings).returncode == 0
    disk = small_disk(f"size={kilobytes}k")
    ended = command("run", recipe, "--out", disk / "run", *settings)
    assert ended.returncode == 74, ended.stderr
    assert "the disk is full" in ended.stderr
    assert "tlkit resume" in ended.stderr
    assert "Traceback" not in ended.stderr
    small_disk("remount", "size=100m")
    ended = command("resume", disk / "run")
    assert ended.returncode == 0, ended.stderr
    assert_same(disk / "run", tmp_path / "whole")


def test_an_argument_that_resume_does_not_have_is_an_error(tmp_path):
    with pytest.raises(TypeError, match=r"resume\(\) got an unexpected keyword argument 'clusters'"):
        tlkit.resume(tmp_path, clusters="local")  # type: ignore[call-arg]
