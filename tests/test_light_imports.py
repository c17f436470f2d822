"""What must not import TensorFlow or anything else that takes seconds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from recipe_text import recipe_text
from run_folders import MODEL_CARD, write_run

from tlkit.runs.folder import RunFolder

HEAVY = (
    "tensorflow",
    "keras",
    "keras_cv",
    "sklearn",
    "matplotlib",
    "pycocotools",
    "defusedxml",
    "tifffile",
    "pillow_heif",
)
CODE = """
import sys
from tlkit.cli import main
try:
    main({arguments!r})
except SystemExit as end:
    assert end.code == 0, end.code
heavy = [name for name in {heavy!r} if name in sys.modules]
assert not heavy, heavy
"""


def write_mask_recipe(folder: Path) -> Path:
    random = np.random.default_rng(0)
    for kind, values in (("images", 256), ("masks", 2)):
        (folder / kind).mkdir()
        for name in "abcdef":
            Image.fromarray(random.integers(0, values, (40, 32), np.uint8)).save(folder / kind / f"{name}.png")
    data = {"name": "masks", "images": str(folder / "images"), "masks": str(folder / "masks")}
    data |= {"values": {"0": "background", "1": "cell"}}
    recipe = folder / "r.toml"
    recipe.write_text(recipe_text(task="segmentation", data=data, head={"name": "unet"}))
    return recipe


def check(code: str) -> None:
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["validate", "quickstart", "pets_seg"],
        ["plugins"],
        ["plugins", "show", "backbone", "MobileNetV2"],
        ["recipes", "ls"],
        ["recipes", "schema"],
        ["run", "--help"],
        ["predict", "--help"],
        ["evaluate", "--help"],
        ["compare", "--help"],
        ["check", "--help"],
        ["data", "export", "--help"],
    ],
    ids=" ".join,
)
def test_a_command_that_trains_nothing_imports_nothing_heavy(arguments):
    check(CODE.format(arguments=arguments, heavy=HEAVY))


def test_init_imports_nothing_heavy(class_folders, tmp_path):
    photos = class_folders({"cat": 3, "dog": 3})
    arguments = ["init", str(photos), "--out", str(tmp_path / "r.toml")]
    check(CODE.format(arguments=arguments, heavy=HEAVY))


def test_exporting_masks_imports_neither_tensorflow_nor_keras(tmp_path):
    recipe = write_mask_recipe(tmp_path)
    for form in ("coco", "masks"):
        arguments = ["data", "export", str(recipe), "--format", form, "--out", str(tmp_path / "out")]
        check(CODE.format(arguments=arguments, heavy=HEAVY[:3]))


def test_checking_a_folder_imports_neither_tensorflow_nor_keras(class_folders, tmp_path):
    photos = class_folders({"cat": 6, "dog": 6})
    arguments = ["check", str(photos), "--html", str(tmp_path / "c.html")]
    check(CODE.format(arguments=arguments, heavy=HEAVY[:3]))


def test_comparing_runs_imports_no_tensorflow(registry, tmp_path):
    columns = {"loss": [1.0], "val_loss": [1.0]}
    run = write_run(tmp_path / "a", registry, {"full": columns}, metrics={"test": {"loss": 1.0}})
    check(
        CODE.format(
            arguments=["compare", str(run.path), "--out", str(tmp_path / "c.png")],
            heavy=[name for name in HEAVY if name != "matplotlib"],
        )
    )


def test_the_public_module_imports_nothing_heavy():
    check(f"import sys, tlkit; assert not [n for n in {HEAVY!r} if n in sys.modules]")


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["run", "--help"], ["no-such-verb"]], ids=" ".join)
def test_help_loads_no_first_party_plugin(arguments):
    """Importing pydantic, for the options, would take most of the time of printing help."""
    check(f"""
import sys
from tlkit.cli import main
try:
    main({arguments!r})
except SystemExit:
    pass
assert {arguments!r} == ["no-such-verb"] or "pydantic" not in sys.modules
assert not [name for name in sys.modules if name.startswith("tlkit_")]
""")


def test_every_public_name_is_imported_when_it_is_used():
    check("""
import sys, tlkit
assert "pydantic" not in sys.modules
assert set(tlkit.__all__) <= set(dir(tlkit))
for name in tlkit.__all__:
    getattr(tlkit, name)
from tlkit import Head, hookimpl, files
assert Head is tlkit.contracts.Head
try:
    tlkit.nothing
except AttributeError as error:
    assert "has no attribute 'nothing'" in str(error)
else:
    raise SystemExit(1)
""")


REFUSED = """
import sys
from tlkit.cli import main
try:
    main({arguments!r})
except SystemExit as end:
    assert end.code == {code}, end.code
assert "tensorflow" not in sys.modules
"""


def test_a_run_into_an_existing_folder_is_refused_before_tensorflow_is_imported(write_recipe, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    arguments = ["run", str(write_recipe()), "--out", str(tmp_path / "mine")]
    check(REFUSED.format(arguments=arguments, code=1))
    assert [file.name for file in (tmp_path / "mine").iterdir()] == ["notes.txt"]


def test_data_of_other_classes_is_refused_before_tensorflow_is_imported(class_folders, registry, tmp_path):
    photos = class_folders({"violet": 2})
    recipe = recipe_text(data={"name": "folder", "path": photos})
    (tmp_path / "run").mkdir()
    folder = RunFolder(tmp_path / "run")
    folder.recipe.write_text(recipe, encoding="utf-8")
    folder.write_json(folder.card, MODEL_CARD)
    check(REFUSED.format(arguments=["evaluate", str(folder.path), "--data", str(photos)], code=2))
    check(REFUSED.format(arguments=["predict", str(folder.path), str(tmp_path / "none.jpg")], code=2))


@pytest.fixture
def refused_files(class_folders, registry, tmp_path):
    """Make a recipe, a finished run, and files and folders that are in the way of outputs."""
    photos = class_folders({"cat": 3, "dog": 3})
    (tmp_path / "r.toml").write_text(recipe_text(name="r", data={"name": "folder", "path": photos}), encoding="utf-8")
    (tmp_path / "gone.toml").write_text(recipe_text(data={"name": "folder", "path": tmp_path / "gone"}))
    for name in ("there.png", "there.csv", "there/model.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    run = write_run(
        tmp_path / "a", registry, {"full": {"loss": [1.0], "val_loss": [1.0]}}, metrics={"test": {"loss": 1.0}}
    )
    run.write_json(run.card, MODEL_CARD)
    return tmp_path


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("run gone.toml", 2),
        ("run r.toml --set input.samples=gone.csv", 2),
        ("run r.toml --set backbone.weights=gone.h5", 2),
        ("run r.toml --folds 2 --out there", 1),
        ("run gone.toml --folds 2", 2),
        ("run r.toml --folds 20", 2),
        ("lr r.toml --out there.png", 2),
        ("lr gone.toml", 2),
        ("augment r.toml --out there.png", 2),
        ("augment gone.toml", 2),
        ("predict a photos --out there.csv", 2),
        ("predict a gone.png", 2),
        ("evaluate a --out there.csv", 2),
        ("evaluate a --data gone", 2),
        ("compare a --out there.png", 2),
        ("compare a gone", 1),
        ("data export gone.toml --format masks", 2),
        ("inspect r.toml --out there", 2),
        ("inspect r.toml --image gone.png", 2),
        ("inspect gone.toml", 2),
        ("report gone", 1),
        ("resume gone", 1),
    ],
)
def test_what_is_missing_or_in_the_way_is_refused_before_tensorflow_is_imported(
    command, code, refused_files, monkeypatch
):
    monkeypatch.chdir(refused_files)
    check(REFUSED.format(arguments=command.split(), code=code))
    assert not (refused_files / "runs").exists() or not list((refused_files / "runs").iterdir())
