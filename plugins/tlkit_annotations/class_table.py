"""From the class names of annotations to class numbers: which are used, merged, ignored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import chain
from typing import Any

import tlkit
from tlkit_annotations.options import ClassOptions
from tlkit_annotations.reading import name_of


@dataclass(frozen=True)
class ClassTable:
    """The classes of a data set.

    Args:
        classes: class names in the order of the class numbers.
        numbers: class name of the annotations → class number or ``IGNORE``; a name that is not in it is not used.
        background: class number of pixels in no shape, or ``IGNORE``.
        notes: what the user should know.
    """

    classes: tuple[str, ...]
    numbers: dict[str, int]
    background: int
    notes: tuple[str, ...] = ()

    def of_values(self, names: Mapping[Any, str]) -> dict[tlkit.MaskValue, int]:
        """Return value of a mask → class number, from value → class name; classes that are not used are background."""
        return {value: self.numbers.get(name, self.background) for value, name in names.items()}

    def labels(self, names: Iterable[str]) -> tuple[int, ...]:
        """Return the class numbers of an image's class names, ascending; ignored and unused names have none."""
        return tuple(sorted({self.numbers[name] for name in names if name in self.numbers} - {tlkit.IGNORE}))

    def number(self, name: str) -> int | None:
        """Return the number of a class name of the annotations, or ``IGNORE``; None: it is not used."""
        return self.numbers.get(name)


def class_table(
    options: ClassOptions,
    names: Sequence[str],
    used: Iterable[str],
    *,
    with_background: bool,
    background_names: Iterable[str] = (),
    ignored_names: Iterable[str] = (),
) -> ClassTable:
    """Return the classes that the options and the annotations give.

    Args:
        options: which classes to use, to merge and to ignore.
        names: all class names that the annotations define, in their order.
        used: those that occur.
        with_background: whether class 0 is the background, as in segmentation.
        background_names: class names that mean background.
        ignored_names: class names that mean ignored pixels.

    Raises:
        DataError: no class is left.
    """
    used = set(used)
    merge = {name_of(name): name_of(target) for name, target in options.merge.items()}
    ignored = {*map(name_of, options.ignore), *ignored_names}
    background_names = {*background_names, *([name_of(options.background)] if options.background else [])}
    counted = {name: merge.get(name, name) for name in names}
    wanted = [name_of(name) for name in options.classes]
    taken = wanted or [
        target for name, target in counted.items() if name in used and name not in ignored and target not in ignored
    ]
    classes = [name_of(options.background)] if with_background and options.background else []
    classes += [name for name in dict.fromkeys(taken) if not with_background or name not in background_names]
    numbers = {}
    for name, target in counted.items():
        if name in ignored or target in ignored:
            numbers[name] = tlkit.IGNORE
        elif with_background and target in background_names:
            numbers[name] = 0 if options.background else tlkit.IGNORE
        elif target in classes:
            numbers[name] = classes.index(target)
    background = 0 if options.background else tlkit.IGNORE
    return ClassTable(tuple(classes), numbers, background, tuple(_notes(options, counted, used, wanted, numbers)))


def _notes(
    options: ClassOptions, counted: dict[str, str], used: set[str], wanted: list[str], numbers: dict[str, int]
) -> Iterable[str]:
    known = {*counted, *counted.values()}
    given = chain(
        (("classes", name) for name in wanted),
        (("merge", name_of(name)) for name in options.merge),
        (("ignore", name_of(name)) for name in options.ignore),
    )
    for key, name in given:
        if name not in known:
            similar = get_close_matches(name, known, 1)
            hint = f'; did you mean "{similar[0]}"?' if similar else ""
            yield f'data.{key}: the annotations have no class "{name}"{hint}'
    unused = [name for name in counted if name not in used]
    if unused and not wanted:
        yield f"defined, but not annotated in any image, so no class: {some(unused)}"
    others = [name for name in counted if name in used and name not in numbers]
    if others:
        yield f"annotated, but not in data.classes, so background or no label: {some(others)}"


def some(names: Sequence[str], limit: int = 8) -> str:
    """Return the first names for a message, and how many more there are."""
    rest = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + rest
