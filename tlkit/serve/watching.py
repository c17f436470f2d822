"""Predict the images that appear in a folder, and write what was predicted.

Each image gets a JSON file of its own beside nothing else's: a file that exists, and says the image's size and time, is
work that is done, whenever the process was stopped.
"""

from __future__ import annotations

import errno
import json
import stat
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tlkit.data.images.image_file import read_file
from tlkit.errors import DataError, TlkitError
from tlkit.evaluation.prediction import Prediction
from tlkit.files import images_in
from tlkit.report.mask_files import palette_png
from tlkit.report.prediction_values import prediction_values
from tlkit.serve.bodies import SentImage
from tlkit.serve.workers import Workers
from tlkit.system.disk import IN_THE_WAY, write_atomically

_EVERY = 1.0
"""Seconds between two looks at the folder."""
_SETTLED = 1.0
"""Seconds for which a file must stay as it is before it is read: it may be half-written."""
_GIVEN_UP = 60.0
"""Seconds after which a file that can't be decoded, and stays as it is, is taken for damaged."""
_AHEAD = 16
"""Images that are read ahead."""
_MOST_BYTES = 64_000_000
"""The largest file of a prediction that is read."""
_OF_THE_NAME = (*IN_THE_WAY, errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ)
"""Error numbers that are about one file, not about the folder or the disk: the others go on without it."""

_Stamp = tuple[int, int]
"""The size of a file in bytes, and its time in nanoseconds."""


@dataclass(frozen=True)
class Watched:
    """What is watched.

    Args:
        folder: where images appear, at any depth.
        out: where the predictions are written to.
        model: what predicts, as it stands in each file: images that another one predicted are predicted again.
    """

    folder: Path
    out: Path
    model: str


class Watching:
    """A thread that predicts the images of a folder as they appear.

    Args:
        watched: the folder.
        workers: predict the images.
        say: called with what a user should know, such as that the folder can't be read.
        done: called after each image.
    """

    def __init__(
        self,
        watched: Watched,
        workers: Workers,
        say: Callable[[str], None],
        done: Callable[[], None] = lambda: None,
    ) -> None:
        self._watched = watched
        self._workers = workers
        self._say = say
        self._finished = done
        self._seen: dict[Path, tuple[_Stamp, float]] = {}
        self._done: dict[Path, _Stamp] = {}
        self._foreign: set[Path] = set()
        self._problem = ""
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tlkit-watch", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End after the image that is being written."""
        self._stopped.set()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self.look()
                self._problem = ""
            except (OSError, TlkitError) as error:
                if str(error) != self._problem:  # once, and not at each look
                    self._say(f"--watch {self._watched.folder}: {error}")
                self._problem = str(error)
            self._stopped.wait(_EVERY)

    def look(self, now: float | None = None) -> int:
        """Predict the images that are new and settled, and return their number.

        Args:
            now: the time in seconds of a clock that is never set; None for the present.
        """
        now = time.monotonic() if now is None else now
        waiting: list[tuple[Path, _Stamp, Future[Prediction]]] = []
        count = 0
        for file, stamp in self._ready(now):
            if self._stopped.is_set():
                break
            try:
                content = read_file(file)
            except DataError:
                continue  # it has gone again, or is read at the next look
            waiting.append((file, stamp, self._workers.submit(SentImage(self._name(file), content))))
            if len(waiting) >= _AHEAD:
                count += self._write(*waiting.pop(0), now)
        for each in waiting:
            count += self._write(*each, now)
        return count

    def _ready(self, now: float) -> Iterator[tuple[Path, _Stamp]]:
        """Yield the images that are not predicted yet, and have not changed for a while."""
        out = self._watched.out.resolve()
        own: dict[Path, bool] = {}  # folder → whether it holds predictions, whichever way it is written
        found = []
        for each in images_in(self._watched.folder):
            if each.parent not in own:
                own[each.parent] = each.parent.resolve().is_relative_to(out)
            if not own[each.parent]:
                found.append(each)
        for gone in self._seen.keys() - set(found):
            del self._seen[gone]
            self._done.pop(gone, None)
        for file in found:
            try:
                status = file.stat()
            except OSError:
                continue
            stamp = (status.st_size, status.st_mtime_ns)
            if self._seen.get(file, (None, 0.0))[0] != stamp:
                self._seen[file] = (stamp, now)
            if file in self._foreign or self._is_done(file, stamp) or now - self._seen[file][1] < _SETTLED:
                continue
            yield file, stamp

    def _is_done(self, file: Path, stamp: _Stamp) -> bool:
        if file not in self._done:
            try:
                written = self._written(file)
            except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
                self._foreign.add(file)
                self._say(f"{self._result(file)}: is no prediction of tlkit, and was not changed; move it away")
                return True
            except OSError as error:
                self._leave(file, error)
                return True
            if written is None:
                return False
            self._done[file] = written
        return self._done[file] == stamp

    def _written(self, file: Path) -> _Stamp | None:
        """Return the stamp of the image that was predicted; None if none was, or by another model.

        Raises:
            ValueError, KeyError, TypeError, OverflowError, RecursionError: the file of the prediction is somebody
                else's.
            OSError: there can be no such file.
        """
        result = self._result(file)
        try:
            status = result.stat()
            if not stat.S_ISREG(status.st_mode) or status.st_size > _MOST_BYTES:
                raise ValueError(result)
            record = json.loads(result.read_bytes())
        except FileNotFoundError:
            return None
        stamp = (int(record["bytes"]), int(record["modified_ns"]))
        return stamp if record["model"] == self._watched.model else None

    def _write(self, file: Path, stamp: _Stamp, answer: Future[Prediction], now: float) -> bool:
        try:
            prediction = answer.result()
        except CancelledError:
            return False
        if prediction.error is not None and now - self._seen[file][1] < _GIVEN_UP:
            return False  # perhaps the rest of it is still to come
        card = self._workers.predictor.card
        values = prediction_values(self._name(file), prediction, card, None, self._workers.predictor.columns)
        record: dict[str, Any] = {"model": self._watched.model, "bytes": stamp[0], "modified_ns": stamp[1], **values}
        result = self._result(file)
        try:
            result.parent.mkdir(parents=True, exist_ok=True)
            if prediction.mask is not None:
                mask = result.with_name(f"{file.name}.mask.png")
                write_atomically(mask, palette_png(prediction.mask, card.colors))
                record["mask"] = mask.name
            write_atomically(result, json.dumps(record, indent=2))
        except OSError as error:
            self._leave(file, error)
            return False
        self._done[file] = stamp
        self._finished()
        return True

    def _leave(self, file: Path, error: OSError) -> None:
        """Leave out an image whose prediction can't be a file there.

        Raises:
            OSError: it is not because of its name; then no prediction can be written.
        """
        if error.errno not in _OF_THE_NAME:
            raise error
        self._foreign.add(file)
        self._say(f"{self._result(file)}: can't be written: {error.strerror}; the image is left out")

    def _name(self, file: Path) -> str:
        return file.relative_to(self._watched.folder).as_posix()

    def _result(self, file: Path) -> Path:
        return self._watched.out / f"{self._name(file)}.json"
