"""The command of a fold's process: the plugins and options of the process that starts it, and no others."""

from __future__ import annotations

import json
import os
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace

import pytest
from command_line import tlkit_command

import tlkit
from tlkit.jobs.folds import cross_validation
from tlkit.jobs.folds.commands import FoldCommand, fold_command
from tlkit.recipe.load import load_recipe
from tlkit.registry import Source, discovery
from tlkit.registry.discovery import OWN_PLUGINS, copied, make_registry
from tlkit.runs.folds import FoldsFolder
from tlkit.system.from_parent import ALLOWED_BY_PARENT

PLUGIN = """
import tlkit

@tlkit.hookimpl
def tlkit_callbacks(run, phase):
    return []
"""


@pytest.fixture
def plugin(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(PLUGIN, encoding="utf-8")
    return file


def entry_point(name, distribution, module="tlkit_heads"):
    point = EntryPoint(name, module, "tlkit")
    vars(point).update(dist=SimpleNamespace(name=distribution, version="1"))
    return point


def test_folds_without_other_plugins_load_none_but_tlkits_own(registry):
    command = fold_command(registry, registry, deterministic=False)
    assert command.plugins == ["--no-plugins"]
    assert command.environment == {"TLKIT_PLUGINS": None}


def test_each_fold_writes_its_profile_also_when_it_is_resumed(tmp_path):
    folder, command = FoldsFolder(tmp_path), FoldCommand(profile=True, deterministic=True)
    assert command.of_fold(folder, 1)[-2:] == ["--deterministic", "--profile"]
    folder.fold(1).path.mkdir()
    folder.fold(1).recipe.touch()
    assert command.of_fold(folder, 1)[-3:] == ["resume", str(folder.fold(1).path), "--profile"]


def test_folds_load_the_files_of_plugin_and_exactly_the_installed_plugins_of_the_parent(plugin):
    registry = make_registry([plugin], {"TLKIT_PLUGINS": "heads,augment"})
    command = fold_command(registry, copied(registry), deterministic=True)
    assert command.plugins == ["--plugin", str(plugin.resolve())]
    assert command.environment["TLKIT_PLUGINS"] == "tlkit:augment,tlkit:heads"
    again = make_registry([plugin], command.environment)
    assert again.sources.keys() == registry.sources.keys()


def test_an_object_of_this_process_can_not_be_a_plugin_of_the_folds():
    hook = tlkit.hookimpl(lambda run, phase: [])
    hook.__name__ = "tlkit_callbacks"
    registry = tlkit.plugins(hook)
    with pytest.raises(tlkit.PluginError, match="tlkit_callbacks: is a plugin that exists only in this process"):
        fold_command(registry, registry, deterministic=False)


def test_a_fold_may_load_the_bytes_of_a_recipes_plugin_and_nothing_that_stands_there_later(
    plugin, write_recipe, monkeypatch, tmp_path
):
    monkeypatch.setenv("TLKIT_CONFIG", str(tmp_path / "config"))
    recipe = write_recipe(plugins=[str(plugin)])
    given = make_registry(environ={})
    used = copied(given)
    used.permit = lambda _file: True
    load_recipe(recipe, used)
    command = fold_command(given, used, deterministic=False)
    assert command.plugins == []
    monkeypatch.setenv(ALLOWED_BY_PARENT, command.environment[ALLOWED_BY_PARENT])
    assert tlkit_command("validate", recipe).code == 0
    assert ALLOWED_BY_PARENT not in os.environ
    monkeypatch.setenv(ALLOWED_BY_PARENT, command.environment[ALLOWED_BY_PARENT])
    plugin.write_text(PLUGIN + "# changed", encoding="utf-8")
    assert "so it was not loaded" in tlkit_command("validate", recipe).err


def test_an_entry_point_named_like_tlkit_is_not_one_of_tlkits_own(monkeypatch):
    points = [entry_point(name, "other") for name in ("tlkit", "tlkit:", "tlkit:heads")]
    monkeypatch.setattr(discovery, "entry_points", lambda group: [*points, entry_point("heads", "tlkit")])
    for selected in (OWN_PLUGINS, "tlkit:heads"):
        assert [str(each) for each in make_registry(environ={"TLKIT_PLUGINS": selected}).sources.values()] == [
            "tlkit 1"
        ]
    assert discovery.exact_name(Source("heads", "tlkit", "1")) == "tlkit:heads"


def test_the_options_of_the_command_reach_each_fold(plugin, write_recipe, tmp_path, monkeypatch):
    commands = []

    def run(folder: FoldsFolder, number: int, command, *_):
        commands.append((command.of_fold(folder, number), command.environment))
        return 1

    monkeypatch.setattr(cross_validation, "run_fold", run)
    recipe, out = write_recipe(), tmp_path / "folds"
    options = ["run", recipe, "--folds", 2, "--out", out, "--deterministic"]
    assert "2 of 2 folds failed" in tlkit_command("--no-plugins", *options).err
    samples = json.dumps((out / "fold-2.csv").as_posix())
    started = ["run", str(out / "folds.toml"), "--out", str(out / "fold-2"), "--set", f"input.samples={samples}"]
    assert commands[1][0] == ["-m", "tlkit", "--no-plugins", *started, "--deterministic"]
    (out / "fold-1").mkdir()
    (out / "fold-1" / "recipe.toml").touch()
    tlkit_command("--plugin", plugin, *options)
    assert commands[2][0] == ["-m", "tlkit", "--plugin", str(Path(plugin).resolve()), "resume", str(out / "fold-1")]
    assert 'of "tlkit run --folds 2 --deterministic", not of "tlkit run --folds 2"' in tlkit_command(*options[:-1]).err
