"""Names from strangers in Markdown and in the YAML of a model card."""

from __future__ import annotations

import html
import re

import pytest
from hostile_names import CLASSES
from markdown_it import MarkdownIt

from tlkit.report.front_matter import yaml_text
from tlkit.report.markdown import code, fenced, prose, table
from tlkit.system.visible import visible_line

NAMES = (
    *CLASSES,
    "a|b",
    "a\\|b",
    "| --- |",
    "`x`",
    "``",
    "a``b",
    "a\\",
    "<script>alert(1)</script>",
    "</details>",
    "&lt;",
    "[x](https://example.org)",
    "![x](https://example.org/x.png)",
    "*b*",
    "_a_",
    "a_b_c",
    "~~s~~",
    "# x",
    "- x",
    "1. x",
    "€|",
    "\n\n# forged",
    "https://example.org",
    "www.example.org",
)
RENDERER = MarkdownIt("gfm-like", {"html": True, "linkify": False})
TAG = re.compile(r"</?code>")


@pytest.mark.parametrize("form", [code, prose])
@pytest.mark.parametrize("name", NAMES)
def test_a_name_in_a_table_is_a_name(name, form):
    page = RENDERER.render("\n".join(table(("class", "images"), [(form(name), "1")])))
    cells = re.findall(r"<td[^>]*>(.*?)</td>", page, re.DOTALL)
    assert len(cells) == 2
    text = TAG.sub("", cells[0])
    assert "<" not in text
    assert html.unescape(text) == visible_line(name).strip()


@pytest.mark.parametrize("name", NAMES)
def test_a_name_in_a_block_of_code_stays_inside(name):
    page = RENDERER.render("\n".join(["before", *fenced(f"a = 1\n{name}\n```\n````\nb", "toml"), "after"]))
    assert page.startswith("<p>before</p>\n<pre>")
    assert page.endswith("</pre>\n<p>after</p>\n")


@pytest.mark.parametrize("text", [*NAMES, "\x85", "\u2028", "\ufeff", "\x7f", "\U0001f600", "\U000e0041", 'a"b', "no"])
def test_yaml_reads_a_text_as_it_is(text):
    yaml = pytest.importorskip("yaml")
    assert yaml.safe_load(f"key: {yaml_text(text)}") == {"key": text}
