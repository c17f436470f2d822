"""Survey a folder of images and masks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tlkit.boundary.guard import options_code
from tlkit.contracts import Dataset, DatasetContext, SampleSet, Task
from tlkit.data.images.mask_classes import MAX_CLASSES, MaskClasses, Value, mask_classes, value_text
from tlkit.data.images.source import file_of
from tlkit.data.init.class_names import ClassNames, find_class_names, is_ignored
from tlkit.data.init.contents import MaskSurvey, Survey
from tlkit.data.init.exif_masks import with_turned
from tlkit.data.init.mask_layout import (
    MaskLayout,
    Tree,
    find_beside,
    find_by_suffix,
    find_layouts,
    named_pair,
    other_readings,
)
from tlkit.data.init.mask_names import differs
from tlkit.data.init.mask_values import MaskReading, mask_reading
from tlkit.data.init.sample_files import evenly, read_headers
from tlkit.data.init.split_template import template
from tlkit.errors import DataError
from tlkit.files import find_split_lists
from tlkit.system.text import listed

_MAX_MASKS = 100
"""Maximum number of masks to open."""
_MAX_TRIED = 4
"""Maximum number of ways to pair images with masks whose masks are opened."""
_MAX_NOISE = 0.5
"""Files are no masks if a greater share of their pixels has values that are no classes."""
_MAX_NAMED = 254
"""Maximum number of classes if a file names them."""
_SHOWN = 6


def survey_masks(root: Path, datasets: Sequence[Dataset], task: Task | None) -> Survey | None:
    """Survey a folder of images with masks; None if it is none.

    Args:
        root: the folder.
        datasets: the data sets, of which ``masks`` pairs the files.
        task: what the user wants to learn; None for what the folder shows.

    Raises:
        DataError: it is one, but can't be used.
    """
    dataset = next((each for each in datasets if each.name == "masks"), None)
    if dataset is None:
        return None
    tree = Tree.of(root)
    layouts, certain = _layouts(tree, task)
    if not layouts:
        return None
    error: DataError | None = None
    for place, layout in enumerate(layouts[:_MAX_TRIED]):
        if place and 2 * layout.pairs < layouts[0].pairs:
            break
        try:
            return _survey(tree, _Pairs.of(dataset, root, layout), layouts[place:])
        except DataError as refused:  # such as a mask of the field of view, which has one value
            error = error or refused
    if certain and error is not None:
        raise error
    return None


def _layouts(tree: Tree, task: Task | None) -> tuple[list[MaskLayout], bool]:
    """Return the ways to pair the files, and whether names show that some are masks.

    Raises:
        DataError: folders are named after images and masks, but no mask after an image.
    """
    layouts = find_layouts(tree)
    if layouts:
        return layouts, named_pair(layouts[0]) or task == "segmentation"
    # In class folders, masks beside images don't show that someone wants to learn the masks.
    nested = task != "segmentation" and len({template(parts)[0] for parts in tree.folders if parts}) > 1
    layouts = [each for each in find_beside(tree) if not nested or tree.pairs_per_folder(each) == 1]
    if layouts:
        return layouts, True
    pair = tree.unpaired()
    if pair is not None:
        images, masks = pair
        example, count = min(tree.folders_below(images)), len(tree.folders_below(masks))
        stem = Path(example).stem
        hint = differs(stem, [Path(each).stem for each in tree.folders_below(masks)])
        raise DataError(
            f"{tree.root / masks}: none of {count} masks is named after an image in {tree.root / images}; for the "
            f"image {example}, expected a mask {stem}.png, or with a suffix such as {stem}_mask.png{hint}"
        )
    return [] if nested else find_by_suffix(tree), False


@dataclass(frozen=True)
class _Pairs:
    """Images and masks, paired by the data set ``masks``.

    Args:
        options: the keys of ``[data]`` that pair them.
        sample_set: the pairs.
    """

    options: Mapping[str, Any]
    sample_set: SampleSet

    @classmethod
    def of(cls, dataset: Dataset, root: Path, layout: MaskLayout) -> _Pairs:
        """Pair images and masks, by lists of splits where there are some.

        Raises:
            DataError: the names are ambiguous.
        """
        options: dict[str, Any] = {"images": root / layout.images, "masks": root / layout.masks}
        names = ("image_prefix", "image_suffix", "mask_prefix", "mask_suffix")
        options |= {key: value for key, value in zip(names, layout.affixes.parts, strict=True) if value}
        pairs = cls(options, _open(dataset, options))
        if any(each.split is not None for each in pairs.sample_set.samples):
            return pairs
        for folder in dict.fromkeys([root, options["images"].parent, options["masks"].parent, options["images"]]):
            files = find_split_lists(folder, ("Segmentation",)) if folder.is_dir() else ()
            if not files:
                continue
            listed_options = {**options, "splits": "lists", "lists": files[0].parent}
            try:
                return cls(listed_options, _open(dataset, listed_options))
            except DataError:
                continue  # These lists name other files.
        return pairs

    @property
    def masks(self) -> list[Path]:
        """The masks."""
        return [file for each in self.sample_set.samples if (file := file_of(each.mask)) is not None]

    @property
    def images(self) -> list[Path]:
        """The images that have masks."""
        return [file for each in self.sample_set.samples if (file := file_of(each.image)) is not None]


def _open(dataset: Dataset, options: Mapping[str, Any]) -> SampleSet:
    with options_code(dataset):
        chosen = dataset.options.model_validate({**options, "values": {"0": "0"}})
    return dataset.open(DatasetContext("segmentation", 0), chosen)


def _survey(tree: Tree, pairs: _Pairs, layouts: Sequence[MaskLayout]) -> Survey:
    """Return the survey of paired images and masks.

    Raises:
        DataError: the masks have no classes.
    """
    root, opened = tree.root, evenly(pairs.masks, _MAX_MASKS)
    found = find_class_names(_folders_of(root, pairs))
    reading = mask_reading(opened, by_color=any(each.colored for each in found))
    names, by_value = _fitting(found, reading)
    named = {value for value, name in by_value.items() if not is_ignored(name)}
    values = mask_classes(reading.pixels, by_value)
    classes = {**{value: 0.0 for value in by_value if value in named}, **values.classes}
    most = _MAX_NAMED if by_value else MAX_CLASSES
    if not 2 <= len(classes) <= most or sum(values.others.values()) > _MAX_NOISE:
        raise DataError(_no_classes(root / layouts[0].masks, reading, len(opened), values))
    ignored = {value: values.classes.get(value, 0.0) for value in by_value if value not in named} | {**values.ignored}
    if names is not None and names.file.name.startswith("objectInfo") and 0 in classes:
        ignored[0] = classes[0]  # ADE20K counts pixels outside its 150 classes nowhere
    values = MaskClasses(
        {value: share for value, share in sorted(classes.items(), key=_order) if value not in ignored},
        ignored,
        values.others,
        values.nearest,
        (*reading.notes, *values.notes),
    )
    counts: dict[str, dict[str, int]] = {}
    for split, count in Counter(each.split or "" for each in pairs.sample_set.samples).items():
        counts[split] = {"": count}
    notes = [*values.notes, *_name_notes(found, names, by_value, values), *pairs.sample_set.notes]
    notes += _left_notes(tree, pairs, layouts)
    options = {**pairs.options, **({} if reading.channel == "auto" else {"channel": reading.channel})}
    if reading.inverted and set(classes) == {0, 255} and not by_value:
        by_value = {0: "object", 255: "background"}
    masks = MaskSurvey(
        options,
        values,
        {value_text(key): name for key, name in by_value.items()},
        None if names is None else names.file,
    )
    headers = with_turned(read_headers(pairs.images), pairs.sample_set.samples)
    return Survey(root, "masks", dict(sorted(counts.items())), headers, masks=masks, notes=tuple(notes))


def _order(value_and_share: tuple[Value, float]) -> tuple[float, ...]:
    value = value_and_share[0]
    return value if isinstance(value, tuple) else (value,)


def _folders_of(root: Path, pairs: _Pairs) -> list[Path]:
    """Return the folders of masks and images, and those above them up to the root."""
    inner = dict.fromkeys(file.parent for file in (*pairs.masks, *pairs.images))
    above = (folder for each in inner for folder in each.parents if folder.is_relative_to(root))
    return list(dict.fromkeys([*list(inner)[:_MAX_MASKS], *above, root]))


def _fitting(found: Sequence[ClassNames], reading: MaskReading) -> tuple[ClassNames | None, dict[Value, str]]:
    """Return the file whose names fit the values of the masks best, and value → name."""
    seen = [value for value, share in reading.pixels.shares.items() if share >= 0.001] or list(reading.pixels.shares)
    best: tuple[int, ClassNames | None, dict[Value, str]] = (0, None, {})
    for names in found:
        by_value = names.by_value(seen)
        fits = sum(value in by_value for value in seen)
        if fits > best[0]:
            best = (fits, names, by_value)
    return best[1], best[2]


def _name_notes(
    found: Sequence[ClassNames], names: ClassNames | None, by_value: Mapping[Value, str], values: MaskClasses
) -> list[str]:
    if names is None:
        return [
            f"the class names in {each.file} do not fit the values of the masks; they were not used"
            for each in found[:1]
        ]
    notes = []
    lacking = [value_text(value) for value in values.classes if value not in by_value]
    if lacking:
        notes.append(f"without a name in {names.file}: {listed(lacking, _SHOWN)}")
    unseen = [f"{value_text(value)} ({name})" for value, name in by_value.items() if not values.classes.get(value)]
    unseen = [each for each, value in zip(unseen, by_value, strict=False) if value not in values.ignored]
    if unseen:
        notes.append(f"named in {names.file}, but in none of the masks that were opened: {listed(unseen, _SHOWN)}")
    if not names.values or (names.colored and not any(isinstance(value, tuple) for value in by_value)):
        first = next(iter(by_value.items()))
        notes.append(f"{names.file} lists names only; its first is taken for {value_text(first[0])}: check the order")
    return notes


def _left_notes(tree: Tree, pairs: _Pairs, layouts: Sequence[MaskLayout]) -> list[str]:
    """Return notes about what is not used, and about other readings of the folder."""
    notes = []
    aside = pairs.sample_set.set_aside
    alone = sum(each.reason.startswith("no mask") for each in aside)
    without = sum(each.reason.startswith("mask without") for each in aside)
    unlisted = len(aside) - alone - without
    if alone:
        hint = next((each.reason.split("; ", 1)[1] for each in aside if " differs in " in each.reason), "")
        notes.append(f"images without a mask: {alone}; a run sets them aside" + (f". {hint}" if hint else ""))
    if without:
        notes.append(f"masks without an image: {without}; a run sets them aside")
    if unlisted:
        notes.append(f"images in none of the lists: {unlisted}; a run sets them aside")
    notes += tree.unused([*pairs.images, *pairs.masks], layouts[0])
    others = other_readings(layouts)
    if others:
        notes.append(f"other masks that fit as well: {listed(others, 3)}; to use them, change these keys")
    return notes


def _no_classes(masks: Path, reading: MaskReading, opened: int, values: MaskClasses) -> str:
    distinct = len(reading.pixels.shares)
    if reading.pixels.read and distinct == 1:
        only = value_text(next(iter(reading.pixels.shares)))
        return (
            f"{masks}: every pixel of the {opened} masks that were opened is {only}, and they have no alpha channel "
            "that varies; expected 2 or more values, at least one per class"
        )
    what = f"{distinct} different values" if distinct else "no readable mask"
    message = (
        f"{masks}: {what} in {opened} masks; expected 2 to {MAX_CLASSES} values or colours, at least one per class"
    )
    hint = "JPEG and smooth scaling add values to masks: save masks as PNG, and scale them with nearest neighbour"
    if reading.pixels.jpeg:
        return f"{message}. {hint}"
    if any(isinstance(value, float) for value in reading.pixels.shares):
        return message + ". These are decimals: apply a threshold to probabilities, and save masks as PNG"
    if any(isinstance(value, tuple) for value in reading.pixels.shares):
        message += (
            ". If each object has a colour of its own, save masks of class numbers; if one channel has the class "
            'numbers, write a recipe with data.channel = "red"'
        )
    return message if values.classes else f"{message}. {hint}"
