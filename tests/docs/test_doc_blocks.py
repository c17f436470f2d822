"""The code on the pages of the documentation: every block is run, or says why not."""

from __future__ import annotations

import importlib
import shlex
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import tomlkit
from command_line import tlkit_command
from doc_blocks import PAGES, Block, blocks, blocks_of, commands

from tlkit.recipe.load import parse_recipe
from tlkit.registry.discovery import make_registry

BASE: dict[str, dict[str, Any]] = {
    "classification": {
        "data": {"name": "folder", "path": "photos"},
        "backbone": {"name": "small_encoder"},
        "head": {"name": "linear"},
        "schedule": {"name": "full"},
    },
    "segmentation": {
        "data": {"name": "digit_scenes"},
        "backbone": {"name": "small_encoder"},
        "head": {"name": "unet"},
        "schedule": {"name": "full"},
    },
}
"""What a page leaves out of a recipe when it shows some of its tables."""

SLOW = ("run", "augment", "lr", "inspect", "serve")
"""Verbs that are parsed and not run: they train, never end, or need weights that have to be downloaded."""


@pytest.mark.parametrize("page", PAGES)
def test_a_block_is_in_a_language_that_is_run_or_says_why_it_is_not_run(page):
    for block in blocks_of(page):
        assert block.excuse or block.language in ("python", "sh", "toml", "text"), f"{block}: {block.language!r}"


@pytest.mark.parametrize("block", blocks("toml"), ids=str)
def test_a_recipe_or_its_tables_on_a_page_are_valid(block, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    values = tomllib.loads(block.text)
    recipe = {"name": "page", "task": "classification", **BASE[values.get("task", "classification")], **values}
    parse_recipe(tomlkit.dumps(recipe), make_registry(plugin_files(block.page), environ={}))


@pytest.mark.parametrize("page", [page for page in PAGES if blocks("python", page)])
def test_the_python_of_a_page_runs(page, bench, monkeypatch):
    monkeypatch.syspath_prepend(bench)
    before = set(sys.modules)
    namespace: dict[str, Any] = {}
    for block in blocks("python", page):
        file = saved(block)
        if file is None:
            exec(compile(block.text, str(block), "exec"), namespace)
            continue
        module = importlib.import_module(file.stem)
        for name, function in list(vars(module).items()):
            if name.startswith("test_"):
                function()
    for name in set(sys.modules) - before:
        if Path(getattr(sys.modules[name], "__file__", None) or "").parent == bench:
            del sys.modules[name]


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Has commands parsed and not run; gives the commands that were reached."""
    reached: list[str] = []

    def invoke(_self: click.Command, context: click.Context) -> None:
        reached.append(context.command_path)

    with monkeypatch.context() as patch:
        patch.setattr(click.Command, "invoke", invoke)
        yield reached


@pytest.mark.parametrize("block", blocks("sh"), ids=str)
def test_a_command_of_a_page_is_one_that_tlkit_takes(block, bench, parsed):
    plugin_files(block.page)
    for line in commands(block):
        program, *arguments = shlex.split(line, comments=True)
        assert program == "tlkit", f"{block}: {line}: not a command of tlkit; mark the block: <!-- not run: … -->"
        outcome = tlkit_command(*arguments)
        assert outcome.code == 0, f"{block}: {line}: {outcome.err}"
    assert parsed


@pytest.mark.parametrize("page", [page for page in PAGES if blocks("sh", page)])
def test_the_quick_commands_of_a_page_end_well(page, bench):
    plugin_files(page)
    for block in blocks("sh", page):
        for line in commands(block):
            arguments = shlex.split(line, comments=True)[1:]
            if any(verb in arguments for verb in SLOW):
                continue
            if arguments[0] == "init":
                Path(f"{arguments[1]}.toml").unlink()
            outcome = tlkit_command(*arguments)
            assert outcome.code == 0, f"{block}: {line}: {outcome.err}"


def saved(block: Block) -> Path | None:
    """The file that a block of Python says it is, written to the current folder; None for one that is no file."""
    first = block.text.splitlines()[0]
    if not (first.startswith("# ") and first.endswith(".py")):
        return None
    file = Path(first.removeprefix("# "))
    file.write_text(block.text, encoding="utf-8")
    return file


def plugin_files(page: str) -> list[Path]:
    """The plugins that a page has, written to the current folder."""
    files = [saved(block) for block in blocks("python", page) if "@tlkit.hookimpl" in block.text]
    return [file for file in files if file is not None]
