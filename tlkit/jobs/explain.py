"""``tlkit.explain``: where a trained model looks, as maps and as pictures."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from tlkit.errors import DataError
from tlkit.evaluation.explanation import Explanation, Maps, Method
from tlkit.evaluation.found_images import FoundImage
from tlkit.evaluation.given_images import GivenImage, Images, given_images
from tlkit.files import CellWriter
from tlkit.jobs.progress import StageProgress, no_progress
from tlkit.jobs.trusted import with_layers_of
from tlkit.registry import Registry
from tlkit.runs.card import Card
from tlkit.runs.folder import RunFolder
from tlkit.system.disk import check_new_folder, write_atomically
from tlkit.system.memory import explained_memory
from tlkit.system.tensorflow import start_tensorflow

if TYPE_CHECKING:
    import numpy as np

    from tlkit.evaluation.explainer import Explainer

TABLE = "explain.csv"
"""The table beside the pictures."""
_SHOWN = 315
"""The longer side of a drawn image in pixels."""
_ADVICE = "use a machine with more memory"


@explained_memory(_ADVICE)
def explain(
    run: str | Path,
    images: Images,
    *,
    class_name: str | None = None,
    layer: str | None = None,
    method: Method = "both",
    trust: bool = False,
    registry: Registry | None = None,
) -> list[Explanation]:
    """Show which places of images a trained model's predictions depend on.

    Grad-CAM asks the gradient of the class's logit. Occlusion covers a part of the image at a time and asks the model
    again, which takes a hundred times as long and needs no gradient. Where both agree, the map can be believed.

    Args:
        run: the folder of a run or of a cross-validation.
        images: as of ``predict``: files, folders, or images in memory.
        class_name: the class to explain; None for the predicted one. Of a segmentation its pixels are explained; None
            for the class with the most pixels, except one called ``background``.
        layer: the layer whose feature map Grad-CAM explains; None for the last one before pooling or logits. In a
            segmentation that one nearly repeats the mask.
        method: ``both``, ``grad-cam`` or ``occlusion``.
        trust: also load a model with layers from a plugin, which runs that plugin's code on data from the file.
        registry: the plugins, for such a model; None for the installed ones.

    Returns:
        one explanation per image, in their order; one that can't be decoded or explained has an ``error``.

    Raises:
        RunError: this is not the folder of a finished run, it is damaged, or its model needs a plugin that is missing.
        DataError: there is no such class, layer or method, or a path doesn't exist.
    """
    given = list(given_images(images))
    explainer = open_explainer(
        Path(run), class_name=class_name, layer=layer, method=method, trust=trust, registry=registry
    )
    return [explained(explainer, each) for each in given]


def open_explainer(
    run: Path,
    *,
    class_name: str | None = None,
    layer: str | None = None,
    method: Method = "both",
    trust: bool = False,
    registry: Registry | None = None,
) -> Explainer:
    """Load what explains the predictions of a run: see ``explain``."""
    card = RunFolder(run).read_card()
    number = _class_number(card, class_name, method)
    start_tensorflow()
    from tlkit.evaluation.ensemble import load_members
    from tlkit.evaluation.explainer import Explainer

    registry = with_layers_of(run, registry) if trust else registry
    card, models = load_members(run, trust=trust, registry=registry)
    explainer = Explainer(models, card, layer, number, method)
    _ = explainer.layer  # if there is none, that is said here and not of each image
    return explainer


def _class_number(card: Card, class_name: str | None, method: Method) -> int | None:
    from tlkit.evaluation.explained_class import class_number

    if method not in get_args(Method):
        raise DataError(f"method: expected one of {', '.join(get_args(Method))}, received {method!r}")
    return None if class_name is None else class_number(card, class_name)


def explained(explainer: Explainer, given: GivenImage) -> Explanation:
    """Return the explanation of one image."""
    from tlkit.data.images.reading import reading_of

    card, path = explainer.card, given.path
    try:
        image, size = given.to_size(card.image_size, card.resize, reading_of(card))
    except DataError as error:
        return Explanation(path, error=str(error))
    try:
        return Explanation(path, image, size, explainer.maps(image))
    except DataError as error:
        return Explanation(path, image, size, error=f"{given.title}: {error}")


def picture_files(images: Sequence[FoundImage], out: Path, *, overwrite: bool = False) -> list[Path]:
    """Return the picture of each image, and check that none of them exists.

    Args:
        images: the images.
        out: the folder of the pictures and of ``explain.csv``.
        overwrite: replace files that exist.

    Raises:
        DataError: a file exists, or ``out`` is no folder.
    """
    from tlkit.report.mask_files import unique_stems

    if out.exists() and not out.is_dir():
        raise DataError(f"{out}: is a file; expected a folder for the pictures")
    check_new_folder(out)
    files = [out / f"{stem}.png" for stem in unique_stems([each.name for each in images])]
    for file in () if overwrite else (out / TABLE, *files):
        if file.exists():
            raise DataError(f"{file}: already exists and was not changed; give another folder, or --overwrite")
    return files


@dataclass(frozen=True)
class Drawn:
    """An explanation that was drawn.

    Args:
        name: the image, relative to the folder that was given.
        picture: the file of the picture.
        maps: where the model sees the class.
    """

    name: str
    picture: Path
    maps: Maps


@explained_memory(_ADVICE)
def explain_to_files(
    explainer: Explainer,
    images: Sequence[FoundImage],
    out: Path,
    *,
    overwrite: bool = False,
    failed: Callable[[str], None] = lambda _reason: None,
    progress: StageProgress = no_progress,
) -> Iterator[Drawn]:
    """Explain images, and write a picture of each and, at the end, ``explain.csv``.

    Args:
        explainer: explains the predictions of a model.
        images: the images.
        out: the folder to write to.
        overwrite: replace files that exist.
        failed: called with the reason why an image can't be explained.
        progress: called with how many of how many images are explained.

    Yields:
        each explanation that was drawn.

    Raises:
        DataError: a file exists already, or can't be written.
    """
    from tlkit.report.heat_maps import explanation_picture

    files = picture_files(images, out, overwrite=overwrite)
    rows: list[list[str]] = []
    try:
        for done, (image, file) in enumerate(zip(images, files, strict=True), 1):
            each = explained(explainer, GivenImage(image.path, str(image.path)))
            progress("explaining", done, len(images))
            if each.maps is None:
                failed(str(each.error))
                continue
            file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(
                file, explanation_picture(*_in_own_shape(each, explainer.card), explainer.layer, image.name)
            )
            rows.append([image.name, file.relative_to(out).as_posix(), *_cells(each.maps, explainer.layer)])
            yield Drawn(image.name, file, each.maps)
        if rows:
            write_atomically(out / TABLE, _table(rows))
    except OSError as error:
        raise DataError(f"{error.filename or out}: can't be written: {error.strerror or error}") from error


def _in_own_shape(each: Explanation, card: Card) -> tuple[np.ndarray, Maps]:
    """Return the image of a file, at the size of a picture, and its maps over it: the model may see it distorted."""
    from tlkit.data.images.decode import decode_to_size, restore_mask
    from tlkit.data.images.reading import reading_of

    assert each.maps is not None
    assert each.path is not None
    scale = _SHOWN / max(each.size)
    size = (max(1, round(each.size[0] * scale)), max(1, round(each.size[1] * scale)))
    image, _ = decode_to_size(each.path, None, size, "stretch", reading_of(card))

    def restored(values: np.ndarray | None) -> np.ndarray | None:
        return None if values is None else restore_mask(values[..., None], size, card.resize)[..., 0]

    return image, replace(each.maps, grad_cam=restored(each.maps.grad_cam), occlusion=restored(each.maps.occlusion))


def _cells(maps: Maps, layer: str) -> list[str]:
    found = maps.agreement
    numbers = (math.nan, math.nan) if found is None else (found.rank_correlation, found.overlap)
    texts = ["" if math.isnan(each) else f"{each:.4f}" for each in numbers]
    return [maps.class_name, f"{maps.probability:.6f}", layer, *texts]


def _table(rows: Sequence[Sequence[str]]) -> str:
    text = io.StringIO(newline="")
    writer = CellWriter(text)
    writer.writerow(["image", "picture", "class", "probability", "layer", "rank_correlation", "overlap"])
    for row in rows:
        writer.writerow(row)
    return text.getvalue()
