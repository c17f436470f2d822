"""Images as a program has them: files, encoded bytes, Pillow's images and NumPy's arrays."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tlkit.contracts import ImageSize
from tlkit.data.images.decode import Resize, decode_to_size
from tlkit.data.images.image_file import BROKEN, BadImageError
from tlkit.data.images.reading import Reading
from tlkit.errors import DataError
from tlkit.evaluation.found_images import find_images

Images = Any
"""A path of a file or folder, encoded bytes, an image of Pillow, an array uint8 (H, W), (H, W, 1), (H, W, 3), (H, W, 4)
or (N, H, W, channels), or uint16 with one channel, or an iterable of these."""

_ORIENTATION = 0x0112
_ARRAYS = "uint8 (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), 0-255, or uint16 (H, W), or a batch (N, H, W, channels)"


@dataclass(frozen=True, eq=False)
class GivenImage:
    """An image to predict.

    Args:
        image: the file; the encoded bytes; the image; or its pixels, uint8 (H, W) or (H, W, 1, 3 or 4), or
            uint16 (H, W) or (H, W, 1).
        title: what messages call it, such as ``images[2]``.
    """

    image: Path | bytes | Image.Image | np.ndarray
    title: str

    @property
    def path(self) -> Path | None:
        """The file; None for an image in memory."""
        return self.image if isinstance(self.image, Path) else None

    def to_size(self, size: ImageSize, resize: Resize, reading: Reading) -> tuple[np.ndarray, ImageSize]:
        """Decode the image and resize it, one in memory as those in files are: see ``decode_to_size``.

        Raises:
            BadImageError: the image can't be decoded.
        """
        if isinstance(self.image, Path):
            return decode_to_size(self.image, None, size, resize, reading)
        content = self.image if isinstance(self.image, bytes) else _as_file(self.image, self.title)
        return decode_to_size(Path(self.title), content, size, resize, reading)


def _as_file(image: Image.Image | np.ndarray, title: str) -> bytes:
    """Return an image in memory as a TIFF file, which holds all kinds of pixels as they are.

    So there is one way to read images, whether from files or not.
    """
    try:
        if isinstance(image, np.ndarray):
            image = Image.fromarray(image[..., 0] if image.shape[2:] == (1,) else image)
        image.load()  # turns a TIFF; its orientation is 1 after that
        orientation = image.getexif().get(_ORIENTATION, 1)
        if "transparency" in image.info or image.mode in ("PA", "La", "RGBa"):
            image = image.convert("RGBA")
        elif image.mode in ("HSV", "RGBX"):
            image = image.convert("RGB")
        file = io.BytesIO()
        image.save(file, "TIFF", tiffinfo={_ORIENTATION: orientation}, exif=b"")
    except BROKEN as error:
        raise BadImageError("undecodable", f"{title}: can't be decoded: {error}") from error
    return file.getvalue()


def given_images(images: Images) -> Iterable[GivenImage]:
    """Return the images that a program gives: a list if all are files, else one at a time.

    Folders are searched for images at any depth.

    Raises:
        DataError: a path does not exist, no image was found, or something else than an image was given.
    """
    if isinstance(images, str | Path):
        return _files(images)
    if _is_one(images):
        return _of_one(images, "the image")
    if not isinstance(images, Iterable):
        raise DataError(_not_an_image("the image", images))
    images = list(images) if isinstance(images, list | tuple | set) else images
    if isinstance(images, list) and all(isinstance(each, str | Path) for each in images):
        # Found together: each file once, and what doesn't exist is told before anything is predicted.
        return _files(images)
    return (given for number, each in enumerate(images) for given in _of_one(each, f"images[{number}]"))


def _files(paths: Any) -> list[GivenImage]:
    return [GivenImage(each.path, str(each.path)) for each in find_images(paths)]


def _is_one(value: object) -> bool:
    return isinstance(value, str | Path | bytes | bytearray | memoryview | Image.Image) or _is_like_array_or_file(value)


def _is_like_array_or_file(value: object) -> bool:
    return hasattr(value, "__array__") or callable(getattr(value, "read", None))


def _of_one(value: Any, title: str) -> Iterator[GivenImage]:
    if isinstance(value, str | Path):
        yield from _files(value)
    elif isinstance(value, bytes | bytearray | memoryview):
        yield GivenImage(bytes(value), title)
    elif isinstance(value, Image.Image):
        yield GivenImage(value, title)
    elif callable(getattr(value, "read", None)):
        content = value.read()
        if not isinstance(content, bytes):
            raise DataError(f"{title}: expected a file that was opened in binary mode, received {type(value).__name__}")
        yield GivenImage(content, title)
    elif hasattr(value, "__array__"):
        array = np.asarray(value)
        _check_array(array, title)
        if array.ndim < 4:
            yield GivenImage(np.ascontiguousarray(array), title)
        else:
            yield from (GivenImage(np.ascontiguousarray(each), f"{title}[{n}]") for n, each in enumerate(array))
    else:
        raise DataError(_not_an_image(title, value))


def _check_array(array: np.ndarray, title: str) -> None:
    channels = array.shape[-1] if array.ndim > 2 else 1
    if array.dtype != np.uint8 and not (array.dtype == np.uint16 and channels == 1):
        hint = ""
        if np.issubdtype(array.dtype, np.floating):
            scale = "image" if (array > 1).any() else "image * 255"
            hint = f'; convert it, for example by ({scale}).round().clip(0, 255).astype("uint8")'
        raise DataError(f"{title}: expected an array of {_ARRAYS}, received {array.dtype} {array.shape}{hint}")
    if array.ndim not in (2, 3, 4) or channels not in (1, 3, 4) or not array.size:
        raise DataError(
            f"{title}: expected an array of {_ARRAYS}, received shape {array.shape}"
            + ("; give several grey images as a list" if array.ndim == 3 else "")
        )


def _not_an_image(title: str, value: object) -> str:
    expected = "expected a path, bytes, an image of Pillow, an array, or several of them"
    return f"{title}: {expected}, received {type(value).__name__}"
