"""Comparing run folders: what is read from them, and the picture of their curves."""

from __future__ import annotations

import csv
import io
import math
import zipfile

import h5py
import numpy as np
import pytest
from PIL import Image
from recipe_text import recipe_text
from run_folders import RATE, SECONDS, write_run

import tlkit
from tlkit.errors import DataError, RunError
from tlkit.recipe.monitor import Monitor
from tlkit.registry.discovery import make_registry
from tlkit.report.colors import line_colors
from tlkit.report.compared_runs import best_epoch, distinct_labels, open_runs
from tlkit.report.comparison import chosen_metrics, differences, joined_histories, shared_headlines
from tlkit.report.learning_curves import Curve, compared_curves, learning_curves
from tlkit.runs.history import History

VAL_LOSS, LOSS = Monitor("val_loss", "min"), Monitor("loss", "min")


def history(phases: dict[str, list[float]], **more: list[float]) -> History:
    """Return a history in which loss and val_loss are equal."""
    losses = tuple(value for values in phases.values() for value in values)
    names = tuple(name for name, values in phases.items() for _ in values)
    columns = {"loss": losses, "val_loss": losses} | {name: tuple(values) for name, values in more.items()}
    return History(names, tuple(range(1, len(losses) + 1)), columns, (RATE,) * len(losses), (SECONDS,) * len(losses))


@pytest.fixture
def opened(tmp_path, registry):
    """Return a function that writes run folders and reads them for a comparison."""

    def make(**runs):
        return open_runs([write_run(tmp_path / name, registry, **run).path for name, run in runs.items()])

    return make


def losses(*values: float) -> dict[str, list[float]]:
    return {"loss": list(values), "val_loss": list(values)}


def test_the_best_epoch_has_the_best_value_of_its_phase():
    assert best_epoch(history({"full": [3.0, 1.0, 2.0]}), VAL_LOSS, restore_best=True) == 2


def test_the_last_epoch_is_the_best_if_best_weights_are_not_restored():
    assert best_epoch(history({"full": [3.0, 1.0, 2.0]}), VAL_LOSS, restore_best=False) == 3


def test_a_phase_that_improves_no_validation_metric_leaves_the_best_epoch_as_it_was():
    assert best_epoch(history({"head": [3.0, 1.0], "tune": [2.0, 1.0]}), VAL_LOSS, restore_best=True) == 2


def test_a_training_metric_is_compared_only_within_its_phase():
    assert best_epoch(history({"head": [3.0, 1.0], "tune": [4.0, 2.0, 3.0]}), LOSS, restore_best=True) == 4


def test_a_phase_of_nan_values_ends_with_its_last_epoch_and_the_next_phase_starts_over():
    assert best_epoch(history({"head": [math.nan, math.nan]}), VAL_LOSS, restore_best=True) == 2
    assert best_epoch(history({"head": [math.nan], "tune": [5.0, 6.0]}), VAL_LOSS, restore_best=True) == 2


TRAINED = recipe_text(
    input={"image_size": 16, "batch_size": 16, "validation": 0.9},
    backbone={"filters": [4]},
    head={"name": "mlp", "dropout": 0.5},
    schedule={
        "name": "two_phase",
        "head_epochs": 3,
        "finetune_epochs": 2,
        "learning_rate": 0.01,
        "finetune_learning_rate": 0.5,
    },
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, registry):
    """Return a finished run whose second phase diverges, and the best val_loss that each phase reported."""
    root = tmp_path_factory.mktemp("trained")
    (root / "tiny.toml").write_text(TRAINED)
    plugin = root / "listener.py"
    plugin.write_text(
        "import tlkit\n"
        "@tlkit.hookimpl\n"
        "def tlkit_phase_finished(run, phase, metrics):\n"
        f"    with open({(root / 'best.txt').as_posix()!r}, 'a') as file:\n"
        "        file.write(f'{metrics[\"val_loss\"]!r}\\n')\n"
    )
    result = tlkit.run(root / "tiny.toml", out=root / "run", registry=make_registry([plugin], environ={}), quiet=True)
    return result, [float(line) for line in (root / "best.txt").read_text().split()]


def test_the_best_epoch_of_a_real_run_is_the_one_the_training_loop_chose(trained):
    result, best_values = trained
    [run] = open_runs([result.folder])
    assert run.best_epoch is not None
    assert run.best_epoch < len(run.history.epochs)
    value = run.history.columns["val_loss"][run.best_epoch - 1]
    assert value == best_values[-1]
    assert run.best_value == value
    assert result.metrics["validation"]["loss"] == pytest.approx(value, rel=1e-4)


def test_the_weights_of_a_real_run_are_counted_without_loading_the_model(trained):
    result, _ = trained
    [run] = open_runs([result.folder])
    assert run.weights == tlkit.load(result.folder).model.count_params()


def test_a_damaged_model_is_named(opened, tmp_path, registry):
    folder = write_run(tmp_path / "a", registry, {"full": losses(1.0)})
    folder.model.write_bytes(b"no model")
    with pytest.raises(RunError, match=r"model\.keras: can't be read"):
        open_runs([folder.path])


def weights_of(change) -> bytes:
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        for number in range(50):
            file.create_dataset(f"layers/dense{number}/vars/0", data=np.ones(4, np.float32))
        change(file)
    return content.getvalue()


def write_model(folder, weights: bytes) -> None:
    with zipfile.ZipFile(folder.model, "w") as archive:
        for name, content in (("metadata.json", b"{}"), ("config.json", b"{}"), ("model.weights.h5", weights)):
            archive.writestr(name, content)


def test_a_null_dataset_in_a_model_is_refused(tmp_path, registry):
    folder = write_run(tmp_path / "a", registry, {"full": losses(1.0)})
    write_model(folder, weights_of(lambda file: file.create_dataset("layers/x", dtype="f4")))
    with pytest.raises(RunError, match=r"model\.keras: .* is not a plain array; tlkit did not write this file"):
        open_runs([folder.path])


def test_a_model_with_damaged_bytes_is_counted_or_named(tmp_path, registry):
    folder = write_run(tmp_path / "a", registry, {"full": losses(1.0)})
    whole, damaged = weights_of(lambda file: None), 0
    for start in range(0, len(whole), 200):
        write_model(folder, whole[:start] + b"\xff" * 24 + whole[start + 24 :])
        try:
            open_runs([folder.path])
        except RunError as error:
            damaged += "model.keras: can't be read" in str(error)
    assert damaged > 10


def test_a_flipped_bit_in_the_weights_of_a_model_is_found(tmp_path, registry):
    folder = write_run(tmp_path / "a", registry, {"full": losses(1.0)})
    write_model(folder, weights_of(lambda file: None))
    content = bytearray(folder.model.read_bytes())
    content[content.index(np.ones(4, np.float32).tobytes())] ^= 1
    folder.model.write_bytes(content)
    with pytest.raises(RunError, match=r"model\.keras: can't be read: the checksum of 'model\.weights\.h5'"):
        open_runs([folder.path])


def test_an_encrypted_model_is_named(tmp_path, registry):
    folder = write_run(tmp_path / "a", registry, {"full": losses(1.0)})
    write_model(folder, weights_of(lambda file: None))
    content = bytearray(folder.model.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    content[6] |= 1
    folder.model.write_bytes(content)
    with pytest.raises(RunError, match=r"model\.keras: metadata\.json is compressed or encrypted"):
        open_runs([folder.path])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ('"x"', r'test\.loss: expected a number, received "x"'),
        ("[1]", r"test\.loss: expected a number, received \[1\]"),
        ("true", r"test\.loss: expected a number"),
        ("1" + "0" * 400, r"not JSON \(an integer of 401 digits\)"),
        ('1, "per_class": 2', r"test\.per_class: expected a table, received 2"),
    ],
    ids=["text", "list", "boolean", "huge", "class"],
)
def test_final_metrics_that_are_not_numbers_are_named(tmp_path, registry, value, message):
    folder = write_run(tmp_path / "a", registry, {"full": losses(1.0)}, metrics={"test": {}})
    folder.metrics.write_text(f'{{"test": {{"loss": {value}}}}}')
    with pytest.raises(RunError, match=rf"metrics\.json: {message}.*; the file is damaged"):
        open_runs([folder.path])


def test_values_beyond_float32_are_not_drawn():
    with_huge = history({"full": [1e308, -1e308, 1.0, math.inf, math.nan]})
    assert compared_curves([Curve("a", with_huge, 1)], ["loss"]).startswith(b"\x89PNG")
    assert learning_curves(with_huge, 1, "val_loss").startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("metrics.csv", "phase,epoch,loss,learning_rate\nfull,1" + "0" * 400 + ",1.0,0.1\n"),
        ("metrics.csv", "phase,epoch,loss,learning_rate\nfull,2,1.0,0.1\n"),
        ("times.csv", "phase,epoch,seconds\nfull,1,inf\n"),
        ("times.csv", "phase,epoch,seconds\nfull,1,nan\n"),
    ],
    ids=["huge", "starts at two", "infinite", "not a number"],
)
def test_impossible_epochs_and_times_are_named(tmp_path, registry, file, content):
    folder = write_run(tmp_path / "a", registry, {"full": losses(1.0)})
    (folder.path / file).write_text(content)
    with pytest.raises(RunError, match=r"metrics\.csv: not the metrics of a run"):
        open_runs([folder.path])


def test_a_run_without_final_metrics_is_unfinished(opened):
    run, other = opened(a={"phases": {"full": losses(2.0, 1.0)}}, b={"phases": {"full": losses(1.0)}, "metrics": {}})
    assert (run.title, other.title) == ("a (unfinished)", "b")
    assert (run.best_value, run.best_epoch) == (1.0, 2)


def test_the_monitor_of_the_recipe_decides_what_is_best(opened):
    phases = {"full": {"loss": [1.0, 2.0], "val_accuracy": [0.5, 0.75]}}
    [run] = opened(a={"phases": phases, "overrides": ["train.monitor=val_accuracy"]})
    assert (run.monitor, run.best_value, run.best_epoch) == (Monitor("val_accuracy", "max"), 0.75, 2)


def test_a_monitor_missing_from_the_history_is_an_error_that_names_the_run(opened):
    with pytest.raises(RunError, match=r"a.recipe\.toml: \[train\] .* no metric \"val_acuracy\""):
        opened(a={"phases": {"full": losses(1.0)}, "overrides": ["train.monitor=val_acuracy"]})


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda path: None, "no such run folder"),
        (lambda path: path.mkdir(), "has no metrics.csv: it is not a run folder of tlkit"),
        (
            lambda path: (path.mkdir(), (path / "recipe.toml").write_text("")),
            "has no metrics.csv: the run has not trained yet",
        ),
    ],
    ids=["missing", "empty", "not begun"],
)
def test_a_folder_without_a_history_is_a_run_error(tmp_path, prepare, message):
    prepare(tmp_path / "x")
    with pytest.raises(RunError, match=message):
        open_runs([tmp_path / "x"])


def test_damaged_final_metrics_are_named(tmp_path, registry):
    folder = write_run(tmp_path / "a", registry, {"full": losses(1.0)}, metrics={"test": {}})
    folder.metrics.write_text("[1]")
    with pytest.raises(RunError, match=r"metrics\.json: expected one table of metrics per split"):
        open_runs([folder.path])


def test_folders_of_the_same_name_are_distinguished_by_their_parents(tmp_path):
    paths = [tmp_path / name for name in ("x/run", "y/run", "y/z/run", "other")]
    assert distinct_labels(paths) == ["x/run", "y/run", "z/run", "other"]
    assert distinct_labels([tmp_path / "p/x/run", tmp_path / "q/x/run"]) == ["p/x/run", "q/x/run"]


def test_a_folder_given_twice_is_read_once(tmp_path, registry):
    path = write_run(tmp_path / "a", registry, {"full": losses(1.0)}).path
    assert len(open_runs([path, path.parent / "." / "a", path.parent / "x" / ".." / "a"])) == 1


def test_differences_are_dotted_keys_with_one_value_per_run(opened):
    phases = {"full": losses(1.0)}
    runs = opened(
        a={"phases": phases},
        b={"phases": phases, "overrides": ["schedule.optimizer=sgd", "seed=3", "train.early_stop=2"]},
        c={"phases": phases, "overrides": ["seed=3"]},
    )
    assert differences(runs) == {
        "seed": ["0", "3", "3"],
        "schedule.optimizer.name": ['"adam"', '"sgd"', '"adam"'],
        "train.early_stop.patience": [None, "2", None],
        "train.early_stop.min_delta": [None, "0.0", None],
    }


def test_an_explicit_default_is_not_a_difference(opened):
    phases = {"full": losses(1.0)}
    assert differences(opened(a={"phases": phases}, b={"phases": phases, "overrides": ["seed=0"]})) == {}


def test_recipes_are_compared_as_written_if_the_defaults_of_one_are_unknown(tmp_path, registry):
    first = write_run(tmp_path / "a", registry, {"full": losses(1.0)})
    second = write_run(tmp_path / "b", registry, {"full": losses(1.0)}, overrides=["head.dropout=0.5"])
    first.environment.unlink()
    assert differences(open_runs([first.path, second.path])) == {"head.dropout": [None, "0.5"]}


def test_the_loss_and_the_main_metric_that_all_have_are_drawn(opened):
    both = {"loss": [1.0], "accuracy": [0.5], "mean_iou": [0.5]}
    [run] = opened(a={"phases": {"full": both}})
    assert chosen_metrics([run]) == ["loss", "mean_iou"]
    assert chosen_metrics([run, *opened(b={"phases": {"full": {"loss": [1.0], "accuracy": [0.5]}}})]) == [
        "loss",
        "accuracy",
    ]
    assert chosen_metrics(opened(c={"phases": {"full": {"loss": [1.0]}}})) == ["loss"]


def test_requested_metrics_may_be_validation_columns_and_belong_to_only_one_run(opened):
    runs = opened(
        a={"phases": {"full": {"loss": [1.0], "accuracy": [0.5], "val_accuracy": [0.5]}}},
        b={"phases": {"full": {"loss": [1.0]}}},
    )
    assert chosen_metrics(runs, ["val_accuracy", "accuracy"]) == ["loss", "accuracy"]
    with pytest.raises(DataError, match='no run has a metric "acuracy"; did you mean "accuracy"'):
        chosen_metrics(runs, ["acuracy"])


def test_runs_without_a_common_metric_are_an_error_that_lists_the_metrics_of_each(opened):
    table = ["train.monitor=auc", "train.mode=max"]
    runs = opened(
        a={"phases": {"full": {"loss": [1.0]}}},
        b={"phases": {"full": {"auc": [1.0]}}, "overrides": table},
    )
    with pytest.raises(RunError, match="no metric in common: a has loss; b has auc"):
        chosen_metrics(runs)


def test_a_run_without_an_epoch_is_skipped_unless_it_is_the_only_one(opened):
    runs = opened(a={"phases": {"full": losses()}}, b={"phases": {"full": losses(1.0)}})
    assert (runs[0].best_epoch, runs[0].best_value) == (None, None)
    assert chosen_metrics(runs) == ["loss"]
    with pytest.raises(RunError, match="no epoch has finished yet"):
        chosen_metrics(runs[:1])


def test_headlines_are_the_metrics_that_all_finished_runs_have(opened):
    phases = {"full": losses(1.0)}
    both = {"loss": 1.0, "accuracy": 0.5, "macro_f1": 0.5, "count": 3}
    runs = opened(
        a={"phases": phases, "metrics": {"validation": both, "test": both}},
        b={"phases": phases, "metrics": {"validation": {"loss": 1.0, "mean_iou": 0.5}, "test": both}},
        c={"phases": phases},
    )
    assert shared_headlines(runs) == [
        ("test", "loss"),
        ("test", "accuracy"),
        ("test", "macro_f1"),
        ("validation", "loss"),
    ]
    assert shared_headlines(runs[2:]) == []


def test_joined_histories_have_one_row_per_epoch_and_gaps_for_missing_metrics(opened):
    runs = opened(
        a={"phases": {"head": {"loss": [1.0]}, "tune": {"loss": [0.5]}}},
        b={"phases": {"full": {"loss": [2.0], "accuracy": [0.25]}}},
    )
    rows = list(csv.DictReader(io.StringIO(joined_histories(runs))))
    assert [(row["run"], row["phase"], row["epoch"]) for row in rows] == [
        ("a", "head", "1"),
        ("a", "tune", "2"),
        ("b", "full", "1"),
    ]
    assert [(row["loss"], row["accuracy"]) for row in rows] == [("1.0", ""), ("0.5", ""), ("2.0", "0.25")]
    assert {float(row["learning_rate"]) for row in rows} == {RATE}
    assert {float(row["seconds"]) for row in rows} == {SECONDS}


def test_a_curve_is_drawn_over_epochs_or_over_training_time():
    curve = Curve("a", history({"head": [3.0, 2.0], "tune": [1.0]}))
    assert curve.x("epochs") == [1, 2, 3]
    assert curve.borders("epochs") == [(2.5, "tune")]
    assert curve.x("seconds") == [SECONDS, 2 * SECONDS, 3 * SECONDS]
    assert curve.borders("seconds") == [(2 * SECONDS, "tune")]


def pixels(content: bytes) -> np.ndarray:
    image = Image.open(io.BytesIO(content))
    assert image.format == "PNG"
    return np.asarray(image.convert("RGB"))


@pytest.mark.parametrize("axis", ["epochs", "seconds"])
def test_each_run_has_its_own_colour(axis):
    values = [3.0, 2.0, 1.5, 1.2]
    curves = [Curve(f"run {n}", history({"full": [n + value for value in values]}), best_epoch=4) for n in range(8)]
    picture = pixels(compared_curves(curves, ["loss"], axis))
    for color in line_colors(8):
        rgb = [int(color[i : i + 2], 16) for i in (1, 3, 5)]
        assert (picture == rgb).all(-1).any(), color


def test_the_best_epoch_is_marked_in_the_comparison():
    whole = history({"full": [3.0, 2.0, 1.0]})
    pictures = [compared_curves([Curve("a", whole, epoch)], ["loss"]) for epoch in (None, 1, 2)]
    assert len(set(pictures)) == 3


def test_the_start_of_a_phase_is_marked():
    one, two = history({"head": [3.0, 2.0, 1.0]}), history({"head": [3.0], "tune": [2.0, 1.0]})
    assert compared_curves([Curve("a", one)], ["loss"]) != compared_curves([Curve("a", two)], ["loss"])


def test_a_run_without_a_metric_marks_no_phases_in_its_panel():
    one = Curve("a", history({"full": [3.0, 2.0]}, accuracy=[0.5, 0.75]))
    other = [Curve("b", history(phases)) for phases in ({"head": [2.0], "tune": [1.0]}, {"full": [2.0, 1.0]})]
    lines = [(pixels(compared_curves([one, each], ["accuracy"])) != 255).sum() for each in other]
    assert lines[0] == lines[1]


AWKWARD = "猫 $x^2$ \x07\n" + "long " * 30


@pytest.mark.parametrize(
    "values", [[1.0], [math.nan], [math.inf, 1.0], [1.0, 1e9], [0.0, 1e9], [-1.0, 2.0], [1.0] * 500], ids=repr
)
def test_every_history_can_be_drawn(values):
    curves = [
        Curve(AWKWARD, history({AWKWARD: values, "more": values}), best_epoch=1),
        Curve("b", history({"full": [1.0]})),
    ]
    pixels(compared_curves(curves, ["loss", "nowhere"]))


@pytest.mark.parametrize(("kind", "start"), [("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_svg_and_pdf_files_are_reproducible(kind, start):
    first, second = (compared_curves([Curve("a", history({"full": [2.0, 1.0]}))], ["loss"], kind=kind) for _ in "12")
    assert first.startswith(start)
    assert first == second


DICE = {"loss": 0.25, "cross_entropy": 0.5}
DEFAULT = {"loss": 0.75}


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        ([("", DEFAULT), ("", DEFAULT)], {"loss": [0.75, 0.75]}),
        ([("", DEFAULT), ("categorical_crossentropy", DEFAULT)], {"loss": [0.75, 0.75]}),
        ([("binary_crossentropy", DEFAULT)] * 2, {"loss": [0.75, 0.75], "cross_entropy": [0.75, 0.75]}),
        ([("", DEFAULT), ("dice", DICE)], {"cross_entropy": [0.75, 0.5]}),
        ([("dice", DICE), ("dice", DICE)], {"loss": [0.25, 0.25], "cross_entropy": [0.5, 0.5]}),
        # Of tlkit 0.2.0: the loss is the cross-entropy.
        ([("dice", DICE), ("dice", DEFAULT)], {"cross_entropy": [0.5, 0.75]}),
        ([("", DEFAULT), ("dice", DEFAULT)], {"cross_entropy": [0.75, 0.75]}),
    ],
)
def test_losses_are_only_compared_where_they_are_the_same(opened, runs, expected):
    described = {
        name: {
            "phases": {"full": {"loss": [1.0]}},
            "metrics": {"test": metrics},
            "overrides": [f"train.loss={loss}"] if loss else [],
        }
        for name, (loss, metrics) in zip("ab", runs, strict=True)
    }
    found = opened(**described)
    values = {name: [run.metrics["test"][name] for run in found] for _, name in shared_headlines(found)}
    assert values == expected
