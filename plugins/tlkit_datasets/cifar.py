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
    BROKEN,
    LARGEST_ARRAYS,
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
    """The publisher's binary version.

    Args:
        file: its name.
        digest: as the publisher's page gives it.
        train: the files with training records, in order.
        test: the files with test records.
        label_bytes: that each record begins with; the last is the (fine) class. The pixels follow: 1,024 bytes
            each of red, green and blue.
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
    """60,000 colour images of 32 pixels in ten classes, with the official test set.

    Raises:
        DataError: ``path`` is not such a data set, or the download failed.
    """
    published, arrays, source = _opened("cifar10", "CIFAR-10", options.path)
    labels = checked_labels(published, arrays, source, len(CIFAR10_CLASSES))
    return sample_set(published, arrays, labels, CIFAR10_CLASSES)


def open_cifar100(ctx: tlkit.DatasetContext, options: Cifar100Options) -> tlkit.SampleSet:  # noqa: ARG001
    """60,000 colour images of 32 pixels in 100 classes or their 20 superclasses, with the official test set.

    An .npz holds fine labels, or coarse ones where a label has more training images than a fine class can have.

    Raises:
        DataError: ``path`` is not such a data set, or the download failed.
    """
    published, arrays, source = _opened("cifar100", "CIFAR-100", options.path)
    found = checked_labels(published, arrays, source, len(FINE_CLASSES))
    most = int(np.bincount(found["train"], minlength=1).max())
    if most <= _FINE_IMAGES:
        if options.labels == "fine":
            return sample_set(published, arrays, found, FINE_CLASSES)
        table = np.array(FINE_TO_COARSE)
        found = {split: table[numbers] for split, numbers in found.items()}
    elif options.labels == "fine":
        raise tlkit.DataError(
            f"{source}: a label has {most} training images, a fine class of CIFAR-100 has {_FINE_IMAGES}; with coarse "
            'labels set data.labels = "coarse"'
        )
    else:
        found = checked_labels(published, arrays, source, len(COARSE_CLASSES))
    return sample_set(published, arrays, found, COARSE_CLASSES)


def _opened(name: str, title: str, path: Path | None) -> tuple[Published, Arrays, Path]:
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
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(source) as tar:
            for member in tar:
                name = Path(member.name).name
                stream = tar.extractfile(member) if name in archive.train + archive.test else None
                if member.size > LARGEST_ARRAYS:
                    raise tlkit.DataError(f"{source}: {name} has {member.size} bytes; this is not the publisher's file")
                if stream is not None:
                    found[name] = stream.read()
    except (*BROKEN, tarfile.TarError) as error:
        raise tlkit.DataError(f"{source}: can't be unpacked: {reason(error)}; remove it and fetch it again") from error
    missing = [name for name in archive.train + archive.test if name not in found]
    if missing:
        raise tlkit.DataError(
            f"{source}: not {title}'s binary version: it lacks {', '.join(missing)}; expected {archive.file} from {URL}"
        )
    arrays: Arrays = {}
    for split, names in (("train", archive.train), ("test", archive.test)):
        content = np.frombuffer(b"".join(found[name] for name in names), np.uint8)
        if len(content) % (archive.label_bytes + _PIXELS):
            raise tlkit.DataError(f"{source}: not {title}'s binary version: {', '.join(names)} is cut off")
        records = content.reshape(-1, archive.label_bytes + _PIXELS)
        arrays[f"x_{split}"] = records[:, archive.label_bytes :].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        arrays[f"y_{split}"] = records[:, archive.label_bytes - 1]
    return arrays
