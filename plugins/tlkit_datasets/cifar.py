"""CIFAR-10 and CIFAR-100 (Krizhevsky, "Learning multiple layers of features from tiny images", 2009)."""

from __future__ import annotations

import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import tlkit
from tlkit_datasets.archives import cache_folder, reason
from tlkit_datasets.options import Cifar100Options, PublishedOptions
from tlkit_datasets.published import (
    MAX_ARRAYS,
    READ_ERRORS,
    Arrays,
    Published,
    checked_labels,
    existing,
    read_npz,
    sample_set,
)

URL = "https://www.cs.toronto.edu/~kriz/"
_PIXELS = 3 * 32 * 32
_FINE_IMAGES = 500

CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

# The table of cs.toronto.edu/~kriz/cifar.html, in the names of the archive's *_label_names.txt.
SUPERCLASSES = {
    "aquatic_mammals": ("beaver", "dolphin", "otter", "seal", "whale"),
    "fish": ("aquarium_fish", "flatfish", "ray", "shark", "trout"),
    "flowers": ("orchid", "poppy", "rose", "sunflower", "tulip"),
    "food_containers": ("bottle", "bowl", "can", "cup", "plate"),
    "fruit_and_vegetables": ("apple", "mushroom", "orange", "pear", "sweet_pepper"),
    "household_electrical_devices": ("clock", "keyboard", "lamp", "telephone", "television"),
    "household_furniture": ("bed", "chair", "couch", "table", "wardrobe"),
    "insects": ("bee", "beetle", "butterfly", "caterpillar", "cockroach"),
    "large_carnivores": ("bear", "leopard", "lion", "tiger", "wolf"),
    "large_man-made_outdoor_things": ("bridge", "castle", "house", "road", "skyscraper"),
    "large_natural_outdoor_scenes": ("cloud", "forest", "mountain", "plain", "sea"),
    "large_omnivores_and_herbivores": ("camel", "cattle", "chimpanzee", "elephant", "kangaroo"),
    "medium_mammals": ("fox", "porcupine", "possum", "raccoon", "skunk"),
    "non-insect_invertebrates": ("crab", "lobster", "snail", "spider", "worm"),
    "people": ("baby", "boy", "girl", "man", "woman"),
    "reptiles": ("crocodile", "dinosaur", "lizard", "snake", "turtle"),
    "small_mammals": ("hamster", "mouse", "rabbit", "shrew", "squirrel"),
    "trees": ("maple_tree", "oak_tree", "palm_tree", "pine_tree", "willow_tree"),
    "vehicles_1": ("bicycle", "bus", "motorcycle", "pickup_truck", "train"),
    "vehicles_2": ("lawn_mower", "rocket", "streetcar", "tank", "tractor"),
}
COARSE_CLASSES = tuple(SUPERCLASSES)
FINE_CLASSES = tuple(sorted(name for members in SUPERCLASSES.values() for name in members))
FINE_TO_COARSE = tuple(
    next(number for number, members in enumerate(SUPERCLASSES.values()) if name in members) for name in FINE_CLASSES
)
"""Number of each fine class's superclass."""


@dataclass(frozen=True)
class Archive:
    """The publisher's binary version of a data set.

    Args:
        file: name of the archive.
        digest: its digest as given on the publisher's page.
        train: files in it with training records, in order.
        test: files in it with test records.
        label_bytes: label bytes at the start of each record; the last is the (fine) class. The pixels follow: 1,024
            bytes each of red, green and blue.
    """

    file: str
    digest: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    label_bytes: int


ARCHIVES = {
    "cifar10": Archive(
        "cifar-10-binary.tar.gz",
        "md5:c32a1d4ab5d03f1284b67883e8d87530",
        tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
        ("test_batch.bin",),
        1,
    ),
    "cifar100": Archive(
        "cifar-100-binary.tar.gz", "md5:03b5dce01913d631647c71ecec9e9cb8", ("train.bin",), ("test.bin",), 2
    ),
}


def open_cifar10(ctx: tlkit.DatasetContext, options: PublishedOptions) -> tlkit.SampleSet:  # noqa: ARG001
    """Read 60,000 colour images of 32 x 32 pixels in ten classes, with the official test set.

    Raises:
        DataError: ``path`` is not this data set, or the download failed.
    """
    published, arrays, source = _opened("cifar10", "CIFAR-10", options.path)
    labels = checked_labels(published, arrays, source, len(CIFAR10_CLASSES))
    return sample_set(published, arrays, labels, CIFAR10_CLASSES)


def open_cifar100(ctx: tlkit.DatasetContext, options: Cifar100Options) -> tlkit.SampleSet:  # noqa: ARG001
    """Read 60,000 colour images of 32 x 32 pixels in 100 classes or 20 superclasses, with the official test set.

    The labels of an .npz are taken as fine, unless one of them has more training images than a fine class has.

    Raises:
        DataError: ``path`` is not this data set, has coarse labels where fine ones are asked for, or the download
            failed.
    """
    published, arrays, source = _opened("cifar100", "CIFAR-100", options.path)
    labels = checked_labels(published, arrays, source, len(FINE_CLASSES))
    largest = int(np.bincount(labels["train"], minlength=1).max())
    if largest <= _FINE_IMAGES:
        if options.labels == "fine":
            return sample_set(published, arrays, labels, FINE_CLASSES)
        table = np.array(FINE_TO_COARSE)
        labels = {split: table[numbers] for split, numbers in labels.items()}
    elif options.labels == "fine":
        raise tlkit.DataError(
            f"{source}: a label has {largest} training images, but a fine class of CIFAR-100 has {_FINE_IMAGES}; for "
            'coarse labels set data.labels = "coarse"'
        )
    else:
        labels = checked_labels(published, arrays, source, len(COARSE_CLASSES))
    return sample_set(published, arrays, labels, COARSE_CLASSES)


def _opened(name: str, title: str, path: Path | None) -> tuple[Published, Arrays, Path]:
    """Return the data set's description, its arrays, and the file they were read from."""
    archive = ARCHIVES[name]
    published = Published(
        name,
        title,
        (32, 32, 3),
        f"an .npz with x_train, y_train, x_test and y_test, or a folder with {archive.file} (the binary version)",
    )
    if path is None:
        source = tlkit.download(URL + archive.file, cache_folder(name), archive.file, archive.digest, what=title)
    else:
        source = existing(path, published)
        if source.is_dir():
            source = source / archive.file
            if not source.is_file():
                raise tlkit.DataError(f"data.path: no such file: {source.absolute()}; expected {published.expected}")
        elif not source.name.endswith(".tar.gz"):
            return published, read_npz(source, published), source
    return published, _records(source, archive, title), source


def _records(source: Path, archive: Archive, title: str) -> Arrays:
    """Read the arrays from the publisher's binary version."""
    content = _members(source, archive)
    missing = [name for name in archive.train + archive.test if name not in content]
    if missing:
        raise tlkit.DataError(
            f"{source}: not {title}'s binary version: it lacks {', '.join(missing)}; expected {archive.file} from {URL}"
        )
    arrays: Arrays = {}
    for split, names in (("train", archive.train), ("test", archive.test)):
        values = np.frombuffer(b"".join(content[name] for name in names), np.uint8)
        if len(values) % (archive.label_bytes + _PIXELS):
            raise tlkit.DataError(f"{source}: not {title}'s binary version: {', '.join(names)} is incomplete")
        records = values.reshape(-1, archive.label_bytes + _PIXELS)
        arrays[f"x_{split}"] = records[:, archive.label_bytes :].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        arrays[f"y_{split}"] = records[:, archive.label_bytes - 1]
    return arrays


def _members(source: Path, archive: Archive) -> dict[str, bytes]:
    """Return the content of the archive's files with records, by name without folder."""
    content: dict[str, bytes] = {}
    try:
        with tarfile.open(source) as tar:
            for member in tar:
                name = Path(member.name).name
                stream = tar.extractfile(member) if name in archive.train + archive.test else None
                if member.size > MAX_ARRAYS:
                    raise tlkit.DataError(f"{source}: {name} has {member.size} bytes; this is not the publisher's file")
                if stream is not None:
                    content[name] = stream.read()
    except (*READ_ERRORS, tarfile.TarError) as error:
        raise tlkit.DataError(f"{source}: can't be unpacked: {reason(error)}; remove it and fetch it again") from error
    return content
