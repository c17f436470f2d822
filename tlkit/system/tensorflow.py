"""Start TensorFlow without its start-up messages on standard error."""

from __future__ import annotations

import gc
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from tlkit.errors import RunError
from tlkit.system import stages
from tlkit.system.import_without import without_modules
from tlkit.system.signals import process_signals

_deterministic = False
_BACKEND = "KERAS_BACKEND"


def is_deterministic() -> bool:
    """Return whether ``start_tensorflow`` was asked for deterministic operations in this process."""
    return _deterministic


def start_tensorflow(*, deterministic: bool = False) -> None:
    """Import TensorFlow and Keras and find the devices, quietly unless ``TF_CPP_MIN_LOG_LEVEL`` is set.

    What ``~/.keras/keras.json`` says does not count, unless other code has imported Keras before: the numbers of a run
    are to depend on its recipe.

    Args:
        deterministic: use deterministic operations only, from now on in this process; TensorFlow can't undo it.

    Raises:
        RunError: Keras was set up by other code for another backend, or another type or layout of tensors.
    """
    is_new = "keras" not in sys.modules
    with process_signals.not_lost():
        import_quietly()
    finish_start(deterministic=deterministic, is_new=is_new)


def finish_start(*, deterministic: bool, is_new: bool) -> None:
    """Set up Keras and TensorFlow once they are imported.

    Args:
        deterministic: as for ``start_tensorflow``.
        is_new: whether tlkit imported Keras.

    Raises:
        RunError: as for ``start_tensorflow``.
    """
    global _deterministic
    if is_new:
        _forget_settings_file()
    _check_keras()
    if deterministic and not _deterministic:
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
        _deterministic = True


@contextmanager
def _garbage_kept() -> Iterator[None]:
    """Look for no cyclic garbage within the context, nor later among what it made.

    The import makes half a million objects that live as long as the process, and almost no garbage; the collector would
    go through them again and again, for a fifth of the import's time and in every later collection.
    """
    if "tensorflow" in sys.modules or not gc.isenabled():
        yield
        return
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
    gc.freeze()


def _check_keras() -> None:
    import keras

    settings = {"floatx": keras.config.floatx(), "image_data_format": keras.config.image_data_format()}
    for name, expected in (("floatx", "float32"), ("image_data_format", "channels_last")):
        if settings[name] != expected:
            raise RunError(
                f'keras.config.{name} is "{settings[name]}"; tlkit expects "{expected}". Set it back in keras.json (in '
                f"$KERAS_HOME, by default ~/.keras), or in the code that changed it"
            )


def is_quiet() -> bool:
    """Return whether nothing need be held back: TensorFlow was imported, or the user chose what it writes."""
    return "tensorflow" in sys.modules or "TF_CPP_MIN_LOG_LEVEL" in os.environ


def import_quietly(*, held: bool = False) -> None:
    """Import TensorFlow and Keras, and hide what TensorFlow writes unless the import fails.

    Its C++ parts write a dozen lines about CUDA and processor flags before they obey any log level.

    Args:
        held: whether the caller holds standard error back.
    """
    with _garbage_kept():
        if is_quiet():
            _import_keras()
            return
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
        with nullcontext() if held else _hold_stderr():
            _import_keras()
            import tensorflow as tf

            tf.config.list_physical_devices()
            # TensorFlow warns against compiling a step again; each phase has a new optimizer and needs it.
            tf.get_logger().setLevel("ERROR")


def _import_keras() -> None:
    """Import Keras with TensorFlow as its backend, whatever the environment or its settings file says."""
    before = os.environ.get(_BACKEND)
    os.environ[_BACKEND] = "tensorflow"
    try:
        # Keras's wrappers for scikit-learn, its galleries and its reading of pandas's tables, which nothing here uses,
        # would take half as long again, and 85 MB. Only in a command: other code may pass such tables to Keras.
        tables = ["pandas"] if stages.command_began is not None else []
        with without_modules("sklearn", "matplotlib", *tables):
            import keras
    finally:
        os.environ.pop(_BACKEND, None)
        if before is not None:
            os.environ[_BACKEND] = before
    if keras.config.backend() != "tensorflow":
        raise RunError(
            f"this process has imported Keras with the backend {keras.config.backend()}; tlkit needs tensorflow: start "
            f"Python again with {_BACKEND}=tensorflow"
        )


def _forget_settings_file() -> None:
    """Set what Keras has read from its settings file to Keras's own defaults."""
    import keras

    keras.config.set_floatx("float32")
    keras.config.set_epsilon(1e-7)
    keras.config.set_image_data_format("channels_last")


@contextmanager
def _hold_stderr() -> Iterator[None]:
    """Hold back what is written to file descriptor 2, also by C++; write it if the import fails."""
    sys.stderr.flush()
    original = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield
        except KeyboardInterrupt:
            raise
        except BaseException:
            os.dup2(original, 2)
            file.seek(0)
            os.write(2, file.read())
            raise
        finally:
            os.dup2(original, 2)
            os.close(original)
