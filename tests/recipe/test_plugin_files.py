"""The plugin files that a recipe names: loaded with permission only."""

from __future__ import annotations

import importlib.util
import json
import os
import py_compile
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from command_line import tlkit_command
from evaluate_fakes import color_model, make_card, save_run
from recipe_text import recipe_text

import tlkit
from tlkit.recipe.load import parse_recipe
from tlkit.recipe.portable import portable_text
from tlkit.registry import Registry
from tlkit.registry.discovery import make_registry
from tlkit.runs.folder import RunFolder
from tlkit.runs.plugins import load_run_recipe, missing_plugins, parts_of
from tlkit.system.code_files import read_code_file

CODE = """
import sys
import tlkit

sys.tlkit_executed = getattr(sys, "tlkit_executed", 0) + 1

class SoftOptions(tlkit.Options):
    units: int = 3

def build(features, ctx, options):
    from keras import layers

    x = layers.GlobalAveragePooling2D(name="head_pool")(features[max(features)])
    return layers.Dense(ctx.units, name="head_logits")(x)

@tlkit.hookimpl
def tlkit_heads():
    return [tlkit.Head(name="soft", summary="s", task="classification", options=SoftOptions, build=build)]
"""


@pytest.fixture(autouse=True)
def executed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[], int]:
    """Return how often the plugin was executed; nothing is allowed at first."""
    monkeypatch.setenv("TLKIT_CONFIG", str(tmp_path / "config"))
    monkeypatch.setattr(sys, "tlkit_executed", 0, raising=False)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: False))
    return lambda: int(sys.tlkit_executed)  # type: ignore[attr-defined]


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A recipe in a folder with the plugin that it names."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "soft.py").write_text(CODE, encoding="utf-8")
    file = folder / "recipe.toml"
    file.write_text(recipe_text(plugins=["soft.py"], head={"name": "soft"}), encoding="utf-8")
    return file


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A terminal on which the user answers; the answers are taken from the list."""
    answers: list[str] = []

    class Asked:
        def isatty(self) -> bool:
            return True

        def readline(self) -> str:
            return answers.pop(0)

    monkeypatch.setattr(sys, "stdin", Asked())
    monkeypatch.setattr("click.confirm", lambda *_args, **_options: answers.pop(0) == "y")
    return answers


def test_a_plugin_is_not_loaded_without_permission(recipe, executed):
    outcome = tlkit_command("validate", recipe)
    digest = read_code_file(recipe.parent / "soft.py").digest
    assert outcome.code == 2
    assert executed() == 0
    (line, _) = outcome.err.splitlines()
    assert line.startswith(f"{recipe}:3: plugins.0: {recipe.parent / 'soft.py'} ({digest}) is a plugin")
    assert "--allow-plugins" in line


def test_allowing_it_once_is_remembered_until_the_file_changes(recipe, executed):
    assert tlkit_command("validate", recipe, "--allow-plugins").code == 0
    assert tlkit_command("--allow-plugins", "validate", recipe).code == 0
    assert tlkit_command("validate", recipe).code == 0
    assert executed() == 3
    (recipe.parent / "soft.py").write_text(CODE + "# changed", encoding="utf-8")
    assert tlkit_command("validate", recipe).code == 2
    assert executed() == 3


def test_what_is_executed_is_what_was_hashed_and_no_cached_bytecode(recipe, executed, tmp_path):
    file = recipe.parent / "soft.py"
    cached = Path(importlib.util.cache_from_source(str(file)))
    cached.parent.mkdir()
    evil = tmp_path / "evil.py"
    evil.write_text("raise SystemExit('cached bytecode was executed')\n".ljust(len(CODE)), encoding="utf-8")
    os.utime(evil, (file.stat().st_atime, file.stat().st_mtime))
    py_compile.compile(str(evil), str(cached), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    assert tlkit_command("validate", recipe, "--allow-plugins").code == 0
    assert executed() == 1


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 2)])
def test_on_a_terminal_the_user_is_asked_once(recipe, terminal, executed, monkeypatch, answer, code):
    monkeypatch.setattr("tlkit.cli.session.sys", SimpleNamespace(stdin=sys.stdin, stderr=sys.stdin))
    terminal.append(answer)
    outcome = tlkit_command("validate", recipe)
    assert outcome.code == code
    assert str(recipe.parent / "soft.py") in outcome.err
    assert read_code_file(recipe.parent / "soft.py").digest in outcome.err
    assert executed() == (answer == "y")
    if answer == "y":
        assert tlkit_command("validate", recipe).code == 0  # no answer is left


def test_no_plugins_refuses_it_even_if_it_was_allowed(recipe, executed):
    assert tlkit_command("validate", recipe, "--allow-plugins").code == 0
    outcome = tlkit_command("validate", recipe, "--no-plugins")
    assert outcome.code == 2
    assert "soft.py: is a plugin, which --no-plugins refuses" in outcome.err
    assert executed() == 1
    assert tlkit_command("validate", recipe, "--no-plugins", "--allow-plugins").code == 2


def test_plugin_stands_for_a_file_of_the_same_name_or_bytes(recipe, executed, tmp_path):
    moved = tmp_path / "soft.py"
    shutil.move(recipe.parent / "soft.py", moved)
    assert tlkit_command("validate", recipe, "--plugin", moved).code == 0
    shutil.copy(moved, tmp_path / "other.py")
    shutil.copy(moved, recipe.parent / "soft.py")
    assert tlkit_command("validate", recipe, "--plugin", tmp_path / "other.py").code == 0
    assert executed() == 2


def test_each_recipe_gets_its_own_file_of_the_same_name(recipe, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(recipe.parent, other)
    (other / "soft.py").write_text(CODE.replace('"soft"', '"hard"'), encoding="utf-8")
    (other / "recipe.toml").write_text(recipe_text(plugins=["soft.py"], head={"name": "hard"}), encoding="utf-8")
    assert tlkit_command("validate", recipe, other / "recipe.toml", "--allow-plugins").code == 0
    registry = make_registry(environ={})
    for file, head in ((recipe, "soft"), (other / "recipe.toml", "hard")):
        assert tlkit.check(file, registry=registry).task == "classification"
        assert head not in registry.names(tlkit.Head)


@pytest.mark.parametrize(
    ("plugins", "message"),
    [
        (["none.py"], "plugins.0: .*none.py: no such file"),
        (["soft.txt"], "plugins.0: .*soft.txt: expected a file that ends in .py"),
        ("soft.py", 'plugins: expected an array, received "soft.py"'),
        ([1], "plugins.0: expected a string in quotes, received 1"),
    ],
)
def test_a_wrong_key_is_a_problem_with_its_line(recipe, registry, plugins, message):
    (recipe.parent / "soft.txt").write_text("x")
    text = recipe_text(plugins=plugins)
    with pytest.raises(tlkit.RecipeError, match=f"recipe.toml:3: {message}"):
        parse_recipe(text, registry, file=recipe)


def test_a_plugin_that_fails_is_a_problem_with_both_lines(recipe):
    (recipe.parent / "soft.py").write_text("\n1 / 0\n", encoding="utf-8")
    outcome = tlkit_command("validate", recipe, "--allow-plugins")
    assert f"{recipe}:3: plugins.0: {recipe.parent / 'soft.py'}:2: ZeroDivisionError" in outcome.err


def test_a_run_takes_and_records_the_plugin(recipe, registry, executed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    overrides = ["schedule.epochs=1", "input.image_size=16", "data.name=digits"]
    with pytest.raises(tlkit.RecipeError, match="allow_plugins=True"):
        tlkit.run("project/recipe.toml", overrides, "run", registry=registry, quiet=True)
    assert not (tmp_path / "run").exists()
    tlkit.run("project/recipe.toml", overrides, "run", registry=registry, quiet=True, allow_plugins=True)
    assert "soft" not in registry.names(tlkit.Head)  # the caller's registry is as before
    folder = RunFolder(tmp_path / "run")
    digest = read_code_file(recipe.parent / "soft.py").digest
    environment = json.loads(folder.environment.read_text(encoding="utf-8"))
    (head,) = [each for each in environment["parts"] if each["kind"] == "head"]
    assert (head["plugin"], head["digest"]) == (str(recipe.parent / "soft.py"), digest)
    assert f'plugins = ["{(recipe.parent / "soft.py").as_posix()}"]' in folder.recipe.read_text(encoding="utf-8")
    before = executed()
    # Neither needs the plugin of the head, and neither asks.
    assert tlkit_command("evaluate", "run").code == 0
    assert tlkit_command("report", "run").code == 0
    assert executed() == before
    resumed = tlkit_command("resume", "run")
    assert resumed.code == 2
    assert f'the head "soft" of this run comes from the plugin file {head["plugin"]} ({digest})' in resumed.err
    assert tlkit_command("resume", "run", "--allow-plugins").code == 0


def test_a_run_folder_from_someone_else_runs_no_code(recipe, executed, tmp_path, registry):
    run = RunFolder(tmp_path / "theirs")
    run.path.mkdir()
    save_run(run, color_model(), make_card())
    shutil.copy(recipe.parent / "soft.py", run.path / "soft.py")
    shutil.copy(recipe, run.recipe)
    part = {"kind": "head", "name": "soft", "plugin": str(run.path / "soft.py"), "distribution": None, "version": None}
    run.write_json(run.environment, {"parts": [{**part, "digest": read_code_file(run.path / "soft.py").digest}]})
    for command in (["evaluate"], ["report"], ["resume"], ["inspect"]):
        assert tlkit_command(*command, run.path).code != 0
    tlkit.load(run.path)
    tlkit.load(run.path, trust=True)
    with pytest.raises(tlkit.RecipeError):
        load_run_recipe(run, registry)
    assert executed() == 0
    read_code_file(run.path / "soft.py").allow()
    tlkit.load(run.path, trust=True)
    assert executed() == 1


def test_recipes_without_the_key_have_the_settings_of_earlier_versions(registry):
    recipe = parse_recipe(recipe_text(), registry)
    assert "plugins" not in recipe.values
    assert "plugins" not in portable_text(recipe)


def test_a_part_without_a_digest_is_read_as_earlier_versions_wrote_it(registry, tmp_path):
    part = {"kind": "head", "name": "old", "plugin": "old.py", "distribution": None, "version": None}
    folder = RunFolder(tmp_path)
    folder.write_json(folder.environment, {"parts": [part]})
    (sentence,) = missing_plugins(folder, registry)
    assert sentence.startswith('the head "old" of this run comes from the plugin file old.py: give that file')
    (*_, schedule) = parts_of(parse_recipe(recipe_text(), registry), registry)
    assert schedule.digest is None


# tlkit.plugins ------------------------------------------------------------------------------------------------------

HEAD = tlkit.Head(name="mine", summary="s", task="classification", options=tlkit.Options, build=lambda *_: None)


@tlkit.hookimpl
def tlkit_heads() -> list[tlkit.Head]:
    """Offer a head."""
    return [HEAD]


MODULE = ModuleType("module")
MODULE.tlkit_heads = tlkit_heads  # type: ignore[attr-defined]


class Plugin:
    """A plugin as one writes it in a notebook."""

    @tlkit.hookimpl
    def tlkit_heads(self) -> list[tlkit.Head]:
        """Offer a head."""
        return [HEAD]


@pytest.mark.parametrize("plugin", [HEAD, tlkit_heads, Plugin, Plugin(), MODULE], ids=lambda each: "x")
def test_a_record_a_function_a_class_an_object_and_a_module_are_plugins(plugin):
    registry = tlkit.plugins(plugin)
    assert registry.find(tlkit.Head, "mine").build.function is HEAD.build
    assert registry.find(tlkit.Head, "linear").name == "linear"


def test_a_file_is_a_plugin(recipe, executed):
    for file in (recipe.parent / "soft.py", str(recipe.parent / "soft.py")):
        assert "soft" in tlkit.plugins(file, Plugin).names(tlkit.Head)
    assert executed() == 2


class Misspelt:
    """A plugin with a hook that does not exist."""

    @tlkit.hookimpl
    def tlkit_head(self) -> list[tlkit.Head]:
        """Offer nothing."""
        return []


@pytest.mark.parametrize(
    ("plugins", "message"),
    [
        ([3], "int: has no function marked with @tlkit.hookimpl"),
        ([[HEAD]], "list: has no function marked"),
        (["none.py"], "none.py: no such file"),
        ([Misspelt], 'Misspelt: there is no hook "tlkit_head"; did you mean "tlkit_heads"'),
        ([HEAD, Plugin], 'head "mine" is offered by the head mine and Plugin; give one of them another name'),
    ],
)
def test_what_is_no_plugin_is_an_error(plugins, message):
    with pytest.raises(tlkit.PluginError, match=message):
        tlkit.plugins(*plugins)


# Recipes as values --------------------------------------------------------------------------------------------------


def values(**changes: object) -> dict[str, object]:
    return {
        "name": "values",
        "task": "classification",
        "data": {"name": "digits"},
        "input": {"image_size": 16, "batch_size": 128},
        "backbone": {"name": "small_cnn", "filters": (8,)},
        "head": {"name": "soft"},
        "schedule": {"name": "full", "epochs": 1, "curve": None},
        **changes,
    }


def test_a_recipe_may_be_a_dict_and_its_plugin_a_file_of_the_notebook(recipe, tmp_path, monkeypatch):
    registry = tlkit.plugins(recipe.parent / "soft.py")
    result = tlkit.run(values(), ["head.units=4"], tmp_path / "run", registry=registry, quiet=True)
    written = (result.folder / "recipe.toml").read_text(encoding="utf-8")
    assert "units = 4" in written
    assert "filters = [8]" in written
    assert tlkit.check(values(), registry=registry).report.name == "values"
    monkeypatch.chdir(recipe.parent)
    assert tlkit.check(values(plugins=[Path("soft.py")]), allow_plugins=True).task == "classification"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"head": {"name": "linear", "dropuot": 0.5}}, 'head.dropuot: unknown option .* did you mean "dropout"'),
        ({"seed": object()}, "seed: expected text, a path, a number, True or False, a list or a dict, received object"),
        ({"input": {3: 4}}, "input: expected keys that are text, received 3"),
        ({"data": {"name": "folder", "path": b"x"}}, "data.path: expected text"),
        ({"seed": -1}, "seed: expected at least 0, received -1"),
    ],
)
def test_an_error_in_a_dict_names_the_key_and_no_line(registry: Registry, changes, message):
    with pytest.raises(tlkit.RecipeError, match=f"^{message}"):
        tlkit.run(values(**{"head": {"name": "linear"}, **changes}), registry=registry)


def test_a_dict_that_contains_itself_is_an_error(registry: Registry):
    endless: dict[str, object] = {}
    endless["again"] = endless
    with pytest.raises(tlkit.RecipeError, match="nested more than 40 deep"):
        tlkit.run(values(data=endless), registry=registry)
