"""What a model card says about using the model: licences, exported files, code, the recipe; as lines of Markdown."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import PurePath

from tlkit.models.weight_licences import weights_statement
from tlkit.report.card_facts import CardFacts
from tlkit.report.card_sections import folded
from tlkit.report.exports_part import COLUMNS, ExportRow
from tlkit.report.markdown import code, fenced, link, prose, table

_FITTED = {
    "stretch": "photo = photo.resize(({width}, {height}), Image.Resampling.BICUBIC)",
    "crop": "photo = ImageOps.fit(photo, ({width}, {height}), Image.Resampling.BICUBIC)",
    "pad": """\
inner = ImageOps.contain(photo, ({width}, {height}), Image.Resampling.BICUBIC)
photo = Image.new("RGB", ({width}, {height}))
photo.paste(inner, ((photo.width - inner.width) // 2, (photo.height - inner.height) // 2))""",
}
"""How an image is brought to the model's size, exactly as tlkit does it."""
_IMAGES = """\
import numpy as np
from PIL import Image, ImageOps

photo = {opened}.convert("RGB")
{fitted}
images = np.asarray(photo)[None]"""
_FILES = """\
import tlkit
model = tlkit.load({folder})
print(model.predict(["photo.jpg"]))"""


def licences(facts: CardFacts, licence: str | None) -> Iterator[str]:
    """Yield the licence of the model, if its maker chose one, and what is stated about the backbone's weights."""
    if licence:
        yield f"The maker of this model chose the licence {code(licence)} for it."
    else:
        yield "The maker of this model has not stated a licence for it (`tlkit card --license` does)."
    yield ""
    yield f"- Weights of the backbone: {_backbone_licence(facts)}"
    yield "- Images that it was trained on: their licence is not recorded; ask where they came from."


def _backbone_licence(facts: CardFacts) -> str:
    name, weights = facts.card.backbone.name, facts.setting("backbone.weights")
    if weights == "none":
        return "trained from random values here, so nobody else's licence applies to them."
    if weights is None:
        return "the run does not record where they came from."
    statement = weights_statement(name)
    if weights != "imagenet":
        of_same = ""
        if statement is not None and statement.says:
            of_same = (
                f" If it holds Keras's ImageNet weights of {code(name)}, these are {statement.says} "
                f"({link('statement', statement.address)})."
            )
        return f"from a file of the user, whose licence tlkit does not know.{of_same}"
    if statement is None:
        return f"published with the plugin that offers {code(name)}; tlkit does not know their licence."
    if not statement.says:
        return (
            f"ImageNet weights of {code(name)} that Keras publishes. Their licence is not stated by their publisher "
            f"({link('origin', statement.address)})."
        )
    stated = link("statement", statement.address)
    return f"ImageNet weights of {code(name)} that Keras publishes, {statement.says} ({stated})."


def exports(facts: CardFacts) -> Iterator[str]:
    """Yield the table of the files that the model was exported to."""
    if not facts.exports:
        yield "The model was not exported yet: `tlkit export` writes it in other formats, and compares their answers."
        return
    yield (
        "Each file was run by its own runtime and compared with the Keras model on images of the run; one whose "
        "answers differ was refused."
    )
    yield ""
    yield from table(COLUMNS, [[_short(row, place) for place in range(len(COLUMNS))] for row in facts.exports])
    refused = [row for row in facts.exports if not row.passed]
    if refused:
        yield ""
        yield from (f"- {prose(row.format)} was refused: {prose(row.reason)}" for row in refused)


def _short(row: ExportRow, place: int) -> str:
    """Return a cell of the table of exports; why a file was refused stands below the table."""
    if COLUMNS[place] == "file":
        return prose(_address(row))
    return "refused" if COLUMNS[place] == "result" and not row.passed else prose(row.cells[place])


def _address(row: ExportRow) -> str:
    """Return where a file is for readers of the card: its name alone, if it is not in the run folder."""
    return PurePath(row.file).name if PurePath(row.file).is_absolute() else row.file


def _classes(facts: CardFacts) -> str:
    """Return what the code of each format gives, and how to name the class."""
    shape = "(images, height, width, classes)" if facts.card.task == "segmentation" else "(images, classes)"
    named = "the classes are `json.loads(metadata['classes'])`"
    if facts.card.task != "segmentation" and facts.card.label_kind != "multi":
        named = "the class is `json.loads(metadata['classes'])[probabilities[0].argmax()]`, after `import json`"
    return f"Then run the code of a format, in this folder. It gives `probabilities` {shape} and `metadata`; {named}."


def usage(facts: CardFacts, snippets: Mapping[str, str]) -> Iterator[str]:
    """Yield how the model is used.

    Args:
        facts: what is known of the model.
        snippets: format → lines of Python that use its files, for the formats that are offered here.
    """
    folder = repr(facts.name)
    yield "With tlkit (`pip install tlkit`), in the folder that holds this one:"
    yield ""
    yield from fenced(f"tlkit predict {shlex.quote(facts.name)} photo.jpg", "sh")
    yield ""
    yield from fenced(_FILES.format(folder=folder), "python")
    usable = [row for row in facts.exports if row.passed and row.file and row.name in snippets]
    if usable:
        yield ""
        yield from _photo(facts)
        yield ""
        yield _classes(facts)
    for row in usable:
        yield ""
        given = "" if row.input == "uint8" else f", after `images = images.astype({row.input!r})`"
        yield f"{prose(row.format)}{given}:"
        yield ""
        yield from fenced(f"FILE = {_address(row)!r}\n{snippets[row.name].strip()}", "python")


def _photo(facts: CardFacts) -> Iterator[str]:
    """Yield how a photo becomes the array that exported files take."""
    card = facts.card
    height, width = card.image_size
    if card.bands or card.value_range:
        yield (
            f"Without tlkit. `images` is an array (1, {height}, {width}, 3), RGB, 0–255; these images have other bands "
            "or more than 8 bits, which `tlkit predict` reads as the recipe says."
        )
        return
    opened = 'Image.open("photo.jpg")'
    if card.orientation == "exif":
        opened = f"ImageOps.exif_transpose({opened})"
    yield "Without tlkit, the exported files take a photo (8 bits, without transparency) like this:"
    yield ""
    fitted = _FITTED[card.resize].format(height=height, width=width)
    yield from fenced(_IMAGES.format(opened=opened, fitted=fitted), "python")


def recipe(facts: CardFacts, home: str) -> Iterator[str]:
    """Yield the recipe; the user's own folder stands in it as ``~``."""
    text = facts.recipe.replace(home, "~") if len(home) > 1 else facts.recipe
    yield "The recipe that tlkit ran; with the same images, it trains the model again."
    yield ""
    yield from folded("Recipe", fenced(text, "toml"))
