"""The boundary: what plugins raise, signals that come meanwhile, and the state of the process."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import keras
import pytest
import tensorflow as tf

import tlkit
from tlkit.boundary.code import PluginCode
from tlkit.system.signals import Interrupted, Signals


def run(code: Callable[[], Any]) -> None:
    with PluginCode("mine", "tlkit_heads"):
        code()


def raising(error: BaseException) -> Callable[[], None]:
    def code() -> None:
        raise error

    return code


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


def swallow() -> None:
    try:
        interrupt()
    except BaseException:
        return


def replace_error() -> None:
    try:
        interrupt()
    except KeyboardInterrupt as error:
        raise ValueError("stopped") from error


@pytest.mark.parametrize(
    "error",
    [
        SystemExit(0),
        KeyboardInterrupt(),
        GeneratorExit(),
        asyncio.CancelledError(),
        StopIteration(),
        OSError(5, "failed"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_a_plugin_raises_names_plugin_function_and_line(error):
    with pytest.raises(
        tlkit.PluginError, match=rf"^mine: tlkit_heads: {type(error).__name__}.*\(.*\.py:\d+\)"
    ) as caught:
        run(raising(error))
    assert caught.value.__cause__ is error
    assert "in raising" in caught.value.details or "in code" in caught.value.details


def test_a_group_of_exceptions_and_one_without_a_text_are_named():
    class SilentError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    with pytest.raises(tlkit.PluginError, match="BaseExceptionGroup: both"):
        run(raising(BaseExceptionGroup("both", [SystemExit(0), ValueError()])))
    with pytest.raises(tlkit.PluginError, match="SilentError: <its text can't be read>"):
        run(raising(SilentError()))


def test_an_error_of_a_plugins_own_may_not_say_success():
    class Success(tlkit.TlkitError):
        exit_code = 0

    with pytest.raises(tlkit.PluginError, match="Success"):
        run(raising(Success("all is well")))
    with pytest.raises(tlkit.DataError, match="as it is"):
        run(raising(tlkit.DataError("as it is")))


@pytest.mark.parametrize("code", [interrupt, swallow, replace_error])
def test_ctrl_c_stays_ctrl_c_and_can_not_be_swallowed(code):
    with pytest.raises(KeyboardInterrupt):
        run(code)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("code", [interrupt, swallow, replace_error])
def test_a_signal_to_a_run_stays_an_interruption_and_can_not_be_swallowed(code):
    with Signals().handled(), pytest.raises(Interrupted):
        run(code)


def test_a_signal_to_a_run_that_defers_it_waits_for_the_run():
    signals = Signals()
    with signals.handled(), signals.deferred():
        run(interrupt)
        with pytest.raises(tlkit.PluginError):
            run(raising(KeyboardInterrupt()))
        assert signals.asked


@pytest.mark.parametrize("error", [KeyboardInterrupt(), Interrupted(signal.SIGINT)], ids=repr)
def test_a_plugin_can_not_pretend_that_the_user_stopped_the_run(error):
    with Signals().handled(), pytest.raises(tlkit.PluginError, match=type(error).__name__):
        run(raising(error))


def test_where_ctrl_c_is_ignored_a_keyboard_interrupt_is_the_plugins():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with pytest.raises(tlkit.PluginError, match="KeyboardInterrupt"):
            run(raising(KeyboardInterrupt()))
        with Signals().handled(), pytest.raises(Interrupted):
            run(lambda: signal.raise_signal(signal.SIGTERM))
    finally:
        signal.signal(signal.SIGINT, before)


def test_ctrl_c_in_a_call_within_a_call_stays_ctrl_c():
    with pytest.raises(KeyboardInterrupt):
        run(lambda: run(interrupt))
    with pytest.raises(tlkit.PluginError):
        run(lambda: run(raising(KeyboardInterrupt())))


def test_in_a_thread_a_keyboard_interrupt_is_the_plugins():
    caught: list[BaseException] = []

    def work() -> None:
        try:
            run(raising(KeyboardInterrupt()))
        except BaseException as error:
            caught.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert isinstance(caught[0], tlkit.PluginError)


def test_the_handler_of_a_program_that_uses_tlkit_decides_what_ctrl_c_is():
    before = signal.signal(signal.SIGINT, raising(KeyboardInterrupt()))
    try:
        with pytest.raises(KeyboardInterrupt):
            run(raising(KeyboardInterrupt()))
    finally:
        signal.signal(signal.SIGINT, before)


CHANGES: dict[str, Callable[[], object]] = {
    "the working folder": lambda: os.chdir("/"),
    "the handler of SIGINT": lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    "the handler of SIGHUP": lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    "the handler of SIGTERM": lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN),
    "sys.stdout": lambda: setattr(sys, "stdout", sys.__stdout__),
    "sys.stderr": lambda: setattr(sys, "stderr", None),
    "environment variables": lambda: os.environ.update(TLKIT_CACHE="/nowhere"),
    "the filters of warnings": lambda: warnings.simplefilter("error"),
    "keras.config.floatx": lambda: keras.config.set_floatx("float16"),
    "keras.config.image_data_format": lambda: keras.config.set_image_data_format("channels_first"),
    "keras.config.dtype_policy": lambda: keras.mixed_precision.set_global_policy("mixed_float16"),
    "tf.config.run_functions_eagerly": lambda: tf.config.run_functions_eagerly(True),
    "tf.config.optimizer.set_jit": lambda: tf.config.optimizer.set_jit("autoclustering"),
    "TensorFloat-32": lambda: tf.config.experimental.enable_tensor_float_32_execution(False),
}


def state() -> list[Any]:
    config = tf.config
    return [
        os.getcwd(),  # noqa: PTH109
        *(signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)),
        *(sys.stdout, sys.stderr, dict(os.environ), list(warnings.filters)),
        *(keras.config.floatx(), keras.config.image_data_format(), keras.config.dtype_policy()),
        *(config.functions_run_eagerly(), str(config.optimizer.get_jit())),
        config.experimental.tensor_float_32_execution_enabled(),
    ]


@pytest.mark.parametrize("what", CHANGES)
def test_a_changed_process_is_an_error_and_is_put_back(what):
    before = state()
    with pytest.raises(tlkit.PluginError, match=rf"^mine: tlkit_heads: changed .*{what}.*expected it to be left"):
        run(CHANGES[what])
    assert state() == before


def test_a_process_that_a_plugin_changed_before_it_raised_is_put_back():
    before = state()

    def code() -> None:
        os.chdir("/")
        raise SystemExit(0)

    with pytest.raises(tlkit.PluginError, match="SystemExit"):
        run(code)
    assert state() == before


def test_state_that_code_puts_back_itself_is_no_error():
    def code() -> None:
        before = os.getcwd()  # noqa: PTH109
        os.chdir("/")
        os.chdir(before)
        os.environ["OTHER"] = "1"
        warnings.simplefilter("ignore")

    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTHER", "0")
        run(code)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_fork_of_the_process_does_not_go_on():
    code = (
        "import os\nfrom tlkit.boundary.code import PluginCode\n"
        "with PluginCode('mine', 'tlkit_heads'):\n    child = os.fork()\n"
        "print('went on', flush=True)\nprint(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["went on", "1"]


def test_the_log_of_a_run_can_not_be_switched_off(tmp_path):
    from tlkit.runs.folder import RunFolder
    from tlkit.runs.log import event_log

    def silence() -> Iterator[None]:
        logging.disable(logging.CRITICAL)
        try:
            yield
        finally:
            logging.disable(logging.NOTSET)

    with event_log(RunFolder(tmp_path)) as log:
        for _ in silence():
            log.info("phase only begins")
    assert "phase only begins" in (tmp_path / "events.log").read_text()
