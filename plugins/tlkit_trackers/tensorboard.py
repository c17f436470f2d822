"""TensorBoard's event files, written with what TensorFlow has of them; TensorBoard itself only shows them.

An event file is a TFRecord file of ``Event`` messages (tensorflow/core/util/event.proto). TensorFlow's own writer puts
the name of the machine into the name of the file; these don't.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from tlkit_trackers.records import Epoch, epochs, final_metrics, pictures

FOLDER = "tensorboard"
_NAME = "events.out.tfevents.{}.tlkit"
_MAX_PICTURE_BYTES = 8_000_000


class _EventFile:
    """An event file, written from its beginning."""

    def __init__(self, run: Path, part: str) -> None:
        folder = run / FOLDER
        folder.mkdir(exist_ok=True)
        self._writer = tf.io.TFRecordWriter(str(folder / _NAME.format(part)))
        self._write(tf.compat.v1.Event(wall_time=time.time(), file_version="brain.Event:2"))

    def _write(self, event: Any) -> None:
        self._writer.write(event.SerializeToString())

    def add(self, values: list[Any], step: int, when: float) -> None:
        """Write values of an epoch."""
        summary = tf.compat.v1.Summary(value=values)
        self._write(tf.compat.v1.Event(wall_time=when, step=step, summary=summary))
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


class EventWriter(keras.callbacks.Callback):  # type: ignore[misc]
    """Writes an event file for a phase.

    A resumed phase writes its file again, from ``metrics.csv``, so no epoch is in it twice.

    Args:
        run: the run folder.
        phase: the name of the phase.
    """

    def __init__(self, run: Path, phase: str) -> None:
        super().__init__()
        self._run, self._phase = run, phase
        self._file: _EventFile | None = None
        self._told = False

    def on_train_begin(self, *_arguments: Any) -> None:
        """Forget the files of later epochs that an interrupted run left."""
        last = max((each.number for each in epochs(self._run)), default=0)
        for file in (self._run / FOLDER).glob(_NAME.format("[0-9]*")):
            if int(file.name.split(".")[3]) > last:
                file.unlink()

    def on_epoch_end(self, *_arguments: Any) -> None:
        """Write the epoch, and at first those of the phase before it."""
        try:
            self._add()
        except (OSError, tf.errors.OpError) as error:
            if not self._told:
                print(f"  note: TensorBoard's files can't be written: {error}")
            self._told = True

    def _add(self) -> None:
        done = epochs(self._run)
        new = done[-1:]
        if self._file is None:
            begun = len(done)
            while begun and done[begun - 1].phase == self._phase:
                begun -= 1
            new = done[begun:]
            self._file = _EventFile(self._run, f"{new[0].number:06d}")
        when = time.time() - sum(each.seconds for each in new[1:])
        for number, each in enumerate(new):
            when += each.seconds if number else 0.0
            self._file.add([_scalar(name, value) for name, value in _named(each)], each.number, when)

    def on_train_end(self, *_arguments: Any) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _named(epoch: Epoch) -> Iterator[tuple[str, float]]:
    for name, value in epoch.values.items():
        if name.startswith("learning_rate"):
            yield name, value
        elif name.startswith("val_"):
            yield f"{name.removeprefix('val_')}/validation", value
        else:
            yield f"{name}/train", value


def _scalar(name: str, value: float) -> Any:
    return tf.compat.v1.Summary.Value(tag=name, simple_value=value)


def write_end(run: Path, metrics: Mapping[str, Any]) -> Iterator[str]:
    """Write the final metrics and the pictures of a run; yield a note if that fails."""
    values = [_scalar(f"final/{name}", value) for name, value in final_metrics(metrics)]
    values += [each for file in pictures(run) if (each := _picture(file)) is not None]
    try:
        file = _EventFile(run, "final")
        file.add(values, len(epochs(run)), time.time())
        file.close()
    except (OSError, tf.errors.OpError) as error:
        yield f"TensorBoard's files can't be written: {error}"


def _picture(file: Path) -> Any:
    """Return a PNG file as a value of a summary; None if it is too large for a page, or no PNG file."""
    if file.stat().st_size > _MAX_PICTURE_BYTES:
        return None
    content = file.read_bytes()
    if content[:8] != b"\x89PNG\r\n\x1a\n" or len(content) < 24:
        return None
    width, height = struct.unpack(">II", content[16:24])
    image = tf.compat.v1.Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=content)
    return tf.compat.v1.Summary.Value(tag=f"pictures/{file.stem}", image=image)
