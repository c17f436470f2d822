"""What must not import TensorFlow or anything else that takes seconds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from photos import write_photos
from PIL import Image
from recipe_text import recipe_text
from run_folders import MODEL_CARD, write_run

from tlkit.runs.folder import RunFolder

HEAVY = (
    "PIL",
    "absl",
    "aiohttp",
    "ai_edge_litert",
    "defusedxml",
    "fsspec",
    "h5py",
    "jinja2",
    "keras",
    "keras_cv",
    "matplotlib",
    "numpy",
    "openvino",
    "pandas",
    "pillow_heif",
    "pyarrow",
    "pycocotools",
    "pydantic",
    "ray",
    "requests",
    "rich",
    "scipy",
    "sklearn",
    "tensorflow",
    "tensorflow_datasets",
    "tifffile",
    "tomlkit",
)
"""Packages that take time or memory to import."""
TENSORFLOW = "PIL absl h5py keras matplotlib numpy pydantic requests rich scipy tensorflow"
"""What comes with TensorFlow and Keras, and matplotlib: Keras imports it."""

MAY_IMPORT = {
    "--help": "",
    "--version": "",
    "run --help": "",
    "predict --help": "",
    "explain --help": "",
    "serve --help": "",
    "evaluate --help": "",
    "export --help": "",
    "compare --help": "",
    "check --help": "",
    "data export --help": "",
    "recipes ls": "",
    "recipes cp quickstart q.toml": "",
    "recipes schema": "pydantic",
    "plugins": "pydantic",
    "plugins show backbone MobileNetV2": "pydantic",
    "validate r.toml pets_seg": "pydantic",
    "validate r.toml --set seed=1": "pydantic tomlkit",
    "cache ls": "rich",
    "init photos --out n.toml": "PIL numpy pydantic tomlkit",
    "check photos": "PIL numpy pydantic rich tomlkit",
    "check r.toml --html c.html": "PIL jinja2 numpy pydantic rich scipy tomlkit",
    "data export painted/r.toml --format masks --out masks": "PIL numpy pydantic rich scipy",
    "run r.toml --out run": f"{TENSORFLOW} ai_edge_litert jinja2 tomlkit",
    "resume run": f"{TENSORFLOW} tomlkit",
    "predict run photos/red/000.png": "PIL ai_edge_litert numpy pydantic rich",
    "predict run photos --out p.csv": "PIL ai_edge_litert numpy pydantic rich",
    "evaluate run": "PIL ai_edge_litert numpy pydantic rich tomlkit",
    "export run --format litert": f"{TENSORFLOW} ai_edge_litert defusedxml jinja2 tomlkit",
    "predict run/exports/model.tflite photos/red/000.png": "PIL ai_edge_litert numpy pydantic rich",
    "evaluate run --model run/exports/model.tflite": "PIL ai_edge_litert numpy pydantic rich tomlkit",
    "labels run": f"{TENSORFLOW} ai_edge_litert jinja2 pandas pyarrow sklearn tomlkit",
    "report run": f"{TENSORFLOW} ai_edge_litert jinja2",
    "card run": "numpy pydantic rich",
    "explain run photos/red/000.png --out explained": TENSORFLOW,
    "compare run run --out c.png": "PIL h5py matplotlib numpy pydantic rich tomlkit",
    "inspect run --out inspected": f"{TENSORFLOW} ai_edge_litert jinja2",
    "augment r.toml --out a.png": TENSORFLOW,
    "lr r.toml --steps 20": TENSORFLOW,
    "rank r.toml --backbones small_cnn": f"{TENSORFLOW} ai_edge_litert pandas pyarrow sklearn tomlkit",
}
"""Command → the packages of ``HEAVY`` that it may import. Those below ``run`` use its run folder."""

CODE = """
import sys
from tlkit.system import stages
stages.command_began = 0.0  # as in a process that runs a command: Keras does without pandas then
from tlkit.cli import main
try:
    main({arguments!r})
except SystemExit as end:
    assert not end.code, end.code
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


def check(code: str, folder: Path | None = None) -> None:
    command = [sys.executable, "-c", code]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=folder)
    assert ended.returncode == 0, ended.stderr


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Two classes of photos, and a recipe that trains on them for an epoch."""
    root = tmp_path_factory.mktemp("world")
    write_photos(root / "photos", {"red": 12, "green": 12}, (30, 36))
    text = recipe_text(
        name="r",
        data={"name": "folder", "path": root / "photos"},
        input={"image_size": 32, "batch_size": 8, "validation": 0.25, "test": 0.2},
        backbone={"filters": [8, 16], "convs": 1},
        augment={"name": "flip"},
        schedule={"epochs": 1},
    )
    (root / "r.toml").write_text(text, encoding="utf-8")
    (root / "painted").mkdir()
    write_mask_recipe(root / "painted")
    return root


def check_imports(command: str, folder: Path) -> None:
    """Run a command in a process of its own, and check that it imports only what it may."""
    heavy = sorted(set(HEAVY) - set(MAY_IMPORT[command].split()))
    check(CODE.format(arguments=command.split(), heavy=heavy), folder)


@pytest.fixture(scope="module")
def trained(world):
    check_imports("run r.toml --out run", world)


@pytest.fixture(scope="module")
def exported(world, trained):
    check_imports("export run --format litert", world)


@pytest.mark.parametrize("command", MAY_IMPORT)
def test_a_command_imports_only_the_packages_that_it_needs(command, world, request):
    if " run" in command:
        request.getfixturevalue("trained")
    if "litert" in command or "exports/" in command:
        request.getfixturevalue("exported")
    if not command.startswith(("run r.toml", "export run")):
        check_imports(command, world)


def test_the_public_module_imports_nothing_heavy():
    check(f"import sys, tlkit; assert not [n for n in {HEAVY!r} if n in sys.modules]")


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["run", "--help"], ["no-such-verb"]], ids=" ".join)
def test_help_loads_no_first_party_plugin(arguments):
    """Importing pydantic, for the options, would take most of the time of printing help."""
    check(f"""
import sys
from tlkit.system import stages
stages.command_began = 0.0  # as in a process that runs a command: Keras does without pandas then
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
from tlkit.system import stages
stages.command_began = 0.0  # as in a process that runs a command: Keras does without pandas then
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
        ("card gone", 1),
        ("card a --out there.csv", 2),
        ("resume gone", 1),
    ],
)
def test_what_is_missing_or_in_the_way_is_refused_before_tensorflow_is_imported(
    command, code, refused_files, monkeypatch
):
    monkeypatch.chdir(refused_files)
    check(REFUSED.format(arguments=command.split(), code=code))
    assert not (refused_files / "runs").exists() or not list((refused_files / "runs").iterdir())
