"""A pass on a cluster that a signal ends: as in one process, and no worker stays behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from contextlib import suppress

import pytest
from evaluate_fakes import make_card
from lite_runs import saved_run
from photos import write_photos
from waiting import end_of, wait_until

pytest.importorskip("ray")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="Ray has no cluster there")]


def runs(process: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(process, 0)
        return True
    return False


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGKILL"])
def test_workers_end_with_the_command_that_a_signal_ends(name, tmp_path):
    run = saved_run(tmp_path / "run", make_card()).path
    write_photos(tmp_path / "photos", {"red": 3000}, (64, 64))
    out, said = tmp_path / "predicted.csv", tmp_path / "said.txt"
    command = [sys.executable, "-m", "tlkit", "predict", run, tmp_path / "photos", "--out", out, "--cluster", "local"]
    with said.open("wb") as stream, subprocess.Popen(command, stderr=stream, stdout=subprocess.DEVNULL) as process:
        wait_until(lambda: "joined: process" in said.read_text(), "a worker joins", process)
        process.send_signal(getattr(signal, name))
        end_of(process)
    assert process.returncode == {"SIGINT": 130, "SIGTERM": 143, "SIGKILL": -9}[name]
    workers = [int(each) for each in re.findall(r"joined: process (\d+) on", said.read_text())]
    assert workers
    wait_until(lambda: not any(map(runs, workers)), "the workers end")
    assert "Traceback" not in said.read_text()
    assert not out.exists()
