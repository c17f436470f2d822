"""A worker of a pass that hangs in its work, while its process still answers: noticed, replaced, and the file named."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import work_on_items
from evaluate_fakes import make_card
from lite_runs import saved_run
from PIL import Image

import tlkit
from tlkit.cluster.blocks import in_blocks
from tlkit.cluster.parts import Block, Crew, Fate, Part, after_hang
from tlkit.cluster.progress import Progress, read_one_by_one
from tlkit.cluster.ray_cluster import Cluster, ClusterOptions, joined
from tlkit.data.checks.spread_facts import SpreadFacts
from tlkit.errors import RunError
from tlkit.evaluation.found_images import FoundImage
from tlkit.evaluation.spread_tiles import spread_in_tiles
from tlkit.evaluation.tiled import TiledPredictor

SHORT = 4.0
"""Seconds after which a worker counts as hung here."""
TWO = ClusterOptions("local", workers=2, patience=SHORT)
HUNG = r"worker \d \(process \d+ on .+\) was lost: hung: it did not go on for \d+ s while it read {}; its \d+ {} are .+"


def test_position_says_what_is_done_and_read() -> None:
    progress = Progress()
    assert progress.position() is None
    with progress.working():  # the start
        pass
    with progress.working():
        progress.went_on()
        with progress.reading(3), progress.reading(1):
            position = progress.position()
        assert position is not None
        assert (position.block, position.steps, position.reading) == (1, 1, 3)
        after = progress.position()
        assert after is not None
        assert (after.steps, after.reading) == (3, None)
    assert progress.position() is None


def test_items_are_read_one_after_the_other() -> None:
    assert list(read_one_by_one("abc")) == ["a", "b", "c"]


def part_of(count: int) -> Part:
    return Part(Block(list(range(count)), [None] * count, count), 0, count)


CREW: Crew[int, str] = Crew(work_on_items.start, work_on_items.died, "numbers")  # type: ignore[arg-type]
FATE = Fate("each process that read it hung", "hung")


def test_second_hang_of_an_item_sets_it_aside_and_keeps_the_rest() -> None:
    part = part_of(8)
    assert list(after_hang(part, CREW, FATE, 2)) == [part]
    again = list(after_hang(part, CREW, FATE, 2))
    assert [(each.first, each.end) for each in again] == [(0, 2), (3, 8)]
    assert part.block.results[2] == "2: each process that read it hung"
    assert part.block.left == 7


def test_other_item_that_hangs_is_given_another_chance() -> None:
    part = part_of(8)
    assert list(after_hang(part, CREW, FATE, 2)) == [part]
    assert list(after_hang(part, CREW, FATE, 5)) == [part]
    assert part.block.left == 8


def test_hang_outside_of_reading_divides_the_block_as_a_death_does() -> None:
    part = part_of(16)
    assert list(after_hang(part, CREW, FATE, None)) == [part]
    assert [(each.first, each.end) for each in after_hang(part, CREW, FATE, None)] == [
        (n, n + 2) for n in range(0, 16, 2)
    ]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    pytest.importorskip("ray")
    with joined(TWO) as joined_cluster:
        yield joined_cluster


@pytest.fixture
def said(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(cluster, "say", lines.append)
    return lines


def lost(lines: list[str]) -> list[str]:
    return [line for line in lines if "was lost" in line]


def crew_of(**options: object) -> Crew[int, str]:
    start = partial(work_on_items.start_one_by_one, **options)  # type: ignore[arg-type]
    return Crew(start, work_on_items.died, "numbers", work_on_items.title)


def blocks_of(count: int) -> list[range]:
    return [range(first, first + 8) for first in range(0, count, 8)]


@pytest.mark.slow
def test_block_that_hung_once_is_computed_by_another_worker(cluster: Cluster, said: list[str], tmp_path: Path) -> None:
    crew = crew_of(hangs=(21,), once=tmp_path / "once")
    found = [each for block in in_blocks(cluster, crew, blocks_of(40)) for each in block]
    assert found == [str(each) for each in range(40)]
    [line] = lost(said)
    assert re.fullmatch(HUNG.format("number 21", "numbers"), line)


@pytest.mark.slow
def test_item_that_hangs_each_worker_is_set_aside_alone(cluster: Cluster, said: list[str]) -> None:
    found = [each for block in in_blocks(cluster, crew_of(hangs=(21,)), blocks_of(40)) for each in block]
    assert found == [str(each) if each != 21 else "21: each process that read it hung" for each in range(40)]
    assert len(lost(said)) == 2


@pytest.mark.slow
def test_slow_block_whose_items_come_is_not_taken_for_hung(cluster: Cluster, said: list[str]) -> None:
    crew = crew_of(seconds=SHORT / 3)
    assert list(in_blocks(cluster, crew, [range(8)])) == [[str(each) for each in range(8)]]
    assert not lost(said)


@pytest.mark.slow
def test_where_all_hang_the_pass_ends_with_the_name_of_a_file(cluster: Cluster) -> None:
    with pytest.raises(RunError, match=r"hung: it did not go on for \d+ s while it read number \d+, the 7th in a row"):
        list(in_blocks(cluster, crew_of(hangs=tuple(range(40))), blocks_of(40)))


DEAD_DRIVE = """
import os, pathlib, time

read = pathlib.Path.read_bytes

def read_bytes(path):
    while os.getpid() != {process} and path.name == "hangs.png":
        time.sleep(1)
    return read(path)

pathlib.Path.read_bytes = read_bytes
"""
"""A plugin file with which a file hangs each worker that reads it."""


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("engine", ["litert", "tensorflow"])
def test_file_that_hangs_is_named_and_all_others_are_predicted(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = saved_run(tmp_path / "run", make_card()).path
    folder = tmp_path / "photos"
    folder.mkdir()
    random = np.random.default_rng(1)
    for number in range(30):
        name = "hangs" if number == 17 else f"{number:02}"
        Image.fromarray(random.integers(0, 256, (9, 12, 3), np.uint8)).save(folder / f"{name}.png")
    expected = {each.path: each for each in tlkit.load(run, engine=engine).predict(folder)}
    plugin = tmp_path / "dead_drive.py"
    plugin.write_text(DEAD_DRIVE.format(process=os.getpid()))
    monkeypatch.setattr(Path, "read_bytes", Path.read_bytes)  # the plugin replaces it in this process, too
    predictor = tlkit.load(run, engine=engine, registry=tlkit.plugins(plugin), cluster=TWO)
    lines: list[str] = []
    predictor.say = lines.append
    found = {each.path: each for each in predictor.predict(folder)}
    hangs = folder / "hangs.png"
    assert found.pop(hangs).error == f"{hangs}: each process that read it hung"
    expected.pop(hangs)
    assert found.keys() == expected.keys()
    if engine == "litert":  # TensorFlow computes batches, which here have other images
        assert found == expected
    assert len(lost(lines)) == 2
    assert re.fullmatch(HUNG.format(re.escape(str(hangs)), "images"), lost(lines)[0])


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
def test_file_that_hangs_is_found_by_a_check(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.png", "hangs.png", "b.png")]
    lines: list[str] = []
    [found] = SpreadFacts(TWO, lines.append).read(work_on_items.read_files, [(paths, False)])
    assert [facts.digest for facts, _ in found] == ["a.png", "", "b.png"]
    assert found[1][0].reason == "each process that read it hung"
    assert len(lost(lines)) == 2


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
def test_large_picture_whose_tiles_come_is_not_taken_for_hung(tmp_path: Path) -> None:
    run = saved_run(tmp_path / "run", make_card()).path
    pixels = np.random.default_rng(1).integers(0, 256, (16, 24, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "large.png")
    predictor = tlkit.load(run, cluster=replace(TWO, patience=2))
    lines: list[str] = []
    predictor.say = lines.append
    tiled = TiledPredictor(predictor, 8, 0)
    image = FoundImage(tmp_path / "large.png", "large.png")
    [found] = spread_in_tiles(tiled, [image], work_on_items.predict_slowly, lambda *_: None)
    assert found.tiles is not None
    assert len(found.tiles.boxes) == 6
    assert not lost(lines)
