"""What the API takes and returns, as ``/openapi.json`` describes it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field


class Problem(BaseModel):
    """Why a request has no answer."""

    detail: str


class Answer(BaseModel):
    """The prediction of an image: of a classification its labels, of a segmentation its size and shares."""

    name: str = Field(description="what the client called the image")
    error: str | None = Field(description="why the image could not be predicted; null if it was")
    label: str | None = Field(None, description="the predicted class; several are joined by |")
    labels: list[str] | None = Field(None, description="the predicted classes, one by one")
    probability: float | None = Field(None, description="the probability of the label, if there is exactly one")
    probabilities: dict[str, float | None] | None = Field(None, description="class name → probability, 0-1")
    unknown: bool | None = Field(None, description="whether the image is unlike those that the model knows")
    p_value: float | None = Field(None, description="the share of known images that are at least as odd")
    set: list[str] | None = Field(None, description="the labels that hold with the level of GET /model")
    width: int | None = Field(None, description="the image's width in pixels")
    height: int | None = Field(None, description="the image's height in pixels")
    shares: dict[str, float | None] | None = Field(None, description="class name → its share of the pixels, 0-1")
    mask: str | None = Field(
        None, description="with mask=true, a PNG of class numbers in base64, at the image's own size"
    )


class Answers(BaseModel):
    """The predictions of the images of a request, in their order."""

    predictions: list[Answer]


class Explained(BaseModel):
    """Where the model sees a class in an image."""

    name: str
    class_name: str = Field(alias="class")
    probability: float | None
    layer: str = Field(description="the layer whose feature map Grad-CAM explains")
    picture: str = Field(description="the image in grey under its heat map: a PNG in base64")


class Limits(BaseModel):
    """What a request may have at most."""

    image_bytes: int
    request_bytes: int
    pixels: int
    images: int
    seconds: float
    requests: int


class Model(BaseModel):
    """The model that answers."""

    name: str
    task: str
    label_kind: str
    classes: list[str]
    colors: list[list[int]] = Field(description="red, green and blue of each class, 0-255")
    image_size: list[int] = Field(description="height and width that images are brought to")
    resize: str
    orientation: str = Field(description="exif: images are turned as their EXIF orientation says; stored: they are not")
    engine: str
    version: str = Field(description="the version of tlkit that answers")
    unknown: float | None = Field(description="at most this share of known images is called unknown; null: not said")
    set: float | None = Field(description="the level of the sets of labels; null: there are none")
    background: str | None = Field(description="the class that is no object")
    explain: bool = Field(description="whether POST /explain answers")
    limits: Limits


class Health(BaseModel):
    """That the server answers."""

    status: str


_IMAGE = {"type": "string", "format": "binary"}
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "an image as it is in its file, or a form with one or more of them",
        "content": {
            "application/octet-stream": {"schema": _IMAGE},
            "image/*": {"schema": _IMAGE},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"image": {"type": "array", "items": _IMAGE, "minItems": 1}},
                    "required": ["image"],
                }
            },
        },
    }
}
"""What the requests with images have in common."""

_REASONS = {
    400: "the form is damaged",
    401: "the token is missing or wrong",
    403: "the request comes from another website, or asks for another host",
    404: "this server explains nothing",
    408: "the request was not complete in time",
    413: "the request or an image has too many bytes, or there are too many images",
    415: "the body is neither an image nor a form",
    422: "no image could be decoded, or a parameter is wrong",
    429: "too many requests at once; see Retry-After",
    503: "the answer took too long, or the model could not be run; see Retry-After",
}
GUARDED = (401, 403)


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the description of the answers without a result."""
    return {each: {"model": Problem, "description": _REASONS[each]} for each in (*GUARDED, *statuses)}
