"""Exports read a few of a run's images, not all of them."""

from __future__ import annotations

from pathlib import Path

from tlkit.jobs.export import export
from tlkit.jobs.measured_data import own_data
from tlkit.registry import Registry
from tlkit.runs.folder import RunFolder
from tlkit.runs.samples import SamplesFile


def test_a_few_images_keep_their_splits_and_classes(run: Path, registry: Registry, tmp_path: Path) -> None:
    used = SamplesFile(RunFolder(run).samples).read_used()
    listed = own_data(RunFolder(run), registry)
    few = listed.few(evaluated=4, trained=3)
    cache = tmp_path / "cache"
    cache.mkdir()
    data = few.decode(cache, lambda _done, _total: None)
    found = {split: [data.samples[row] for row in data.indices(split)] for split in ("train", "validation", "test")}
    assert {split: len(samples) for split, samples in found.items()} == {"train": 3, "validation": 4, "test": 0}
    assert all(used[each.key].split == split for split, samples in found.items() for each in samples)
    assert all(data.classes[each.label] == used[each.key].label for samples in found.values() for each in samples)
    assert len({each.label for each in found["validation"]}) == 3  # spread over the classes


def test_without_validation_images_test_images_are_taken_else_training_images(run: Path, registry: Registry) -> None:
    file = RunFolder(run).samples
    text = file.read_text(encoding="utf-8")

    def splits(replaced: str) -> list[str | None]:
        file.write_text(text.replace("validation", replaced), encoding="utf-8")
        few = own_data(RunFolder(run), registry).few(evaluated=5, trained=2)
        return sorted(str(each.split) for each in few.sample_set.samples)

    assert splits("test") == ["test"] * 5 + ["train"] * 2
    assert splits("train") == ["train"] * 5


def test_an_export_reads_only_the_images_that_it_compares(run: Path, monkeypatch, offering) -> None:
    read: list[int] = []
    monkeypatch.setattr("tlkit.exports.gate.MOST_IMAGES", 4)
    monkeypatch.setattr("tlkit.exports.gate.CALIBRATION_IMAGES", 2)

    def note(doing: str, _done: int, total: int) -> None:
        if doing == "reading images":
            read.append(total)

    result = export(run, format="tiny", registry=offering(), progress=note)
    assert result.exports[0].images == 4
    assert max(read) == 6
