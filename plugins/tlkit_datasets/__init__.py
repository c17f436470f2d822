"""tlkit's own data sets; ``_DATASETS`` lists them. Imports nothing heavy."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import tlkit
from tlkit_datasets import options as _options

_BOTH: tuple[tlkit.contracts.Task, ...] = ("classification", "segmentation")
_DATASETS: tuple[tuple[str, str, type[tlkit.Options], str, tuple[tlkit.contracts.Task, ...]], ...] = (
    (
        "folder",
        "folder",
        _options.FolderOptions,
        "a folder a class, with or without train, validation and test folders above",
        ("classification",),
    ),
    (
        "masks",
        "masks",
        _options.MasksOptions,
        "images and masks paired by name, with a table from mask value or colour to class",
        ("segmentation",),
    ),
    (
        "csv",
        "table",
        _options.CsvOptions,
        "a CSV table of image paths with labels or masks, splits and groups",
        _BOTH,
    ),
    (
        "oxford_pets",
        "pets",
        _options.PetsOptions,
        "Oxford-IIIT Pet (Parkhi et al. 2012): 7,349 cats and dogs with trimaps, downloaded or a copy",
        _BOTH,
    ),
    (
        "fashion_mnist",
        "fashion",
        _options.PublishedOptions,
        "Fashion-MNIST (Xiao et al. 2017): 70,000 grey images of 28 pixels, downloaded or a copy",
        ("classification",),
    ),
    (
        "cifar10",
        "cifar",
        _options.PublishedOptions,
        "CIFAR-10 (Krizhevsky 2009): 60,000 colour images of 32 pixels, downloaded or a copy",
        ("classification",),
    ),
    (
        "cifar100",
        "cifar",
        _options.Cifar100Options,
        "CIFAR-100 (Krizhevsky 2009): 60,000 images in 100 classes or 20 groups, downloaded or a copy",
        ("classification",),
    ),
    (
        "cats_vs_dogs",
        "cats",
        _options.CatsVsDogsOptions,
        "cats and dogs of Asirra (Elson et al. 2007): 25,000 photographs, downloaded or a copy",
        ("classification",),
    ),
    (
        "digits",
        "digits",
        _options.DigitsOptions,
        "scikit-learn's 1,797 handwritten digits of 8x8 pixels; no download",
        ("classification",),
    ),
    (
        "digit_scenes",
        "digits",
        _options.DigitScenesOptions,
        "handwritten digits pasted over photographs, made from what scikit-learn ships; no download",
        ("segmentation",),
    ),
)


class _Open:
    """Calls ``open_NAME`` of a module, which is imported then."""

    def __init__(self, module: str, name: str) -> None:
        self._module = module
        self._name = name

    def __call__(self, ctx: tlkit.DatasetContext, options: Any) -> tlkit.SampleSet:
        opened: tlkit.SampleSet = getattr(import_module(f"tlkit_datasets.{self._module}"), f"open_{self._name}")(
            ctx, options
        )
        return opened


@tlkit.hookimpl
def tlkit_datasets() -> list[tlkit.Dataset]:
    """The data sets of this package."""
    return [
        tlkit.Dataset(name=name, summary=summary, options=options, open=_Open(module, name), tasks=tasks)
        for name, module, options, summary, tasks in _DATASETS
    ]
