"""Third-party plugins: through the entry point of an installed distribution, or from a single file."""

from __future__ import annotations

import importlib
import json
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import pytest
from command_line import tlkit_command

import tlkit
from tlkit.contracts import Backbone, Head
from tlkit.recipe.load import load_recipe
from tlkit.registry.discovery import make_registry
from tlkit.runs.folder import RunFolder
from tlkit.runs.plugins import missing_plugins

HEAD = """
    import tlkit

    class PooledOptions(tlkit.Options):
        scale: float = 2.0

    @tlkit.hookimpl
    def tlkit_heads():
        return [tlkit.Head(name="NAME", summary="pools", task="classification", options=PooledOptions, build=None)]
"""


def offering_head(name: str) -> str:
    return HEAD.replace("NAME", name)


@pytest.fixture(autouse=True)
def _no_restriction(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TLKIT_PLUGINS", raising=False)


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
    """Install a distribution with one module, laid out as by pip; return the distribution's name."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)
    modules = []

    def write(distribution: str, code: str, version: str = "1.5") -> str:
        module = "tlkittest_" + distribution.replace("-", "_")
        modules.append(module)
        (site / f"{module}.py").write_text(textwrap.dedent(code), encoding="utf-8")
        info = site / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[tlkit]\n{distribution}-point = {module}\n")
        (info / "RECORD").write_text(
            f"{module}.py,,\n{info.name}/METADATA,,\n{info.name}/entry_points.txt,,\n{info.name}/RECORD,,\n"
        )
        importlib.invalidate_caches()
        return distribution

    yield write
    for module in modules:
        sys.modules.pop(module, None)


@pytest.fixture
def plugin_file(tmp_path: Path) -> Callable[..., Path]:
    """Write a plugin to a single file."""

    def write(code: str, name: str = "lone.py") -> Path:
        file = tmp_path / name
        file.write_text(textwrap.dedent(code), encoding="utf-8")
        return file

    return write


@pytest.fixture
def recipe_file(write_recipe: Callable[..., Path]) -> Callable[[str], Path]:
    """Write a recipe with the head of that name."""
    return lambda head: write_recipe(head={"name": head})


# Installed ----------------------------------------------------------------------------------------------------------


def test_an_installed_plugin_is_found_with_its_distribution_and_version(install):
    install("good-heads", offering_head("pooled"), version="2.7")
    record, source = make_registry().find_with_source(Head, "pooled")
    assert record.summary == "pools"
    assert (source.plugin, source.distribution, source.version) == ("good-heads-point", "good-heads", "2.7")


def test_plugins_lists_what_an_installed_plugin_offers(install):
    install("good-heads", offering_head("pooled"), version="2.7")
    outcome = tlkit_command("plugins")
    assert outcome.code == 0
    assert "good-heads-point  (good-heads 2.7)\n  head: pooled\n" in outcome.out


def test_plugins_show_prints_the_options_of_an_installed_plugin(install):
    install("good-heads", offering_head("pooled"), version="2.7")
    outcome = tlkit_command("plugins", "show", "head", "pooled")
    assert outcome.code == 0
    assert "from good-heads-point (good-heads 2.7)" in outcome.out
    assert '[head]\nname = "pooled"\nscale = 2.0\n' in outcome.out


def test_a_recipe_uses_an_installed_plugin_and_a_wrong_option_names_its_distribution(install, recipe_file):
    install("good-heads", offering_head("pooled"))
    recipe = recipe_file("pooled")
    assert load_recipe(recipe, make_registry()).head.options.scale == 2.0
    outcome = tlkit_command("validate", recipe, "--set", "head.scael=1")
    assert outcome.code == 2
    assert 'unknown option of head "pooled" (good-heads 1.5); did you mean "scale"?' in outcome.err


def test_the_json_schema_has_the_options_of_an_installed_plugin(install):
    install("good-heads", offering_head("pooled"))
    schema = json.loads(tlkit_command("recipes", "schema").out)
    assert "scale" in schema["$defs"]["head.pooled"]["properties"]


# Broken -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import tlkit_does_not_exist", "ModuleNotFoundError: No module named 'tlkit_does_not_exist'"),
        ("raise RuntimeError('needs a licence')", "RuntimeError: needs a licence"),
        ("def f(:", "SyntaxError"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
    ],
)
def test_a_plugin_that_fails_on_import_is_listed_and_affects_no_other(install, code, reason):
    install("bad-heads", code)
    install("good-heads", offering_head("pooled"))
    outcome = tlkit_command("plugins")
    assert outcome.code == 0
    assert f"failed: bad-heads-point (bad-heads 1.5): its import: {reason}" in outcome.out
    assert "head: pooled" in outcome.out
    assert "linear, linear_seg, mlp" in outcome.out
    assert "Traceback" not in outcome.out


def test_verbose_prints_the_traceback_of_a_failed_plugin(install):
    install("bad-heads", "raise RuntimeError('needs a licence')")
    outcome = tlkit_command("plugins", "--verbose")
    assert "Traceback (most recent call last)" in outcome.out
    assert "tlkittest_bad_heads.py" in outcome.out


def test_plugins_as_json_has_what_failed_and_its_traceback(install):
    install("bad-heads", "raise RuntimeError('needs a licence')")
    outcome = tlkit_command("plugins", "--json")
    (failed,) = json.loads(outcome.out)["failed"]
    assert {key: failed[key] for key in ("plugin", "distribution", "version")} == {
        "plugin": "bad-heads-point",
        "distribution": "bad-heads",
        "version": "1.5",
    }
    assert failed["reason"].startswith("its import: RuntimeError: needs a licence (")
    assert failed["reason"].endswith("tlkittest_bad_heads.py:1)")
    assert "tlkittest_bad_heads.py" in failed["details"]


def test_a_recipe_that_needs_a_failed_plugin_gets_the_cause(install, recipe_file):
    install("bad-heads", "raise RuntimeError('needs a licence')")
    outcome = tlkit_command("validate", recipe_file("pooled"))
    assert outcome.code == 2
    assert 'recipe.toml:12: head.name: no head "pooled"' in outcome.err
    assert "bad-heads-point (bad-heads 1.5): its import: RuntimeError: needs a licence" in outcome.err


def test_a_recipe_that_does_not_need_a_failed_plugin_is_valid(install, recipe_file):
    install("bad-heads", "raise RuntimeError('needs a licence')")
    outcome = tlkit_command("validate", recipe_file("linear"))
    assert (outcome.code, outcome.err) == (0, "")


def test_a_misspelt_hook_is_listed_with_the_nearest(install):
    install("typo-heads", offering_head("pooled").replace("tlkit_heads", "tlkit_head"))
    outcome = tlkit_command("plugins")
    assert outcome.code == 0
    assert (
        'typo-heads-point (typo-heads 1.5): there is no hook "tlkit_head"; did you mean "tlkit_heads"?' in outcome.out
    )


def test_an_undecorated_hook_is_listed(install):
    install("plain-heads", offering_head("pooled").replace("@tlkit.hookimpl", ""))
    outcome = tlkit_command("plugins")
    assert outcome.code == 0
    assert '"tlkit_heads" is not marked as a hook; write @tlkit.hookimpl above it' in outcome.out


def test_a_hook_that_raises_is_a_failure_and_other_plugins_are_used(install):
    install("bad-heads", "import tlkit\n@tlkit.hookimpl\ndef tlkit_heads():\n    raise OSError('no disk')\n")
    install("good-heads", offering_head("pooled"))
    registry = make_registry()
    (failure,) = registry.failures
    assert failure.reason.startswith("tlkit_heads: OSError: no disk (")
    assert registry.find(Head, "pooled").name == "pooled"


def test_a_record_of_a_wrong_type_is_listed(install):
    install("bad-heads", "import tlkit\n@tlkit.hookimpl\ndef tlkit_heads():\n    return ['pooled']\n")
    outcome = tlkit_command("plugins")
    assert outcome.code == 0
    assert "tlkit_heads: expected Head records, received 'pooled'" in outcome.out


# The same name twice ------------------------------------------------------------------------------------------------


def test_a_name_from_two_distributions_is_an_error_only_for_recipes_that_use_it(install, recipe_file):
    install("first-heads", offering_head("pooled"), version="1.0")
    install("second-heads", offering_head("pooled"), version="2.0")
    conflict = (
        'head "pooled" is offered by first-heads-point (first-heads 1.0) and second-heads-point (second-heads 2.0)'
    )
    listed = tlkit_command("plugins")
    assert listed.code == 0
    assert f"conflict: {conflict}" in listed.out
    assert tlkit_command("validate", recipe_file("linear")).code == 0
    asked = tlkit_command("validate", recipe_file("pooled"))
    assert asked.code == 2
    assert f"recipe.toml:12: head.name: {conflict}" in asked.err


def test_a_first_party_name_is_not_replaced_but_conflicts(install, recipe_file):
    install("my-heads", offering_head("linear"))
    outcome = tlkit_command("validate", recipe_file("linear"))
    assert outcome.code == 2
    assert f'head "linear" is offered by heads (tlkit {tlkit.__version__}) and my-heads-point' in outcome.err
    assert tlkit_command("validate", recipe_file("mlp")).code == 0


def test_plugins_as_json_lists_conflicts(install):
    install("my-heads", offering_head("linear"))
    (conflict,) = json.loads(tlkit_command("plugins", "--json").out)["conflicts"]
    assert "my-heads 1.5" in conflict


# TLKIT_PLUGINS ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["first-heads", "first-heads-point", "First_Heads"])
def test_the_variable_restricts_loading_by_distribution_or_entry_point(install, name):
    install("first-heads", offering_head("pooled"))
    install("second-heads", offering_head("pooled"))
    registry = make_registry(environ={"TLKIT_PLUGINS": f" {name} , tlkit"})
    assert registry.conflicts() == []
    assert str(registry.find_with_source(Head, "pooled")[1]) == "first-heads 1.5"
    assert registry.find(Backbone, "small_encoder").name == "small_encoder"


def test_a_plugin_that_is_not_named_is_not_imported(install):
    install("bad-heads", "raise RuntimeError('needs a licence')")
    assert make_registry(environ={"TLKIT_PLUGINS": "tlkit"}).failures == []


def test_an_empty_variable_loads_nothing(install):
    install("good-heads", offering_head("pooled"))
    registry = make_registry(environ={"TLKIT_PLUGINS": ""})
    assert registry.sources == {}
    assert registry.failures == []


def test_a_name_in_the_variable_that_no_plugin_has_is_listed(monkeypatch):
    monkeypatch.setenv("TLKIT_PLUGINS", "tlkit,tlkit-seg")
    outcome = tlkit_command("plugins")
    assert outcome.code == 0
    assert "failed: tlkit-seg: TLKIT_PLUGINS names it, but no installed plugin has this name" in outcome.out


# A single file ------------------------------------------------------------------------------------------------------


def test_a_single_file_can_be_given_before_and_after_the_command(plugin_file, recipe_file):
    file, recipe = plugin_file(offering_head("pooled")), recipe_file("pooled")
    assert tlkit_command("validate", recipe).code == 2
    assert tlkit_command("--plugin", file, "validate", recipe).code == 0
    assert tlkit_command("validate", "--plugin", file, recipe).code == 0
    assert tlkit_command("validate", recipe, "--plugin", file).code == 0


def test_several_files_of_the_same_name_are_loaded(plugin_file, tmp_path):
    (tmp_path / "other").mkdir()
    first = plugin_file(offering_head("pooled"))
    second = plugin_file(offering_head("spread"), "other/lone.py")
    outcome = tlkit_command("plugins", "--plugin", first, "--plugin", second)
    assert outcome.code == 0
    assert f"{first}  (a single file)\n  head: pooled" in outcome.out
    assert f"{second}  (a single file)\n  head: spread" in outcome.out


def test_a_file_named_twice_is_loaded_once(plugin_file, recipe_file):
    file = plugin_file(offering_head("pooled"))
    assert tlkit_command("--plugin", file, "validate", recipe_file("pooled"), "--plugin", file).code == 0


def test_a_single_file_in_json_has_no_distribution(plugin_file):
    file = plugin_file(offering_head("pooled"))
    listed = json.loads(tlkit_command("plugins", "--json", "--plugin", file).out)["plugins"]
    assert listed[-1] == {
        "plugin": str(file),
        "distribution": None,
        "version": None,
        "offers": {"head": ["pooled"]},
    }


def test_plugins_show_takes_a_file_after_its_arguments(plugin_file):
    outcome = tlkit_command("plugins", "show", "head", "pooled", "--plugin", plugin_file(offering_head("pooled")))
    assert outcome.code == 0
    assert "scale" in outcome.out


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("\n\nraise RuntimeError('needs a licence')", ":3: RuntimeError: needs a licence"),
        ("x = 1\ndef f(:", ":2: SyntaxError: invalid syntax"),
        ("import json\njson.loads('{')", ":2: JSONDecodeError"),
    ],
)
def test_a_file_that_fails_is_an_error_with_its_line_and_no_traceback(plugin_file, code, message):
    file = plugin_file(code)
    outcome = tlkit_command("plugins", "--plugin", file)
    assert outcome.code == 2
    assert outcome.err.startswith(f"Error: --plugin {file}{message}")
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize("code", ["\nraise RuntimeError('no')", "\ndef f(:"])
def test_a_file_that_fails_is_named_as_it_was_given(plugin_file, monkeypatch, tmp_path, code):
    plugin_file(code)
    monkeypatch.chdir(tmp_path)
    assert tlkit_command("plugins", "--plugin", "lone.py").err.startswith("Error: --plugin lone.py:2: ")


def test_an_error_in_what_a_file_calls_has_the_files_own_line(plugin_file):
    file = plugin_file("import json\n\njson.loads('{')\n")
    assert tlkit_command("plugins", "--plugin", file).err.startswith(f"Error: --plugin {file}:3: JSONDecodeError")


def test_a_failed_file_leaves_no_half_imported_module(plugin_file):
    before = set(sys.modules)
    with pytest.raises(tlkit.PluginError):
        make_registry([plugin_file("raise RuntimeError('no')")])
    assert not [name for name in set(sys.modules) - before if "lone" in name]


def test_a_missing_file_is_an_error(tmp_path):
    outcome = tlkit_command("plugins", "--plugin", tmp_path / "none.py")
    assert (outcome.code, outcome.out) == (2, "")
    assert "none.py: no such file; expected a Python file with tlkit hooks" in outcome.err


def test_a_file_that_is_not_python_is_an_error(plugin_file):
    outcome = tlkit_command("plugins", "--plugin", plugin_file("hello", "notes.txt"))
    assert outcome.code == 2
    assert "expected a file that ends in .py" in outcome.err


# Commands and checks ------------------------------------------------------------------------------------------------

COMMAND = """
    import click
    import tlkit

    @click.command("NAME", help="Says hello.")
    def hello():
        click.echo("hello from the plugin")

    @tlkit.hookimpl
    def tlkit_commands():
        return [hello]
"""


def test_a_plugin_adds_a_command(install):
    install("hello-command", COMMAND.replace("NAME", "hello"))
    assert tlkit_command("hello").out == "hello from the plugin\n"
    helped = tlkit_command("--help")
    assert "hello     Says hello." in helped.out


def test_a_single_file_adds_a_command(plugin_file):
    outcome = tlkit_command("--plugin", plugin_file(COMMAND.replace("NAME", "hello")), "hello")
    assert (outcome.code, outcome.out) == (0, "hello from the plugin\n")


def test_a_plugin_cannot_replace_a_built_in_command(install, recipe_file):
    install("hello-command", COMMAND.replace("NAME", "validate"))
    outcome = tlkit_command("validate", recipe_file("linear"))
    assert outcome.code == 0
    assert "hello" not in outcome.out
    assert "Says hello" not in tlkit_command("--help").out
    listed = tlkit_command("plugins")
    assert listed.code == 0
    assert "\"validate\" is a command of tlkit's own and can't be replaced" in listed.out
    assert "hello-command 1.5" in listed.out


def test_two_plugins_with_the_same_command_are_listed(install):
    install("hello-one", COMMAND.replace("NAME", "hello"))
    install("hello-two", COMMAND.replace("NAME", "hello"))
    assert tlkit_command("hello").code == 0
    assert 'another plugin also offers a command "hello"' in tlkit_command("plugins").out


@pytest.mark.parametrize("body", ["raise RuntimeError('no licence')", "return ['hello']", "return 3"])
def test_a_plugin_whose_commands_fail_is_listed_and_breaks_no_other_command(install, recipe_file, body):
    install("bad-command", f"import tlkit\n@tlkit.hookimpl\ndef tlkit_commands():\n    {body}\n")
    assert tlkit_command("--help").code == 0
    assert tlkit_command("validate", recipe_file("linear")).code == 0
    listed = tlkit_command("plugins")
    assert listed.code == 0
    assert listed.out.count("failed: bad-command-point (bad-command 1.5): tlkit_commands: ") == 1


CHECK = """
    import tlkit

    @tlkit.hookimpl
    def tlkit_check_recipe(recipe):
        if recipe["input"]["batch_size"] > 16:
            yield tlkit.Problem("input.batch_size", "our cluster takes at most 16")
        if recipe["head"]["name"] == "linear":
            yield tlkit.Problem("head.name", "we use mlp")
"""


def test_a_plugins_check_is_reported_with_the_line_of_its_key(install, recipe_file):
    install("house-rules", CHECK)
    recipe = recipe_file("linear")
    outcome = tlkit_command("validate", recipe)
    assert outcome.code == 2
    assert f"{recipe}:12: head.name: we use mlp" in outcome.err
    assert f"{recipe}: input.batch_size: our cluster takes at most 16" in outcome.err


def test_a_plugins_check_of_an_overridden_key_names_the_override(install, recipe_file):
    install("house-rules", CHECK)
    outcome = tlkit_command("validate", recipe_file("mlp"), "--set", "input.batch_size=64")
    assert outcome.err.splitlines()[0] == "--set input.batch_size=64: our cluster takes at most 16"


def test_a_plugins_check_without_problems_prints_nothing(install, recipe_file):
    install("house-rules", CHECK)
    outcome = tlkit_command("validate", recipe_file("mlp"), "--set", "input.batch_size=8")
    assert (outcome.code, outcome.err) == (0, "")


def test_a_plugins_check_that_raises_names_its_plugin_after_the_traceback(install, recipe_file):
    install("house-rules", "import tlkit\n@tlkit.hookimpl\ndef tlkit_check_recipe(recipe):\n    return recipe['x']\n")
    outcome = tlkit_command("validate", recipe_file("mlp"))
    assert outcome.code == 2
    assert "house-rules-point (house-rules 1.5): tlkit_check_recipe: KeyError: 'x'" in outcome.err.splitlines()[-1]
    assert outcome.err.startswith("Traceback")


# Runs whose plugin is gone -------------------------------------------------------------------------------------------

DOUBLING = """
    import keras
    import tlkit

    @keras.saving.register_keras_serializable("tlkittest")
    class Doubled(keras.layers.Layer):
        def call(self, inputs):
            return 2.0 * inputs

    class DoublingOptions(tlkit.Options):
        pass

    def build(features, ctx, options):
        x = keras.layers.GlobalAveragePooling2D(name="head_pooling")(features[max(features)])
        x = keras.layers.Dense(ctx.units, dtype="float32", name="head_dense")(x)
        return Doubled(dtype="float32", name="head_logits")(x)

    @tlkit.hookimpl
    def tlkit_heads():
        return [tlkit.Head(name="doubling", summary="x", task="classification", options=DoublingOptions, build=build)]
"""


def test_a_run_whose_plugin_is_not_installed_says_what_to_install(install, recipe_file, class_folders, tmp_path):
    install("doubling-heads", DOUBLING, version="2.7")
    run = tmp_path / "run"
    settings = ["schedule.epochs=1", "input.image_size=16"]
    ran = tlkit_command("run", recipe_file("doubling"), "--out", run, *(f"--set={each}" for each in settings))
    assert ran.code == 0, ran.err
    assert "loading this model later requires --trust" in ran.out
    photos = class_folders({"one": 1})
    predict = ["predict", run, photos, "--overwrite", "--out", tmp_path / "found.csv"]
    assert "which is not a Keras layer that tlkit knows" in tlkit_command(*predict).err
    assert tlkit_command(*predict, "--trust").code == 0

    shutil.rmtree(tmp_path / "site")
    importlib.invalidate_caches()
    keras.saving.get_custom_objects().pop("tlkittest>Doubled")
    sys.modules.pop("tlkittest_doubling_heads")
    missing = 'the head "doubling" of this run comes from doubling-heads 2.7, which is not installed: '
    missing += "pip install doubling-heads==2.7, if you trust it"
    for command in (["resume", run], ["evaluate", run], predict, [*predict, "--trust"]):
        ended = tlkit_command(*command)
        assert ended.code in (1, 2)
        assert missing in ended.err, command


def test_a_run_of_a_plugin_file_asks_for_the_file(plugin_file, recipe_file, tmp_path):
    run = tmp_path / "run"
    file = plugin_file(DOUBLING, "doubling_file.py")
    settings = ["schedule.epochs=1", "input.image_size=16"]
    recipe = recipe_file("doubling")
    ran = tlkit_command("--plugin", file, "run", recipe, "--out", run, *(f"--set={each}" for each in settings))
    assert ran.code == 0, ran.err
    assert "give that file with --plugin, if you trust it" in tlkit_command("resume", run).err
    assert "nothing to do" in tlkit_command("--plugin", file, "resume", run).out


PART = {"kind": "head", "name": "x", "plugin": "x", "distribution": "missing-one", "version": "1"}


@pytest.mark.parametrize(
    "parts",
    [
        None,
        "text",
        [1],
        [{**PART, "distribution": "; rm -rf /"}],
        [{**PART, "version": "1; rm -rf /"}],
        [{**PART, "name": "x" * 1000}],
        [{**PART, "more": 1}],
        [PART] * 2000,
    ],
    ids=["none", "text", "number", "distribution", "version", "name", "more", "many"],
)
def test_untrusted_text_in_a_run_folder_is_not_printed(tmp_path, parts):
    folder = RunFolder(tmp_path)
    folder.write_json(folder.environment, {"parts": [PART]})
    assert len(missing_plugins(folder)) == 1
    folder.write_json(folder.environment, {"parts": parts})
    assert missing_plugins(folder) == []
