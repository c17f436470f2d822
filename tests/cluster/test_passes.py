"""Passes over many files on a Ray cluster of two workers: nothing lost, nothing twice, the bytes of one process."""

from __future__ import annotations

import os
import re
import signal
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import work_on_items
from click.testing import CliRunner, Result
from evaluate_fakes import color_model, make_card, save_run_with_data
from lite_runs import saved_run
from photos import write_photos
from PIL import Image
from recipe_text import recipe_text
from waiting import wait_until

import tlkit
from tlkit.cli import cli
from tlkit.cluster.blocks import in_blocks
from tlkit.cluster.lost import SILENT_SECONDS
from tlkit.cluster.parts import Crew
from tlkit.cluster.ray_cluster import Cluster, ClusterOptions, joined
from tlkit.data.checks import facts_cache
from tlkit.errors import DataError
from tlkit.evaluation.found_images import find_images
from tlkit.evaluation.prediction import Prediction
from tlkit.evaluation.spread_predictor import SpreadPredictor, absent
from tlkit.jobs.predict import predict_to_files
from tlkit.registry import Registry

TWO = ClusterOptions("local", workers=2)


class Said:
    """The lines that a cluster says."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, line: str) -> None:
        self.lines.append(line)

    def processes(self) -> list[int]:
        """Return the numbers of the processes that joined."""
        return [int(each) for line in self.lines for each in re.findall(r"joined: process (\d+) on", line)]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Start two workers; what joins a cluster meanwhile, joins this one."""
    with joined(TWO) as joined_cluster:
        yield joined_cluster


@pytest.fixture
def said(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Said:
    lines = Said()
    monkeypatch.setattr(cluster, "say", lines)
    return lines


def blocks_of(count: int, size: int = 8) -> list[range]:
    return [range(first, min(first + size, count)) for first in range(0, count, size)]


def of_items(start: partial[work_on_items.Work] | object = work_on_items.start) -> Crew[int, str]:
    return Crew(start, work_on_items.died, "numbers")  # type: ignore[arg-type]


def test_results_come_in_the_order_of_the_blocks(cluster: Cluster) -> None:
    found = list(in_blocks(cluster, of_items(), blocks_of(100)))
    assert [each for block in found for each in block] == [str(each) for each in range(100)]
    assert [len(block) for block in found] == [8] * 12 + [4]


def test_no_blocks_give_no_results(cluster: Cluster) -> None:
    assert list(in_blocks(cluster, of_items(), [])) == []


def test_killed_worker_costs_no_item_and_doubles_none(cluster: Cluster, said: Said) -> None:
    found: list[str] = []
    killed: set[int] = set()
    crew = of_items(partial(work_on_items.start, seconds=0.05))
    for number, block in enumerate(in_blocks(cluster, crew, blocks_of(240))):
        found += block
        if number in (2, 20):  # what was computed ahead of the first kill is used up
            process = next(each for each in said.processes() if each not in killed)
            killed.add(process)
            os.kill(process, signal.SIGKILL)
    assert found == [str(each) for each in range(240)]
    lost = [line for line in said.lines if "was lost" in line]
    assert len(lost) == 2
    assert re.fullmatch(r"worker \d \(process \d+ on .+\) was lost; its \d+ numbers are given to others", lost[0])


@pytest.mark.slow
def test_frozen_worker_is_noticed_and_its_block_computed_by_another(cluster: Cluster, said: Said) -> None:
    found: list[str] = []
    frozen: int | None = None
    began = 0.0
    crew = of_items(partial(work_on_items.start, seconds=0.05))
    for block in in_blocks(cluster, crew, blocks_of(240)):
        found += block
        if frozen is None and said.processes():
            frozen, began = said.processes()[0], time.monotonic()
            os.kill(frozen, signal.SIGSTOP)
    assert found == [str(each) for each in range(240)]
    [lost] = [line for line in said.lines if "was lost" in line]
    assert re.fullmatch(
        rf"worker \d \(process {frozen} on .+\) was lost: frozen, without a sign of life for 2\d s; "
        r"its \d+ numbers are given to others",
        lost,
    )
    assert time.monotonic() - began < 60  # 30 s until it is noticed, and those in which another starts
    assert frozen is not None
    wait_until(lambda: not _runs(frozen), "the frozen process ends")


@pytest.mark.slow
def test_worker_that_works_for_long_is_not_taken_for_frozen(cluster: Cluster, said: Said) -> None:
    crew = of_items(partial(work_on_items.start, seconds=SILENT_SECONDS + 6))
    assert list(in_blocks(cluster, crew, [[1], [2]])) == [["1"], ["2"]]
    assert not [line for line in said.lines if "was lost" in line]


@pytest.mark.slow
def test_item_that_kills_its_workers_is_set_aside_alone(cluster: Cluster) -> None:
    crew = of_items(partial(work_on_items.start, deadly=(21,)))
    found = [each for block in in_blocks(cluster, crew, blocks_of(40)) for each in block]
    assert found == [str(each) if each != 21 else "21: each process that read it died" for each in range(40)]


def test_error_of_a_worker_is_raised_as_it_is(cluster: Cluster) -> None:
    with pytest.raises(DataError, match=r"^model\.keras: damaged$"):
        list(in_blocks(cluster, of_items(work_on_items.start_that_fails), blocks_of(8)))


def test_bug_in_a_worker_has_its_traceback(cluster: Cluster) -> None:
    with pytest.raises(ZeroDivisionError) as raised:
        list(in_blocks(cluster, of_items(work_on_items.start_with_a_bug), blocks_of(8)))
    assert "work_on_items.py" in raised.value.__notes__[0]


def test_workers_end_with_the_iterator(cluster: Cluster, said: Said) -> None:
    results = in_blocks(cluster, of_items(), blocks_of(1000))
    next(results)
    assert said.processes()
    results.close()
    wait_until(lambda: not any(map(_runs, said.processes())), "the workers end")


def _runs(process: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(process, 0)
        return True
    return False


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write 60 images, some of them in a sub-folder, and two files that are none."""
    folder = tmp_path_factory.mktemp("data") / "photos"
    (folder / "more").mkdir(parents=True)
    random = np.random.default_rng(1)
    for number in range(60):
        place = folder / "more" if number % 3 else folder
        Image.fromarray(random.integers(0, 256, (9 + number, 12, 3), np.uint8)).save(place / f"{number}.png")
    (folder / "broken.png").write_bytes(b"\x89PNG and no more")
    (folder / "more" / "text.jpg").write_text("no image")
    return folder


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved_run(tmp_path_factory.mktemp("runs") / "classifier", make_card()).path


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved_run(tmp_path_factory.mktemp("runs") / "segmenter", make_card(task="segmentation", resize="pad")).path


def call(*arguments: object) -> Result:
    result = CliRunner().invoke(cli, [str(each) for each in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.usefixtures("cluster")
def test_predicted_table_has_the_bytes_of_one_process(
    classifier: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photos.parent)  # the paths in the table are those that the user gave
    alone = call("predict", classifier, "photos", "--out", tmp_path / "alone.csv")
    spread = call("predict", classifier, "photos", "--out", tmp_path / "spread.csv", "--cluster", "local")
    assert (tmp_path / "spread.csv").read_bytes() == (tmp_path / "alone.csv").read_bytes()
    assert (tmp_path / "alone.csv").read_text().count("\n") == 61
    aside = [line for line in alone.stderr.splitlines() if line.startswith("set aside: photos")]
    assert len(aside) == 2
    assert [line for line in spread.stderr.splitlines() if line.startswith("set aside: photos")] == aside
    assert re.search(r"worker \d joined: process", spread.stderr)


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
def test_predicted_masks_have_the_bytes_of_one_process(segmenter: Path, photos: Path, tmp_path: Path) -> None:
    call("predict", segmenter, photos, "--out", tmp_path / "alone")
    call("predict", segmenter, photos, "--out", tmp_path / "spread", "--cluster", "local")
    alone = files_in(tmp_path / "alone")
    assert len(alone) == 121
    assert files_in(tmp_path / "spread") == alone


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
def test_killed_worker_loses_and_doubles_no_image(classifier: Path, photos: Path) -> None:
    expected = tlkit.load(classifier).predict(photos)
    predictor = tlkit.load(classifier, cluster=TWO)
    killed: list[int] = []

    def kill_the_first(line: str) -> None:
        for process in re.findall(r"joined: process (\d+) on", line)[: 1 - len(killed)]:
            killed.append(int(process))
            os.kill(int(process), signal.SIGKILL)

    predictor.say = kill_the_first
    assert predictor.predict(photos) == expected
    assert killed


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
def test_images_in_memory_are_predicted_by_workers(classifier: Path) -> None:
    images: Sequence[np.ndarray] = [np.full((9, 9, 3), 5 * number, np.uint8) for number in range(20)]
    expected = tlkit.load(classifier).predict(images)
    assert list(tlkit.load(classifier, cluster=TWO).predict_batches(each for each in images)) == expected


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
def test_model_that_workers_do_not_see_is_named_with_the_machine(classifier: Path, photos: Path) -> None:
    predictor = tlkit.load(classifier, cluster=TWO)
    assert isinstance(predictor, SpreadPredictor)
    predictor._of_worker = replace(predictor._of_worker, path=Path("/nowhere/run"))
    with pytest.raises(
        DataError, match=rf"^/nowhere/run: {socket.gethostname()} has no such file or folder; expected "
    ):
        predictor.predict(photos)


def test_image_that_only_this_machine_sees_is_an_error(photos: Path) -> None:
    unread = Prediction(photos / "broken.png", error="can't be read")
    with pytest.raises(DataError, match=r"broken\.png: node-7 has no such file; expected the images at the same path"):
        absent(unread, "node-7")


def test_image_that_has_vanished_everywhere_is_set_aside(photos: Path) -> None:
    unread = Prediction(photos / "gone.png", error="can't be read")
    assert absent(unread, "node-7") is unread


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
def test_three_killed_workers_cost_no_image(classifier: Path, tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    random = np.random.default_rng(2)
    for number in range(1500):
        Image.fromarray(random.integers(0, 256, (90, 120, 3), np.uint8)).save(folder / f"{number:04}.png")
    images = find_images(folder)
    alone, spread = tmp_path / "alone.csv", tmp_path / "spread.csv"
    predict_to_files(tlkit.load(classifier), images, alone)
    predictor, lines, killed = tlkit.load(classifier, cluster=TWO), Said(), set[int]()
    predictor.say = lines

    def kill_now_and_then(_stage: str, done: int, _total: int) -> None:
        alive = [each for each in lines.processes() if each not in killed]
        if done in (100, 600, 1100) and alive:
            killed.add(alive[0])
            os.kill(alive[0], signal.SIGKILL)

    assert predict_to_files(predictor, images, spread, progress=kill_now_and_then) == 1500
    assert len(killed) == 3
    assert sum("was lost" in line for line in lines.lines) == 3
    assert spread.read_bytes() == alone.read_bytes()


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("options", [("--tiles", "model"), ("--tiles", "16", "--overlap", "3")])
def test_predictions_in_tiles_have_the_bytes_of_one_process(
    options: tuple[str, ...], classifier: Path, segmenter: Path, photos: Path, tmp_path: Path
) -> None:
    for run, suffix in ((classifier, ".csv"), (segmenter, "")):
        alone, spread = (tmp_path / f"{run.name}-{name}{suffix}" for name in ("alone", "spread"))
        call("predict", run, photos, *options, "--out", alone)
        call("predict", run, photos, *options, "--out", spread, "--cluster", "local")
        assert alone.exists()
        if suffix:
            assert spread.read_bytes() == alone.read_bytes()
        else:
            assert files_in(spread) == files_in(alone)


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("engine", ["litert", "openvino", "tensorflow"])
def test_each_engine_gives_workers_the_numbers_of_one_process(engine: str, classifier: Path, photos: Path) -> None:
    arguments = ("predict", classifier, photos, "--engine", engine, "--json")
    assert call(*arguments, "--cluster", "local").stdout == call(*arguments).stdout


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
def test_metrics_are_those_of_one_process(photos: Path, tmp_path: Path, registry: Registry) -> None:
    data = write_photos(tmp_path / "data", {"red": 40, "green": 40, "blue": 30}, (9, 9))
    text = recipe_text(data={"name": "folder", "path": data}, input={"image_size": 8, "batch_size": 4})
    run = save_run_with_data(tmp_path / "run", color_model(), make_card(), text, registry).path
    found = [tlkit.evaluate(run, split="train", cluster=each).metrics for each in (None, TWO)]
    assert found[0] == found[1]


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
def test_check_finds_what_one_process_finds(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(photos.parent)
    monkeypatch.setattr(facts_cache, "RACY", 0)  # the photos may have been written just now
    found = []
    for name in ("alone", "spread"):
        monkeypatch.setenv("TLKIT_CACHE", str(tmp_path / name))
        found.append(tlkit.check("photos", cluster=TWO if name == "spread" else None))
    reports = [{**each.report.as_json(), "seconds": 0} for each in found]
    assert reports[0] == reports[1]
    assert found[1].report.read == 41  # those below the one class folder, more/: 40 images and text.jpg
    again = tlkit.check("photos", cluster=TWO)  # no file is read a second time
    assert again.report.read == 0
