"""The ``[input]`` table of a recipe: how images become batches, and how they are split."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, field_validator

from tlkit.contracts import Options, tuples


def _square(value: Any) -> Any:
    return (value, value) if isinstance(value, int) and not isinstance(value, bool) else tuples(value)


_Pixels = Annotated[int, Field(ge=8, le=8192)]


def _check_split_size(value: int | float) -> int | float:
    if not (0 <= value < 1 or (isinstance(value, int) and value >= 1)):
        raise ValueError("expected a share of at least 0 and less than 1, or a whole number of images")
    return value or 0.0


SplitSize = Annotated[
    int | float,
    AfterValidator(_check_split_size),
    WithJsonSchema(
        {"anyOf": [{"type": "number", "minimum": 0, "exclusiveMaximum": 1}, {"type": "integer", "minimum": 1}]}
    ),
]
"""A share of the images, or a number of images, like scikit-learn's ``test_size``."""


def _check_range(value: tuple[float, float] | str | None) -> tuple[float, float] | str | None:
    if isinstance(value, tuple) and not (all(map(math.isfinite, value)) and value[0] < value[1]):
        raise ValueError('expected "auto" or two numbers, the lower one first, such as [0, 4095]')
    return value


_ValueRange = Annotated[
    tuple[float, float] | Literal["auto"] | None,
    BeforeValidator(tuples, json_schema_input_type=tuple[float, float] | Literal["auto"] | None),
    AfterValidator(_check_range),
]
_Band = Annotated[int, Field(ge=0, lt=10_000)]


def _check_bands(value: tuple[int, ...]) -> tuple[int, ...]:
    if len(value) not in (0, 1, 3):
        raise ValueError(f"expected three bands for red, green and blue, or one for grey, received {len(value)}")
    return value


class InputTable(Options, defer_build=True):
    """``[input]``: how images become batches, and how they are split."""

    image_size: Annotated[
        tuple[_Pixels, _Pixels], BeforeValidator(_square, json_schema_input_type=int | tuple[int, int])
    ] = Field(
        (224, 224),
        description="height and width of the model's input in pixels, or one number for both; all images are brought "
        "to this size",
    )
    resize: Literal["stretch", "crop", "pad"] = Field(
        "stretch",
        description="how an image is brought to image_size; stretch: scale height and width independently; crop: scale "
        "the shorter side and cut out the middle; pad: scale the longer side and add black borders (masks are ignored "
        "there)",
    )
    orientation: Literal["exif", "stored"] = Field(
        "exif",
        description="exif: turn photos as the EXIF orientation in the file says, as viewers do; stored: leave them as "
        "they are stored, for masks that were drawn on the stored pixels",
    )
    value_range: _ValueRange = Field(
        None,
        description="the values that become black and white (0 and 255) in images with more than 8 bits per channel: "
        'two numbers such as [0, 4095], or "auto": the range that the training images use, without the darkest and '
        "the brightest thousandth of their pixels; it is kept in the model. Default: the range of the file's number "
        "format; for signed and 32-bit integers and floating-point values each image's own range, unless all lie in "
        "0-255. Images of 8 bits stay as they are",
    )
    bands: Annotated[
        tuple[_Band, ...],
        BeforeValidator(tuples, json_schema_input_type=tuple[_Band, ...]),
        AfterValidator(_check_bands),
    ] = Field(
        (),
        description="the bands that become red, green and blue, counted from 0, such as [3, 2, 1], or one for grey; "
        "necessary for images with more bands than RGB and opacity. Default: those that the file calls colours",
    )
    batch_size: int = Field(32, ge=1, description="number of images per training step")
    normalize: Literal["none", "center", "standardize"] = Field(
        "none",
        description="scale each channel by the mean and standard deviation of the training images, which are saved in "
        "the model; center: (x - mean) / 127.5; standardize: (x - mean) / std; none: the scaling that the backbone "
        "brings; center and standardize are for backbones without a scaling of their own, such as those from scratch",
    )
    validation: SplitSize = Field(
        0.2,
        description="size of the validation split: a share of the images that are not test images, or a number of "
        "images (1 or more; with groups, as near as whole groups allow); 0: no validation; ignored if the data set "
        "has a validation split of its own",
    )
    test: SplitSize = Field(
        0.0,
        description="size of the test split: a share of all images, or a number of images, as for validation; ignored "
        "if the data set has a test split of its own",
    )
    group_pattern: str | None = Field(
        None,
        description="regular expression that is searched in each sample's key, the path of its file below the data "
        "set's folder; its first parenthesised group gives the name of the sample's group, such as a patient, and "
        "all samples of a group get the same split; default: the groups that the data set gives, if any",
    )
    samples: Path | None = Field(
        None,
        description="path of the samples.csv of an earlier run; its split is used again, and validation and test are "
        "ignored",
    )
    max_bad_share: float = Field(
        0.05,
        ge=0,
        le=1,
        description="largest share of the files that may be damaged or unusable; with more, the run stops",
    )
    max_pixels: int = Field(
        178_956_970,
        ge=1,
        le=2 * 178_956_970,
        description="largest number of pixels of an image that is decoded, by its header; decoding takes 3 bytes per "
        "pixel, and more for some formats; the default and the maximum are Pillow's limits for decompression bombs",
    )

    @field_validator("group_pattern")
    @classmethod
    def _compiles(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                compiled = re.compile(value)
            except re.error as error:
                raise ValueError(f"not a regular expression: {error}") from error
            if compiled.groups < 1:
                raise ValueError("expected a regular expression with a group in parentheses that names the group")
        return value
