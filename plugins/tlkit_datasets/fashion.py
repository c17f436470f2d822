"""Fashion-MNIST (Xiao, Rasul and Vollgraf 2017, arXiv:1708.07747)."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np

import tlkit
from tlkit_datasets.archives import cache_folder
from tlkit_datasets.options import PublishedOptions
from tlkit_datasets.published import MAX_ARRAYS, READ_ERRORS, Published, checked_labels, existing, read_npz, sample_set

URL = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
FILES = {
    "x_train": ("train-images-idx3-ubyte.gz", "md5:8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
    "y_train": ("train-labels-idx1-ubyte.gz", "md5:25c81989df183df01b3e8a0aad5dffbe"),
    "x_test": ("t10k-images-idx3-ubyte.gz", "md5:bef4ecab320f06d8554ea6380940ec79"),
    "y_test": ("t10k-labels-idx1-ubyte.gz", "md5:bb300cfdad3c16e7a12a480ee83cd310"),
}
FASHION = Published(
    "fashion_mnist",
    "Fashion-MNIST",
    (28, 28),
    "an .npz with x_train, y_train, x_test and y_test, or a folder with the publisher's files "
    + ", ".join(name for name, _ in FILES.values()),
)
CLASSES = (
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
)


def open_fashion_mnist(ctx: tlkit.DatasetContext, options: PublishedOptions) -> tlkit.SampleSet:  # noqa: ARG001
    """Read 70,000 grey images of 28 x 28 pixels in ten classes, with the official test set.

    Raises:
        DataError: ``path`` is not this data set, or the download failed.
    """
    path = options.path
    source = cache_folder("fashion_mnist") if path is None else existing(path, FASHION)
    if source.is_file():
        arrays = read_npz(source, FASHION)
    else:
        if path is None:
            for name, digest in FILES.values():
                tlkit.download(URL + name, source, name, digest, what=FASHION.title)
        missing = [name for name, _ in FILES.values() if not (source / name).is_file()]
        if missing:
            raise tlkit.DataError(f"data.path: {source}: no file {', '.join(missing)}; expected {FASHION.expected}")
        arrays = {key: _idx(source / name) for key, (name, _) in FILES.items()}
    return sample_set(FASHION, arrays, checked_labels(FASHION, arrays, source, len(CLASSES)), CLASSES)


def _idx(file: Path) -> np.ndarray:
    """Read an array of unsigned bytes in the IDX format (yann.lecun.com/exdb/mnist): magic, sizes, values."""
    try:
        with gzip.open(file) as stream:
            content = stream.read(MAX_ARRAYS + 1)
    except READ_ERRORS as error:
        raise tlkit.DataError(f"{file}: can't be unpacked: {error}; remove it and fetch it again") from error
    if len(content) > MAX_ARRAYS:
        raise tlkit.DataError(f"{file}: unpacks to more than {MAX_ARRAYS} bytes; remove it and fetch it again")
    rank = content[3] if content[:3] == b"\0\0\x08" and len(content) > 3 else 0
    sizes = tuple(int(size) for size in np.frombuffer(content[4 : 4 + 4 * rank], ">u4"))
    if not rank or len(content) != 4 + 4 * rank + int(np.prod(sizes)):
        raise tlkit.DataError(f"{file}: not an IDX file of unsigned bytes, or incomplete; remove it and fetch it again")
    return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(sizes)
