"""Fashion-MNIST and CIFAR-10: small images as arrays, from an .npz, from the publisher's files, or downloaded."""

from __future__ import annotations

import gzip
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import tlkit

if TYPE_CHECKING:
    from tlkit_datasets import PublishedOptions

Arrays = dict[str, np.ndarray]
"""``x_train``, ``y_train``, ``x_test``, ``y_test``: uint8 (N, H, W) or (N, H, W, 3), and integers (N,)."""

FASHION_URL = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
FASHION_FILES = {
    "x_train": ("train-images-idx3-ubyte.gz", "md5:8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
    "y_train": ("train-labels-idx1-ubyte.gz", "md5:25c81989df183df01b3e8a0aad5dffbe"),
    "x_test": ("t10k-images-idx3-ubyte.gz", "md5:bef4ecab320f06d8554ea6380940ec79"),
    "y_test": ("t10k-labels-idx1-ubyte.gz", "md5:bb300cfdad3c16e7a12a480ee83cd310"),
}
CIFAR_URL = "https://www.cs.toronto.edu/~kriz/"
CIFAR_FILE = ("cifar-10-binary.tar.gz", "md5:c32a1d4ab5d03f1284b67883e8d87530")
_CIFAR_RECORD = 1 + 3 * 32 * 32


@dataclass(frozen=True)
class _Published:
    title: str
    classes: tuple[str, ...]
    shape: tuple[int, ...]


FASHION = _Published(
    "Fashion-MNIST",
    (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    (28, 28),
)
CIFAR = _Published(
    "CIFAR-10",
    ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    (32, 32, 3),
)


def open_fashion_mnist(options: PublishedOptions) -> tlkit.SampleSet:
    """70,000 grey images of 28 pixels in ten classes (Xiao et al. 2017, arXiv:1708.07747), with the official test set.

    Raises:
        DataError: ``path`` is not such a data set, or the download failed.
    """
    path = options.path
    if path is not None and path.expanduser().is_file():
        return _sample_set(FASHION, _npz(path.expanduser(), FASHION), "fashion_mnist")
    if path is not None:
        files = {key: _existing(path.expanduser(), name) for key, (name, _) in FASHION_FILES.items()}
    else:
        cache = _cache("fashion_mnist")
        files = {
            key: tlkit.download(FASHION_URL + name, cache, name, digest, what=FASHION.title)
            for key, (name, digest) in FASHION_FILES.items()
        }
    return _sample_set(FASHION, {key: _idx(file) for key, file in files.items()}, "fashion_mnist")


def open_cifar10(options: PublishedOptions) -> tlkit.SampleSet:
    """60,000 colour images of 32 pixels in ten classes (Krizhevsky 2009), with the official test set.

    Raises:
        DataError: ``path`` is not such a data set, or the download failed.
    """
    path = options.path
    name, digest = CIFAR_FILE
    if path is not None and path.expanduser().is_file():
        return _sample_set(CIFAR, _npz(path.expanduser(), CIFAR), "cifar10")
    if path is not None:
        archive = _existing(path.expanduser(), name)
    else:
        archive = tlkit.download(CIFAR_URL + name, _cache("cifar10"), name, digest, what=CIFAR.title)
    return _sample_set(CIFAR, _cifar(archive), "cifar10")


def _cache(name: str) -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("tlkit", appauthor=False) / name


def _existing(folder: Path, name: str) -> Path:
    file = folder / name
    if not file.is_file():
        raise tlkit.DataError(
            f"data.path: no such file: {file.absolute()}; expected an .npz with x_train, y_train, x_test and y_test, "
            "or a folder with the publisher's files"
        )
    return file


def _npz(file: Path, published: _Published) -> Arrays:
    wanted = ("x_train", "y_train", "x_test", "y_test")
    try:
        with np.load(file, allow_pickle=False) as found:
            missing = [key for key in wanted if key not in found]
            if missing:
                raise tlkit.DataError(
                    f"data.path: {file}: no array {', '.join(missing)}; it has {', '.join(found.files) or 'none'}"
                )
            return {key: found[key] for key in wanted}
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        raise tlkit.DataError(f"data.path: {file}: not {published.title} as an .npz file: {error}") from error


def _idx(file: Path) -> np.ndarray:
    """An array of unsigned bytes in the IDX format (yann.lecun.com/exdb/mnist): magic, sizes, values."""
    try:
        content = gzip.decompress(file.read_bytes())
    except (OSError, EOFError) as error:
        raise tlkit.DataError(f"{file}: can't be unpacked: {error}") from error
    rank = content[3] if content[:3] == b"\0\0\x08" else 0
    sizes = tuple(int(size) for size in np.frombuffer(content[4 : 4 + 4 * rank], ">u4"))
    if not rank or len(content) != 4 + 4 * rank + int(np.prod(sizes)):
        raise tlkit.DataError(f"{file}: not an IDX file of unsigned bytes, or cut off")
    return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(sizes)


def _cifar(archive: Path) -> Arrays:
    """The binary version: a byte for the label, then 1,024 bytes each of red, green and blue."""
    parts: dict[str, list[np.ndarray]] = {"train": [], "test": []}
    try:
        with tarfile.open(archive) as tar:
            for member in sorted(tar.getmembers(), key=lambda member: member.name):
                stream = tar.extractfile(member) if member.name.endswith(".bin") else None
                if stream is not None:
                    records = np.frombuffer(stream.read(), np.uint8).reshape(-1, _CIFAR_RECORD)
                    parts["test" if "test" in member.name else "train"].append(records)
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        raise tlkit.DataError(f"{archive}: not CIFAR-10's binary version: {error}") from error
    if not parts["train"] or not parts["test"]:
        raise tlkit.DataError(f"{archive}: not CIFAR-10's binary version: it lacks data_batch_*.bin or test_batch.bin")
    arrays: Arrays = {}
    for split, found in parts.items():
        records = np.concatenate(found)
        arrays[f"x_{split}"] = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        arrays[f"y_{split}"] = records[:, 0]
    return arrays


def _sample_set(published: _Published, arrays: Arrays, name: str) -> tlkit.SampleSet:
    images: list[np.ndarray] = []
    samples: list[tlkit.Sample] = []
    for split in ("train", "test"):
        pixels, labels = arrays[f"x_{split}"], arrays[f"y_{split}"].reshape(-1)
        if pixels.dtype != np.uint8 or pixels.shape[1:] != published.shape or len(pixels) != len(labels):
            raise tlkit.DataError(
                f"data.path: not {published.title}: expected x_{split} of uint8 (N, "
                f"{', '.join(map(str, published.shape))}) with as many labels, received {pixels.dtype} {pixels.shape} "
                f"and {len(labels)} labels"
            )
        first = len(samples)
        images.append(pixels)
        samples += [
            tlkit.Sample(
                f"{name}/{split}/{number:05d}",
                first + number,
                label=int(label),
                split="test" if split == "test" else None,
            )
            for number, label in enumerate(labels)
        ]
    return tlkit.SampleSet(samples=tuple(samples), classes=published.classes, images=np.concatenate(images))
