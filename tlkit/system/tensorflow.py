"""Starting TensorFlow without its start-up chatter on standard error."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

_deterministic = False


def is_deterministic() -> bool:
    """Whether ``start_tensorflow`` was asked for deterministic operations in this process."""
    return _deterministic


def start_tensorflow(*, deterministic: bool = False) -> None:
    """As ``_start``; and have TensorFlow use deterministic operations only, if that is asked for.

    Once asked for it holds for the process: TensorFlow has no way back.
    """
    global _deterministic
    _start()
    if deterministic and not _deterministic:
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
        _deterministic = True


def _start() -> None:
    """Import TensorFlow and Keras and look for devices, quietly unless ``TF_CPP_MIN_LOG_LEVEL`` is set.

    TensorFlow's C++ parts write a dozen lines about CUDA and processor flags before any log level is obeyed. They are
    kept back, and shown when the start fails.
    """
    if "tensorflow" in sys.modules or "TF_CPP_MIN_LOG_LEVEL" in os.environ:
        import keras

        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
    with _held_back():
        import keras  # noqa: F401
        import tensorflow as tf

        tf.config.list_physical_devices()
        # It advises against compiling a step anew; each phase has a new optimizer and needs it.
        tf.get_logger().setLevel("ERROR")


@contextmanager
def _held_back() -> Iterator[None]:
    """Keep back what is written to file descriptor 2, by C++ too; write it out when an exception passes."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(kept, 2)
            file.seek(0)
            os.write(2, file.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
