"""``tlkit sweep``: the trials of a recipe, ended early, interrupted and continued."""

from __future__ import annotations

import csv
import json
import re
import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
from command_line import tlkit_command
from recipe_text import recipe_text

import tlkit
from tlkit.errors import DataError, RecipeError, RunError
from tlkit.jobs.folds.processes import FoldProcesses
from tlkit.jobs.sweep import search, trials
from tlkit.jobs.sweep.study import Study
from tlkit.jobs.sweep.trial_run import TrialCommand
from tlkit.recipe.load import load_recipe
from tlkit.runs.sweeps import SweepFolder

pytest.importorskip("optuna")

TRAINS = """
import re, sys, time
from pathlib import Path
run, recipe = Path(sys.argv[1]), Path(sys.argv[2])
text = recipe.read_text()
rate = float(re.search(r"learning_rate = ([\\d.e-]+)", text)[1])
if rate > 0.5:
    sys.exit("it exploded")
run.mkdir(exist_ok=True)
(run / "recipe.toml").write_text(text)
rows = ["phase,epoch,val_loss,learning_rate"]
for epoch in range(1, 7):
    time.sleep(30 * (epoch == 4 and rate > 0.3))
    rows.append(f"full,{epoch},{1 / epoch + abs(rate - 0.1)},{rate}")
    (run / "metrics.csv").write_text("\\n".join(rows) + "\\n")
(run / "metrics.json").write_text("{}")
(run / "report.html").write_text("")
"""
"""Stands in for the training of a trial: its metric is best at a learning rate of 0.1."""


@pytest.fixture
def quick(monkeypatch):
    """Have trials write what a run would, in milliseconds."""

    def of_trial(_self: TrialCommand, folder: SweepFolder, number: int) -> list[str]:
        return ["-c", TRAINS, str(folder.trial(number).path), str(folder.trial_recipe(number))]

    monkeypatch.setattr(TrialCommand, "of_trial", of_trial)


def write(path: Path, lines: str, **changes) -> Path:
    changes.setdefault("schedule", {"epochs": 1, "learning_rate": 0.01})
    path.write_text(recipe_text(**changes) + "\n[sweep]\n" + lines, encoding="utf-8")
    return path


RATES = '"schedule.learning_rate" = { low = 1e-3, high = 0.3, log = true }\n'


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "sweep.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def tried(folder: Path) -> list[tuple[str, ...]]:
    """Return what must not depend on interruptions."""
    keys = ("trial", "state", "value", "epochs", "schedule.learning_rate")
    return sorted(tuple(row[key] for key in keys) for row in rows(folder))


def test_trials_are_ranked_and_the_best_recipe_is_written(quick, tmp_path):
    recipe = write(tmp_path / "r.toml", "trials = 8\n" + RATES)
    result = tlkit.sweep(recipe, out=tmp_path / "out", quiet=True)
    finished = [each for each in result.trials if each.state == "finished"]
    assert len(result.trials) == 8
    assert [each.value for each in finished] == sorted(each.value for each in finished)
    assert result.best is finished[0]
    rate = result.best.values["schedule.learning_rate"]
    assert result.best.value == pytest.approx(1 / 6 + abs(rate - 0.1))
    best = load_recipe(tmp_path / "out" / "best.toml", tlkit.plugins())
    assert best.values["schedule"]["learning_rate"] == rate
    assert best.sweep is None
    page = (tmp_path / "out" / "sweep.html").read_text(encoding="utf-8")
    assert page.count("<circle") == 8
    assert f"best {result.metric}" in page
    assert rows(tmp_path / "out")[0]["trial"] == str(result.best.number)


def test_a_bad_trial_is_ended_early(quick, tmp_path):
    recipe = write(tmp_path / "r.toml", "trials = 14\nsampler = 'random'\n" + RATES)
    result = tlkit.sweep(recipe, out=tmp_path / "out", quiet=True)
    pruned = [each for each in result.trials if each.state == "pruned"]
    assert pruned
    assert all(each.number > 5 and 2 <= max(each.epochs) < 6 for each in pruned)
    assert all(each.state == "finished" for each in result.trials[: 14 - len(pruned)])
    without = write(tmp_path / "all.toml", "trials = 8\nsampler = 'random'\npruner = 'none'\n" + RATES)
    assert all(each.state == "finished" for each in tlkit.sweep(without, out=tmp_path / "all", quiet=True).trials)


def test_the_process_of_a_bad_trial_is_stopped(quick, tmp_path):
    recipe = write(
        tmp_path / "r.toml", 'sampler = "grid"\n"schedule.learning_rate" = [0.1, 0.11, 0.12, 0.13, 0.14, 0.4]\n'
    )
    result = tlkit.sweep(recipe, out=tmp_path / "out", quiet=True)
    assert result.trials[-1].state == "pruned"
    assert len((tmp_path / "out" / "trial-006" / "metrics.csv").read_text().splitlines()) == 4
    assert not (tmp_path / "out" / "trial-006" / "report.html").exists()


@pytest.mark.parametrize(
    "lines",
    ["sampler = 'random'\npruner = 'none'\n", "round = 4\n", "sampler = 'random'\nround = 3\n"],
    ids=["independent", "tpe", "median"],
)
def test_trials_that_run_at_the_same_time_are_those_that_run_one_after_another(quick, tmp_path, monkeypatch, lines):
    """Real clusters are in ``tests/cluster``; here, processes of this machine end in any order."""
    recipe = write(tmp_path / "r.toml", "trials = 10\n" + lines + RATES)
    tlkit.sweep(recipe, out=tmp_path / "one", quiet=True)
    monkeypatch.setattr(search, "perhaps_joined", lambda *_: nullcontext(SimpleNamespace(room=3)))
    monkeypatch.setattr(trials, "makes_processes", lambda _cluster: FoldProcesses)
    tlkit.sweep(recipe, out=tmp_path / "three", quiet=True)
    assert tried(tmp_path / "three") == tried(tmp_path / "one")
    assert (tmp_path / "three" / "best.toml").read_bytes() == (tmp_path / "one" / "best.toml").read_bytes()
    assert (tmp_path / "three" / "sweep.toml").read_bytes() == (tmp_path / "one" / "sweep.toml").read_bytes()


def test_the_round_of_a_sweep_is_recorded_and_kept(quick, tmp_path, monkeypatch):
    recipe = write(tmp_path / "r.toml", "trials = 5\n" + RATES)
    monkeypatch.setattr(trials, "makes_processes", lambda _cluster: FoldProcesses)
    with monkeypatch.context() as patch:
        patch.setattr(search, "perhaps_joined", lambda *_: nullcontext(SimpleNamespace(room=3)))
        tlkit.sweep(recipe, out=tmp_path / "out", quiet=True)
    assert "round = 2" in (tmp_path / "out" / "sweep.toml").read_text(encoding="utf-8")
    assert len(tlkit.sweep(recipe, ["sweep.trials=7"], out=tmp_path / "out", quiet=True).trials) == 7
    assert "round = 2" in (tmp_path / "out" / "sweep.toml").read_text(encoding="utf-8")


def test_an_interrupted_sweep_continues_with_the_same_trials(quick, tmp_path, monkeypatch):
    recipe = write(tmp_path / "r.toml", "trials = 9\n" + RATES)
    tlkit.sweep(recipe, out=tmp_path / "whole", quiet=True)

    class KilledError(BaseException):
        pass

    report, moments = Study.report, {(2, 4), (4, 1)}

    def killed(self, trial, epoch, value):
        ends = report(self, trial, epoch, value)
        if (trial.number, epoch) in moments:
            moments.remove((trial.number, epoch))
            raise KilledError
        return ends

    monkeypatch.setattr(Study, "report", killed)
    for _ in range(2):
        with pytest.raises(KilledError):
            tlkit.sweep(recipe, out=tmp_path / "out", quiet=True)
    with (tmp_path / "out" / "sweep.journal").open("ab") as journal:
        journal.write(b'{"op_code": 4, "half a li')
    tlkit.sweep(tmp_path / "out", quiet=True)
    assert tried(tmp_path / "out") == tried(tmp_path / "whole")


def test_a_finished_sweep_gets_further_trials_and_no_other_recipe(quick, tmp_path):
    recipe = write(tmp_path / "r.toml", "trials = 2\n" + RATES)
    tlkit.sweep(recipe, out=tmp_path / "out", quiet=True)
    first = tried(tmp_path / "out")
    result = tlkit.sweep(tmp_path / "out", ["sweep.trials=4"], quiet=True)
    assert len(result.trials) == 4
    assert set(first) < set(tried(tmp_path / "out"))
    with pytest.raises(RunError, match=r"is the folder of a sweep; .*tlkit\.sweep"):
        tlkit.resume(tmp_path / "out")
    with pytest.raises(RunError, match="its trials are of another recipe"):
        tlkit.sweep(recipe, ["input.batch_size=7"], out=tmp_path / "out", quiet=True)


def test_a_recipe_of_a_trial_with_other_values_is_refused(quick, tmp_path):
    recipe = write(tmp_path / "sw.toml", 'trials = 2\n"schedule.learning_rate" = [0.1, 0.2]\nsampler = "grid"\n')
    folder = SweepFolder(tmp_path / "out")
    tlkit.sweep(recipe, out=folder.path, quiet=True)
    folder.journal.unlink()
    assert len(tlkit.sweep(folder.path, quiet=True).trials) == 2
    folder.journal.unlink()
    text = folder.trial_recipe(2).read_text()
    folder.trial_recipe(2).write_text(re.sub(r"learning_rate = .*", "learning_rate = 0.15", text))
    with pytest.raises(RunError, match=r"trial-002\.toml: has other values than sweep\.journal"):
        tlkit.sweep(folder.path, quiet=True)


@pytest.mark.parametrize("line", [b"nonsense", b"[]", b"5", b'{"op_code": 99, "worker_id": "x"}'])
def test_a_damaged_journal_is_named(quick, tmp_path, line):
    recipe = write(tmp_path / "sw.toml", 'trials = 1\n"schedule.learning_rate" = [0.1]\nsampler = "grid"\n')
    folder = SweepFolder(tmp_path / "out")
    tlkit.sweep(recipe, out=folder.path, quiet=True)
    folder.journal.write_bytes(folder.journal.read_bytes() + line + b"\n")
    with pytest.raises(RunError, match=r"sweep\.journal: not the journal of a sweep"):
        tlkit.sweep(folder.path, quiet=True)


@pytest.mark.parametrize("verb", ["predict", "compare", "labels"])
def test_other_verbs_say_that_a_folder_is_that_of_a_sweep(tmp_path, verb):
    SweepFolder(tmp_path).recipe.write_text("")
    outcome = tlkit_command(verb, tmp_path, *([tmp_path] if verb == "predict" else []))
    assert outcome.code == 1
    assert "it is the folder of a sweep; expected the run of a trial" in outcome.err


def test_a_failed_trial_is_counted_and_the_sweep_goes_on(quick, tmp_path):
    recipe = write(tmp_path / "r.toml", 'sampler = "grid"\n"schedule.learning_rate" = [0.6, 0.1, 0.2]\n')
    result = tlkit.sweep(recipe, out=tmp_path / "out", quiet=True)
    assert [(each.state, each.values["schedule.learning_rate"]) for each in result.trials] == [
        ("finished", 0.1),
        ("finished", 0.2),
        ("failed", 0.6),
    ]
    assert result.trials[2].reason == "exit code 1: it exploded"


def test_a_sweep_of_which_every_trial_fails_ends(quick, tmp_path):
    recipe = write(tmp_path / "r.toml", '"schedule.learning_rate" = { low = 0.6, high = 0.9 }\n')
    with pytest.raises(RunError, match="all 3 trials failed, the last by: exit code 1: it exploded"):
        tlkit.sweep(recipe, out=tmp_path / "out", quiet=True)


def test_names_of_values_are_escaped_on_the_page(quick, tmp_path):
    recipe = write(tmp_path / "r.toml", '"train.metrics" = [["<i>"]]\n' + RATES)
    with pytest.raises(RecipeError):
        tlkit.sweep(recipe, quiet=True, out=tmp_path / "out")
    write(
        tmp_path / "r.toml",
        'trials = 1\n"data.exclude" = [["<i>&"]]\n' + RATES,
        data={"name": "folder", "path": tmp_path},
    )
    tlkit.sweep(recipe, quiet=True, out=tmp_path / "out")
    assert "<i>" not in (tmp_path / "out" / "sweep.html").read_text(encoding="utf-8")


def test_the_page_shows_no_login(quick, tmp_path):
    recipe = write(tmp_path / "r.toml", "trials = 1\n" + RATES)
    text = recipe.read_text(encoding="utf-8")
    recipe.write_text(f"# from https://me:hunter2@example.org/data\n{text}", encoding="utf-8")
    tlkit.sweep(recipe, quiet=True, out=tmp_path / "out")
    page = (tmp_path / "out" / "sweep.html").read_text(encoding="utf-8")
    assert "@example.org/data" in page
    assert "hunter2" not in page


def test_without_a_table_or_optuna_nothing_is_begun(tmp_path, monkeypatch):
    (tmp_path / "r.toml").write_text(recipe_text(), encoding="utf-8")
    with pytest.raises(RecipeError, match="sweep: missing; expected a table"):
        tlkit.sweep(tmp_path / "r.toml", out=tmp_path / "out")
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(DataError, match=re.escape('pip install "tlkit[sweep]"')):
        tlkit.sweep(write(tmp_path / "r.toml", RATES), out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_metric_whose_name_does_not_say_what_is_better_needs_a_direction(tmp_path):
    recipe = write(tmp_path / "r.toml", 'metric = "val_odd"\n' + RATES)
    with pytest.raises(RecipeError, match=r'sweep\.direction: .*expected direction = "minimize" or "maximize"'):
        tlkit.sweep(recipe, out=tmp_path / "out")


def test_a_sweep_trains_and_its_trials_are_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("TLKIT_CACHE", str(tmp_path / "cache"))
    recipe = write(
        tmp_path / "r.toml",
        'sampler = "grid"\nmetric = "val_accuracy"\n"head.dropout" = [0.0, 0.5]\n',
        input={"image_size": 16},
        backbone={"name": "small_cnn", "filters": [4]},
    )
    swept = tlkit_command("sweep", recipe, "--out", tmp_path / "out")
    assert swept.code == 0, swept.err
    assert "Best: trial" in swept.out
    again = tlkit_command("resume", tmp_path / "out")
    assert again.code == 0
    assert "trial 1 of" not in again.out
    runs = [tmp_path / "out" / f"trial-00{number}" for number in (1, 2)]
    for run, dropout in zip(runs, (0.0, 0.5), strict=True):
        card = json.loads((run / "model.json").read_text(encoding="utf-8"))
        assert card["head"]["options"]["dropout"] == dropout
        assert "[sweep]" not in (run / "recipe.toml").read_text(encoding="utf-8")
    assert tlkit_command("compare", *runs).code == 0
    alone = tlkit_command("run", recipe, "--out", tmp_path / "alone", "--set", "input.validation=0.5")
    assert "note: [sweep] is for tlkit sweep" in alone.out


def test_the_importance_of_keys_needs_some_trials(quick, tmp_path):
    lines = "pruner = 'none'\nsampler = 'random'\n\"head.dropout\" = { low = 0.0, high = 0.5 }\n" + RATES
    tlkit.sweep(write(tmp_path / "r.toml", "trials = 3\n" + lines), out=tmp_path / "out", quiet=True)
    assert "explains" not in (tmp_path / "out" / "sweep.html").read_text(encoding="utf-8")
    tlkit.sweep(tmp_path / "out", ["sweep.trials=9"], quiet=True)
    page = (tmp_path / "out" / "sweep.html").read_text(encoding="utf-8")
    shares = dict(re.findall(r"<code>([\w.<>]+)</code> explains (\d+) %", page.replace("<wbr>", "")))
    assert int(shares["schedule.learning_rate"]) > int(shares["head.dropout"])
