"""The measurements of tlkit; each function runs in a process of its own and returns plain values."""

from __future__ import annotations

import resource
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any


class _Trained(BaseException):
    """Training has ended, and the rest of the run is not measured."""


def run(
    recipe: str,
    out: str,
    *,
    whole: bool = False,
    plugins: Sequence[str] = (),
    settings: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Run ``tlkit run``, and measure the time of its training part and its peak memory.

    The training part is everything from the first decode to the end of the last epoch, except building the network.

    Args:
        recipe: the recipe's file.
        out: the run folder.
        whole: continue after the training: save, evaluate, draw.
        plugins: plugin files to load.
        settings: recipe key → value.

    Returns:
        ``decode_seconds``; ``train_seconds``: from the preparation of the phase to the end of the last epoch;
        ``training_seconds``: their sum; ``first_seconds``: until the end of the first epoch; ``epoch_seconds``: each
        epoch; ``trained`` and ``ended``: ``max_rss`` and ``max_anonymous`` in bytes, at the end of the training and at
        the end of the run; ``cached_bytes``: cached images and features.
    """
    memory = _Memory()
    memory.start()
    from tlkit.system.tensorflow import start_tensorflow

    start_tensorflow()
    import imagehash  # noqa: F401 - imported here so that its time is not the training's, like the next
    import sklearn.model_selection  # noqa: F401

    from tlkit.cli import main
    from tlkit.system.cache import cache_entries

    stopwatch = _Stopwatch(memory, stop=not whole)
    stopwatch.attach()
    try:
        loaded = chain.from_iterable(("--plugin", each) for each in plugins)
        changed = chain.from_iterable(("--set", f"{key}={value}") for key, value in (settings or {}).items())
        main([*loaded, "run", recipe, *changed, "--out", out])
    except _Trained:
        pass
    except SystemExit as end:
        if end.code:
            raise
    cached = sum(each.size for each in cache_entries())
    return {**stopwatch.times(), "ended": memory.peaks(), "cached_bytes": cached}


def predict(run: str, folder: str, batch: int) -> dict[str, Any]:
    """Predict the JPEGs of a folder as ``tlkit predict`` does, after one batch of warm-up.

    Returns:
        ``images`` and ``seconds``.
    """
    import tlkit
    from tlkit.evaluation.found_images import find_images

    predictor = tlkit.load(run)
    files = [each.path for each in find_images(folder)]
    list(predictor.predict_files(files[:batch], batch_size=batch))
    began = time.perf_counter()
    failed = [each.error for each in predictor.predict_files(files, batch_size=batch) if each.error]
    seconds = time.perf_counter() - began
    if failed:
        raise RuntimeError(f"{len(failed)} files could not be predicted: {failed[0]}")
    return {"images": len(files), "seconds": seconds}


class _Stopwatch:
    """Times the training part of a run, by wrapping the functions of ``tlkit.jobs.from_recipe`` between its stages.

    Args:
        memory: is read when the training has ended.
        stop: end the run after its last epoch, by raising ``_Trained``.
    """

    def __init__(self, memory: _Memory, *, stop: bool) -> None:
        self._memory = memory
        self._stop = stop
        self._trained: dict[str, int | None] = {}
        self._marks: dict[str, float] = {}
        self._epoch_seconds: list[float] = []

    def attach(self) -> None:
        """Replace the functions and methods that are timed."""
        import keras

        import tlkit.data.prepare  # noqa: F401 - imported here so that its time is not the training's
        from tlkit.jobs import from_recipe
        from tlkit.train.loop import Training

        open_data, normalization, make_training, train = (
            from_recipe.open_data,
            from_recipe.normalization,
            from_recipe.make_training,
            Training.run,
        )

        def timed_open_data(*arguments: Any, **options: Any) -> Any:
            self._mark("decode began")
            return open_data(*arguments, **options)

        def timed_normalization(*arguments: Any) -> Any:
            self._mark("decode ended")
            return normalization(*arguments)

        def timed_make_training(*arguments: Any, callbacks: Any, **hooks: Any) -> Any:
            self._mark("training began")
            return make_training(
                *arguments, callbacks=lambda run, phase: [*callbacks(run, phase), self._clock(keras)], **hooks
            )

        def timed_train(*arguments: Any, **options: Any) -> None:
            train(*arguments, **options)
            self._trained = self._memory.peaks()
            if self._stop:
                raise _Trained

        from_recipe.open_data, from_recipe.normalization, from_recipe.make_training = (
            timed_open_data,
            timed_normalization,
            timed_make_training,
        )
        Training.run = timed_train  # type: ignore[method-assign]

    def times(self) -> dict[str, Any]:
        """Return the seconds that ``run`` describes, and ``trained``."""
        marks = self._marks
        decode = marks["decode ended"] - marks["decode began"]
        train = marks["last epoch ended"] - marks["training began"]
        return {
            "epoch_seconds": self._epoch_seconds,
            "decode_seconds": decode,
            "train_seconds": train,
            "training_seconds": decode + train,
            "first_seconds": marks["first epoch ended"] - marks["training began"],
            "trained": self._trained,
        }

    def _mark(self, name: str) -> None:
        self._marks[name] = time.perf_counter()

    def _clock(self, keras: Any) -> Any:
        stopwatch = self

        class Clock(keras.callbacks.Callback):  # type: ignore[misc,name-defined]
            def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
                stopwatch._mark("epoch began")

            def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
                stopwatch._mark("last epoch ended")
                marks = stopwatch._marks
                stopwatch._epoch_seconds.append(marks["last epoch ended"] - marks["epoch began"])
                marks.setdefault("first epoch ended", marks["last epoch ended"])

        return Clock()


class _Memory(threading.Thread):
    """Reads the anonymous memory of the process every 50 ms; pages of mapped files are not part of it."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._status = Path("/proc/self/status")
        self._anonymous = 0

    def run(self) -> None:
        while self._status.is_file():
            self._read()
            time.sleep(0.05)

    def _read(self) -> None:
        for line in self._status.read_text().splitlines():
            if line.startswith("RssAnon:"):
                self._anonymous = max(self._anonymous, 1024 * int(line.split()[1]))

    def peaks(self) -> dict[str, int | None]:
        """Return the peaks in bytes; ``max_anonymous`` is None if the system does not report it."""
        rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        return {"max_rss": rss, "max_anonymous": self._anonymous or None}
