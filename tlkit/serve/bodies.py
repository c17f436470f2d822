"""Read the images of a request into memory, and never more than is allowed. Nothing is written to disk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from tlkit.serve.bounds import Bounds
from tlkit.serve.problems import RefusedError
from tlkit.system.text import shorten, size_text

BUSY_SECONDS = 1
"""The seconds after which a client that was refused may ask again."""


@dataclass
class Room:
    """The memory that the requests have together.

    Args:
        limit: its size in bytes.
        taken: how much of it requests take.
    """

    limit: int
    taken: int = 0

    def take(self, count: int) -> None:
        """Take some bytes.

        Raises:
            RefusedError: there are no more.
        """
        if self.taken + count > self.limit:
            raise RefusedError(429, "too many images are being answered; ask again in a moment", wait=BUSY_SECONDS)
        self.taken += count


@dataclass(frozen=True)
class SentImage:
    """An image of a request.

    Args:
        name: what the client calls it.
        content: the file.
    """

    name: str
    content: bytes


@dataclass
class Body:
    """The body of a request, whose bytes take room until it is closed.

    Args:
        request: the request.
        bounds: how large it may be.
        room: the memory of all requests.
    """

    request: Request
    bounds: Bounds
    room: Room
    _taken: int = field(default=0, init=False)

    def close(self) -> None:
        """Give the room back."""
        self.room.taken -= self._taken
        self._taken = 0

    async def images(self) -> list[SentImage]:
        """Return the images: the files of a form, or the body itself.

        Raises:
            RefusedError: there is none, or they are too many or too large, or the body is no form or comes too slowly.
        """
        seconds = self.bounds.seconds
        try:
            async with asyncio.timeout(seconds):  # one timer, however many parts the body comes in
                images = await self._received()
        except TimeoutError as error:
            raise RefusedError(408, f"the request was not complete after {seconds:g} s") from error
        for each in images:
            if len(each.content) > self.bounds.image_bytes:
                raise RefusedError(413, f"{each.name}: {_too_large(len(each.content), self.bounds.image_bytes)}")
        return images

    async def _received(self) -> list[SentImage]:
        kind = self.request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "multipart/form-data":
            return await self._of_form()
        if kind.startswith("image/") or kind in ("application/octet-stream", ""):
            content = b"".join([chunk async for chunk in self._chunks(self.bounds.image_bytes)])
            return [SentImage("image", content)]
        raise RefusedError(
            415,
            f"Content-Type {shorten(kind, 80)}: expected image/… or application/octet-stream with an image as the "
            "body, or multipart/form-data with files",
        )

    async def _of_form(self) -> list[SentImage]:
        if "boundary" not in self.request.headers["content-type"]:
            raise RefusedError(400, "the form is damaged: its Content-Type names no boundary")
        parser = _InMemory(
            self.request.headers,
            self._chunks(self.bounds.request_bytes),
            max_files=self.bounds.images,
            max_fields=16,
        )
        try:
            form = await parser.parse()
        except MultiPartException as error:
            status = 413 if error.message.startswith("Too many") else 400
            raise RefusedError(status, f"the form can't be read: {error.message}") from error
        try:
            images = [
                SentImage(shorten(each.filename or "image", 200), await each.read())
                for _, each in form.multi_items()
                if isinstance(each, UploadFile)
            ]
        finally:
            await form.close()
        if not images:
            raise RefusedError(422, "the form has no file; expected an image, as in: curl -F image=@photo.jpg")
        return images

    async def _chunks(self, limit: int) -> AsyncGenerator[bytes, None]:
        """Yield the body as it comes, and count it.

        Raises:
            RefusedError: it is too large, or the client has gone.
        """
        told = self.request.headers.get("content-length", "")
        if told.isdecimal() and (len(told) > 18 or int(told) > limit):
            raise RefusedError(413, _too_large(int(told[:18]), limit))
        size = 0
        try:
            async for chunk in self.request.stream():
                size += len(chunk)
                if size > limit:
                    raise RefusedError(413, _too_large(size, limit))
                self.room.take(len(chunk))
                self._taken += len(chunk)
                yield chunk
        except ClientDisconnect as error:
            raise RefusedError(400, "the connection was closed before the request was complete") from error


class _InMemory(MultiPartParser):
    """Reads a form, and keeps its files in memory: their size is bounded before."""

    spool_max_size = max_file_size = 2**62


def _too_large(size: int, limit: int) -> str:
    return f"too large: {size_text(size)} or more; at most {size_text(limit)} are taken"
