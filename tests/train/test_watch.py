"""The monitor, and what a phase decides after each epoch."""

from __future__ import annotations

import pytest

from tlkit import EarlyStop, Plateau, RecipeError
from tlkit.recipe.monitor import Monitor, choose_monitor
from tlkit.recipe.schema import TrainTable
from tlkit.train.watch import Watch

COLUMNS = ("loss", "accuracy", "val_loss", "val_accuracy")


def test_the_automatic_monitor_fits_the_task():
    assert choose_monitor(TrainTable(), "classification", COLUMNS) == Monitor("val_loss", "min")
    assert choose_monitor(TrainTable(), "segmentation", COLUMNS) == Monitor("val_loss", "min")
    assert choose_monitor(TrainTable(), "classification", ("loss",)) == Monitor("loss", "min")


def test_an_unknown_monitor_names_the_nearest_column():
    with pytest.raises(RecipeError, match='did you mean "val_accuracy"'):
        choose_monitor(TrainTable(monitor="val_acuracy"), "classification", COLUMNS)


def test_the_recipe_can_say_which_way_is_better():
    assert choose_monitor(TrainTable(monitor="loss", mode="max"), "classification", COLUMNS).mode == "max"


@pytest.mark.parametrize(
    ("column", "mode"),
    [
        ("val_hinge", "min"),
        ("val_kldivergence", "min"),
        ("val_poisson", "min"),
        ("log_cosh_error", "min"),
        ("false_negatives", "min"),
        ("val_mean_iou", "max"),
        ("val_binary_io_u", "max"),
        ("top5_accuracy", "max"),
        ("val_r2_score", "max"),
        ("val_auc", "max"),
    ],
)
def test_the_better_direction_follows_from_the_name(column, mode):
    assert choose_monitor(TrainTable(monitor=column), "classification", (*COLUMNS, column)).mode == mode


def test_a_name_without_a_known_direction_asks_for_the_mode():
    message = r"""train\.mode: can't tell from its name whether less or more of "val_goodness" is better"""
    with pytest.raises(RecipeError, match=message):
        choose_monitor(TrainTable(monitor="val_goodness"), "classification", (*COLUMNS, "val_goodness"))


def test_a_phase_stops_after_patience_epochs_without_an_improvement():
    watch = Watch(Monitor("val_loss", "min"), EarlyStop(patience=2, min_delta=0.1), None)
    stops = [watch.epoch(epoch, value)[1] for epoch, value in enumerate([1.0, 0.95, 0.8, 0.75, 0.74])]
    assert stops == [False, False, False, False, True]
    assert watch.best_epoch == 4


def test_a_plateau_lowers_the_rate_and_starts_to_count_again():
    watch = Watch(Monitor("val_loss", "min"), None, Plateau(name="plateau", patience=2))
    lowers = [watch.epoch(epoch, value)[2] for epoch, value in enumerate([1.0, 1.0, 1.0, 1.0, 1.0])]
    assert lowers == [False, False, True, False, True]


def test_nan_is_never_the_best():
    watch = Watch(Monitor("val_accuracy", "max"), None, None)
    assert watch.epoch(0, float("nan"))[0] is False
    assert watch.epoch(1, 0.1)[0] is True
