"""What one server takes at most: bytes, pixels, images, time, and requests at once."""

from __future__ import annotations

from dataclasses import dataclass, fields

from tlkit.errors import DataError


@dataclass(frozen=True)
class Bounds:
    """What a server takes at most; what is beyond gets an answer of 4xx that says so.

    Args:
        megabytes: the size of an image file, in millions of bytes.
        megapixels: the size of an image, in millions of pixels.
        images: the images in a request.
        seconds: the time that a client may take to send a request, and the server to answer it.
        requests: the requests that are answered at the same time.
    """

    megabytes: float = 32.0
    megapixels: float = 50.0
    images: int = 64
    seconds: float = 30.0
    requests: int = 64

    def __post_init__(self) -> None:
        for each in fields(self):
            if not getattr(self, each.name) > 0:
                raise DataError(f"--max-{each.name}: expected more than 0, received {getattr(self, each.name)}")

    @property
    def image_bytes(self) -> int:
        """The size of an image file in bytes."""
        return round(self.megabytes * 1e6)

    @property
    def request_bytes(self) -> int:
        """The size of a request in bytes: four of the largest images, or many smaller ones."""
        return 4 * self.image_bytes

    @property
    def waiting_bytes(self) -> int:
        """The bytes of all requests together that are being received and answered."""
        return 8 * self.image_bytes

    @property
    def pixels(self) -> int:
        """The size of an image in pixels."""
        return round(self.megapixels * 1e6)
