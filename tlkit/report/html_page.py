"""HTML pages rendered from the templates, with embedded pictures."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

from tlkit.system.visible import visible


def render_page(template: str, **values: Any) -> str:
    """Return a page from a file of ``templates``, with all values escaped and their hidden characters shown."""
    import jinja2

    loader = jinja2.FileSystemLoader(Path(__file__).parent / "templates")
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, finalize=_shown
    )
    environment.filters["breakable"] = _breakable
    return encodable(environment.get_template(template).render(**values))


def _shown(value: object) -> object:
    return visible(value) if type(value) is str else value  # not Markup, a kind of str


def _breakable(name: object) -> Any:
    """Return a name, escaped, in which lines may break after ``/``, ``_`` and ``-``, before they break anywhere."""
    from markupsafe import Markup, escape

    return Markup("<wbr>").join(escape(part) for part in re.split(r"(?<=[/_-])", visible(str(name))))


def embedded(content: bytes) -> str:
    """Return the content of a picture in base64, for a ``data:`` URL."""
    return base64.b64encode(content).decode("ascii")


def encodable(text: str) -> str:
    """Replace the lone surrogates that stand for undecodable bytes in file names, so that UTF-8 can encode the text."""
    return text.encode("utf-8", "replace").decode("utf-8")
