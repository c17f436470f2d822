"""Predict images of many requests: what arrives while others are computed is computed together."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock

import numpy as np

from tlkit.contracts import ImageSize
from tlkit.data.images.decode import Resize, picture_to_size
from tlkit.data.images.picture import Picture
from tlkit.data.images.reading import Reading
from tlkit.evaluation.given_images import GivenImage
from tlkit.evaluation.prediction import Prediction
from tlkit.evaluation.predictor import Predictor
from tlkit.models.engines import TENSORFLOW
from tlkit.serve.bodies import SentImage
from tlkit.system.parallel import usable_processors

TOGETHER = 16
"""The largest number of images that TensorFlow computes together."""
_LARGE = 8_000_000
"""Of images with more pixels one is decoded at a time, because that may take hundreds of megabytes."""


@dataclass(frozen=True, eq=False)
class _Job:
    image: SentImage
    answer: Future[Prediction]


@dataclass(frozen=True, eq=False)
class _Bounded(GivenImage):
    """An encoded image of somebody else: one that is too large is refused before its pixels are decoded.

    Args:
        pixels: the largest number of pixels.
        alone: held while a large image is decoded.
    """

    pixels: int
    alone: Lock

    def to_size(self, size: ImageSize, resize: Resize, reading: Reading) -> tuple[np.ndarray, ImageSize]:
        """Decode the image and resize it."""
        assert isinstance(self.image, bytes)
        bounded = replace(reading, max_pixels=self.pixels)
        with (
            Picture(Path(self.title), self.image, bounded) as picture,
            self.alone if math.prod(picture.size) > _LARGE else nullcontext(),
        ):
            return picture_to_size(picture, size, resize)


class Workers:
    """Threads that predict images.

    LiteRT and the runtimes of exported files compute an image at a time in each thread; TensorFlow computes what
    has arrived together.

    Args:
        predictor: the model.
        pixels: the largest number of pixels of an image.
        seen: called with the number of images that are computed together.
    """

    def __init__(self, predictor: Predictor, pixels: int, seen: Callable[[int], None] = lambda _count: None) -> None:
        self.predictor = predictor
        self._pixels = pixels
        self._seen = seen
        self._jobs: deque[_Job] = deque()
        self._changed = threading.Condition()
        self._large = Lock()
        self._closed = False
        in_batches = predictor.engine == str(TENSORFLOW)
        self._together = TOGETHER if in_batches else 1
        count = 1 if in_batches else usable_processors()
        self._threads = [
            threading.Thread(target=self._work, name=f"tlkit-serve-{number}", daemon=True) for number in range(count)
        ]

    def start(self) -> None:
        """Predict a black image, which shows that the model runs, and start the threads.

        Raises:
            RunError: it doesn't run.
        """
        black = np.zeros((*self.predictor.card.image_size, 3), np.uint8)
        list(self.predictor.predict_given([GivenImage(black, "a black image")], 1))
        for each in self._threads:
            each.start()

    def close(self) -> None:
        """End the threads; what waits is cancelled."""
        with self._changed:
            self._closed = True
            for each in self._jobs:
                each.answer.cancel()
            self._jobs.clear()
            self._changed.notify_all()

    def submit(self, image: SentImage) -> Future[Prediction]:
        """Return what will be the prediction of an image; if it is cancelled in time, the image is left out."""
        job = _Job(image, Future())
        with self._changed:
            self._jobs.append(job)
            self._changed.notify()
        return job.answer

    def _work(self) -> None:
        while jobs := self._next():
            self._seen(len(jobs))
            try:
                self._predict(jobs)
            except BaseException as error:  # goes to the requests that wait for it
                for each in jobs:
                    if not each.answer.done():
                        each.answer.set_exception(error)

    def _next(self) -> list[_Job]:
        """Return the images to compute next, as soon as there are any; none at the end."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._jobs or self._closed)
                if self._closed:
                    return []
                taken = [self._jobs.popleft() for _ in range(min(len(self._jobs), self._together))]
            wanted = [each for each in taken if each.answer.set_running_or_notify_cancel()]
            if wanted:
                return wanted

    def _predict(self, jobs: list[_Job]) -> None:
        given = [_Bounded(each.image.content, each.image.name, self._pixels, self._large) for each in jobs]
        for each, prediction in zip(jobs, self.predictor.predict_given(given, self._together), strict=True):
            each.answer.set_result(prediction)
