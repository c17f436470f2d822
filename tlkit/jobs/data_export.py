"""``tlkit data export``: write what a recipe or a run reads, so that one can look at it elsewhere."""

from __future__ import annotations

import io
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from tlkit.contracts import IGNORE, Sample, SetAside, Split
from tlkit.errors import DataError
from tlkit.files import CellWriter
from tlkit.jobs import from_recipe
from tlkit.jobs.progress import StageProgress, no_progress
from tlkit.recipe import catalog
from tlkit.recipe.load import load_recipe
from tlkit.registry import Registry
from tlkit.runs.folder import RunFolder
from tlkit.runs.plugins import load_run_recipe
from tlkit.system.disk import check_new_files, is_disk_full, write_atomically
from tlkit.system.text import toml_string

if TYPE_CHECKING:
    import numpy as np

    from tlkit.data.full_size import FullSize

Format = Literal["coco", "masks"]

_SHORT = {"train": "train", "validation": "val", "test": "test"}
"""Split → its name in the file names of COCO."""


@dataclass(frozen=True)
class Exported:
    """What was written.

    Args:
        counts: split → number of images.
        set_aside: the files that a run does not use either, and images whose masks can't be read, with the reason.
        recipe: the table ``[data]`` that reads it, as TOML.
    """

    counts: dict[str, int]
    set_aside: tuple[SetAside, ...]
    recipe: str


@dataclass(frozen=True)
class Request:
    """What to write.

    Args:
        target: a run folder, a recipe file or the name of a shipped recipe.
        form: ``coco`` or ``masks``.
        out: the folder to write.
        splits: the splits to write; empty for all.
        overrides: ``key=value`` as ``--set`` takes them.
        overwrite: replace files that exist.
        images: also copy the images.
    """

    target: Path
    form: Format
    out: Path
    splits: tuple[Split, ...] = ()
    overrides: tuple[str, ...] = ()
    overwrite: bool = False
    images: bool = False


def export_data(request: Request, registry: Registry, progress: StageProgress = no_progress) -> Exported:
    """Write the masks that a recipe or a run reads, at the sizes of their images, as COCO JSON or as PNG files.

    Raises:
        RecipeError: the recipe is not valid.
        RunError: a file of the run is missing.
        DataError: the data can't be opened, has no masks, or a file exists already or can't be written.
        PluginError: the data set broke its contract.
    """
    data = _opened(request, registry, progress)
    samples = [
        each for each in data.sample_set.samples if not request.splits or data.splits[each.key] in request.splits
    ]
    if not samples:
        lines = "".join(f"\n  {each.key}: {each.reason}" for each in data.set_aside[:10])
        wanted = " or ".join(request.splits) or "any split"
        raise DataError(f"{request.target}: no images in {wanted}; {len(data.set_aside)} files were set aside{lines}")
    write = _write_coco if request.form == "coco" else _write_masks
    try:
        return write(request, data, samples, progress)
    except OSError as error:
        where = error.filename2 or error.filename or request.out
        why = "the disk is full" if is_disk_full(error) else error.strerror or str(error)
        raise DataError(f"{where}: can't be written: {why}") from error


def _opened(request: Request, registry: Registry, progress: StageProgress) -> FullSize:
    folder = RunFolder(request.target)
    samples = None
    if request.target.is_dir() and folder.recipe.is_file():
        recipe = load_run_recipe(folder, registry, request.overrides)
        samples = folder.samples if folder.samples.is_file() else None
    elif request.target.is_dir():
        raise DataError(f"{request.target}: expected a recipe or a run folder; tlkit init writes a recipe for a folder")
    else:
        recipe = load_recipe(catalog.resolve(request.target), registry, request.overrides)
    if recipe.task != "segmentation":
        raise DataError(
            f"{request.target}: a recipe for classification has no masks to write; the samples.csv of a run lists its "
            "images with their classes and splits"
        )
    return from_recipe.open_full_size(recipe, samples, partial(progress, "checking files"))


def _masks(
    data: FullSize, samples: Sequence[Sample], progress: StageProgress, aside: list[SetAside]
) -> Iterator[tuple[Sample, np.ndarray]]:
    """Yield each sample with its mask; those that can't be read go to ``aside``."""
    for done, sample in enumerate(samples, 1):
        try:
            mask = data.mask(sample)
        except DataError as error:
            aside.append(SetAside(sample.key, str(error)))
        else:
            yield sample, mask
        progress("writing masks", done, len(samples))


def _write_coco(request: Request, data: FullSize, samples: Sequence[Sample], progress: StageProgress) -> Exported:
    from tlkit.report.coco_file import BACKGROUND, CocoFile

    out, classes = request.out, data.sample_set.classes
    used = [split for split in get_args(Split) if any(data.splits[each.key] == split for each in samples)]
    files = {split: out / "annotations" / f"instances_{_SHORT[split]}.json" for split in used}
    images = _image_writer(request, data, samples)
    check_new_files(files.values(), overwrite=request.overwrite)
    content = {split: CocoFile(classes) for split in files}
    counts: Counter[str] = Counter()
    aside = list(data.set_aside)
    for sample, mask in _masks(data, samples, progress, aside):
        split = data.splits[sample.key]
        content[split].add(images(sample), mask)
        counts[split] += 1
    for split, file in files.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, content[split].text())
    with_background = classes[0] == BACKGROUND
    keys: dict[str, object] = {
        "name": "coco",
        "path": _text(out),
        "images": _text(_root(request, data)),
        "classes": list(classes[1:] if with_background else classes),
    }
    if not with_background:
        keys["background"] = ""
    return Exported(dict(counts), tuple(aside), _table(keys))


def _write_masks(request: Request, data: FullSize, samples: Sequence[Sample], progress: StageProgress) -> Exported:
    from tlkit.report.colors import palette
    from tlkit.report.mask_files import classes_csv, palette_png, unique_stems

    out, found = request.out, data.sample_set
    root = _root(request, data)
    colors = [found.colors.get(number, color) for number, color in enumerate(palette(len(found.classes)))]
    names = dict(zip((each.key for each in samples), unique_stems([each.key for each in samples]), strict=True))
    images = _image_writer(request, data, samples)
    tables = (out / "images.csv", out / "classes.csv")
    masks = (out / "masks" / f"{name}.png" for name in names.values())
    check_new_files((*tables, *masks), overwrite=request.overwrite)
    counts: Counter[str] = Counter()
    aside = list(data.set_aside)
    rows = [("image", "mask", "split", "group")]
    for sample, mask in _masks(data, samples, progress, aside):
        file = out / "masks" / f"{names[sample.key]}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, palette_png(mask, colors))
        split = data.splits[sample.key]
        rows.append((images(sample), Path(os.path.relpath(file.resolve(), root)).as_posix(), split, sample.group or ""))
        counts[split] += 1
    write_atomically(tables[0], _csv_text(rows))
    write_atomically(tables[1], classes_csv(found.classes, colors))
    keys = {"name": "csv", "path": _text(tables[0]), "root": _text(root), "mask": "mask", "split": "split"}
    grouped = {"group": "group"} if any(row[3] for row in rows[1:]) else {}
    values = {str(number): name for number, name in enumerate(found.classes)}
    return Exported(dict(counts), tuple(aside), _table(keys | grouped | {"ignore": [str(IGNORE)], "values": values}))


def _root(request: Request, data: FullSize) -> Path:
    """Return the folder that the names of the images are relative to."""
    return (
        request.out / "images" if request.images or data.sample_set.root is None else data.sample_set.root
    ).resolve()


def _image_writer(request: Request, data: FullSize, samples: Sequence[Sample]) -> Callable[[Sample], str]:
    """Return a function that writes an image if it has to be written, and returns its name below ``_root``.

    Images that are files stay where they are unless they are to be copied; those that the data set made are written.
    """
    root = _root(request, data)
    copied = request.images or data.sample_set.root is None
    if copied:
        check_new_files((root / _image_name(each) for each in samples), overwrite=request.overwrite)

    def write(sample: Sample) -> str:
        name = _image_name(sample)
        if copied:
            file = root / name
            file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(file, _image_bytes(data, sample))
        return name

    return write


def _image_name(sample: Sample) -> str:
    return sample.key if isinstance(sample.image, Path) else f"{sample.key}.png"


def _image_bytes(data: FullSize, sample: Sample) -> bytes:
    from PIL import Image

    from tlkit.report.mask_files import png

    pixels = data.pixels(sample)
    if pixels is not None:
        return png(Image.fromarray(pixels))
    assert isinstance(sample.image, Path)
    return sample.image.read_bytes()


def _csv_text(rows: Sequence[tuple[str, ...]]) -> str:
    text = io.StringIO(newline="")
    CellWriter(text).writerows(rows)
    return text.getvalue()


def _text(path: Path) -> str:
    return path.as_posix()


def _table(keys: Mapping[str, object]) -> str:
    """Return the table ``[data]`` of a recipe."""
    lines = ["[data]"]
    for key, value in keys.items():
        text = toml_string(value) if isinstance(value, str) else json.dumps(value)
        if isinstance(value, dict):
            pairs = (f"{toml_string(name)} = {toml_string(each)}" for name, each in value.items())
            text = f"{{ {', '.join(pairs)} }}"
        lines.append(f"{key} = {text}")
    return "\n".join(lines)
