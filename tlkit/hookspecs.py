"""The hooks that a plugin can implement. A plugin is a module with functions decorated with ``tlkit.hookimpl``.

A plugin is found through the entry-point group ``tlkit`` of its installed distribution, or loaded from a single file
with ``--plugin FILE``.

The hooks that offer records return any number of them. A recipe selects a record by name, so the order in which plugins
are loaded never matters; a recipe that uses a name offered by two plugins is refused, with the names of both. These
hooks are called whenever tlkit starts, so the plugin's module must not import TensorFlow or Keras. Do such imports
inside the functions that a record names, or name the functions with ``tlkit.lazy`` and keep them in modules of their
own::

    tlkit.Head(..., build=tlkit.lazy("my_plugin.unet:build"))
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

from tlkit.contracts import Augmentation, Backbone, Dataset, Exporter, Head, Phase, ReportSection, Schedule
from tlkit.errors import Problem

if TYPE_CHECKING:
    import click

PROJECT = "tlkit"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def tlkit_backbones() -> Iterable[Backbone]:  # type: ignore[empty-body]
    """Offer backbones. Called when plugins are loaded; must not import TensorFlow or Keras.

    Example::

        @tlkit.hookimpl
        def tlkit_backbones():
            build = tlkit.lazy("my_plugin.tiny:build")
            return [tlkit.Backbone(name="tiny", summary="…", options=tlkit.BackboneOptions, build=build)]
    """


@hookspec
def tlkit_heads() -> Iterable[Head]:  # type: ignore[empty-body]
    """Offer heads. Called when plugins are loaded; must not import TensorFlow or Keras.

    Example::

        @tlkit.hookimpl
        def tlkit_heads():
            return [tlkit.Head(name="my_head", summary="…", task="classification", options=MyOptions, build=build)]
    """


@hookspec
def tlkit_augmentations() -> Iterable[Augmentation]:  # type: ignore[empty-body]
    """Offer augmentation policies. Called when plugins are loaded; must not import TensorFlow or Keras.

    Example::

        @tlkit.hookimpl
        def tlkit_augmentations():
            return [tlkit.Augmentation(name="noise", summary="…", options=NoiseOptions, build=build)]
    """


@hookspec
def tlkit_schedules() -> Iterable[Schedule]:  # type: ignore[empty-body]
    """Offer schedules. Called when plugins are loaded; must not import TensorFlow or Keras.

    Example::

        @tlkit.hookimpl
        def tlkit_schedules():
            return [tlkit.Schedule(name="short", summary="…", options=ShortOptions, plan=plan)]
    """


@hookspec
def tlkit_datasets() -> Iterable[Dataset]:  # type: ignore[empty-body]
    """Offer data sets. Called when plugins are loaded; must not import TensorFlow, Keras or scikit-learn.

    Example::

        @tlkit.hookimpl
        def tlkit_datasets():
            return [tlkit.Dataset(name="xray", summary="…", options=XrayOptions, open=open_xray,
                                  tasks=("classification",))]
    """


@hookspec
def tlkit_exporters() -> Iterable[Exporter]:  # type: ignore[empty-body]
    """Offer export formats. Called when plugins are loaded; must not import TensorFlow, Keras or a runtime.

    Example::

        @tlkit.hookimpl
        def tlkit_exporters():
            return [tlkit.Exporter(name="weights", summary="…", options=tlkit.Options, suffix=".npz", write=write,
                                   open=open_file, snippet=SNIPPET)]
    """


@hookspec
def tlkit_commands() -> Iterable[click.Command]:  # type: ignore[empty-body]
    """Offer commands for the command line. Called when ``tlkit`` starts; built-in commands can't be replaced.

    Returns:
        Commands; each becomes ``tlkit NAME``.

    Example::

        @tlkit.hookimpl
        def tlkit_commands():
            return [click.Command("hello", callback=lambda: click.echo("hello"))]
    """


@hookspec
def tlkit_check_recipe(recipe: Mapping[str, Any]) -> Iterable[Problem]:  # type: ignore[empty-body]
    """Check a recipe beyond the core's checks. Called once the recipe is valid otherwise.

    Args:
        recipe: the recipe as nested plain values, with defaults filled in.

    Returns:
        Problems; each is reported with the line of its key in the TOML file.

    Example::

        @tlkit.hookimpl
        def tlkit_check_recipe(recipe):
            if recipe["input"]["batch_size"] > 256:
                yield tlkit.Problem("input.batch_size", "our cluster takes at most 256")
    """


@hookspec
def tlkit_callbacks(run: Path, phase: Phase, recipe: Mapping[str, Any]) -> Iterable[Any]:  # type: ignore[empty-body]
    """Offer Keras callbacks for a phase. Called before each phase; the training loop calls their methods.

    Args:
        run: the run folder.
        phase: the phase that starts.
        recipe: the recipe as nested plain values, with defaults filled in, and ``…`` in place of secrets.

    Returns:
        ``keras.callbacks.Callback`` objects.

    Example::

        @tlkit.hookimpl
        def tlkit_callbacks(run, phase, recipe):
            import keras
            return [keras.callbacks.CSVLogger(run / f"{recipe['name']}-{phase.name}.csv")]
    """


@hookspec
def tlkit_phase_finished(run: Path, phase: Phase, metrics: Mapping[str, float]) -> None:
    """React to the end of a phase. Called after the phase has trained and the freeze has been verified.

    Args:
        run: the run folder.
        phase: the phase that ended.
        metrics: the row of ``metrics.csv`` of the best epoch, whose weights the model now has.

    Example::

        @tlkit.hookimpl
        def tlkit_phase_finished(run, phase, metrics):
            print(phase.name, metrics["val_loss"])
    """


@hookspec
def tlkit_run_finished(  # type: ignore[empty-body]
    run: Path, recipe: Mapping[str, Any], metrics: Mapping[str, Any]
) -> Iterable[str]:
    """React to the end of a run. Called when all its files are written, and whenever the finished run is resumed.

    Args:
        run: the run folder.
        recipe: as in ``tlkit_callbacks``.
        metrics: the contents of ``metrics.json``.

    Returns:
        Notes, which are printed and logged.

    Example::

        @tlkit.hookimpl
        def tlkit_run_finished(run, recipe, metrics):
            yield f"{recipe['name']} has {sum(file.stat().st_size for file in run.rglob('*'))} bytes"
    """


@hookspec
def tlkit_report_sections(run: Path, result: Mapping[str, Any]) -> Iterable[ReportSection]:  # type: ignore[empty-body]
    """Add sections to ``report.html``. Called whenever the report of a run is written.

    Args:
        run: the run folder.
        result: the contents of ``metrics.json``.

    Returns:
        The sections.

    Example::

        @tlkit.hookimpl
        def tlkit_report_sections(run, result):
            return [tlkit.ReportSection("Our threshold", "passed" if result["test"]["accuracy"] > 0.9 else "failed")]
    """
