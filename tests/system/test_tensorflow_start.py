"""TensorFlow starts in a thread: what the caller says meanwhile, and what becomes of errors on either side."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from photos import write_photos

CONFIG = """
class config:
    backend = staticmethod(lambda: "tensorflow")
    floatx = staticmethod(lambda: "float32")
    image_data_format = staticmethod(lambda: "channels_last")
    set_floatx = set_epsilon = set_image_data_format = staticmethod(lambda _value: None)
"""
TENSORFLOW = """
class config:
    list_physical_devices = staticmethod(lambda: [])
class get_logger:
    setLevel = staticmethod(lambda _level: None)
"""
WAITS = f"""
import os, time
os.write(2, b"chatter of a library")
while not os.path.exists(os.environ["GO_ON"]):
    time.sleep(0.01)
{CONFIG}"""
BREAKS = """
import os
os.write(2, b"why it breaks")
raise ImportError("no such processor")
"""
INTERRUPTS = f"""
import os, signal, sys, threading, time
main = threading.main_thread().ident
def waits():
    frame = sys._current_frames()[main]
    while frame and not (frame.f_code.co_name == "wait" and frame.f_code.co_filename.endswith("tensorflow_start.py")):
        frame = frame.f_back
    return frame is not None
while not waits():
    time.sleep(0.01)
time.sleep(0.1)
os.kill(os.getpid(), signal.SIGINT)
while not os.path.exists(os.environ["GO_ON"]):
    time.sleep(0.01)
{CONFIG}"""
IS_INTERRUPTED = """
import os, sys, pathlib
from tlkit.system.output import Output
from tlkit.system.signals import Interrupted, Signals
from tlkit.system.tensorflow_start import TensorFlowStart, is_starting
output = Output()
try:
    with Signals().handled(), TensorFlowStart(deterministic=False, then=lambda: print("then")) as start:
        start.wait()
except Interrupted as stopped:
    print(stopped, is_starting(), file=sys.stderr)
    pathlib.Path(os.environ["GO_ON"]).touch()
"""
USE = """
import os, sys, pathlib
from tlkit.system.tensorflow_start import TensorFlowStart, is_starting
with TensorFlowStart(deterministic=False, then=lambda: print("then")) as start:
    print("a word", file=sys.stderr)
    pathlib.Path(os.environ["GO_ON"]).touch()
    start.wait()
    print("started" if "keras" in sys.modules and not is_starting() else "not started")
print("after", file=sys.stderr)
"""
LEAVE = """
import os, sys, pathlib
from tlkit.system.tensorflow_start import TensorFlowStart, is_starting
try:
    with TensorFlowStart(deterministic=False, then=lambda: print("then")):
        raise ValueError
except ValueError:
    print("the error", file=sys.stderr)
    print(is_starting())
    pathlib.Path(os.environ["GO_ON"]).touch()
"""


def run(folder: Path, keras: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python with stand-ins for Keras and TensorFlow."""
    (folder / "keras.py").write_text(keras, encoding="utf-8")
    (folder / "tensorflow.py").write_text(TENSORFLOW, encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    environment["PYTHONPATH"] = os.pathsep.join([str(folder), *sys.path])
    environment["GO_ON"] = str(folder / "go on")
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False, timeout=60)


def test_what_python_says_meanwhile_is_written_and_what_libraries_write_is_not(tmp_path: Path) -> None:
    ended = run(tmp_path, WAITS, "-c", USE)
    assert ended.stdout.split() == ["then", "started"]
    assert ended.stderr == "a word\nafter\n"


def test_the_error_of_an_import_is_raised_where_it_is_waited_for_after_what_the_library_wrote(tmp_path: Path) -> None:
    ended = run(tmp_path, BREAKS, "-c", USE)
    assert "then" not in ended.stdout
    assert "why it breaks" in ended.stderr
    assert "line 7" in ended.stderr  # start.wait()
    assert ended.stderr.endswith("ImportError: no such processor\n")


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT to send")
def test_what_is_said_after_a_signal_during_the_import_is_written(tmp_path: Path) -> None:
    ended = run(tmp_path, INTERRUPTS, "-c", IS_INTERRUPTED)
    assert ended.stderr == "Stopped by Ctrl-C. True\n"
    assert ended.stdout == ""


def test_nothing_is_done_after_an_import_that_nobody_waits_for(tmp_path: Path) -> None:
    ended = run(tmp_path, WAITS, "-c", LEAVE)
    assert ended.stdout == "True\n"
    assert ended.stderr == "the error\n"


READS_FOR_EVER = """
import time, tlkit
from tlkit.jobs import from_recipe
def open_data(recipe, folder, decoding, checking):
    for number in range(100_000):
        time.sleep(0.01)
        checking(number, 100_000)
from_recipe.open_data = open_data
tlkit.run("one.toml", out="out")
"""


def write_one_class(tmp_path: Path) -> None:
    """Write three photos of one class, and a recipe for them."""
    write_photos(tmp_path / "photos", {"cat": 3})
    recipe = (
        'name = "one"\ntask = "classification"\n[data]\nname = "folder"\npath = "photos"\n[input]\nimage_size = 32\n'
        '[backbone]\nname = "MobileNetV2"\nweights = "none"\n[head]\nname = "linear"\n'
        '[schedule]\nname = "frozen"\nepochs = 1\n'
    )
    (tmp_path / "one.toml").write_text(recipe, encoding="utf-8")


def test_an_error_of_the_import_does_not_wait_for_the_data(tmp_path: Path) -> None:
    write_one_class(tmp_path)
    ended = run(tmp_path, BREAKS, "-c", READS_FOR_EVER)
    assert "why it breaks" in ended.stderr
    assert ended.stderr.endswith("ImportError: no such processor\n")


def test_an_engine_that_is_missing_waits_for_neither(tmp_path: Path) -> None:
    write_one_class(tmp_path)
    never = WAITS.replace("while not", "while True or not")
    hidden = "import importlib.metadata as m, runpy, sys\nsys.argv = 'tlkit run one.toml --out out'.split()\n"
    hidden += "found = m.version\ndef version(name):\n    if name == 'openvino': raise m.PackageNotFoundError\n"
    hidden += "    return found(name)\nm.version = version\nsys.argv += ['--set', 'train.engine=openvino']\n"
    ended = run(tmp_path, never, "-c", hidden + "runpy.run_module('tlkit', run_name='__main__')")
    assert ended.returncode == 2
    assert "--set train.engine=openvino" in ended.stderr
    assert "tlkit[openvino]" in ended.stderr
    assert not (tmp_path / "out").exists()


def test_an_error_in_the_data_does_not_wait_for_tensorflow(tmp_path: Path) -> None:
    write_one_class(tmp_path)
    never = WAITS.replace("while not", "while True or not")
    ended = run(tmp_path, never, "-m", "tlkit", "run", "one.toml", "--out", "out")
    assert ended.returncode == 2
    assert "class" in ended.stderr
    assert "chatter" not in ended.stderr
    assert not (tmp_path / "out").exists()
