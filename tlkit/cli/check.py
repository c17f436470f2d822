"""``tlkit check``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tlkit.cli import Session, set_option

if TYPE_CHECKING:
    from tlkit.data.checks.check import Checked
    from tlkit.data.init.survey import Survey
    from tlkit.recipe.schema import Recipe
    from tlkit.registry import Registry


_BARE = """\
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
"""For a folder that ``tlkit init`` would refuse: with less than two classes."""
_NO_CLASSES = (
    "there are no class folders, so the files were checked as images without classes; "
    "a run needs a folder a class, or labels in a CSV file"
)


@dataclass(frozen=True)
class _Target:
    """What is to be checked.

    Args:
        recipe: that was named, or that is as ``tlkit init`` would write it for the folder that was named.
        found: what was seen in the folder.
        labelled: whether the images have classes or masks.
    """

    recipe: Recipe
    found: Survey | None = None
    labelled: bool = True


@click.command()
@click.argument("target", type=click.Path(path_type=Path), metavar="RECIPE|FOLDER")
@set_option
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write all that was found to a JSON file.")
@click.option("--html", "page_file", type=click.Path(path_type=Path), help="Write a page with pictures of it.")
@click.option("--overwrite", is_flag=True, help="Overwrite files that exist.")
@click.pass_obj
def check(
    session: Session,
    target: Path,
    overrides: tuple[str, ...],
    json_file: Path | None,
    page_file: Path | None,
    overwrite: bool,
) -> None:
    """Read every file of a data set and tell what is bad, odd, there twice, or in two splits.

    Nothing is changed. What happens to such files in a run says the recipe's table [check]. What is known of files
    that did not change is not read again. The exit code is 1 when anything was found that [check] calls an error.
    """
    from tlkit.errors import DataError
    from tlkit.system.disk import check_new_file, write_atomically
    from tlkit.system.progress import Reporter

    for file in filter(None, (json_file, page_file)):
        check_new_file(file, overwrite=overwrite)
        if not file.parent.is_dir():
            raise DataError(f"{file.parent}: no such folder for {file.name}")
    wanted = _target(target, session.registry, overrides)
    recipe = wanted.recipe
    with Reporter() as reporter:
        reporter.begin("checking files", 1, "files")
        checked = _checked(wanted, target, lambda done, total: reporter.at(done, total, "checking files"))
        reporter.end()
    report = replace(checked.report, name=str(target))
    click.echo(f"{target}: {report.counts()}")
    splits = ", ".join(f"{count} {split}" for split, count in report.splits.items())
    read = f"{report.read} files read in {report.seconds:.1f} s"
    click.echo(f"  {splits or 'no split'}; {len(report.classes)} classes; {read}")
    for line in report.lines():
        click.echo(line)
    if recipe.task == "segmentation":
        shares = ", ".join(f"{name} {values['pixels']:.1%}" for name, values in report.classes.items())
        click.echo(f"share of the pixels: {shares}")
    for note in checked.notes:
        click.echo(f"note     {note}")
    if not report.findings:
        click.echo("nothing found")
    if json_file is not None:
        write_atomically(json_file, report.json_text())
        click.echo(f"{json_file}: written")
    if page_file is not None:
        from tlkit.report.check_page import check_page

        write_atomically(page_file, check_page(report))
        click.echo(f"{page_file}: written; open it in a browser")
    if report.of("error"):
        click.get_current_context().exit(1)


def _target(target: Path, registry: Registry, overrides: tuple[str, ...]) -> _Target:
    from tlkit.data.init.scaffold import Choices, path_text, recipe_text
    from tlkit.data.init.survey import FewClassesError, NoClassesError, survey
    from tlkit.recipe import catalog
    from tlkit.recipe.load import load_recipe, parse_recipe

    if not target.is_dir():
        return _Target(load_recipe(catalog.resolve(target), registry, overrides))
    try:
        found = survey(target)
    except (FewClassesError, NoClassesError) as error:
        text = _BARE.format(path=path_text(target.resolve()))
        return _Target(parse_recipe(text, registry, overrides), labelled=not isinstance(error, NoClassesError))
    return _Target(parse_recipe(recipe_text(found, target.name, Choices()), registry, overrides), found)


def _checked(wanted: _Target, target: Path, progress: Callable[[int, int], None]) -> Checked:
    from tlkit.data.checks.check import check_samples
    from tlkit.data.checks.folder_check import unlabelled, with_beside
    from tlkit.data.checks.policy import CheckSettings
    from tlkit.jobs import parts

    recipe, found = wanted.recipe, wanted.found
    if not wanted.labelled:
        table = recipe.input.model_copy(update={"validation": 0, "test": 0})
        settings = CheckSettings(table, recipe.check, recipe.task, recipe.seed, minimum_classes=0)
        checked = check_samples(str(target), unlabelled(target), settings, progress=progress)
        return replace(checked, report=replace(checked.report, splits={}), notes=(_NO_CLASSES,))
    checked = parts.check_data(recipe, progress)
    if found is None:
        return checked
    inner = [folder for folder in (found.images, found.masks) if folder is not None] or [found.root]
    report = with_beside(checked.report, target, inner, recipe.check)
    return replace(checked, report=report, notes=(*found.values.notes, *checked.notes))
