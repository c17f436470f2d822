"""How tlkit copes with a list of millions of images: each stage of the data's way through a run, without the images.

The list is a CSV table with a class for each image, and a group if wanted. Its paths exist, so that they are looked for
as those of any data set: the folders are links to one folder of empty files. What the files hold is made up of their
keys.
"""

from __future__ import annotations

import gc
import hashlib
import pickle
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

FILES = 1000
"""Images of a folder."""
CLASSES = 1000
IN_GROUPS = 10
"""Images of a group, on average."""
BLOCK = 256
"""Images of a block of a pass."""
WORKERS, BATCH = 64, 8192
"""Workers of a training, and the images of a step of all of them."""


def measure_rows(count: int, folder: Path, say: Callable[[str], None], *, grouped: bool = True) -> None:
    """Measure what each stage takes for a list of images, and print it.

    Args:
        count: how many images are on the list.
        folder: an empty folder for it.
        say: prints a line.
        grouped: whether images are in groups that stay whole.
    """
    table = folder / "images.csv"
    write_table(table, count)
    groups = f"groups of {IN_GROUPS} on average" if grouped else "no groups"
    say(f"{count} rows, {table.stat().st_size / 1e6:.0f} MB, {CLASSES} classes, {groups}")
    say(f"{'stage':<32}{'seconds':>10}{'processor s':>12}{'peak MB':>10}{'MB after':>10}")
    began, used, stages = time.perf_counter(), time.process_time(), _Stages(say)
    _run_stages(table, folder, stages, grouped=grouped)
    say(f"{'all':<32}{time.perf_counter() - began:>10.1f}{time.process_time() - used:>12.1f}{stages.peak:>10.0f}")


def write_table(table: Path, count: int) -> None:
    """Write the list, and make the files that it names."""
    images = table.parent / "files"
    images.mkdir()
    for number in range(FILES):
        (images / f"img{number:04d}.jpg").touch()
    random = np.random.default_rng(0)
    with table.open("w", encoding="utf-8") as text:
        text.write("image,label,patient\n")
        group = 0
        for first in range(0, count, FILES):
            (table.parent / f"part{first // FILES:06d}").symlink_to(images, target_is_directory=True)
            starts = random.random(FILES) < 1 / IN_GROUPS
            of_group = random.integers(0, CLASSES)
            others = random.integers(0, CLASSES, FILES)
            for number in range(min(FILES, count - first)):
                if starts[number]:
                    group += 1
                    of_group = others[number]
                label = others[number] if others[number] % 7 == 0 else of_group
                text.write(f"part{first // FILES:06d}/img{number:04d}.jpg,class{label:04d},patient{group:08d}\n")


class _Stages:
    """Runs stages, and keeps what the last of them returned.

    Args:
        say: prints a line.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self.peak = 0.0

    def run(self, name: str, work: Callable[[], Any]) -> Any:
        """Run a stage, print its seconds and megabytes, and return what it returned."""
        gc.collect()
        _forget_peak()
        began, used = time.perf_counter(), time.process_time()
        result = work()
        seconds, processor, peak = time.perf_counter() - began, time.process_time() - used, _memory("VmHWM")
        self._say(f"{name:<32}{seconds:>10.1f}{processor:>12.1f}{peak:>10.0f}{_memory('VmRSS'):>10.0f}")
        self.peak = max(self.peak, peak)
        return result


def _run_stages(table: Path, folder: Path, stages: _Stages, *, grouped: bool) -> None:
    from tlkit_datasets.options import CsvOptions
    from tlkit_datasets.table import open_csv

    from tlkit.contracts import DatasetContext
    from tlkit.data.class_names import with_composed_names
    from tlkit.data.outside import with_outside_note
    from tlkit.data.sample_set import check_sample_set
    from tlkit.data.split_data import split_data
    from tlkit.data.store.store import Filled
    from tlkit.recipe.input_table import InputTable
    from tlkit.runs.checksums import add_checksums
    from tlkit.runs.samples import SamplesFile

    options = CsvOptions(path=table, group="patient" if grouped else None)
    context = DatasetContext("classification", 0)
    samples = stages.run("read the table", lambda: open_csv(context, options))
    stages.run("check the samples", lambda: check_sample_set(samples, "classification", "csv"))
    samples = stages.run("note images outside", lambda: with_outside_note(with_composed_names(samples, "csv")))
    store = stages.run("(make digests)", lambda: _store(samples.samples))
    reading = SimpleNamespace(value_range=None)
    inputs = InputTable(image_size=224, validation=0.1)
    settings = SimpleNamespace(
        input=inputs, task="classification", seed=0, minimum_classes=2, title="csv", reading=reading
    )
    filled = Filled(store, samples.samples, ())
    data = stages.run("split whole groups" if grouped else "split", lambda: split_data(settings, samples, filled, None))  # type: ignore[arg-type]
    file = folder / "samples.csv"
    stages.run("write samples.csv", lambda: data.write_samples_csv(file))
    stages.run("take its checksum", lambda: add_checksums(folder, [file.name]))
    stages.run("compare the data with it", lambda: SamplesFile(file).check_unchanged(data.sample_rows()))
    stages.run("shard: a pass in blocks", lambda: _in_blocks(data.samples))
    rows = data.indices("train")
    data = store = samples = filled = None
    stages.run("read samples.csv", lambda: len(SamplesFile(file).read_used()))
    stages.run(f"shard: an epoch for {WORKERS} workers", lambda: _cut_epoch(rows))


def _in_blocks(samples: Any) -> int:
    """Make the blocks that the workers of a pass get, one by one, as they come out in a worker; return their bytes."""
    from tlkit.contracts import image_text

    paths, sent = ((Path(image_text(each) or ""), False) for each in samples), 0
    while block := list(islice(paths, BLOCK)):
        content = pickle.dumps(block)
        pickle.loads(content)
        sent += len(content)
    return sent


def _cut_epoch(rows: np.ndarray) -> int:
    """Return how many images of an epoch one of several workers has: its rows of each batch."""
    from tlkit.data.feed.pipeline import epoch_order
    from tlkit.train.team import Team

    order, team = rows[epoch_order(0, 0, 0, len(rows))], Team(1, WORKERS)
    batches = (order[first : first + BATCH] for first in range(0, len(order), BATCH))
    return sum(len(batch[team.rows(len(batch))]) for batch in batches)


def _store(samples: Any) -> Any:
    """Return a store without images, whose digests are those of the keys."""
    from tlkit.data.store.decoding import Digests
    from tlkit.data.store.read_digests import ReadDigests
    from tlkit.data.store.store import Store

    read = ReadDigests()
    for each in samples:
        digest = hashlib.sha256(each.key.encode()).hexdigest()
        read.add(each.key, Digests(digest, digest, ""))
    sizes = np.full((len(samples), 2), 375, np.int32)
    digests = read.whole(each.key for each in samples)
    return Store(np.zeros((0, 1, 1, 3), np.uint8), None, digests, sizes, read)


def _memory(what: str) -> float:
    """Return the resident memory of this process, or its greatest since ``_forget_peak``, in MB."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return float(next(line for line in lines if line.startswith(what)).split()[1]) * 1024 / 1e6


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
