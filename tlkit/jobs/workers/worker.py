"""A worker of a training: ``python -m tlkit.jobs.workers.worker``, with its task as the first line of its input.

``TF_CONFIG`` says where the other workers are. When the input ends, the process that started this one has ended.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from tlkit.cluster.heartbeat import Pulse
from tlkit.cluster.supervise import PEER_LOST
from tlkit.errors import RecipeError, TlkitError
from tlkit.jobs.member import Member
from tlkit.jobs.workers.errors import error_values, is_of_others
from tlkit.jobs.workers.task import WorkerTask
from tlkit.runs.folder import RunFolder
from tlkit.system.import_path import leave_out_current_folder
from tlkit.system.signals import Interrupted, process_signals
from tlkit.system.terminal import Terminal

_PATIENCE = 60.0
"""Seconds that a worker has to save its state once the process that started it has ended."""


def main() -> NoReturn:
    """Do the task of this worker and end."""
    leave_out_current_folder()
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    if hasattr(signal, "SIGTTOU"):  # so that this process, in the background, may write to a terminal that asks for it
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    faulthandler.enable()  # its log says where a worker was that crashed
    task = WorkerTask.of(_first_line())
    threading.Thread(target=_end_with_parent, name="tlkit-parent", daemon=True).start()
    with process_signals.handled():
        code = work(task)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    # TensorFlow's own end would wait for workers that have ended.
    os._exit(code)


def work(task: WorkerTask) -> int:
    """Do a task, and return the exit code; the heartbeat says what went wrong."""
    if task.working_folder:
        with suppress(OSError):
            os.chdir(task.working_folder)
    run = RunFolder(Path(task.folder))
    run.workers.mkdir(exist_ok=True)
    pulse = Pulse(run.workers, task.rank)
    started = time.monotonic() - max(0.0, time.time() - task.began)
    code, error = 1, None
    try:
        _train(task, Member(task.rank, task.size, run, pulse, task.losses, started=started))
        code = 0
    except Interrupted as stopped:
        Terminal(stderr=True).print(f"\n{stopped}")
        code = stopped.exit_code
    except TlkitError as failure:
        for each in failure.problems if isinstance(failure, RecipeError) else [failure]:
            Terminal(stderr=True).print(f"Error: {each}")
        code, error = failure.exit_code, error_values(failure)
    except BaseException as failure:
        traceback.print_exc()
        if is_of_others(failure):
            code = PEER_LOST
        else:
            error = error_values(failure)
    pulse.beat.end = {"code": code, "error": error}
    pulse.write()
    return code


def _train(task: WorkerTask, member: Member) -> None:
    from tlkit.jobs.resume import resume_as_member
    from tlkit.jobs.run import run_as_member
    from tlkit.recipe.load import read_recipe
    from tlkit.registry import VARIABLE
    from tlkit.registry.discovery import registry_of_parent

    environ = {} if task.installed is None else {VARIABLE: task.installed}
    registry = registry_of_parent([Path(file) for file in task.plugins], environ, task.allowed)
    if task.recipe is None:
        resume_as_member(task.folder, task.overrides, member, registry=registry, profile=task.profile)
        return
    run_as_member(
        read_recipe(task.recipe, registry, task.overrides),
        task.overrides,
        member,
        registry=registry,
        deterministic=task.deterministic,
        profile=task.profile,
    )


def _first_line() -> str:
    source, line = sys.stdin.fileno(), b""
    while not line.endswith(b"\n"):
        part = os.read(source, 1)
        if not part:
            raise SystemExit(2)
        line += part
    return line.decode()


def _end_with_parent() -> None:
    """Wait for the end of the input; then save the state and end, at the latest after some time."""
    source = sys.stdin.fileno()
    with suppress(OSError):
        while os.read(source, 1024):
            pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_PATIENCE)
    os._exit(128 + signal.SIGTERM)


if __name__ == "__main__":
    main()
