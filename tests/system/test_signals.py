"""Signals: what they raise, when they are kept for later, and what a second one does."""

from __future__ import annotations

import functools
import importlib
import os
import select
import signal
import subprocess
import sys
import threading
import time
import types

import pytest
from waiting import LONG, wait_until

from tlkit.system import signals
from tlkit.system.signals import Interrupted, Signals

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="os.kill ends the process")


def send(name):
    os.kill(os.getpid(), getattr(signal, name))


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_each_signal_has_its_code_and_handlers_are_put_back(name, code):
    before = signal.getsignal(getattr(signal, name))
    with pytest.raises(Interrupted) as stopped, Signals().handled():
        send(name)
    assert stopped.value.exit_code == code
    assert signal.getsignal(getattr(signal, name)) == before


@pytest.mark.parametrize("name", ["SIGHUP", "SIGINT", "SIGTERM"])
def test_a_signal_that_the_process_was_started_to_ignore_stays_ignored(name):
    number = getattr(signal, name)
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with Signals().handled():
            send(name)
    finally:
        signal.signal(number, before)


def test_signals_that_come_together_are_one_request(monkeypatch):
    """GNU timeout sends SIGTERM twice; a terminal that is closed and its shell both send SIGHUP."""
    monkeypatch.setattr(os, "_exit", lambda code: pytest.fail("ended at once"))
    handled = Signals()
    with handled.handled(), handled.deferred():
        for name in ("SIGTERM", "SIGTERM", "SIGHUP"):
            send(name)
    with pytest.raises(Interrupted, match="SIGTERM"):
        handled.stop()


def test_a_second_signal_after_a_second_ends_the_process_at_once(monkeypatch):
    codes, now = [], [100.0]
    monkeypatch.setattr(os, "_exit", codes.append)
    monkeypatch.setattr(signals, "time", type("Time", (), {"monotonic": lambda: now[0]}))
    handled = Signals()
    with handled.handled(), handled.deferred():
        send("SIGTERM")
        now[0] += 1.1
        send("SIGINT")
    assert codes == [130]


def test_a_signal_that_ended_an_inner_job_is_known_outside(monkeypatch):
    """A second signal while the message is printed must not become a traceback."""
    monkeypatch.setattr(os, "_exit", lambda code: pytest.fail("ended at once"))
    outer = Signals()
    with outer.handled():
        with pytest.raises(Interrupted), Signals().handled():
            send("SIGTERM")
        assert outer.asked
        send("SIGTERM")


@pytest.mark.parametrize("error", [None, ImportError("half imported")], ids=["lost", "changed"])
def test_a_signal_that_an_import_swallows_is_not_lost(error):
    def import_library():
        try:
            send("SIGTERM")
        except BaseException:
            if error is not None:
                raise error from None

    handled = Signals()
    with pytest.raises(Interrupted, match="SIGTERM"), handled.handled(), handled.not_lost():
        import_library()


def test_a_stop_that_comes_already_keeps_its_message():
    handled, coming = Signals(), Interrupted(15)
    with handled.handled(), handled.deferred():
        send("SIGTERM")
    with pytest.raises(Interrupted) as stopped:
        handled.stop_unless_deferred(coming)
    assert stopped.value is coming
    with pytest.raises(Interrupted) as stopped:
        handled.stop_unless_deferred(ValueError())
    assert stopped.value is not coming


def test_after_the_work_is_done_a_signal_ends_the_process_with_its_code(monkeypatch):
    def leave(code):
        raise SystemExit(code)

    monkeypatch.setattr(os, "_exit", leave)
    handled = Signals()
    handled.done(2)
    with pytest.raises(SystemExit) as ended, handled.handled():
        send("SIGTERM")
    assert ended.value.code == 2


SLOWLY = """
import os, signal, time
import slow_gate as gate
gate.entered.set()
assert gate.asked.wait(20)
time.sleep(0.2)
os.kill(os.getpid(), signal.SIGTERM)
time.sleep(0.2)
gate.events.append("imported")
"""


def import_too(gate):
    gate.asked.set()
    importlib.import_module("slow")
    time.sleep(20)


def test_a_signal_is_raised_when_no_lock_of_an_import_can_stay_held(tmp_path, monkeypatch):
    """The main thread waits within Python's own code for the import of another thread."""
    gate = types.ModuleType("slow_gate")
    gate.entered, gate.asked, gate.events = threading.Event(), threading.Event(), []
    (tmp_path / "slow.py").write_text(SLOWLY, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "slow_gate", gate)
    other = threading.Thread(target=importlib.import_module, args=("slow",))
    other.start()
    try:
        assert gate.entered.wait(20)
        with pytest.raises(Interrupted, match="SIGTERM"), Signals().handled():
            import_too(gate)
        assert gate.events == ["imported"]
    finally:
        other.join(30)
        sys.modules.pop("slow", None)


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent to a thread")
def test_a_signal_is_raised_when_no_lock_that_a_thread_waits_for_stays_held():
    """It comes within ``Condition.__enter__``, once the lock is taken; ``Future.result`` runs that for each batch."""

    class Lock:
        held = True
        __enter__ = staticmethod(functools.partial(signal.raise_signal, signal.SIGTERM))
        acquire = release = None

        def __exit__(self, *_error):
            self.held = False

    lock = Lock()
    over = threading.Event()
    threading.Thread(target=over.wait, args=(30,)).start()
    try:
        with pytest.raises(Interrupted, match="SIGTERM"), Signals().handled():  # noqa: PT012
            with threading.Condition(lock):
                pass
            time.sleep(20)
        assert not lock.held
    finally:
        over.set()


STATE = """
import os, signal, sys, time
from tlkit.system.signals import Interrupted, Signals
handled = Signals()
with handled.handled():
    try:
        with handled.deferred():
            print("ready", flush=True)
            while not handled.asked:
                time.sleep(0.01)
            print("to a terminal that is gone", flush=True)
        handled.stop()
    except Interrupted as stopped:
        open(sys.argv[1], "w").write(str(stopped.exit_code))
"""


def test_a_terminal_that_is_closed_ends_a_process_with_its_state_saved(tmp_path):
    import pty

    process, terminal = pty.fork()
    if process == 0:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests may run under nohup
        os.execv(sys.executable, [sys.executable, "-c", STATE, str(tmp_path / "saved")])
    said = b""
    while b"ready" not in said:
        readable, _, _ = select.select([terminal], [], [], LONG)
        assert readable, said
        more = os.read(terminal, 1024)
        assert more, said
        said += more
    os.close(terminal)
    wait_until(lambda: os.waitpid(process, os.WNOHANG)[0], "the end of the process")
    assert (tmp_path / "saved").read_text() == "129"


IMPORTS = """
import os, runpy, signal, sys
sys.argv = ["tlkit", *sys.argv[3:]]

class Send:
    sent = False

    def find_spec(self, name, *_):
        if name == {name!r} and not Send.sent:
            Send.sent = True
            try:
                os.kill(os.getpid(), {number})
            except BaseException:
                if {swallow}:
                    return
                raise

sys.meta_path.insert(0, Send())
runpy.run_module("tlkit", run_name="__main__")
"""


@pytest.mark.parametrize("swallow", [False, True], ids=["raised", "swallowed"])
@pytest.mark.parametrize(("number", "code"), [(2, 130), (15, 143), (1, 129)])
@pytest.mark.parametrize(
    ("name", "arguments"),
    [("click", ["--help"]), ("pydantic", ["plugins"]), ("tensorflow", ["run", "quickstart", "--out", "run"])],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_signal_during_an_import_ends_with_its_code_and_one_line(name, arguments, number, code, swallow, tmp_path):
    if name == "tensorflow" and (number, swallow) not in ((2, False), (15, True)):
        pytest.skip("takes seconds")
    program = IMPORTS.format(name=name, number=number, swallow=swallow)
    command = [sys.executable, "-c", program, "-m", "tlkit", *arguments]
    variables = {key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"}
    ended = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False)
    what = {2: "Ctrl-C", 15: "SIGTERM", 1: "SIGHUP"}[number]
    assert ended.returncode == code, ended.stderr
    assert ended.stderr.strip().startswith(f"Stopped by {what}.")
    assert len(ended.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_help_is_as_quick_to_import_as_before():
    """What handles signals from the start imports nothing that the command line does not import anyway."""
    code = "import sys; before = set(sys.modules); import tlkit.__main__; print(*set(sys.modules) - before)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"subprocess", "tempfile", "pydantic", "click", "hashlib", "importlib.metadata"}
    assert not heavy & set(ended.stdout.split())
