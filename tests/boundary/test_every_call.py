"""Every function of a plugin that tlkit calls is inside the boundary, whatever it raises.

The functions are found by introspection of the contracts and the hooks: a new one without a case here is an error.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import Outcome, tlkit_command
from failing_plugin import functions_of_records, hooks, write_plugin

import tlkit
from tlkit.boundary.guard import Guard
from tlkit.contracts import Backbone, Dataset, Exporter
from tlkit.registry import KINDS

RUN = ("run", "recipe.toml", "--out", "out")
BY_RUN = {
    "import",
    "options",
    "Head.build",
    "Backbone.build",
    "Augmentation.build",
    "the function of Augmentation.build",
    "Schedule.plan",
    "Dataset.open",
    "DrawnMask.read",
    "DrawnMask.draw",
    "tlkit_heads",
    "tlkit_backbones",
    "tlkit_augmentations",
    "tlkit_schedules",
    "tlkit_datasets",
    "tlkit_check_recipe",
    "tlkit_callbacks",
    "tlkit_phase_finished",
    "tlkit_run_finished",
    "tlkit_report_sections",
    "callback.on_train_begin",
    "callback.on_train_batch_end",
    "callback.on_epoch_end",
    "callback.on_test_end",
    "callback.on_train_end",
}
"""Functions that ``tlkit run`` calls."""

OTHERS: dict[str, Callable[[Path], object]] = {
    "Backbone.pretrained": lambda file: tlkit_command("--plugin", file, *RUN, "--set", "backbone.weights=imagenet"),
    "Backbone.loaded": lambda file: tlkit.plugins(file).find(Backbone, "mine").loaded({}, None),
    "Dataset.detect": lambda file: tlkit_command("--plugin", file, "init", file.parent, "--out", "new.toml"),
    "Exporter.write": lambda file: tlkit.plugins(file).find(Exporter, "mine").write(None, file, None),
    "Exporter.open": lambda file: tlkit.plugins(file).find(Exporter, "mine").open(file, 1),
    "Exporter.check": lambda file: tlkit.plugins(file).find(Exporter, "mine").check(file),
    "ExportedModel.run": lambda file: tlkit.plugins(file).find(Exporter, "mine").open(file, 1).run(None),
    "Dataset.relocate": lambda file: tlkit.plugins(file).find(Dataset, "mine").relocate(None, file),
}
"""Function → a call of it: by the command line, or of the record as the registry has it."""

LISTED = {"tlkit_commands", "tlkit_exporters"}
"""Functions without which everything else works: ``tlkit plugins`` says that they failed."""

RAISED = [
    "raise SystemExit(0)",
    "raise KeyboardInterrupt",
    "raise GeneratorExit",
    "raise asyncio.CancelledError",
    "raise OwnExit",
    "raise StopIteration",
    "raise StopAsyncIteration",
    "raise OwnError('a success')",
    "raise click.exceptions.Exit(0)",
    "raise click.Abort",
    "raise EOFError",
    "raise BrokenPipeError(32, 'Broken pipe')",
    "raise OSError(5, 'Input/output error')",
    "raise RuntimeError('a bug')",
]
"""What a plugin raises that means something to those who called tlkit: an end, a success, a stop, a closed pipe."""


def failed(function: str, code: str, folder: Path) -> str:
    """Call a function that fails, and return what the error says; a success is no error."""
    file = write_plugin(folder, function, code)
    if function not in OTHERS:
        outcome = tlkit_command("--plugin", file, *RUN)
    else:
        try:
            called = OTHERS[function](file)
        except tlkit.PluginError as error:
            return str(error)
        assert isinstance(called, Outcome)
        outcome = called
    assert outcome.code not in (0, 130, 141), outcome.err
    return outcome.err


def names_both(text: str, function: str) -> bool:
    """Whether a text names the plugin and the function in one line."""
    name = {"import": "", "options": "the options of head"}.get(function, function.removeprefix("callback."))
    return any("every_plugin.py" in line and name in line for line in text.splitlines())


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_every_function_of_the_contracts_and_every_hook_has_a_case():
    functions = functions_of_records() - {"ExportContext.save"}  # which tlkit gives to exporters
    assert functions | hooks() <= BY_RUN | set(OTHERS) | LISTED


def test_every_function_of_every_record_of_a_registry_is_guarded(tmp_path):
    registry = tlkit.plugins(write_plugin(tmp_path))
    for kind in KINDS:
        for record, _ in registry.records(kind):
            functions = {name for name in functions_of_records() if name.startswith(f"{kind.__name__}.")}
            values = [getattr(record, name.partition(".")[2]) for name in functions]
            assert all(value is None or isinstance(value, Guard) for value in values), record


def test_only_the_registry_calls_hooks():
    root = Path(tlkit.__file__).parent
    using = {path.relative_to(root).as_posix() for path in root.rglob("*.py") if "manager.hook" in path.read_text()}
    assert using == {"registry/__init__.py", "cli/plugins.py"}
    assert ".function(" not in (root / "cli/plugins.py").read_text()


def test_the_plugin_works_if_nothing_fails(tmp_path):
    outcome = tlkit_command("--plugin", write_plugin(tmp_path), *RUN)
    assert outcome.code == 0, outcome.err
    assert (tmp_path / "out" / "report.html").is_file()


@pytest.mark.parametrize("function", sorted(BY_RUN | set(OTHERS)))
def test_a_function_that_ends_the_program_is_an_error_that_names_it_and_its_plugin(function, tmp_path):
    text = failed(function, "raise SystemExit(0)", tmp_path)
    assert names_both(text, function), text
    assert "SystemExit" in text
    run = tmp_path / "out"
    assert (run / "report.html").exists() == (function == "tlkit_run_finished")  # that one is called after the report
    if run.exists():
        log = (run / "events.log").read_text(encoding="utf-8")
        assert names_both(log, function)
        assert "ERROR PluginError" in log


@pytest.mark.parametrize("function", sorted(LISTED))
def test_a_plugin_whose_commands_or_formats_fail_is_listed_with_the_reason(function, tmp_path):
    file = write_plugin(tmp_path, function)
    assert names_both(tlkit_command("--plugin", file, "plugins").out, function)
    assert tlkit_command("--plugin", file, "--help").code == 0


@pytest.mark.parametrize("code", RAISED)
@pytest.mark.parametrize("function", ["Dataset.open", "tlkit_check_recipe"])
def test_whatever_a_function_raises_is_an_error_that_names_it_and_its_plugin(function, code, tmp_path):
    text = failed(function, code, tmp_path)
    assert names_both(text, function), text
    assert "in maybe" in text  # the traceback, for the author


@pytest.mark.slow
@pytest.mark.parametrize("code", RAISED)
@pytest.mark.parametrize("function", sorted(BY_RUN | set(OTHERS)))
def test_whatever_any_function_raises_is_an_error_that_names_it_and_its_plugin(function, code, tmp_path):
    assert names_both(failed(function, code, tmp_path), function)


@pytest.mark.parametrize(("code", "expected"), [("sys.exit(3)", 3), ("raise click.exceptions.Exit(4)", 4)])
def test_a_command_of_a_plugin_ends_with_the_code_that_it_chose(code, expected, tmp_path):
    assert tlkit_command("--plugin", write_plugin(tmp_path, "command", code), "mine").code == expected


def test_a_bug_in_a_command_of_a_plugin_keeps_its_traceback_and_names_the_plugin(tmp_path):
    with pytest.raises(ValueError, match="a bug") as caught:
        tlkit_command("--plugin", write_plugin(tmp_path, "command", "raise ValueError('a bug')"), "mine")
    assert "every_plugin.py" in caught.value.__notes__[0]


def test_tlkits_own_errors_pass_as_they_are(tmp_path):
    text = failed("Dataset.open", "raise tlkit.DataError('no network drive')", tmp_path)
    assert text.splitlines()[-1] == "Error: no network drive"
    assert "Traceback" not in text
    outcome = tlkit_command(
        "--plugin", write_plugin(tmp_path, "Schedule.plan", "raise ValueError('units', 'no')"), *RUN
    )
    assert (outcome.code, outcome.err.splitlines()[-1]) == (2, "Error: recipe.toml:11: schedule.units: no")


@pytest.mark.parametrize("code", ["raise SystemExit(0)", "raise click.exceptions.Exit(0)", "raise KeyboardInterrupt"])
def test_a_layer_of_a_plugin_does_not_end_a_run_as_a_success(code, tmp_path):
    text = failed("Layer.call", code, tmp_path)
    assert names_both(text, "in the run"), text
    assert "ERROR PluginError" in (tmp_path / "out" / "events.log").read_text(encoding="utf-8")


@pytest.mark.parametrize("code", ["raise SystemExit(0)", "raise StopIteration"])
def test_python_code_that_tensorflow_calls_does_not_end_a_run_as_a_success(code, tmp_path):
    import tensorflow as tf

    file = write_plugin(tmp_path, "py_function", code)
    with pytest.raises(tf.errors.OpError) as caught:
        tlkit_command("--plugin", file, *RUN)
    assert 'the augmentation "mine" runs' in caught.value.__notes__[0]
    assert "ERROR" in (tmp_path / "out" / "events.log").read_text(encoding="utf-8")
    assert not (tmp_path / "out" / "model.keras").exists()


@pytest.mark.parametrize(
    ("code", "expected", "says"),
    [
        ("raise OSError(28, 'No space left on device', str(run / 'log.txt'))", 74, "free some space"),
        ("raise MemoryError", 1, "the memory is exhausted"),
    ],
)
def test_a_full_disk_or_memory_is_no_mistake_of_the_plugin(code, expected, says, tmp_path):
    file = write_plugin(tmp_path, "tlkit_phase_finished")
    text = file.read_text(encoding="utf-8").replace('    maybe("tlkit_phase_finished")', f"    {code}")
    file.write_text(text, encoding="utf-8")
    outcome = tlkit_command("--plugin", file, *RUN)
    assert outcome.code == expected
    assert says in outcome.err


def test_a_run_that_a_plugin_ended_can_be_resumed(tmp_path):
    failed("tlkit_phase_finished", "raise SystemExit(0)", tmp_path)
    assert not (tmp_path / "out" / "model.keras").exists()
    outcome = tlkit_command("--plugin", write_plugin(tmp_path), "resume", "out")
    assert outcome.code == 0, outcome.err
    assert (tmp_path / "out" / "report.html").is_file()
