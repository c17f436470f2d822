"""The facts of a file that a check decides by, and their text in the cache."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from tlkit.data.images.image_file import BadKind

FACTS = 5
"""The version of ``Facts``. Raise it when the facts of the same bytes change, so that cached facts are not used."""

_Hexadecimal = Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")]
_Number = Annotated[str, Field(pattern=r"^[0-9]{1,10}$")]
_Count = Annotated[int, Field(ge=0)]
_NOTHING: Mapping[str, Any] = {}
"""What all images have in place of the pixels of masks: one object for a hundred thousand of them."""
_Color = Annotated[str, Field(pattern=r"^#[0-9a-f]{6}$")]


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts of one file.

    Args:
        digest: SHA-256 of its bytes, in hexadecimal; empty if it can't be read.
        problem: an ``image_file.BadKind`` if it can't be decoded; otherwise empty.
        reason: what the problem is, without the file's name.
        format: Pillow's name of the format.
        mode: Pillow's name of the mode; followed by " transparency" if the file has a transparent colour.
        width: width in pixels, after the rotation that the EXIF orientation asks for.
        height: height in pixels, likewise.
        animated: whether it has several frames.
        constant: whether all pixels are the same.
        nan: whether it has values that are NaN or infinite.
        orientation: the EXIF orientation, 1 to 8.
        values: what ``Bands.used_range`` returns of an image with more than 8 bits per channel; otherwise empty.
        picture: the perceptual hash, 64 hexadecimal digits; empty for masks, small images and flat images.
        classes: class number, as text → number of pixels; of masks only.
        between: the number of pixels whose value is not in the table and counts as the nearest one; of masks only.
        palette: palette index, as text → its colour as ``#rrggbb``, of the indices that pixels have; of masks only.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    digest: _Hexadecimal = ""
    problem: BadKind | Literal[""] = ""
    reason: str = ""
    format: str = ""
    mode: str = ""
    width: _Count = 0
    height: _Count = 0
    animated: bool = False
    constant: bool = False
    nan: bool = False
    orientation: Annotated[int, Field(ge=1, le=8)] = 1
    values: Annotated[tuple[float, ...], Field(max_length=5)] = ()
    picture: _Hexadecimal = ""
    classes: Mapping[_Number, _Count] = field(default_factory=lambda: _NOTHING)
    between: _Count = 0
    palette: Mapping[_Number, _Color] = field(default_factory=lambda: _NOTHING)

    def __reduce__(self) -> tuple[type[Facts], tuple[object, ...]]:
        """Return what a process sends: the values alone, which takes a third of the time of a dataclass."""
        return Facts, tuple(getattr(self, name) for name in Facts.__slots__)

    def text(self) -> bytes:
        """Return the facts as JSON."""
        return json.dumps({key: getattr(self, key) for key in Facts.__slots__}).encode()

    @staticmethod
    def of_text(text: bytes) -> Facts | None:
        """Return the facts that ``text`` wrote; None if a field is missing, unknown or has another kind of value."""
        try:
            facts = _adapter().validate_json(text)
        except ValidationError:
            return None
        return facts if text == facts.text() else None


@cache
def _adapter() -> TypeAdapter[Facts]:
    return TypeAdapter(Facts)
