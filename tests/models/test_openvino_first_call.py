"""Threads whose first calls of OpenVINO come at the same time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from evaluate_fakes import make_card
from lite_runs import saved_run

pytest.importorskip("openvino")

CALL = """
import sys, threading
import numpy as np
from pathlib import Path
from tlkit.models.openvino_network import _compiled, _Request

compiled = _compiled(Path(sys.argv[1]).read_bytes(), "float32", 4)
requests = [_Request(compiled) for _ in range(4)]
for name in [each for each in sys.modules if each.startswith("numpy.core")]:
    del sys.modules[name]  # which the first call imports: that takes longer then
sys.setswitchinterval(1e-6)
start, image, found = threading.Barrier(4), np.zeros((1, 8, 8, 3), np.float32), []

def call(request):
    start.wait()
    found.append(request(image)[0].shape)

threads = [threading.Thread(target=call, args=(each,), daemon=True) for each in requests]
for each in threads:
    each.start()
for each in threads:
    each.join()
print(found)
"""


@pytest.mark.slow
def test_they_do_not_wait_for_each_other_for_ever(tmp_path: Path) -> None:
    """Without care, 4 of 10 processes did."""
    run = saved_run(tmp_path / "run", make_card())
    for _ in range(6):
        command = [sys.executable, "-c", CALL, run.lite]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        assert ended.stdout == "[(3,), (3,), (3,), (3,)]\n"
