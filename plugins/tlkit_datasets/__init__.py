"""tlkit's own data sets. Importing this package imports nothing heavy."""

from __future__ import annotations

import tlkit

_DATASETS = (
    tlkit.Dataset(
        name="folder",
        summary="one folder per class, with or without train, validation and test folders above them",
        options=tlkit.lazy("tlkit_datasets.options:FolderOptions"),
        open=tlkit.lazy("tlkit_datasets.folder:open_folder"),
        tasks=("classification",),
        relocate=tlkit.lazy("tlkit_datasets.folder:relocate_folder"),
    ),
    tlkit.Dataset(
        name="masks",
        summary="images and masks paired by name, with a table from mask value or colour to class",
        options=tlkit.lazy("tlkit_datasets.options:MasksOptions"),
        open=tlkit.lazy("tlkit_datasets.masks:open_masks"),
        tasks=("segmentation",),
        relocate=tlkit.lazy("tlkit_datasets.relocate:relocate_masks"),
    ),
    tlkit.Dataset(
        name="csv",
        summary="a CSV table of image paths with labels or masks, splits and groups",
        options=tlkit.lazy("tlkit_datasets.options:CsvOptions"),
        open=tlkit.lazy("tlkit_datasets.table:open_csv"),
        tasks=("classification", "segmentation"),
        relocate=tlkit.lazy("tlkit_datasets.relocate:relocate_csv"),
        detect=tlkit.lazy("tlkit_datasets.table_detect:detect_csv"),
    ),
    tlkit.Dataset(
        name="npz",
        summary="images with labels or masks in the arrays of a NumPy .npz file",
        options=tlkit.lazy("tlkit_datasets.options:NpzOptions"),
        open=tlkit.lazy("tlkit_datasets.npz:open_npz"),
        tasks=("classification", "segmentation"),
        detect=tlkit.lazy("tlkit_datasets.npz_detect:detect_npz"),
    ),
    tlkit.Dataset(
        name="oxford_pets",
        summary="Oxford-IIIT Pet (Parkhi et al. 2012): 7,349 cats and dogs with trimaps, downloaded or a copy",
        options=tlkit.lazy("tlkit_datasets.options:PetsOptions"),
        open=tlkit.lazy("tlkit_datasets.pets:open_oxford_pets"),
        tasks=("classification", "segmentation"),
    ),
    tlkit.Dataset(
        name="fashion_mnist",
        summary="Fashion-MNIST (Xiao et al. 2017): 70,000 grey images of 28 pixels, downloaded or a copy",
        options=tlkit.lazy("tlkit_datasets.options:PublishedOptions"),
        open=tlkit.lazy("tlkit_datasets.fashion:open_fashion_mnist"),
        tasks=("classification",),
    ),
    tlkit.Dataset(
        name="cifar10",
        summary="CIFAR-10 (Krizhevsky 2009): 60,000 colour images of 32 pixels, downloaded or a copy",
        options=tlkit.lazy("tlkit_datasets.options:PublishedOptions"),
        open=tlkit.lazy("tlkit_datasets.cifar:open_cifar10"),
        tasks=("classification",),
    ),
    tlkit.Dataset(
        name="cifar100",
        summary="CIFAR-100 (Krizhevsky 2009): 60,000 images in 100 classes or 20 groups, downloaded or a copy",
        options=tlkit.lazy("tlkit_datasets.options:Cifar100Options"),
        open=tlkit.lazy("tlkit_datasets.cifar:open_cifar100"),
        tasks=("classification",),
    ),
    tlkit.Dataset(
        name="cats_vs_dogs",
        summary="cats and dogs from Asirra (Elson et al. 2007): 25,000 photographs, downloaded or a copy",
        options=tlkit.lazy("tlkit_datasets.options:CatsVsDogsOptions"),
        open=tlkit.lazy("tlkit_datasets.cats:open_cats_vs_dogs"),
        tasks=("classification",),
        relocate=tlkit.lazy("tlkit_datasets.relocate:relocate_cats"),
    ),
    tlkit.Dataset(
        name="digits",
        summary="scikit-learn's 1,797 handwritten digits of 8x8 pixels; no download",
        options=tlkit.lazy("tlkit_datasets.options:DigitsOptions"),
        open=tlkit.lazy("tlkit_datasets.digits:open_digits"),
        tasks=("classification",),
    ),
    tlkit.Dataset(
        name="digit_scenes",
        summary="handwritten digits pasted over photographs, made from what scikit-learn ships; no download",
        options=tlkit.lazy("tlkit_datasets.options:DigitScenesOptions"),
        open=tlkit.lazy("tlkit_datasets.digits:open_digit_scenes"),
        tasks=("segmentation",),
    ),
)


@tlkit.hookimpl
def tlkit_datasets() -> tuple[tlkit.Dataset, ...]:
    """Offer the data sets of this package."""
    return _DATASETS
