"""Start TensorFlow without its start-up messages on standard error."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from tlkit.errors import RunError

_deterministic = False


def is_deterministic() -> bool:
    """Return whether ``start_tensorflow`` was asked for deterministic operations in this process."""
    return _deterministic


def start_tensorflow(*, deterministic: bool = False) -> None:
    """Import TensorFlow and Keras and find the devices, quietly unless ``TF_CPP_MIN_LOG_LEVEL`` is set.

    Args:
        deterministic: use deterministic operations only, from now on in this process; TensorFlow can't undo it.
    """
    global _deterministic
    _import_quietly()
    if deterministic and not _deterministic:
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
        _deterministic = True


def check_keras() -> None:
    """Check that Keras builds layers for the tensors that tlkit feeds them.

    Raises:
        RunError: it is set up for another type or layout, by its file keras.json or by other code.
    """
    import keras

    settings = {"floatx": keras.config.floatx(), "image_data_format": keras.config.image_data_format()}
    for name, expected in (("floatx", "float32"), ("image_data_format", "channels_last")):
        if settings[name] != expected:
            raise RunError(
                f'keras.config.{name} is "{settings[name]}"; tlkit expects "{expected}". Set it back in keras.json (in '
                f"$KERAS_HOME, by default ~/.keras), or in the code that changed it"
            )


def _import_quietly() -> None:
    """Import TensorFlow and Keras, and hide what TensorFlow writes unless the import fails.

    Its C++ parts write a dozen lines about CUDA and processor flags before they obey any log level.
    """
    if "tensorflow" in sys.modules or "TF_CPP_MIN_LOG_LEVEL" in os.environ:
        import keras

        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
    with _hold_stderr():
        import keras  # noqa: F401
        import tensorflow as tf

        tf.config.list_physical_devices()
        # TensorFlow warns against compiling a step again; each phase has a new optimizer and needs it.
        tf.get_logger().setLevel("ERROR")


@contextmanager
def _hold_stderr() -> Iterator[None]:
    """Hold back what is written to file descriptor 2, also by C++; write it if an exception is raised."""
    sys.stderr.flush()
    original = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(original, 2)
            file.seek(0)
            os.write(2, file.read())
            raise
        finally:
            os.dup2(original, 2)
            os.close(original)
