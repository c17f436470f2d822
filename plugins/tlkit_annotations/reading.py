"""Read annotation files that somebody else wrote: bounded in size, with errors that name the file and the position."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, ParseError

import tlkit

MAX_FILE = 2_000_000_000
"""Maximum size in bytes of a file with the annotations of a data set; COCO's own take a quarter of it."""
MAX_IMAGE_FILE = 500_000_000
"""Maximum size in bytes of a file with the annotations of one image, which may hold the image itself."""
_CHUNK = 1 << 20


def read_bytes(file: Path, limit: int = MAX_FILE) -> bytes:
    """Return a file's content.

    Raises:
        DataError: it can't be read, or is larger than ``limit`` bytes.
    """
    try:
        with file.open("rb") as stream:
            content = stream.read(limit + 1)
    except OSError as error:
        raise tlkit.DataError(f"{file}: can't be read: {error.strerror or error}") from error
    if len(content) > limit:
        raise tlkit.DataError(f"{file}: larger than {limit / 1e6:g} MB, the most that is read as annotations")
    return content


def read_text(file: Path, limit: int = MAX_FILE) -> str:
    """Return the text of a file in UTF-8, or in UTF-16 with a byte-order mark.

    Raises:
        DataError: it can't be read, is too large, or is not text.
    """
    content = read_bytes(file, limit)
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise tlkit.DataError(f"{file}: byte {error.start}: not text in UTF-8; save it as UTF-8") from error


def read_json(file: Path, limit: int = MAX_FILE, hook: Callable[[dict[str, Any]], Any] | None = None) -> Any:
    """Return the content of a JSON file; ``NaN`` and ``Infinity``, which are no JSON, become None.

    Args:
        file: the file.
        limit: its maximum size in bytes.
        hook: called with each object, innermost first; what it returns takes the object's place, so that large files
            need little memory.

    Raises:
        DataError: it can't be read, is too large, is not JSON, or is nested too deeply; the message names the line.
    """
    text = read_text(file, limit)
    try:
        return json.loads(text, object_hook=hook, parse_constant=lambda _: None)
    except json.JSONDecodeError as error:
        what = "the file ends too early" if error.pos >= len(text.rstrip()) else error.msg
        raise tlkit.DataError(f"{file}:{error.lineno}: column {error.colno}: not JSON: {what}") from error
    except RecursionError as error:
        raise tlkit.DataError(f"{file}: not annotations: its values are nested too deeply") from error
    except ValueError as error:  # a whole number of more digits than Python converts
        raise tlkit.DataError(f"{file}: not JSON that can be read: {error}") from error


def read_json_object(
    file: Path, limit: int = MAX_FILE, hook: Callable[[dict[str, Any]], Any] | None = None
) -> dict[str, Any]:
    """Return the content of a JSON file that must be an object; see ``read_json``.

    Raises:
        DataError: as ``read_json``, or the content is not an object.
    """
    content = read_json(file, limit, hook)
    if not isinstance(content, dict):
        raise tlkit.DataError(f"{file}: expected a JSON object, received {kind_of(content)}")
    return content


def read_xml(file: Path, limit: int = MAX_FILE) -> Element:
    """Return the root element of an XML file; document types, entities and references to other files are refused.

    Raises:
        DataError: it can't be read, is too large, is not XML, or has a document type.
    """
    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    content = read_bytes(file, limit)
    try:
        root: Element = fromstring(content, forbid_dtd=True)
    except ParseError as error:
        line, column = error.position
        raise tlkit.DataError(f"{file}:{line}: column {column + 1}: not XML: {str(error).split(':')[0]}") from error
    except DefusedXmlException as error:
        raise tlkit.DataError(f"{file}: has a document type or entities, which annotations don't need") from error
    except (LookupError, ValueError) as error:
        raise tlkit.DataError(f"{file}: not XML that can be read: {error}") from error
    return root


def mentions(file: Path, *words: str, limit: int = MAX_FILE) -> bool:
    """Return whether a file's bytes have all the words, read in pieces; False if it can't be read or is too large."""
    missing = {word.encode() for word in words}
    longest = max(map(len, missing), default=1)
    before = b""
    try:
        if file.stat().st_size > limit:
            return False
        with file.open("rb") as stream:
            while missing and (piece := stream.read(_CHUNK)):
                window = before + piece
                missing = {word for word in missing if word not in window}
                before = window[-longest:]
    except OSError:
        return False
    return not missing


def json_files(folder: Path) -> Iterator[Path]:
    """Yield the JSON files directly in a folder, sorted by name; none if it is no folder."""
    return files_with(folder, ".json")


def files_with(folder: Path, suffix: str) -> Iterator[Path]:
    """Yield the files of a suffix directly in a folder, sorted by name; none if it is no folder."""
    if folder.is_dir():
        try:
            found = sorted(
                each
                for each in folder.iterdir()
                if each.suffix.lower() == suffix and not tlkit.files.is_junk(each.name)
            )
        except OSError as error:
            raise tlkit.DataError(f"{folder}: the folder can't be listed: {error.strerror}") from error
        yield from (each for each in found if each.is_file())


def name_of(value: Any) -> str:
    """Return a class name as it is compared: composed Unicode, without blanks around it; empty if it is no name."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    text = unicodedata.normalize("NFC", str(value)).strip()
    return "" if any(0xD800 <= ord(each) < 0xE000 for each in text) else text


def items_of(value: Any) -> list[Any]:
    """Return a list, or an empty list for anything else."""
    return value if isinstance(value, list) else []


def fields_of(value: Any) -> dict[str, Any]:
    """Return an object, or an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def color_of(value: Any) -> tuple[int, int, int] | None:
    """Return (red, green, blue) of a text such as ``#ff0000``; None for anything else."""
    if not isinstance(value, str) or not re.fullmatch(r"#[0-9a-fA-F]{6}", value):
        return None
    return int(value[1:3], 16), int(value[3:5], 16), int(value[5:7], 16)


def number_of(value: Any) -> float | None:
    """Return a finite number; None for anything else. Text such as ``"12.5"`` counts."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def side_of(value: Any) -> int | None:
    """Return a height, a width or another positive whole number; None for anything else."""
    number = number_of(value)
    return int(number) if number is not None and number == int(number) and 0 < number < 1_000_000 else None


def kind_of(value: Any) -> str:
    """Return what a JSON value is, for messages."""
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
