"""HTML pages rendered from the templates, with embedded pictures."""

from __future__ import annotations

import base64
import hashlib
import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlkit.system.visible import visible

if TYPE_CHECKING:
    from PIL import Image

_TEMPLATES = Path(__file__).parent / "templates"


def render_page(template: str, **values: Any) -> str:
    """Return a page from a file of ``templates``, with all values escaped and their hidden characters shown.

    A template puts a file of scripts into the page with ``script(NAME)``, and its hash into the page's security policy
    with ``script_hash(NAME)``; ``for_script(VALUE)`` writes a value as JSON that no HTML parser mistakes for a tag.
    """
    import jinja2

    loader = jinja2.FileSystemLoader(_TEMPLATES)
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, finalize=_shown
    )
    environment.filters["breakable"] = _breakable
    environment.globals |= {"script": _script, "script_hash": _script_hash, "for_script": _for_script}
    return encodable(environment.get_template(template).render(**values))


def _shown(value: object) -> object:
    return visible(value) if type(value) is str else value  # not Markup, a kind of str


def _breakable(name: object) -> Any:
    """Return a name, escaped, in which lines may break after ``/``, ``_`` and ``-``, before they break anywhere."""
    from markupsafe import Markup, escape

    return Markup("<wbr>").join(escape(part) for part in re.split(r"(?<=[/_-])", visible(str(name))))


def _script(name: str) -> Any:
    """Return a script as it stands in its file: no value of a page is ever put into it."""
    from markupsafe import Markup

    return Markup((_TEMPLATES / name).read_text(encoding="utf-8"))


def _script_hash(name: str) -> str:
    """Return the source of a Content-Security-Policy that allows this script, and no other, in a page."""
    digest = hashlib.sha256(_script(name).encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"


def _for_script(value: object) -> Any:
    """Return a value as JSON for a ``<script type="application/json">``; ``<``, ``>``, ``&`` and ``'`` are escaped."""
    from jinja2.utils import htmlsafe_json_dumps

    return htmlsafe_json_dumps(_visible_parts(value), separators=(",", ":"), allow_nan=False)


def _visible_parts(value: object) -> object:
    """Return a value whose texts show their hidden characters."""
    if isinstance(value, Mapping):
        return {_shown(key): _visible_parts(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_visible_parts(each) for each in value]
    return _shown(value)


def embedded(content: bytes) -> str:
    """Return the content of a picture in base64, for a ``data:`` URL.

    It is marked as safe: searching megabytes for characters to escape, of which base64 has none, would take longer than
    the rest of the page.
    """
    from markupsafe import Markup

    return Markup(base64.b64encode(content).decode("ascii"))


def embedded_jpeg(picture: Image.Image, quality: int = 80) -> str:
    """Return a picture as the content of a JPEG in base64, as ``embedded`` does."""
    content = io.BytesIO()
    picture.save(content, "JPEG", quality=quality)
    return embedded(content.getvalue())


def jpeg_url(picture: Image.Image, quality: int) -> str:
    """Return the ``data:`` URL of a picture as a JPEG, marked as safe as by ``embedded``."""
    from markupsafe import Markup

    return Markup("data:image/jpeg;base64,") + embedded_jpeg(picture, quality)


def encodable(text: str) -> str:
    """Replace the lone surrogates that stand for undecodable bytes in file names, so that UTF-8 can encode the text."""
    return text.encode("utf-8", "replace").decode("utf-8")
