"""Every hook that a plugin can implement. A plugin is a module with functions decorated with ``tlkit.hookimpl``.

It is found through the entry-point group ``tlkit`` of an installed distribution, or loaded from one file with
``--plugin FILE``. No hook's call order decides anything: a recipe selects by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

from tlkit.contracts import Augmentation, Backbone, Dataset, Head, Phase, ReportSection, Schedule
from tlkit.errors import Problem

if TYPE_CHECKING:
    import click

PROJECT = "tlkit"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def tlkit_backbones() -> Iterable[Backbone]:  # type: ignore[empty-body]
    """Offer backbones. Called once, when the registry is made; must not import TensorFlow or Keras.

    Returns:
        Records; a name that another plugin offers too is an error that names both.

    Example::

        @tlkit.hookimpl
        def tlkit_backbones():
            return [tlkit.Backbone(name="tiny", summary="…", options=tlkit.BackboneOptions, build=build)]
    """


@hookspec
def tlkit_heads() -> Iterable[Head]:  # type: ignore[empty-body]
    """Offer heads. Called once, when the registry is made; must not import TensorFlow or Keras.

    Example::

        @tlkit.hookimpl
        def tlkit_heads():
            return [tlkit.Head(name="my_head", summary="…", task="classification", options=MyOptions, build=build)]
    """


@hookspec
def tlkit_augmentations() -> Iterable[Augmentation]:  # type: ignore[empty-body]
    """Offer augmentation policies. Called once, when the registry is made; must not import TensorFlow or Keras.

    Example::

        @tlkit.hookimpl
        def tlkit_augmentations():
            return [tlkit.Augmentation(name="noise", summary="…", options=NoiseOptions, build=build)]
    """


@hookspec
def tlkit_schedules() -> Iterable[Schedule]:  # type: ignore[empty-body]
    """Offer schedules. Called once, when the registry is made; must not import TensorFlow or Keras.

    Example::

        @tlkit.hookimpl
        def tlkit_schedules():
            return [tlkit.Schedule(name="short", summary="…", options=ShortOptions, plan=plan)]
    """


@hookspec
def tlkit_datasets() -> Iterable[Dataset]:  # type: ignore[empty-body]
    """Offer data sets. Called once, when the registry is made; must not import TensorFlow, Keras or scikit-learn.

    Example::

        @tlkit.hookimpl
        def tlkit_datasets():
            return [tlkit.Dataset(name="xray", summary="…", options=XrayOptions, open=open_xray,
                                  tasks=("classification",))]
    """


@hookspec
def tlkit_commands() -> Iterable[click.Command]:  # type: ignore[empty-body]
    """Offer commands of the CLI. Called when ``tlkit`` starts; a built-in verb can't be replaced.

    Example::

        @tlkit.hookimpl
        def tlkit_commands():
            return [click.Command("hello", callback=lambda: click.echo("hello"))]
    """


@hookspec
def tlkit_check_recipe(recipe: Mapping[str, Any]) -> Iterable[Problem]:  # type: ignore[empty-body]
    """Check a recipe further, after it was found valid by itself.

    Args:
        recipe: the recipe as nested plain values, defaults filled in.

    Returns:
        Problems; each is reported with its line of the TOML file.

    Example::

        @tlkit.hookimpl
        def tlkit_check_recipe(recipe):
            if recipe["input"]["batch_size"] > 256:
                yield tlkit.Problem("input.batch_size", "our cluster takes at most 256")
    """


@hookspec
def tlkit_callbacks(run: Path, phase: Phase) -> Iterable[Any]:  # type: ignore[empty-body]
    """Offer ``keras.callbacks.Callback`` objects for a phase. Called before each phase; driven by the loop.

    Args:
        run: the run folder.
        phase: the phase that begins.

    Example::

        @tlkit.hookimpl
        def tlkit_callbacks(run, phase):
            import keras
            return [keras.callbacks.TensorBoard(run / "tensorboard" / phase.name)]
    """


@hookspec
def tlkit_phase_finished(run: Path, phase: Phase, metrics: Mapping[str, float]) -> None:
    """Be told that a phase has ended and its freeze was proved.

    Args:
        run: the run folder.
        phase: the phase that ended.
        metrics: the row of ``metrics.csv`` of the epoch whose weights are kept.

    Example::

        @tlkit.hookimpl
        def tlkit_phase_finished(run, phase, metrics):
            print(phase.name, metrics["val_loss"])
    """


@hookspec
def tlkit_report_sections(run: Path, result: Mapping[str, Any]) -> Iterable[ReportSection]:  # type: ignore[empty-body]
    """Add sections to ``report.html``. Called when a run's report is written.

    Args:
        run: the run folder.
        result: the contents of ``metrics.json``.

    Example::

        @tlkit.hookimpl
        def tlkit_report_sections(run, result):
            return [tlkit.ReportSection("Our threshold", "passed" if result["test"]["accuracy"] > 0.9 else "failed")]
    """
