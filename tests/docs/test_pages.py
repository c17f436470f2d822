"""What must be on the pages: every hook, public name, verb, key, record, layer and room."""

from __future__ import annotations

import importlib.util
import inspect
import re
import tomllib
from types import ModuleType

import pytest
from doc_blocks import PAGES, ROOT

import tlkit
from tlkit import hookspecs
from tlkit.cli.verbs import VERBS
from tlkit.contracts import Augmentation, Backbone, Dataset, Head, Schedule
from tlkit.recipe import catalog
from tlkit.recipe.schema import CORE_TABLES, TABLES, TopKeys

HOOKS = {name: function for name, function in vars(hookspecs).items() if name.startswith("tlkit_")}
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LAYERS = PYPROJECT["tool"]["importlinter"]["contracts"][0]["layers"]


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    """The module that writes the generated parts of the pages."""
    spec = importlib.util.spec_from_file_location("tlkit_reference", ROOT / "docs" / "_ext" / "tlkit_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_readme_is_short():
    assert PAGES["README.md"].count("\n") <= 130


@pytest.mark.parametrize("page", [page for page in PAGES if page.startswith("docs/") and page != "docs/index.md"])
def test_a_page_is_in_the_table_of_contents(page):
    assert f"\n{page.removeprefix('docs/').removesuffix('.md')}\n" in PAGES["docs/index.md"]


@pytest.mark.parametrize("page", PAGES)
def test_a_link_to_a_file_leads_to_one(page):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", PAGES[page]):
        assert ((ROOT / page).parent / target).exists(), target


def test_the_plugin_page_has_an_example_of_every_hook_with_its_exact_arguments():
    page = PAGES["docs/plugins.md"]
    for name, function in HOOKS.items():
        arguments = ", ".join(inspect.signature(function).parameters)
        assert f"\n@tlkit.hookimpl\ndef {name}({arguments}):\n" in page
        assert f"\n| `{name}({arguments})` |" in page


def test_the_python_page_has_every_public_name():
    page = PAGES["docs/python.md"]
    described = set(re.findall(r"^\.\. (?:auto\w+|data):: (\w+)$", page, re.MULTILINE))
    assert described == set(tlkit.__all__) - {"files"}
    assert ".. automodule:: tlkit.files\n" in page


def test_the_command_line_page_has_every_verb():
    page = PAGES["docs/command-line.md"]
    assert re.findall(r"^\| .+ \| `tlkit (\w+)` \|$", page, re.MULTILINE) == list(VERBS)
    assert ".. click:: tlkit.cli:cli\n   :prog: tlkit\n   :nested: full\n" in page


def test_every_generated_part_is_on_one_page(reference):
    used = re.findall(r"^% generated: (.+)$", "\n".join(PAGES.values()), re.MULTILINE)
    assert sorted(used) == sorted(reference.PARTS)


def test_the_recipe_reference_has_every_table_and_key(reference):
    text = reference.PARTS["recipe tables"]()
    for table in TABLES:
        assert f"\n### `[{table}]`\n" in text
    parts = re.split(r"^### `\[(\w+)\]`$", text, flags=re.MULTILINE)
    sections = {"": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}
    for table, model in {"": TopKeys, **CORE_TABLES}.items():
        for key, info in model.model_fields.items():
            row = re.search(rf"^\| `{key}` \| .+ \| .+ \| (.+) \|$", sections[table], re.MULTILINE)
            assert row is not None
            assert row[1].replace("\\", "") == info.description


def test_the_catalogue_has_every_record_with_its_options(reference, registry):
    tables = {Dataset: "data", Backbone: "backbone", Head: "head", Augmentation: "augment", Schedule: "schedule"}
    for kind, table in tables.items():
        text = reference.PARTS[f"{table} records"]()
        for record, _ in registry.records(kind):
            assert f"`{record.name}`" in text
            for key in record.options.model_fields:
                assert f"| `{key}` |" in text


def test_the_recipes_page_has_every_shipped_recipe(reference):
    text = reference.PARTS["shipped recipes"]()
    for recipe in catalog.shipped():
        assert f"| `{recipe.name}` | {recipe.summary} |" in text


def test_architecture_names_the_layers_of_the_import_contract():
    (block,) = re.findall(r"^## Layers\n.*?```text\n(.*?)```", PAGES["ARCHITECTURE.md"], re.MULTILINE | re.DOTALL)
    assert block.splitlines() == LAYERS


def test_architecture_describes_every_room_and_nothing_else():
    rooms = re.findall(r"^\| `tlkit/(\w+)(?:/|\.py)` \|", PAGES["ARCHITECTURE.md"], re.MULTILINE)
    assert sorted(rooms) == sorted(room for layer in LAYERS for room in layer.split(" | "))


def test_the_files_that_architecture_names_exist():
    named = re.findall(r"`([^`\s]+/[^`\s]*|[^`\s]+\.(?:py|pyi|md|toml))`", PAGES["ARCHITECTURE.md"])
    assert len(named) > 100
    for path in named:
        assert (ROOT / path).exists(), path


def test_the_names_in_files_that_architecture_mentions_are_there():
    named = re.findall(r"`(_?[A-Z][A-Za-z_]+)` in `([\w./]+)`", PAGES["ARCHITECTURE.md"])
    assert len(named) >= 7
    for name, path in named:
        assert re.search(rf"\b{name}\b", (ROOT / path).read_text(encoding="utf-8")), (name, path)


def test_the_import_contracts_name_every_room_that_plugins_must_not_import():
    (contract,) = [
        each for each in PYPROJECT["tool"]["importlinter"]["contracts"] if each["name"].startswith("Of tlkit, a plugin")
    ]
    rooms = {f"tlkit.{room}" for layer in LAYERS for room in layer.split(" | ")}
    assert set(contract["forbidden_modules"]) == rooms - {"tlkit.files"} | {"tlkit.__main__"}


def test_the_changelog_has_the_version():
    assert f"\n## [{tlkit.__version__}] - " in PAGES["CHANGELOG.md"]
    assert PYPROJECT["project"]["version"] == tlkit.__version__
