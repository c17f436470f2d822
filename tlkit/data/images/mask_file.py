"""The pixels of mask files as they are stored: grey values, palette indices, colours and opacity."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from tlkit.contracts import MaskChannel, MaskTable
from tlkit.data.images.image_file import BROKEN, BadImageError, undecodable
from tlkit.data.images.picture import Picture
from tlkit.data.images.reading import PLAIN, Reading

_PHOTOMETRIC = 262
_BANDS: tuple[MaskChannel, ...] = ("red", "green", "blue")


@dataclass(frozen=True, eq=False)
class RawMask:
    """The pixels of a mask file.

    Args:
        values: (H, W): grey values or palette indices; or uint8 (H, W, 3): colours.
        alpha: uint8 (H, W), the opacity; None without one.
        palette: uint8 (N, 3), the colours of the indices; None if ``values`` are no indices.
        format: Pillow's name of the format.
        inverted: whether the file says that 0 is white, so that its values were turned round: those of 1 bit become 255
            where the file has 0.
    """

    values: np.ndarray
    alpha: np.ndarray | None = None
    palette: np.ndarray | None = None
    format: str = ""
    inverted: bool = False

    @property
    def colored(self) -> bool:
        """Whether the values are colours, of which some are not grey."""
        return self.values.ndim == 3 and not bool((self.values == self.values[..., :1]).all())

    def numbers(self) -> np.ndarray | None:
        """Return grey values or palette indices, int64 or, of decimals, float64 (H, W); None for colours."""
        if self.values.ndim == 3:
            return None if self.colored else self.values[..., 0].astype(np.int64)
        return self.values.astype(np.float64 if self.values.dtype.kind == "f" else np.int64)

    def colors(self) -> np.ndarray | None:
        """Return colours as red * 65536 + green * 256 + blue, int64 (H, W); None if grey values are beyond 0-255."""
        if self.values.ndim == 3:
            rgb = self.values.astype(np.int64)
        elif self.palette is not None:
            last = len(self.palette) - 1
            rgb = (
                self.palette[np.minimum(self.values, last)].astype(np.int64) if last >= 0 else np.zeros((1, 1, 3), int)
            )
        else:
            values = self.numbers()
            assert values is not None
            if not ((values >= 0) & (values <= 255) & (values == np.rint(values))).all():
                return None
            return values.astype(np.int64) * 0x010101
        return np.asarray((rgb[..., 0] << 16) | (rgb[..., 1] << 8) | rgb[..., 2])

    def channel(self, name: MaskChannel) -> np.ndarray | None:
        """Return one channel, int64 (H, W); None if the mask has no alpha channel, or grey values beyond 0-255."""
        if name == "alpha":
            return None if self.alpha is None else self.alpha.astype(np.int64)
        colors = self.colors()
        return None if colors is None else colors >> (16 - 8 * _BANDS.index(name)) & 255

    def used_palette(self) -> dict[int, str]:
        """Return index → colour as ``#rrggbb``, of the indices that pixels have; empty without a palette."""
        if self.palette is None:
            return {}
        return {
            index: f"#{bytes(self.palette[index].tolist()).hex()}"
            for index in np.unique(self.values).tolist()
            if index < len(self.palette)
        }


def reading_key(table: MaskTable) -> str:
    """Return how masks are read besides the values of their table, as text for a cache key; empty for the defaults."""
    return ("" if table.channel == "auto" else f" {table.channel}") + (" nearest" if table.nearest else "")


def read_mask(path: Path, data: bytes | None = None, reading: Reading = PLAIN) -> RawMask:
    """Decode a mask file; the EXIF orientation is applied, unless ``reading`` says otherwise.

    Args:
        path: the file.
        data: the file's bytes, if they were read already.
        reading: how files are read.

    Raises:
        BadImageError: the file can't be decoded.
    """
    with Picture(path, data, replace(reading, bands=())) as picture:
        try:
            if picture.image is None:
                values, inverted = picture.stored_values()
                return RawMask(_grays_or_colors(path, values), format=picture.format, inverted=inverted)
            raw = _raw(picture.upright(), picture.format)
            return replace(raw, inverted=_white_is_0(picture.image))
        except BROKEN as error:
            raise undecodable(path, error) from error


def _grays_or_colors(path: Path, values: np.ndarray) -> np.ndarray:
    """Return the values of a TIFF, (H, W, C), that Pillow doesn't read as grey values or colours."""
    first = values[..., 0]
    if values.shape[2] < 3 or (values == values[..., :1]).all():
        return np.asarray(first)
    if values.shape[2] > 4 or values.dtype not in (np.uint8, np.uint16):
        kind = f"{values.shape[2]} bands of {values.dtype}"
        raise BadImageError(
            "unsupported", f"{path}: a mask with {kind}; expected one band of class numbers, or colours"
        )
    return (values[..., :3] >> (8 if values.dtype == np.uint16 else 0)).astype(np.uint8)


def _white_is_0(image: Image.Image) -> bool:
    """Return whether Pillow turned the values of a TIFF file round."""
    if image.format != "TIFF" or image.mode not in ("1", "L"):
        return False
    return bool(image.tag_v2.get(_PHOTOMETRIC) == 0)  # type: ignore[attr-defined]


def _raw(image: Image.Image, name: str) -> RawMask:
    mode, alpha, palette = image.mode, None, None
    if mode in ("LA", "La", "PA", "RGBA", "RGBa"):
        alpha = np.asarray(image)[..., -1]
    elif "transparency" in image.info and mode in ("1", "L", "P", "RGB"):
        alpha = np.asarray(image.convert("RGBA"))[..., -1]
    if mode in ("P", "PA"):
        palette = np.array(image.getpalette("RGB") or [0, 0, 0], np.uint8).reshape(-1, 3)
    if mode == "1":
        image = image.convert("L")
    elif len(image.getbands()) > 2:
        image = image if mode == "RGB" else image.convert("RGB")
    values = np.asarray(image)
    if values.ndim == 3 and values.shape[2] == 2:
        values = values[..., 0]
    return RawMask(values, alpha, palette, name)
