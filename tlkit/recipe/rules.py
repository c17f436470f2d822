"""Check the rules between the tables of a recipe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tlkit.contracts import Augmentation, Backbone, Dataset, Head, Record
from tlkit.errors import Problem
from tlkit.recipe.input_table import InputTable
from tlkit.recipe.schema import PLUGIN_TABLES, Selection, TrainTable
from tlkit.registry import KINDS, Registry

Selections = Mapping[str, Selection[Any] | None]
"""Path of a table, such as ``head`` or ``augment.0`` → what it selects; None if the table has errors."""


def tasks_of(record: Record, task: Any) -> tuple[Any, ...]:
    """Return the tasks that a record is for; ``task`` itself for backbones and schedules, which are for all."""
    if isinstance(record, Head):
        return (record.task,)
    return record.tasks if isinstance(record, Dataset | Augmentation) else (task,)


def wrong_tasks(task: str, selections: Selections, registry: Registry) -> Iterator[Problem]:
    """Yield the selections that are for another task."""
    for path, selection in selections.items():
        if selection is None or task in tasks_of(selection.record, task):
            continue
        kind = PLUGIN_TABLES[path.partition(".")[0]]
        tasks = " and ".join(tasks_of(selection.record, task))
        others = [each.name for each, _ in registry.records(kind) if task in tasks_of(each, task)]
        remedy = f"expected one of {', '.join(others)}" if others else "no installed plugin has one for it"
        message = f'{KINDS[kind][0]} "{selection.record.name}" is for {tasks}, but the task is {task}; {remedy}'
        yield Problem(f"{path}.name", message)


def policies_after_mixing(task: str, policies: Selections) -> Iterator[Problem]:
    """Yield the policies that follow one that mixes masks: mixed masks are shares of classes, which no policy takes."""
    mixing = None
    for path, each in policies.items():
        if each is None:
            continue
        if each.record.soft_labels:
            mixing = each.record.name
        elif mixing and task == "segmentation" and each.record.name != "none":
            message = f'"{each.record.name}" can\'t follow "{mixing}", which mixes masks; put it before "{mixing}"'
            yield Problem(f"{path}.name", message)


def second_scaling(
    table: InputTable | None, backbone: Selection[Backbone] | None, registry: Registry
) -> Iterator[Problem]:
    """Yield a problem if images are normalised for a backbone that scales them itself."""
    if table is None or backbone is None or table.normalize == "none" or backbone.record.takes_standardized:
        return
    fitting = [record.name for record, _ in registry.records(Backbone) if record.takes_standardized]
    message = (
        f'backbone "{backbone.record.name}" has preprocessing of its own, which its weights rely on; expected '
        f'"none", or a backbone that takes normalised images: {", ".join(fitting)}'
    )
    yield Problem("input.normalize", message)


def engine_formats(table: TrainTable | None) -> Iterator[Problem]:
    """Yield a problem if the engine can't compute in the number formats that ``[train]`` asks for."""
    if table is None:
        return
    engine, precision, own = table.engine, table.precision, table.engine_precision
    if own != "float32" and engine != "openvino":
        yield Problem("train.engine_precision", f'"{own}" needs train.engine = "openvino", received "{engine}"')
    elif engine in ("litert", "openvino") and precision != "float32":
        yield Problem("train.engine", f'"{engine}" needs train.precision = "float32", received "{precision}"')
