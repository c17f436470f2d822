"""``metrics.csv`` and ``times.csv``: written epoch by epoch, and read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tlkit import RunError
from tlkit.runs.history import HistoryFile, read_history


def written(path: Path) -> HistoryFile:
    file = HistoryFile(path / "metrics.csv", ["loss", "val_loss"])
    file.begin()
    file.add("head", 1, {"val_loss": 2.0, "loss": 1 / 3}, 1e-3, 1.2345)
    file.add("tune", 2, {"val_loss": float("nan"), "loss": 0.25}, 5e-4, 60)
    return file


def test_what_was_written_is_read(tmp_path: Path) -> None:
    written(tmp_path)
    history = read_history(tmp_path / "metrics.csv")
    assert history.phases == ("head", "tune")
    assert history.epochs == (1, 2)
    assert history.columns["loss"] == (1 / 3, 0.25)
    assert [str(value) for value in history.columns["val_loss"]] == ["2.0", "nan"]
    assert history.learning_rates == (1e-3, 5e-4)
    assert history.seconds == (1.234, 60.0)
    assert history.starts == [0, 1]
    assert history.metrics == ["loss"]


def test_the_files_have_the_columns_and_line_ends_of_0_1_0(tmp_path: Path) -> None:
    written(tmp_path)
    assert (tmp_path / "metrics.csv").read_bytes().splitlines(keepends=True)[:2] == [
        b"phase,epoch,loss,val_loss,learning_rate\r\n",
        b"head,1,0.3333333333333333,2.0,0.001\r\n",
    ]
    assert (tmp_path / "times.csv").read_bytes() == b"phase,epoch,seconds\r\nhead,1,1.234\r\ntune,2,60.000\r\n"


def test_a_new_run_replaces_both_files(tmp_path: Path) -> None:
    written(tmp_path).begin()
    history = read_history(tmp_path / "metrics.csv")
    assert (history.epochs, history.seconds, dict(history.columns)) == ((), (), {})


def test_without_times_epochs_took_no_time(tmp_path: Path) -> None:
    written(tmp_path).times.unlink()
    assert read_history(tmp_path / "metrics.csv").seconds == (0.0, 0.0)


def test_the_seconds_of_an_older_file_are_read_and_are_no_metric(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("phase,epoch,loss,learning_rate,seconds\nfull,1,0.5,0.001,12.5\n", encoding="utf-8")
    history = read_history(path)
    assert history.seconds == (12.5,)
    assert list(history.columns) == ["loss"]


@pytest.mark.parametrize("damage", ["head,3,", "head,one,", ""])
def test_a_damaged_file_is_reported_with_what_writes_it_again(tmp_path: Path, damage: str) -> None:
    path = written(tmp_path).path
    if damage:
        path.write_text(path.read_text(encoding="utf-8").replace("head,1,", damage), encoding="utf-8")
    else:
        path.unlink()
    with pytest.raises(
        RunError, match=rf"metrics\.csv: .*; tlkit resume {tmp_path.name} writes it again".replace(tmp_path.name, ".*")
    ):
        read_history(path)
