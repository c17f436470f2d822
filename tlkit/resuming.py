"""What may change in a run that goes on, and from which of its checkpoints it does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tlkit.contracts import Phase
from tlkit.errors import Problem, RecipeError, RunError
from tlkit.recipe.schema import Recipe

if TYPE_CHECKING:
    from tlkit.train.checkpoint import Checkpoint

_MAY_CHANGE = ("train.checkpoint_minutes", "train.checkpoint_steps", "train.early_stop")


def check_changes(then: Recipe, now: Recipe) -> None:
    """Find what can't be changed in a run that has begun.

    Options of the schedule are looked at as the phases that they plan, by ``phases_to_go``.

    Raises:
        RecipeError: something else than the schedule, the early stop and the checkpoints is changed.
    """
    wrong = [
        Problem(key, "can't be changed in a run that has begun: what was trained so far depends on it. Begin a new run")
        for key in _changed(then.values, now.values)
        if not key.startswith(("schedule.", *_MAY_CHANGE)) or key == "schedule.name"
    ]
    if wrong:
        raise RecipeError(wrong)


def _changed(then: Mapping[str, Any], now: Mapping[str, Any], path: str = "") -> Iterator[str]:
    for key in dict.fromkeys([*then, *now]):
        where = f"{path}.{key}".lstrip(".")
        before, after = then.get(key), now.get(key)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            yield from _changed(before, after, where)
        elif before != after:
            yield where


def checkpoint_to_go_on_from(
    then: Sequence[Phase], now: Sequence[Phase], checkpoints: Sequence[Checkpoint]
) -> Checkpoint | None:
    """The checkpoint from which phases as they are now go on with those that were run.

    A phase that has ended can't change; the one that is trained, or that was the last, may have more epochs, or fewer
    as long as they are not done yet.

    Args:
        then: the phases as the run began them.
        now: as they are to be.
        checkpoints: of the run, the newest first.

    Returns:
        None: there is no checkpoint, so that the run begins anew.

    Raises:
        RecipeError: a phase can't change so.
        RunError: the state at the end of the last epoch is no longer there.
    """
    if not checkpoints:
        return None
    newest = checkpoints[0]
    reached = newest.state.phase
    if list(then) == list(now):
        return newest
    if reached == len(then) and len(now) == len(then) and list(then[:-1]) == list(now[:-1]):
        # The last phase's end has put the best weights back; its training goes on from the end of its last epoch.
        _check_phase(then[-1], now[-1], min(len(_rows(checkpoints, reached - 1)), then[-1].epochs))
        inside = [each for each in checkpoints if each.state.phase == reached - 1 and each.state.inside is not None]
        if not inside:
            raise RunError("the checkpoint of the end of the last epoch is gone; the run can't be extended")
        return inside[0]
    for number, (before, after) in enumerate(zip(then, now, strict=False)):
        if number < reached and before != after:
            raise _refused(f"the phase {before.name} has ended and can't change")
    if len(now) < reached:
        raise _refused(f"{reached} phases have ended, and now there are to be {len(now)}")
    if newest.state.inside is not None:
        if reached >= len(now):
            raise _refused(f"the phase {then[reached].name} has begun and can't be left out")
        _check_phase(then[reached], now[reached], newest.state.inside.epoch)
    return newest


def _rows(checkpoints: Sequence[Checkpoint], phase: int) -> list[Any]:
    found = [each.state.inside for each in checkpoints if each.state.phase == phase and each.state.inside is not None]
    return list(found[0].rows) if found else []


def _check_phase(then: Phase, now: Phase, done: int) -> None:
    same = replace(now, epochs=then.epochs, early_stop=then.early_stop)
    if same != then:
        raise _refused(
            f"the phase {then.name} has begun: its number of epochs and its early stop may change, nothing else"
        )
    if now.epochs < done:
        raise _refused(f"{done} epochs of the phase {then.name} are done; expected at least as many, not {now.epochs}")


def _refused(reason: str) -> RecipeError:
    return RecipeError([Problem("schedule", f"{reason}. Begin a new run")])
