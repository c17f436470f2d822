"""The command line: exit codes, what goes to stdout and stderr, and no traceback for mistakes of the user."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import click
import pytest
from command_line import tlkit_command
from jsonschema import Draft202012Validator
from tlkit_heads import tlkit_heads

import tlkit
from tlkit.cli import VERBS, cli, main
from tlkit.recipe import catalog
from tlkit.system import disk

RECIPE = """\
name = "r"
task = "classification"

[data]
name = "digits"

[backbone]
name = "small_encoder"
weights = "none"

[head]
name = "linear"

[schedule]
name = "full"
"""

HEADS = sorted(head.name for head in tlkit_heads())


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """The current folder of the command."""
    monkeypatch.delenv("TLKIT_PLUGINS", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def good(folder) -> Path:
    (folder / "good.toml").write_text(RECIPE)
    return Path("good.toml")


@pytest.fixture
def bad(folder) -> Path:
    (folder / "bad.toml").write_text(RECIPE.replace('"linear"', '"linaer"').replace('"full"\n', '"full"\nepochs = 0\n'))
    return Path("bad.toml")


# The group ----------------------------------------------------------------------------------------------------------


def test_the_version_is_the_installed_one():
    outcome = tlkit_command("--version")
    assert (outcome.code, outcome.out) == (0, f"tlkit, version {tlkit.__version__}\n")
    assert version("tlkit") == tlkit.__version__


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], []])
def test_the_help_lists_every_verb_and_what_it_does(arguments):
    outcome = tlkit_command(*arguments)
    assert outcome.code == 0
    for verb, what in VERBS.items():
        assert f"  {verb}" in outcome.out
        assert what in outcome.out


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_and_accepts_plugins(verb):
    outcome = tlkit_command(verb, "--help")
    assert outcome.code == 0
    assert outcome.out.startswith(f"Usage: tlkit {verb} ")
    assert "--plugin FILE" in outcome.out


def commands(command: click.Command, names: tuple[str, ...] = ()):
    yield names, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            yield from commands(child, (*names, name))


@pytest.mark.parametrize(
    ("names", "command"), list(commands(cli)), ids=lambda each: " ".join(each) if isinstance(each, tuple) else ""
)
def test_every_command_and_each_of_its_options_is_documented(names, command):
    assert command.help
    assert not command.get_short_help_str(limit=100).endswith("...")
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{names} {parameter.name}"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["vaildate"], 'no command "vaildate"; did you mean "validate"?'),
        (["qqq"], f'no command "qqq"; there are {", ".join(VERBS)}'),
        (["--nonsense"], "No such option"),
        (["validate"], "Missing argument 'RECIPE...'"),
        (["validate", "--set"], "Option '--set' requires an argument"),
        (["run"], "Missing argument 'RECIPE'"),
        (["init"], "Missing argument 'FOLDER'"),
        (["recipes", "sl"], "No such command 'sl'"),
        (["plugins", "show", "head"], "Missing argument 'NAME'"),
        (["run", "none.toml"], "none.toml: no such file"),
        (["run", "."], "is a folder, expected a recipe file"),
        (["recipes", "cat", "quickstrat"], 'no shipped recipe "quickstrat"; did you mean "quickstart"?'),
        (["plugins", "show", "hed", "unet"], 'did you mean "head"?'),
        (["plugins", "show", "head", "unett"], 'no head "unett"; did you mean "unet"?'),
    ],
)
def test_a_mistake_of_the_user_ends_with_2_and_one_error_on_stderr(arguments, message):
    outcome = tlkit_command(*arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert message in outcome.err
    assert outcome.err.count("Error: ") == 1
    assert "Traceback" not in outcome.err


def test_running_a_bad_recipe_prints_one_line_per_problem(bad):
    outcome = tlkit_command("run", bad)
    assert outcome.code == 2
    assert outcome.err.splitlines() == [
        'Error: bad.toml:12: head.name: no head "linaer"; did you mean "linear"?',
        "Error: bad.toml:16: schedule.epochs: expected at least 1, received 0",
    ]


def test_a_bug_keeps_its_traceback(monkeypatch):
    def broken(*_arguments, **_options):
        raise ZeroDivisionError

    monkeypatch.setattr(catalog, "shipped", broken)
    with pytest.raises(ZeroDivisionError):
        main(["recipes", "ls"])


def test_ctrl_c_ends_with_130_and_no_traceback(monkeypatch):
    def stopped():
        raise KeyboardInterrupt

    monkeypatch.setattr(catalog, "shipped", stopped)
    outcome = tlkit_command("recipes", "ls")
    assert outcome.code == 130
    assert "Stopped by Ctrl-C" in outcome.err


def test_a_character_that_the_encoding_lacks_is_written_out(good):
    code = "import sys; from tlkit.cli import main; main(sys.argv[1:])"
    ended = subprocess.run(
        [sys.executable, "-c", code, "validate", str(good), "--set", "head.→=3"],
        capture_output=True,
        text=True,
        check=False,
        encoding="latin-1",
        env={**os.environ, "PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "1"},
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith("--set head.\\u2192=3: unknown option of head")


@pytest.mark.parametrize("verb", [["init"], ["recipes", "cp"]], ids=" ".join)
def test_the_earlier_name_of_overwrite_is_hidden(verb):
    outcome = tlkit_command(*verb, "--help")
    assert "--overwrite" in outcome.out
    assert "--force" not in outcome.out


# validate -----------------------------------------------------------------------------------------------------------


def test_validate_of_a_good_recipe_says_ok_on_stdout(good):
    outcome = tlkit_command("validate", good)
    assert (outcome.code, outcome.out, outcome.err) == (0, "good.toml: ok\n", "")


def test_validate_takes_the_name_of_a_shipped_recipe():
    outcome = tlkit_command("validate", *(recipe.name for recipe in catalog.shipped()))
    assert outcome.code == 0
    assert len(outcome.out.splitlines()) == len(catalog.shipped())


def test_validate_of_several_recipes_checks_all_and_counts_the_problems(good, bad):
    outcome = tlkit_command("validate", bad, good, "none.toml")
    assert outcome.code == 2
    assert outcome.out == "good.toml: ok\n"
    assert outcome.err.splitlines() == [
        'bad.toml:12: head.name: no head "linaer"; did you mean "linear"?',
        "bad.toml:16: schedule.epochs: expected at least 1, received 0",
        "none.toml: no such file; tlkit recipes ls lists the shipped recipes",
        "3 problems found",
    ]


def test_validate_applies_overrides(bad):
    outcome = tlkit_command("validate", bad, "--set", "head.name=mlp", "--set", "schedule.epochs=3")
    assert (outcome.code, outcome.out) == (0, "bad.toml: ok\n")


def test_validate_names_the_recipe_that_an_override_does_not_fit_when_there_are_several(good):
    alone = tlkit_command("validate", good, "--set", "head.units=[3]")
    assert alone.err.startswith("--set head.units=[3]: unknown option of head")
    several = tlkit_command("validate", "quickstart", good, "--set", "head.units=[3]")
    assert "\ngood.toml: --set head.units=[3]: unknown option of head" in several.err


# recipes ------------------------------------------------------------------------------------------------------------


def test_recipes_ls_lists_every_recipe_with_its_summary():
    outcome = tlkit_command("recipes", "ls")
    assert outcome.code == 0
    assert [line.split("  ")[0].strip() for line in outcome.out.splitlines()] == [
        recipe.name for recipe in catalog.shipped()
    ]
    assert all(recipe.summary and recipe.summary in outcome.out for recipe in catalog.shipped())


def test_recipes_cat_prints_the_file_as_it_is():
    recipe = catalog.find("quickstart")
    assert tlkit_command("recipes", "cat", "quickstart").out == recipe.file.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("destination", "target"), [(None, "quickstart.toml"), ("sub", "sub/quickstart.toml"), ("mine.toml", "mine.toml")]
)
def test_recipes_cp_copies_to_the_current_folder_a_folder_or_a_file(folder, destination, target):
    (folder / "sub").mkdir()
    outcome = tlkit_command("recipes", "cp", "quickstart", *([destination] if destination else []))
    assert outcome.code == 0
    assert (folder / target).read_text(encoding="utf-8") == catalog.find("quickstart").text
    assert f"tlkit run {Path(target)}" in outcome.out
    assert tlkit_command("validate", target).code == 0


@pytest.mark.parametrize("destination", ["quickstart.toml", "."])
def test_recipes_cp_never_overwrites(folder, destination):
    (folder / "quickstart.toml").write_text("mine")
    outcome = tlkit_command("recipes", "cp", "quickstart", destination)
    assert (outcome.code, outcome.out) == (2, "")
    assert "quickstart.toml: already exists and was not changed" in outcome.err
    assert (folder / "quickstart.toml").read_text() == "mine"
    assert [entry.name for entry in folder.iterdir()] == ["quickstart.toml"]


@pytest.mark.parametrize("option", ["--overwrite", "--force"])
def test_recipes_cp_overwrites_when_told(folder, option):
    (folder / "quickstart.toml").write_text("mine")
    assert tlkit_command("recipes", "cp", "quickstart", option).code == 0
    assert tomllib.loads((folder / "quickstart.toml").read_text(encoding="utf-8"))["name"] == "quickstart"


def test_recipes_cp_makes_the_folder_of_a_file(folder):
    assert tlkit_command("recipes", "cp", "quickstart", "new/mine.toml").code == 0
    assert (folder / "new" / "mine.toml").is_file()


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs a folder in which even root can make no file")
@pytest.mark.parametrize(
    "command",
    [
        "recipes cp quickstart",
        "init photos --out",
        "augment mine.toml --out",
        "lr mine.toml --out",
        "rank mine.toml --csv",
        "check mine.toml --html",
        "check mine.toml --json",
        "inspect mine.toml --out",
    ],
)
def test_a_file_that_can_not_be_made_is_told_before_any_work(command, folder, write_recipe):
    write_recipe("mine.toml", name="mine", data={"name": "digits"})
    outcome = tlkit_command(*command.split(), "/proc/new/x.png")
    assert outcome.code == 2
    assert outcome.err.startswith("Error: /proc/new/x.png")
    assert outcome.err.endswith("can't be written: no file can be made there: /proc; choose another folder\n")
    assert outcome.out == ""


def test_ctrl_c_while_the_command_line_is_imported_leaves_no_traceback():
    code = """
import runpy, sys

class Interrupt:
    def find_spec(self, name, *_):
        if name == "click":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupt())
runpy.run_module("tlkit", run_name="__main__")
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (130, "\nStopped by Ctrl-C.\n")


def test_recipes_cp_that_cannot_write_says_why(monkeypatch):
    def full(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(disk, "write_atomically", full)
    outcome = tlkit_command("recipes", "cp", "quickstart")
    assert outcome.code == 2
    assert outcome.err == "Error: quickstart.toml: can't be written: No space left on device\n"


def test_recipes_schema_prints_a_json_schema():
    outcome = tlkit_command("recipes", "schema")
    assert outcome.code == 0
    schema = json.loads(outcome.out)
    Draft202012Validator.check_schema(schema)
    assert schema["properties"]["head"]["properties"]["name"]["enum"] == HEADS


# plugins ------------------------------------------------------------------------------------------------------------


def test_plugins_lists_the_first_party_plugins_with_distribution_and_version():
    outcome = tlkit_command("plugins")
    assert (outcome.code, outcome.err) == (0, "")
    assert f"heads  (tlkit {tlkit.__version__})\n  head: {', '.join(HEADS)}\n" in outcome.out
    assert "failed" not in outcome.out
    assert "conflict" not in outcome.out


def test_plugins_as_json_has_what_the_list_has():
    data = json.loads(tlkit_command("plugins", "--json").out)
    assert (data["failed"], data["conflicts"]) == ([], [])
    heads = next(plugin for plugin in data["plugins"] if plugin["plugin"] == "heads")
    assert heads == {
        "plugin": "heads",
        "distribution": "tlkit",
        "version": tlkit.__version__,
        "offers": {"head": HEADS},
    }


@pytest.mark.parametrize("kind", ["head", "heads", "Head"])
def test_plugins_show_prints_each_option_with_default_bounds_and_meaning(kind):
    outcome = tlkit_command("plugins", "show", kind, "unet")
    assert outcome.code == 0
    assert outcome.out.startswith("head unet: ")
    for part in (
        "for segmentation",
        "dropout",
        "0.0",
        "< 1",
        "add BatchNormalization after each convolution",
        '"nearest"',
    ):
        assert part in outcome.out


def every_record():
    listed = json.loads(tlkit_command("plugins", "--json").out)["plugins"]
    offered = [(kind, name) for each in listed for kind, names in each["offers"].items() for name in names]
    return [(kind, name) for kind, name in offered if kind != "hook"]


def records_of(*, exporters: bool):
    return [(kind, name) for kind, name in every_record() if (kind == "exporter") == exporters]


@pytest.mark.parametrize(("kind", "name"), records_of(exporters=True))
def test_plugins_show_prints_how_a_format_is_exported(kind, name):
    outcome = tlkit_command("plugins", "show", kind, name)
    assert outcome.code == 0
    assert f"\ntlkit export RUN --format {name}" in outcome.out


@pytest.mark.parametrize(("kind", "name"), records_of(exporters=False))
def test_the_table_that_plugins_show_prints_is_toml_and_names_its_record(kind, name):
    outcome = tlkit_command("plugins", "show", kind, name)
    assert outcome.code == 0
    table = outcome.out.partition("In a recipe:\n\n")[2]
    (values,) = tomllib.loads(table).values()
    assert values["name"] == name


def test_the_table_that_plugins_show_prints_is_valid_where_nothing_is_required(folder):
    tables = [
        tlkit_command("plugins", "show", kind, name).out.partition("In a recipe:\n\n")[2]
        for kind, name in [
            ("dataset", "digits"),
            ("backbone", "small_encoder"),
            ("head", "mlp"),
            ("augmentation", "basic"),
            ("schedule", "two_phase"),
        ]
    ]
    (folder / "shown.toml").write_text('name = "r"\ntask = "classification"\n' + "\n".join(tables), encoding="utf-8")
    outcome = tlkit_command("validate", "shown.toml")
    assert (outcome.code, outcome.err) == (0, "")
