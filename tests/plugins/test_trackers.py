"""TensorBoard's files and MLflow, switched on in ``[track]``: what they get, and that a run does not depend on them."""

from __future__ import annotations

import http.server
import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tlkit_trackers
from command_line import tlkit_command
from everything import everything
from same_runs import assert_same

import tlkit
from tlkit.recipe.load import parse_recipe
from tlkit.registry import Registry
from tlkit.registry.discovery import make_registry
from tlkit.train.phase_run import PhaseRun

TRACK = {"tensorboard": True, "mlflow": True}


class Killed(BaseException):
    """Stands for a kill: nothing catches it."""


@pytest.fixture(scope="module")
def tracking() -> Registry:
    """The plugins, with the trackers even where an older installation does not list them."""
    registry = make_registry(environ={})
    known = any(source.plugin == "trackers" for source in registry.sources.values())
    return registry if known else tlkit.plugins(tlkit_trackers)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, tracking: Registry) -> Path:
    """A run without a tracker."""
    root = tmp_path_factory.mktemp("whole")
    recipe = root / "r.toml"
    recipe.write_text(everything())
    return tlkit.run(recipe, out=root / "run", registry=tracking, quiet=True).folder


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    file = tmp_path / "r.toml"
    file.write_text(everything(track=TRACK))
    return file


def client(root: Path) -> Any:
    from tlkit_trackers.mlflow_run import settings

    with settings():
        from mlflow.tracking import MlflowClient

        return MlflowClient(tracking_uri=(root / "mlruns").as_uri())


def sent(root: Path, run: Path) -> Any:
    return client(root).get_run(json.loads((run / "mlflow.json").read_text())["run_id"])


def scalars(run: Path) -> dict[str, list[tuple[int, float]]]:
    import tensorflow as tf

    found: dict[str, list[tuple[int, float]]] = {}
    for file in sorted((run / "tensorboard").iterdir()):
        for record in tf.data.TFRecordDataset(str(file)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                found.setdefault(value.tag, []).append((event.step, value.simple_value))
    return found


def csv_column(run: Path, name: str) -> list[float]:
    header, *rows = [line.split(",") for line in (run / "metrics.csv").read_text().splitlines()]
    return [float(row[header.index(name)]) for row in rows]


def test_a_run_that_was_killed_and_resumed_is_one_run_with_each_epoch_once(
    recipe, whole, tracking, tmp_path, monkeypatch
):
    run = tmp_path / "run"
    original, calls = PhaseRun._pause, []

    def killed(*arguments):
        calls.append(1)
        if len(calls) == 31:
            raise Killed
        return original(*arguments)

    with monkeypatch.context() as patch, pytest.raises(Killed):  # noqa: PT012
        patch.setattr(PhaseRun, "_pause", killed)
        tlkit.run(recipe, out=run, registry=tracking, quiet=True)
    begun = json.loads((run / "mlflow.json").read_text())
    tlkit.resume(run, registry=tracking, quiet=True)
    assert_same(run, whole)

    assert json.loads((run / "mlflow.json").read_text()) == begun
    tracked = sent(tmp_path, run)
    assert tracked.info.status == "FINISHED"
    assert tracked.info.user_id in ("", "unknown")
    assert "mlflow.user" not in tracked.data.tags
    assert tracked.data.params["head.dropout"] == "0.3"
    losses = csv_column(run, "loss")
    history = client(tmp_path).get_metric_history(tracked.info.run_id, "val_loss")
    assert [each.step for each in history] == list(range(1, len(losses) + 1))
    assert [each.value for each in history] == csv_column(run, "val_loss")
    metrics = json.loads((run / "metrics.json").read_text())
    assert tracked.data.metrics["final/test/accuracy"] == metrics["test"]["accuracy"]
    files = {each.path for each in client(tmp_path).list_artifacts(tracked.info.run_id, "run")}
    assert {"run/model.keras", "run/report.html", "run/pictures", "run/recipe.toml"} <= files
    assert not files & {"run/checkpoints", "run/mlflow.json", "run/.lock"}

    found = scalars(run)
    assert [step for step, _value in found["loss/train"]] == list(range(1, len(losses) + 1))
    assert [value for _step, value in found["loss/train"]] == pytest.approx(losses)
    assert [value for _step, value in found["learning_rate"]] == pytest.approx(csv_column(run, "learning_rate"))
    assert found["final/test/accuracy"][0][1] == pytest.approx(metrics["test"]["accuracy"])
    assert "pictures/confusion" in found
    names = [file.name for file in (run / "tensorboard").iterdir()]
    assert all(socket.gethostname() not in name for name in names)

    tlkit.resume(run, registry=tracking, quiet=True)  # nothing is left to do, and nothing is sent twice
    assert len(client(tmp_path).get_metric_history(tracked.info.run_id, "val_loss")) == len(losses)
    assert len(client(tmp_path).get_metric_history(tracked.info.run_id, "final/test/accuracy")) == 1


class _Broken(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(500)
        self.end_headers()

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_arguments: Any) -> None:
        pass


@pytest.fixture
def broken_server() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Broken)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://user:secret@127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def silent_server() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://user:secret@127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("kind", ["broken", "silent", "nobody"])
def test_a_server_that_fails_costs_a_note_and_not_the_run(
    kind, request, tracking, tmp_path, monkeypatch, capsys, recipe_of_two_epochs
):
    address = "http://user:secret@127.0.0.1:9" if kind == "nobody" else request.getfixturevalue(f"{kind}_server")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    run = tmp_path / "run"
    tlkit.run(recipe_of_two_epochs, out=run, registry=tracking)
    out = capsys.readouterr().out
    assert out.count("MLflow is left alone until the phase has ended") == 1
    assert f"MLflow does not have all of this run; tlkit resume {run} sends the rest" in " ".join(out.split())
    assert "secret" not in out + (run / "events.log").read_text()
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    tlkit.resume(run, registry=tracking, quiet=True)
    assert len(client(tmp_path).get_metric_history(sent(tmp_path, run).info.run_id, "loss")) == 2


@pytest.fixture
def recipe_of_two_epochs(tmp_path: Path) -> Path:
    from recipe_text import recipe_text

    file = tmp_path / "r.toml"
    text = {"input": {"image_size": 16}, "backbone": {"name": "small_cnn", "filters": [4]}, "schedule": {"epochs": 2}}
    file.write_text(recipe_text(**text, track=TRACK))
    return file


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # MLflow's own, of its database library
@pytest.mark.parametrize(
    "values",
    [
        {"MLFLOW_TRACKING_URI": "sqlite:///{folder}/no.db"},
        {"MLFLOW_TRACKING_URI": "postgresql+pg8000://a:b@127.0.0.1:9/x"},
        {"MLFLOW_TRACKING_URI": "http://[bad"},
        {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9", "MLFLOW_HTTP_REQUEST_TIMEOUT": "soon"},
        {"MLFLOW_TRACKING_URI": "nowhere://x"},
    ],
    ids=lambda values: values["MLFLOW_TRACKING_URI"],
)
def test_variables_that_lead_nowhere_cost_a_note(values, tmp_path, monkeypatch):
    from tlkit_trackers.mlflow_run import send_end

    (tmp_path / "no.db").write_bytes(b"no database" * 100)
    for name, value in values.items():
        monkeypatch.setenv(name, value.format(folder=tmp_path))
    [note] = send_end(tmp_path, {"name": "x", "track": {"mlflow": True}}, {})
    assert note.startswith(f"MLflow does not have all of this run; tlkit resume {tmp_path} sends the rest: ")
    assert (tmp_path / "no.db").read_bytes() == b"no database" * 100


def test_nothing_leaves_the_machine_by_default(recipe_of_two_epochs, tracking, tmp_path, monkeypatch):
    addresses: list[Any] = []
    monkeypatch.setattr(socket.socket, "connect", lambda _self, address: addresses.append(address))
    tlkit.run(recipe_of_two_epochs, out=tmp_path / "run", registry=tracking, quiet=True)
    assert addresses == []
    assert (tmp_path / "mlruns").is_dir()
    assert "MLFLOW_ALLOW_FILE_STORE" not in os.environ


def test_a_tracker_may_be_switched_on_and_off_when_a_run_is_resumed(recipe_of_two_epochs, tracking, tmp_path):
    run = tmp_path / "run"
    tlkit.run(recipe_of_two_epochs, ["track.mlflow=false"], out=run, registry=tracking, quiet=True)
    assert not (run / "mlflow.json").exists()
    tlkit.resume(run, ["track.mlflow=true", "schedule.epochs=3"], registry=tracking, quiet=True)
    tracked = sent(tmp_path, run)
    assert tracked.data.params["schedule.epochs"] == "3"
    assert len(client(tmp_path).get_metric_history(tracked.info.run_id, "loss")) == 3
    tlkit.resume(run, ["schedule.epochs=4"], registry=tracking, quiet=True)
    assert sent(tmp_path, run).data.tags["resumed.schedule.epochs"] == "4"


def test_a_forged_run_id_is_not_used(recipe_of_two_epochs, tracking, tmp_path):
    run = tmp_path / "run"
    tlkit.run(recipe_of_two_epochs, ["track.mlflow=false"], out=run, registry=tracking, quiet=True)
    (run / "mlflow.json").write_text('{"run_id": "../../../etc"}')
    tlkit.resume(run, ["track.mlflow=true"], registry=tracking, quiet=True)
    assert len(json.loads((run / "mlflow.json").read_text())["run_id"]) == 32


def test_a_missing_mlflow_is_said_before_the_run(monkeypatch, tracking):
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(
        tlkit.RecipeError, match=r'track\.mlflow: MLflow is not installed: pip install "tlkit\[mlflow\]"'
    ):
        parse_recipe(everything(track=TRACK), tracking)


def test_a_recipe_without_the_table_has_the_settings_of_earlier_runs(registry):
    assert "track" not in parse_recipe(everything(), registry).values


def test_home_folders_and_secrets_are_no_parameters(monkeypatch):
    from tlkit_trackers.records import parameters

    monkeypatch.setenv("HOME", "/home/alice")
    values = {"data": {"path": "/home/alice/photos", "names": ["a", "b"]}, "seed": 0, "none": None, "empty": {}}
    assert parameters(values) == {"data.path": "~/photos", "data.names": '["a", "b"]', "seed": "0", "empty": "{}"}


def test_the_command_line_lists_the_trackers(tracking):
    if any(source.plugin == "trackers" for source in make_registry(environ={}).sources.values()):
        assert "trackers" in tlkit_command("plugins").out
