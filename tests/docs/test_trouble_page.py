"""Every error on the page *When something goes wrong* is provoked on the command line."""

from __future__ import annotations

import json
import re
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import requests
import tifffile
from command_line import Outcome, tlkit_command
from doc_bench import RECIPE, save_image
from doc_blocks import PAGES
from PIL import Image

from tlkit.data import prepare
from tlkit.jobs import stages
from tlkit.jobs.workers import training
from tlkit.models.engines import Engine
from tlkit.runs.lock import locked
from tlkit.system import gpus
from tlkit.train.devices import DeviceTeam

PAGE = PAGES["docs/trouble.md"]
ENTRIES = {
    title: (snippet, int(code))
    for title, snippet, code in re.findall(r"^### (.+)\n\nYou see `(.+?)` \(exit code (\d+)\)", PAGE, re.MULTILINE)
}
"""Title → the part of the message that is quoted, and the exit code."""


def changed(old: str, new: str) -> Path:
    """A recipe in which a piece of text is another."""
    assert old in RECIPE
    file = Path("changed.toml")
    file.write_text(RECIPE.replace(old, new), encoding="utf-8")
    return file


def masks(*, name: str, value: int) -> Path:
    """A recipe of a segmentation with its images and masks."""
    for number in range(3):
        save_image(Path(f"scans/images/{number}.jpg"), number)
        Path("scans/masks").mkdir(exist_ok=True)
        Image.new("L", (48, 40), value).save(f"scans/masks/{name.format(number)}.png")
    text = RECIPE.replace('"classification"', '"segmentation"').replace('"linear"', '"unet"')
    data = 'name = "masks"\nimages = "scans/images"\nmasks = "scans/masks"\nvalues = { "0" = "a", "255" = "b" }\n'
    file = Path("masks.toml")
    file.write_text(text.replace('name = "folder"\npath = "photos"\n', data), encoding="utf-8")
    return file


def exported_by(setting: str) -> Outcome:
    """Export the run in a format whose files no runtime opens."""
    text = f"""
import tlkit


def open_file(path, threads):
    raise tlkit.DataError("it is damaged")


@tlkit.hookimpl
def tlkit_exporters():
    return [
        tlkit.Exporter(
            name="mine", summary="", options=tlkit.Options, suffix=".mine", {setting},
            write=lambda ctx, path, options: path.write_text("x"), open=open_file, snippet="",
        )
    ]
"""
    Path("my_format.py").write_text(text, encoding="utf-8")
    return tlkit_command("--plugin", "my_format.py", "export", "runs/photos-1", "--format", "mine")


def reordered_palettes() -> Path:
    """A recipe of a segmentation whose masks have red and black at other indices than one of them."""
    file = masks(name="{}", value=0)
    for number in range(3):
        image = Image.new("P", (48, 40), int(number == 0))
        image.paste(int(number > 0), (5, 5, 20, 20))
        image.putpalette([255, 0, 0, 0, 0, 0] if number == 0 else [0, 0, 0, 255, 0, 0])
        image.save(f"scans/masks/{number}.png")
    file.write_text(file.read_text(encoding="utf-8").replace('"255" = "b"', '"1" = "b"'), encoding="utf-8")
    return file


def table(text: str) -> Path:
    """A recipe of a table."""
    Path("table.csv").write_text(text, encoding="utf-8")
    return changed('name = "folder"\npath = "photos"', 'name = "csv"\npath = "table.csv"')


def photos_with(*names: str) -> str:
    """The bench's recipe, now that its folder has these images, too."""
    for number, name in enumerate(names):
        save_image(Path(name), 100 + number)
    return "photos.toml"


def bands(compression: str | None) -> str:
    """The bench's recipe, now that its images have five bands."""
    for file in Path("photos").rglob("*.png"):
        values = np.random.default_rng(0).integers(0, 255, (40, 48, 5), dtype=np.uint8)
        options = {"photometric": "minisblack", "planarconfig": "contig", "compression": compression}
        tifffile.imwrite(file.with_suffix(".tif"), values, **options)
        file.unlink()
    return "photos.toml"


def without_imagecodecs() -> Outcome:
    def refuse(*_: object, **__: object) -> None:
        raise ValueError("<COMPRESSION.LZW: 5> requires the 'imagecodecs' package")

    with pytest.MonkeyPatch.context() as patch:
        recipe = bands(compression="lzw")
        patch.setattr(tifffile.TiffPage, "asarray", refuse)
        return run(recipe, "input.bands=[0, 1, 2]")


def without_fsspec() -> Outcome:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "fsspec", None)
        return run("photos.toml", "data.path=s3://bucket/photos")


def without_engine() -> Outcome:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Engine, "version", None)
        return run("photos.toml", "train.engine=openvino")


def without_optuna() -> Outcome:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "optuna", None)
        return tlkit_command("sweep", "photos.toml", "--set", "sweep.head.dropout=[0.1]")


def without_mlflow() -> Outcome:
    """A recipe to be recorded with MLflow, where that is not installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("importlib.util.find_spec", lambda _name: None)
        return tlkit_command("validate", "photos.toml", "--set", "track.mlflow=true")


def turned_photos() -> Path:
    """A recipe of a segmentation whose photos EXIF turns."""
    recipe = masks(name="{}", value=0)
    for file in Path("scans/images").glob("*.jpg"):
        exif = Image.Exif()
        exif[0x0112] = 6
        with Image.open(file) as image:
            image.load()
            image.save(file, exif=exif)
    return recipe


def annotated(segmentation: object, *, image: str = "a.png", cut: int = 0) -> Path:
    """A recipe of COCO annotations, from whose end so many characters are cut off."""
    save_image(Path("zoo/a.png"), 0)
    images = [{"id": 1, "file_name": image, "height": 40, "width": 48}]
    annotations = [{"id": 1, "image_id": 1, "category_id": 1, "segmentation": segmentation}]
    categories = [{"id": 1, "name": "cat"}]
    text = json.dumps({"images": images, "annotations": annotations, "categories": categories})
    Path("zoo/instances.json").write_text(text[: len(text) - cut])
    recipe = RECIPE.replace('"classification"', '"segmentation"').replace('"linear"', '"unet"')
    file = Path("annotated.toml")
    file.write_text(recipe.replace('name = "folder"\npath = "photos"\n', 'name = "coco"\npath = "zoo"\n'))
    return file


def emptied(count: int) -> str:
    """The bench's recipe, now that so many of its images are empty files."""
    for number in range(count):
        Path(f"photos/cat/{number:02d}.png").write_bytes(b"")
    return "photos.toml"


def run(recipe: object = "photos.toml", *overrides: str) -> Outcome:
    return tlkit_command("run", recipe, *(f"--set={each}" for each in overrides))


def one_class() -> Outcome:
    save_image(Path("one/cat/a.jpg"), 1)
    save_image(Path("one/cat/b.jpg"), 2)
    return run("photos.toml", "data.path=one")


def download() -> Outcome:
    def refuse(*_: object, **__: object) -> None:
        raise requests.ConnectionError

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_HOME", str(Path("keras").absolute()))
        patch.setattr(requests, "get", refuse)
        return run("photos.toml", 'backbone={name = "MobileNetV2"}')


def other_weights() -> Outcome:
    import keras

    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(3)])
    model.save_weights("other.weights.h5")
    return run("photos.toml", "backbone.weights=other.weights.h5")


def unfinished() -> Outcome:
    Path("runs/photos-1/model.json").unlink()
    return tlkit_command("evaluate", "runs/photos-1")


def resumed_on_other_images() -> Outcome:
    assert run("photos.toml", "schedule.epochs=1").code == 0
    save_image(Path("photos/cat/00.png"), 99)
    return tlkit_command("resume", "runs/photos-3", "--set", "schedule.epochs=2")


def busy() -> Outcome:
    with locked(Path("runs/photos-1")):
        return tlkit_command("resume", "runs/photos-1")


def fewer_gpus() -> Outcome:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CUDA_VISIBLE_DEVICES", "0")
        return tlkit_command("run", "photos.toml", "--workers", 2)


def unshared_layer() -> Outcome:
    """A layer of a plugin has a variable that does not train; whether there are GPUs is not asked."""
    state = "        self.calls = self.add_weight(trainable=False)\n"
    text = LAYER.replace("    def call", f"    def build(self, shape):\n{state}\n    def call")
    Path("keeps.py").write_text(text, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        two = DeviceTeam(strategy=SimpleNamespace(num_replicas_in_sync=2))
        patch.setattr(gpus, "known_gpus", lambda: None)
        patch.setattr(DeviceTeam, "on_gpus", lambda _count: two)
        options = ("--gpus", 2, "--set", 'head={name = "twice"}')
        return tlkit_command("--plugin", "keeps.py", "run", "photos.toml", *options)


def lost_worker() -> Outcome:
    """A worker ends by a signal at its start, as one that the system ended; nothing is tried again."""
    Path("killed.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "WORKER", "killed")
        patch.syspath_prepend(Path.cwd())
        return tlkit_command("run", "photos.toml", "--workers", 2, "--restarts", 0)


def diverging() -> Outcome:
    small = 'backbone={name = "small_cnn"}'
    return run("photos.toml", small, "schedule.optimizer=sgd", "schedule.learning_rate=10", "schedule.epochs=20")


LAYER = """
import keras
import tlkit

@keras.saving.register_keras_serializable("page")
class Twice(keras.layers.Layer):
    def call(self, inputs):
        return 2.0 * inputs

def build(features, ctx, options):
    x = keras.layers.GlobalAveragePooling2D(name="head_pool")(features[max(features)])
    x = keras.layers.Dense(ctx.units, name="head_dense")(x)
    return Twice(name="head_logits")(x)

@tlkit.hookimpl
def tlkit_heads():
    return [tlkit.Head(name="twice", summary="x", task="classification", options=tlkit.Options, build=build)]
"""


def plugin_that_fails(change: str) -> Outcome:
    """A run whose head comes from a plugin whose ``build`` begins with another line."""
    text = LAYER.replace("options):\n", f"options):\n    {change}\n")
    Path("fails.py").write_text(text, encoding="utf-8")
    return tlkit_command("--plugin", "fails.py", "run", "photos.toml", "--set", 'head={name = "twice"}')


def damaged() -> Outcome:
    """Resume a run whose recipe has another digit."""
    file = Path("runs/photos-1/recipe.toml")
    file.write_text(file.read_text(encoding="utf-8").replace("learning_rate = 0.01", "learning_rate = 0.02"))
    return tlkit_command("resume", "runs/photos-1")


def changing() -> Outcome:
    """Run while files are others each time that they are read."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prepare, "changed_samples", lambda *_: ["cat/00.png"])
        return run()


def exhausted() -> Outcome:
    """Run with a network that gets no memory."""

    def refuse(*_: object, **__: object) -> None:
        raise MemoryError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stages, "build_network", refuse)
        return run()


def named_plugin() -> Outcome:
    Path("twice.py").write_text(LAYER, encoding="utf-8")
    return tlkit_command("validate", changed('name = "photos"', 'name = "photos"\nplugins = ["twice.py"]'))


def other_class() -> Outcome:
    Path("other_photos/cat").rename("other_photos/kitten")
    return tlkit_command("evaluate", "runs/photos-1", "--data", "other_photos")


def layer_of_a_plugin() -> Outcome:
    Path("twice.py").write_text(LAYER, encoding="utf-8")
    plugin = ("--plugin", "twice.py")
    assert tlkit_command(*plugin, "run", "photos.toml", "--set", 'head={name = "twice"}').code == 0
    return tlkit_command(*plugin, "predict", "runs/photos-3", "a.jpg", "--out", "predictions.csv")


def without_cleanlab() -> Outcome:
    """``tlkit labels`` where cleanlab is not installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("importlib.util.find_spec", lambda _name: None)
        return tlkit_command("labels", "runs/photos-1")


def without_fastapi() -> Outcome:
    """``tlkit serve`` where FastAPI is not installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "fastapi", None)
        return tlkit_command("serve", "runs/photos-1")


def on_a_port_that_is_taken() -> Outcome:
    """``tlkit serve`` at the port of another program."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return tlkit_command("serve", "runs/photos-1", "--port", taken.getsockname()[1])


def without_ray() -> Outcome:
    """``--cluster`` where Ray is not installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "ray", None)
        return tlkit_command("run", "photos.toml", "--folds", 2, "--cluster", "local")


def no_cluster() -> Outcome:
    """``--cluster`` with the address of a port at which nothing listens."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        return tlkit_command("rank", "photos.toml", "--cluster", f"127.0.0.1:{closed.getsockname()[1]}")


def unknown_decision() -> Outcome:
    """Apply a table with a decision that is none."""
    folder = Path("decided")
    for number, name in enumerate(("a/a.jpg", "b/b.jpg")):
        save_image(folder / name, number)
    Path("labels.csv").write_text("decision,key\nremove,a/a.jpg\n", encoding="utf-8")
    return tlkit_command("check", folder, "--apply", "labels.csv")


PROVOKED: dict[str, Callable[[], Outcome]] = {
    "A command is misspelt": lambda: tlkit_command("trian", "photos.toml"),
    "The recipe is not there": lambda: run("photo.toml"),
    "The recipe is not valid TOML": lambda: run(changed('name = "photos"', "name = photos")),
    "A key is misspelt": lambda: run(changed("learning_rate", "learning_rat")),
    "A value has the wrong type": lambda: run(changed("epochs = 2", 'epochs = "2"')),
    "A value is out of range": lambda: run(changed("learning_rate = 0.01", "learning_rate = 100.0")),
    "A backbone or head has another name": lambda: run(changed("small_encoder", "small_encodr")),
    "A key is missing": lambda: run(changed('path = "photos"\n', "")),
    "The head is for another task": lambda: run(changed('"linear"', '"unet"')),
    "The block to unfreeze does not exist": lambda: run(
        "photos.toml", 'schedule={name = "two_phase", unfreeze_from = "block9"}'
    ),
    "The folder is not there": lambda: run("photos.toml", "data.path=photo"),
    "The other data has another class": other_class,
    "There are no class folders": lambda: run("photos.toml", "data.path=new_photos"),
    "A folder may be a split or a class": lambda: run(photos_with("photos/test/0.png")),
    "A class has no training image": lambda: run(
        photos_with(
            "photos/train/cat/0.png", "photos/train/cow/1.png", "photos/train/dog/2.png", "photos/test/unknown/3.png"
        )
    ),
    "A table has other columns": lambda: run(table("picture,label\nphotos/cat/00.png,cat\n")),
    "The images of a table are not there": lambda: run(table("image,label\n00.png,cat\n01.png,dog\n")),
    "There is only one class": one_class,
    "Images and masks do not match": lambda: run(masks(name="{}_mask", value=0)),
    "A decision about a label cannot be applied": unknown_decision,
    "All masks have one class": lambda: run(masks(name="{}", value=0)),
    "Masks have the classes in another order": lambda: run(reordered_palettes()),
    "Annotations cannot be read": lambda: run(annotated([], cut=3)),
    "Annotated images are not found": lambda: run(annotated([], image="b.png")),
    "Annotations have no shapes": lambda: run(annotated([])),
    "Masks have unknown values": lambda: run(masks(name="{}", value=7)),
    "Images have more bands than red, green and blue": lambda: run(bands(compression=None)),
    "Images take another package": without_imagecodecs,
    "Photos lie across their masks": lambda: run(turned_photos()),
    "Too many files cannot be used": lambda: run(emptied(6)),
    "The check found errors": lambda: run(emptied(1), "check.empty=error"),
    "Images at a URL need a package": without_fsspec,
    "Images at a URL cannot be read": lambda: run("photos.toml", "data.path=memory://none"),
    "A URL has credentials in it": lambda: run("photos.toml", "data.path=s3://key:secret@bucket/photos"),
    "The weights cannot be downloaded": download,
    "The weights do not fit": other_weights,
    "The engine is not installed": without_engine,
    "Optuna is not installed": without_optuna,
    "Ray is not installed": without_ray,
    "The cluster cannot be reached": no_cluster,
    "MLflow is not installed": without_mlflow,
    "cleanlab is not installed": without_cleanlab,
    "A package for serving is not installed": without_fastapi,
    "The server cannot listen there": on_a_port_that_is_taken,
    "The output already exists": lambda: tlkit_command("predict", "runs/photos-1", "a.jpg", "--out", "photos.toml"),
    "A run cannot say what it does not know": lambda: tlkit_command(
        "predict", "runs/photos-1", "a.jpg", "--sets", "0.9"
    ),
    "The run folder cannot be used": unfinished,
    "A file of the run was damaged or changed": damaged,
    "A resumed run cannot change this": lambda: tlkit_command("resume", "runs/photos-1", "--set", "head.dropout=0.5"),
    "An export is refused": lambda: exported_by("runs_with=()"),
    "A format needs a package": lambda: exported_by("runs_with=('no_such_package',)"),
    "A file is no exported model, or could do more than compute": lambda: tlkit_command(
        "predict", "photos.toml", "photos"
    ),
    "The data changed since the run began": resumed_on_other_images,
    "The data changes while it is read": changing,
    "Another process uses the run folder": busy,
    "There are more workers than rows of a batch": lambda: tlkit_command("run", "photos.toml", "--workers", 9),
    "There are fewer GPUs than workers": fewer_gpus,
    "There are fewer GPUs than asked for": lambda: tlkit_command("run", "photos.toml", "--gpus", 2),
    "GPUs cannot share a layer": unshared_layer,
    "A worker of the training was lost": lost_worker,
    "The training diverged": diverging,
    "The memory is not enough": exhausted,
    "A plugin file cannot be loaded": lambda: tlkit_command("--plugin", "none.py", "plugins"),
    "A plugin raised an exception": lambda: plugin_that_fails("raise SystemExit(0)"),
    "A plugin changed the process": lambda: plugin_that_fails("import os; os.chdir('..')"),
    "A recipe names a plugin": named_plugin,
    "A model has layers of a plugin": layer_of_a_plugin,
}


def test_every_error_of_the_page_is_provoked_here():
    titles = re.findall(r"^### (.+)$", PAGE, re.MULTILINE)
    assert titles == list(PROVOKED)
    assert list(ENTRIES) == titles


@pytest.mark.parametrize("title", PROVOKED)
def test_an_error_of_the_page_looks_as_the_page_says(title, bench):
    snippet, code = ENTRIES[title]
    outcome = PROVOKED[title]()
    assert snippet in outcome.err
    assert outcome.code == code


def test_a_check_that_finds_errors_ends_with_1(bench):
    assert tlkit_command("check", emptied(1), "--set", "check.empty=error").code == 1


def test_the_page_has_every_exit_code_of_tlkit():
    import tlkit
    from tlkit.runs.lock import BusyError
    from tlkit.system.disk import FullDiskError
    from tlkit.system.signals import Interrupted

    errors = (tlkit.TlkitError, tlkit.RecipeError, tlkit.DataError, tlkit.PluginError, tlkit.RunError)
    codes = {each.exit_code for each in (*errors, BusyError, FullDiskError)}
    codes |= {0, 141, *(Interrupted(number).exit_code for number in (1, 2, 15))}
    on_page = {int(code) for code in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)}
    assert on_page == codes | {137}
