"""Pages from the templates, with pictures in them."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any


def render_page(template: str, **values: Any) -> str:
    """A page of ``templates``, every value escaped."""
    import jinja2

    loader = jinja2.FileSystemLoader(Path(__file__).parent / "templates")
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    return environment.get_template(template).render(**values)


def embedded(content: bytes) -> str:
    """A picture's bytes as base64, for an address ``data:…``."""
    return base64.b64encode(content).decode("ascii")
