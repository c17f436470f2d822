"""A run at MLflow: the recipe as parameters, metrics, and the run folder as artifacts.

By ``MlflowClient`` alone, which keeps no state of its own in the process and names neither user nor machine. What is
recorded comes from the files of the run folder, and what MLflow has already is not sent again, so that a run can be
interrupted, resumed and extended.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tlkit_trackers.records import epochs, final_metrics, parameters

FILE = "mlflow.json"
"""The file of the run folder that names the MLflow run, so that a resumed run goes on in it."""
_LEFT_OUT = ("cache", "checkpoints", FILE, ".lock")
"""What is no artifact: checkpoints are for resuming, and many times larger than the model."""
_PATIENCE = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "15", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}
"""MLflow's own waits minutes for a server that is not there, each time."""
_ALWAYS = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_ALLOW_FILE_STORE": "true"}
"""No statistics for MLflow's makers; and leave to write to a folder, which is what works without a database."""
_MOST_BYTES = 1000
_NOT_A_KEY = re.compile(r"[^\w\-. :/]")
_AT_ONCE = 100
"""MLflow takes so many parameters or tags of a run in one request."""
_LONGEST = 500
_METRICS_AT_ONCE = 500


@dataclass(frozen=True)
class Tracked:
    """A run at MLflow.

    Args:
        client: an ``MlflowClient``.
        run_id: MLflow's name of the run.
    """

    client: Any
    run_id: str

    def send_epochs(self, run: Path) -> None:
        """Send the epochs that MLflow does not have yet."""
        from mlflow.entities import Metric

        done = epochs(run)
        sent = {each.step for each in self.client.get_metric_history(self.run_id, "learning_rate")}
        now = int(time.time() * 1000)
        metrics = [
            Metric(_key(name), value, now, each.number)
            for each in done
            if each.number not in sent
            for name, value in sorted(each.values.items(), key=lambda item: item[0] == "learning_rate")
        ]
        # The learning rate of an epoch comes last, so that an epoch which has one is there as a whole.
        for start in range(0, len(metrics), _METRICS_AT_ONCE):
            self.client.log_batch(self.run_id, metrics=metrics[start : start + _METRICS_AT_ONCE])

    def send_final(self, run: Path, metrics: Mapping[str, Any]) -> None:
        """Send the final metrics and the run folder, and say that the run is finished."""
        from mlflow.entities import Metric

        now, step = int(time.time() * 1000), len(epochs(run))
        final = [Metric(_key(f"final/{name}"), value, now, step) for name, value in final_metrics(metrics)]
        known = self.client.get_run(self.run_id).data.metrics
        new = [each for each in final if known.get(each.key) != each.value]
        if new:
            self.client.log_batch(self.run_id, metrics=new)
        for entry in sorted(run.iterdir()):
            if entry.name in _LEFT_OUT or entry.name.startswith(".") or entry.is_symlink():
                continue
            if entry.is_dir():
                self.client.log_artifacts(self.run_id, str(entry), f"run/{entry.name}")
            else:
                self.client.log_artifact(self.run_id, str(entry), "run")
        self.client.set_terminated(self.run_id, "FINISHED")


def failures() -> tuple[type[Exception], ...]:
    """Return what a tracker raises when its server, database or disk fails, or when it refuses what it is sent.

    Of an environment variable with a wrong value it raises ``ValueError``, of a database whose driver is not installed
    ``ImportError``.
    """
    import requests
    from mlflow.exceptions import MlflowException

    known = (MlflowException, OSError, requests.RequestException, ImportError, ValueError)
    try:
        from sqlalchemy.exc import SQLAlchemyError
    except ImportError:  # not every distribution of MLflow has databases
        return known
    return (*known, SQLAlchemyError)


@contextmanager
def settings() -> Iterator[None]:
    """Set the environment variables that MLflow reads, as long as it is called; those of the user go first."""
    values = {**_ALWAYS, **_PATIENCE}
    own = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(own)
    try:
        yield
    finally:
        for name in own:
            os.environ.pop(name, None)


def place(run: Path) -> str:
    """Return where the run is recorded: the user's server or folder, else ``mlruns`` beside the run folder."""
    return os.environ.get("MLFLOW_TRACKING_URI") or (run.resolve().parent / "mlruns").as_uri()


def open_run(run: Path, recipe: Mapping[str, Any]) -> Tracked:
    """Open the MLflow run of a run folder, or create it and send the recipe.

    Raises:
        whatever ``failures`` lists.
    """
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=place(run))
    run_id = _known_run(client, run)
    if run_id is None:
        experiment = _experiment(client, recipe)
        made = client.create_run(experiment, run_name=run.resolve().name, tags={"tlkit": version("tlkit")})
        run_id = made.info.run_id
        (run / FILE).write_text(json.dumps({"run_id": run_id}) + "\n", encoding="utf-8")
    else:
        client.update_run(run_id, status="RUNNING")
    _send_recipe(client, run_id, parameters(recipe))
    return Tracked(client, run_id)


def _known_run(client: Any, run: Path) -> str | None:
    """Return the MLflow run that the run folder names, if MLflow has it here."""
    from mlflow.exceptions import MlflowException

    file = run / FILE
    if file.is_symlink() or not file.is_file() or file.stat().st_size > _MOST_BYTES:
        return None
    try:
        content = json.loads(file.read_bytes())
    except ValueError:
        return None
    run_id = content.get("run_id") if isinstance(content, dict) else None
    if not isinstance(run_id, str) or not re.fullmatch(r"[0-9a-f]{32}", run_id):
        return None
    try:
        return run_id if client.get_run(run_id).info.lifecycle_stage == "active" else None
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise


def _experiment(client: Any, recipe: Mapping[str, Any]) -> str:
    from mlflow.exceptions import MlflowException

    name = recipe.get("track", {}).get("experiment") or os.environ.get("MLFLOW_EXPERIMENT_NAME") or recipe["name"]
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name))
        except MlflowException:  # another process was quicker, if it is there now
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    return str(found.experiment_id)


def _send_recipe(client: Any, run_id: str, values: Mapping[str, str]) -> None:
    """Send the parameters; MLflow lets none change, so what a resumed run changed becomes a tag."""
    from mlflow.entities import Param, RunTag

    known = client.get_run(run_id).data.params
    shown = {_key(name): value[:_LONGEST] or '""' for name, value in values.items()}
    new = [Param(name, value) for name, value in shown.items() if name not in known]
    changed = [RunTag(f"resumed.{name}", value) for name, value in shown.items() if known.get(name, value) != value]
    for start in range(0, max(len(new), len(changed)), _AT_ONCE):
        params, tags = new[start : start + _AT_ONCE], changed[start : start + _AT_ONCE]
        client.log_batch(run_id, params=params, tags=tags)


def _key(name: str) -> str:
    """Return a name as MLflow takes it; names of classes and metrics may have other characters."""
    return _NOT_A_KEY.sub("_", name).strip("/.")[:250] or "_"


def send_end(run: Path, recipe: Mapping[str, Any], metrics: Mapping[str, Any]) -> Iterator[str]:
    """Send what is missing of a finished run; yield a note if that fails."""
    with settings():
        try:
            tracked = open_run(run, recipe)
            tracked.send_epochs(run)
            tracked.send_final(run, metrics)
        except failures() as error:
            yield f"MLflow does not have all of this run; tlkit resume {run} sends the rest: {error_text(error)}"


def error_text(error: Exception) -> str:
    """Return the first line of an error, shortened, without a login in an address."""
    line = (str(error).splitlines() or [type(error).__name__])[0]
    return re.sub(r"(?<=://)[^/\s@]+@", "…@", line)[:200]
