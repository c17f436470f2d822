"""``tlkit.check``: read every file of a data set and report what is wrong with it, or odd about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlkit.cluster.ray_cluster import ClusterOptions, cluster_options, reachable
from tlkit.contracts import Dataset, Task
from tlkit.jobs import from_recipe
from tlkit.jobs.progress import Progress, StageProgress, no_progress
from tlkit.recipe.load import parse_recipe, read_recipe
from tlkit.recipe.schema import Recipe
from tlkit.registry import Registry
from tlkit.registry.discovery import registry_for_recipe
from tlkit.system.memory import explained_memory
from tlkit.system.remote import local_path
from tlkit.system.remote_names import named_path, naming_remote_files

if TYPE_CHECKING:
    from tlkit.data.checks.check import Checked
    from tlkit.data.checks.findings import Report
    from tlkit.data.checks.spread_facts import SpreadFacts

_BARE_RECIPE = """\
name = "images"
task = "classification"
[data]
name = "folder"
path = {path}
[backbone]
name = "MobileNetV2"
[head]
name = "linear"
[schedule]
name = "frozen"
"""
"""The recipe for a folder with fewer than two classes, for which ``tlkit init`` writes none."""

_NO_CLASSES = (
    "there are no class folders, so the files were checked as images without classes; "
    "a run needs one folder per class, or labels in a CSV file"
)


@dataclass(frozen=True)
class CheckResult:
    """What a check of a data set found.

    Args:
        report: the findings, with counts that add up: found = used + set aside + left out. ``report.of("error")``
            are those that would stop a run, ``report.lines()`` all of them as text, ``report.as_json()`` as values.
        task: ``classification`` or ``segmentation``.
        notes: remarks about the folder and its splits.
    """

    report: Report
    task: Task
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Target:
    """What is checked.

    Args:
        recipe: the recipe that was named, or the one that ``tlkit init`` would write for the folder that was named.
        inner: the folders that a folder is checked in; none for a recipe.
        notes: remarks about the folder.
        labelled: whether the images have classes or masks.
    """

    recipe: Recipe
    inner: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()
    labelled: bool = True


@explained_memory("use a machine with more memory")
def check(
    target: str | Path | Mapping[str, Any],
    overrides: Sequence[str] = (),
    *,
    registry: Registry | None = None,
    progress: StageProgress = no_progress,
    allow_plugins: bool = False,
    cluster: str | ClusterOptions | None = None,
    say: Callable[[str], None] = lambda _line: None,
) -> CheckResult:
    """Read every file of a data set: find damaged files, odd ones, duplicates, and leaks between splits.

    No file is moved, changed or deleted. Unchanged files are not read a second time.

    Args:
        target: a recipe file, the name of a shipped recipe, a recipe as nested dicts, or a folder of images as
            ``tlkit init`` takes it, which may be a URL such as ``s3://bucket/photos``.
        overrides: ``key=value`` as ``tlkit check --set`` takes them; those of ``check`` set the policy, such as
            ``check.leak=error``.
        registry: the plugins; None for the installed ones.
        progress: called with the stage, and how many of how many files are done.
        allow_plugins: load the plugin files that the recipe names in its key ``plugins``. They are code.
        cluster: spread the reading of the files over the workers of a Ray cluster, as of ``load``; None for that of the
            recipe's table ``[cluster]``, if any.
        say: called with a line when a worker of the cluster joins or is lost.

    Returns:
        the report, even if it has errors; the policy in ``[check]`` says which findings are errors.

    Raises:
        RecipeError: the recipe or an override is not valid.
        DataError: the folder or the data set can't be opened.
        PluginError: the data set broke its contract.
    """
    registry = registry_for_recipe(registry, allow_plugins=allow_plugins)
    if isinstance(target, Mapping):
        recipe = read_recipe(target, registry, overrides)
        path, resolved = Path(recipe.name), _Target(recipe)
    else:
        path = local_path(Path(target), with_neighbours=True)
        with naming_remote_files():
            resolved = _resolve(path, registry, overrides)
    with naming_remote_files():
        checked = _check(resolved, path, partial(progress, "checking files"), _spread(cluster, resolved.recipe, say))
    return CheckResult(replace(checked.report, name=named_path(path)), resolved.recipe.task, checked.notes)


def _spread(cluster: str | ClusterOptions | None, recipe: Recipe, say: Callable[[str], None]) -> SpreadFacts | None:
    options = reachable(cluster_options(cluster, recipe.cluster))
    if options is None:
        return None
    from tlkit.data.checks.spread_facts import SpreadFacts

    return SpreadFacts(options, say)


def recipe_of(target: Path, registry: Registry, overrides: Sequence[str] = ()) -> Recipe:
    """Return the recipe that ``check`` reads the data of: the one named, or the one for the folder that is named.

    Raises:
        RecipeError: it is not valid.
        DataError: the folder can't be read.
    """
    return _resolve(target, registry, overrides).recipe


def _resolve(path: Path, registry: Registry, overrides: Sequence[str]) -> _Target:
    if not path.is_dir() and (path.suffix == ".toml" or not path.exists()):
        return _Target(read_recipe(path, registry, overrides))
    from tlkit.data.init.contents import FewClassesError, NoClassesError
    from tlkit.data.init.data_table import Choices, path_text
    from tlkit.data.init.scaffold import recipe_text
    from tlkit.data.init.survey import survey

    datasets = [dataset for dataset, _ in registry.records(Dataset)]
    try:
        seen = survey(path, datasets)
    except (FewClassesError, NoClassesError) as error:
        text = _BARE_RECIPE.format(path=path_text(path.resolve()))
        return _Target(parse_recipe(text, registry, overrides), labelled=not isinstance(error, NoClassesError))
    recipe = parse_recipe(recipe_text(seen, path.name, Choices()), registry, overrides)
    # What was seen is not kept: it may have a list of all images.
    inner = (seen.root,) if seen.masks is None else seen.masks.folders
    return _Target(recipe, inner if path.is_dir() else (), () if seen.masks is None else seen.masks.values.notes)


def _check(target: _Target, path: Path, progress: Progress, spread: SpreadFacts | None) -> Checked:
    from tlkit.data.checks.check import check_samples
    from tlkit.data.checks.folder_check import unlabelled, with_beside
    from tlkit.data.checks.policy import CheckSettings

    recipe = target.recipe
    if not target.labelled:
        table = recipe.input.model_copy(update={"validation": 0, "test": 0})
        settings = CheckSettings(table, recipe.check, recipe.task, recipe.seed, minimum_classes=0)
        checked = check_samples(str(path), unlabelled(path), settings, progress=progress, spread=spread)
        return replace(checked, report=replace(checked.report, splits={}), notes=(_NO_CLASSES,))
    checked = from_recipe.check_data(recipe, progress, spread)
    if not target.inner:
        return checked
    report = with_beside(checked.report, path, target.inner, recipe.check)
    return replace(checked, report=report, notes=(*target.notes, *checked.notes))
