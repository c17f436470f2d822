"""One flipped bit in a file of a run folder: its readers refuse the file, skip it or read what was written.

So that no number is another than was written: checkpoints, ``recipe.toml`` and ``model.json`` have checksums of their
own, and the other files have theirs in ``checksums.txt``.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recipe_text import recipe_text

import tlkit
from tlkit.errors import TlkitError
from tlkit.jobs.measured_data import own_data
from tlkit.registry import Registry
from tlkit.report.compared_runs import open_runs
from tlkit.runs.checksums import add_checksums, remove_checksums
from tlkit.runs.folder import RunFolder
from tlkit.runs.history import read_history
from tlkit.runs.plugins import load_run_recipe, missing_plugins
from tlkit.runs.samples import SamplesFile
from tlkit.train.checkpoint import read_checkpoints
from tlkit.train.environment import differences

COUNTS = [60, pytest.param(500, marks=pytest.mark.slow)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, registry: Registry) -> RunFolder:
    """A finished run with an averaged model and two checkpoints."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "r.toml").write_text(
        recipe_text(
            input={"image_size": 8, "batch_size": 512},
            backbone={"filters": [2]},
            schedule={"name": "full", "epochs": 2},
            train={"ema": 0.9, "checkpoint_steps": 2},
        )
    )
    return RunFolder(tlkit.run(folder / "r.toml", out=folder / "run", registry=registry, quiet=True).folder)


@pytest.fixture
def run(whole: RunFolder, tmp_path: Path) -> RunFolder:
    shutil.copytree(whole.path, tmp_path / "run")
    return RunFolder(tmp_path / "run")


def flips(file: Path, count: int, seed: int = 0) -> Any:
    """Yield the number of a flipped bit of a file after flipping it; in the end the file is as before."""
    content = file.read_bytes()
    random = np.random.default_rng(seed)
    for bit in random.integers(0, 8 * len(content), count):
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << bit % 8
        file.write_bytes(changed)
        yield int(bit)
    file.write_bytes(content)


def parts(checkpoint: Any) -> tuple[str, dict[str, bytes]]:
    return checkpoint.state.text(), {name: array.tobytes() for name, array in checkpoint.arrays.items()}


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("suffix", [".json", ".safetensors"])
def test_a_checkpoint_is_read_as_it_was_written_or_skipped(run: RunFolder, suffix: str, count: int) -> None:
    newest, before = read_checkpoints(run.checkpoints, pytest.fail)
    assert any(name.startswith("best/") for each in (newest, before) for name in each.arrays)
    assert any(name.startswith("average/") for each in (newest, before) for name in each.arrays)
    expected = [parts(newest), parts(before)]
    outcomes: Counter[str] = Counter()
    for file in (max(run.checkpoints.glob(f"*{suffix}")), min(run.checkpoints.glob(f"*{suffix}"))):
        other = expected[1] if file.stem == f"{newest.state.number:08d}" else expected[0]
        for _ in flips(file, count // 2):
            told: list[str] = []
            found = [parts(each) for each in read_checkpoints(run.checkpoints, told.append)]
            assert found == expected or (found == [other] and "is damaged and was skipped" in told[0])
            outcomes["skipped" if told else "as written"] += 1
    print(f"checkpoint {suffix}: {dict(outcomes)}")
    assert outcomes["skipped"] == count // 2 * 2


@pytest.mark.parametrize("count", COUNTS)
def test_every_bit_of_the_header_of_a_checkpoint_counts(run: RunFolder, count: int) -> None:
    file = max(run.checkpoints.glob("*.safetensors"))
    content = file.read_bytes()
    length = 8 + int.from_bytes(content[:8], "little")
    for bit in range(0, 8 * length, 1 if count > 100 else max(1, 8 * length // count)):
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << bit % 8
        file.write_bytes(changed)
        told: list[str] = []
        assert len(read_checkpoints(run.checkpoints, told.append)) == 1
        assert told


def of_comparison(folder: RunFolder, _registry: Registry) -> Any:
    return repr(open_runs([folder.path]))


def of_data(folder: RunFolder, registry: Registry) -> Any:
    listed = own_data(folder, registry)
    return repr(listed.part), repr(listed.settings)


READERS: dict[str, list[Callable[[RunFolder, Registry], Any]]] = {
    "recipe.toml": [lambda folder, registry: load_run_recipe(folder, registry).values, of_data, of_comparison],
    "model.json": [lambda folder, _: folder.read_card()],
    "metrics.csv": [lambda folder, _: read_history(folder.history), of_comparison],
    "times.csv": [lambda folder, _: read_history(folder.history), of_comparison],
    "metrics.json": [of_comparison],
    "samples.csv": [lambda folder, _: SamplesFile(folder.samples).read_used()],
    "environment.json": [
        of_comparison,
        lambda folder, registry: missing_plugins(folder, registry),
        lambda folder, _: differences(folder.read_json(folder.environment), ENVIRONMENT),
    ],
}
ENVIRONMENT: dict[str, Any] = {"packages": {}, "variables": {}, "plugins": []}


def result(read: Callable[[RunFolder, Registry], Any], folder: RunFolder, registry: Registry) -> Any:
    try:
        return read(folder, registry)
    except TlkitError as error:
        assert str(error)
        return "refused"


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("name", READERS)
def test_a_file_of_a_run_is_read_or_refused(run: RunFolder, registry: Registry, name: str, count: int) -> None:
    expected = [result(read, run, registry) for read in READERS[name]]
    assert "refused" not in expected
    outcomes: Counter[str] = Counter()
    for bit in flips(run.path / name, count):
        for read, whole in zip(READERS[name], expected, strict=True):
            found = result(read, run, registry)
            kind = "refused" if found == "refused" else "as written" if found == whole else "another value"
            outcomes[kind] += 1
            assert kind != "another value", bit
    print(f"{name}: {dict(outcomes)}")


def test_damaged_tables_are_refused_until_resume_writes_them_again(run: RunFolder, registry: Registry) -> None:
    before = {name: (run.path / name).read_bytes() for name in ("metrics.json", "metrics.csv")}
    of_tables = [line for line in run.checksums.read_text().splitlines() if "model." not in line]
    for file in (run.metrics, run.history):
        content = file.read_bytes()
        digit = next(index for index in range(len(content) - 1, 0, -1) if content[index : index + 1] in b"12345678")
        file.write_bytes(content[:digit] + b"9" + content[digit + 1 :])
        with pytest.raises(tlkit.RunError, match=rf"{file.name}: has another checksum than in checksums\.txt"):
            open_runs([run.path])
    tlkit.resume(run.path, registry=registry, quiet=True)
    open_runs([run.path])
    after = {name: (run.path / name).read_bytes() for name in before}
    assert after == before
    lines = run.checksums.read_text().splitlines()  # a Keras file has the time when it was saved in it
    assert [line for line in lines if "model." not in line] == of_tables
    assert {line.partition("  ")[2] for line in lines if "model." in line} == {"model.keras", "model.tflite"}


def test_a_killed_command_leaves_no_checksums_of_what_it_changed(run: RunFolder) -> None:
    remove_checksums(run.path, ["metrics.json"])
    run.metrics.write_text("{}")
    open_runs([run.path])
    add_checksums(run.path, ["metrics.json", "no such file"])
    run.metrics.write_text('{"a": {}}')
    with pytest.raises(tlkit.RunError, match=r"metrics\.json: has another checksum"):
        open_runs([run.path])
    run.checksums.unlink()
    open_runs([run.path])


def edited(run: RunFolder, before: str, after: str) -> None:
    """Change the recipe of a run as a person does who removes its checksum, too."""
    text = run.recipe.read_text(encoding="utf-8")
    assert before in text
    lines = text.replace(before, after).splitlines(keepends=True)
    run.recipe.write_text("".join(line for line in lines if not line.startswith("# sha256: ")), encoding="utf-8")


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("batch_size = 512", "batch_size = 256", "input.batch_size is 256, but was 512"),
        ("image_size = 8", "image_size = 12", r"input.image_size is \[12, 12\], but was \[8, 8\]"),
        ("ema = 0.9", "ema = 0.8", "train.ema is 0.8, but was 0.9"),
        ("filters = [2]", "filters = [3]", r"backbone.filters is \[3\], but was \[2\]"),
    ],
)
def test_an_edited_recipe_is_not_what_a_run_continues_with(
    run: RunFolder, registry: Registry, before: str, after: str, message: str
) -> None:
    run.report.unlink()
    edited(run, before, after)
    with pytest.raises(tlkit.RunError, match=rf"recipe\.toml: {message} when the run began"):
        tlkit.resume(run.path, registry=registry, quiet=True)


def test_a_recipe_with_another_comment_is_the_same(run: RunFolder, registry: Registry) -> None:
    edited(run, "[input]", "# by hand\n[input]")
    tlkit.resume(run.path, registry=registry, quiet=True)


def test_an_extended_run_has_one_checksum_and_its_settings(run: RunFolder, registry: Registry) -> None:
    for epochs in (3, 4):
        tlkit.resume(run.path, [f"schedule.epochs={epochs}"], registry=registry, quiet=True)
        assert run.recipe.read_text(encoding="utf-8").count("# sha256: ") == 1
        assert run.read_json(run.environment)["settings"]["schedule"]["epochs"] == epochs
        assert open_runs([run.path])[0].settings["schedule"]["epochs"] == epochs
