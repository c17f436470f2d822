"""Decide what may change in a resumed run, and from which of its checkpoints it continues."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tlkit.contracts import Phase
from tlkit.errors import Problem, RecipeError, RunError
from tlkit.recipe.monitor import choose_monitor
from tlkit.recipe.schema import Recipe

if TYPE_CHECKING:
    from tlkit.train.checkpoint import Checkpoint
    from tlkit.train.state import PhaseState, Planned

_MAY_CHANGE = ("track", "train.checkpoint_minutes", "train.checkpoint_steps", "train.early_stop")


def check_changes(original: Recipe, recipe: Recipe) -> None:
    """Check that only what may change differs between a run's recipe and the one that it continues with.

    Options of the schedule are compared as the phases that they plan, by ``checkpoint_to_resume``.

    Args:
        original: the recipe in the run folder.
        recipe: the same with the user's overrides.

    Raises:
        RecipeError: something other than the schedule, the early stop, the checkpoints and the trackers changed.
    """
    wrong = [
        Problem(
            key,
            "can't be changed in a run that has started: its training so far depends on it. Start a new run instead",
        )
        for key in _changed_keys(original.values, recipe.values)
        if not may_change(key)
    ]
    if wrong:
        raise RecipeError(wrong)


def edited_keys(recipe: Recipe, recorded: Mapping[str, Any], written: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return the keys whose values in a run's recipe are no longer those that the run recorded when it began.

    Paths are left out, because data may be moved; the digests of the files show whether they are the same.

    Args:
        recipe: the recipe in the run folder.
        recorded: the recipe that the run recorded, as plain values with all defaults.
        written: what the file of the recipe says, without defaults, which other versions of tlkit may set otherwise.

    Returns:
        dotted key → the value that was recorded, and the value now.
    """
    found = {}
    for key in _keys(written):
        before, now = _value(recorded, key), _value(recipe.values, key)
        known = before is not None and now is not None and type(before) is type(now)
        path = isinstance(now, str) and (key.startswith("data.") or "/" in now or "\\" in now)
        if known and not path and before != now and key not in ("name", "plugins"):
            found[key] = (before, now)
    return found


def may_change(key: str) -> bool:
    """Return whether ``tlkit resume --set`` may change a key of a run that has started."""
    return key.startswith(("schedule.", *_MAY_CHANGE)) and key != "schedule.name"


def _keys(values: Mapping[str, Any], table: str = "") -> Iterator[str]:
    for key, value in values.items():
        path = f"{table}.{key}".lstrip(".")
        if isinstance(value, Mapping):
            yield from _keys(value, path)
        else:
            yield path


def _value(values: Mapping[str, Any], key: str) -> Any:
    value: Any = values
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _changed_keys(original: Mapping[str, Any], changed: Mapping[str, Any], table: str = "") -> Iterator[str]:
    for key in dict.fromkeys([*original, *changed]):
        path = f"{table}.{key}".lstrip(".")
        before, after = original.get(key), changed.get(key)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            yield from _changed_keys(before, after, path)
        elif before != after:
            yield path


def checkpoint_to_resume(
    original: Sequence[Phase],
    phases: Sequence[Phase],
    checkpoints: Sequence[Checkpoint],
    recipe: Recipe,
    note: Callable[[str], None],
) -> Checkpoint | None:
    """Return the checkpoint from which a run continues with ``phases``.

    A finished phase can't change. The phase in progress, or the last one of a finished run, may have more epochs, or
    fewer as long as they are not done yet, and another early stop.

    Args:
        original: the phases that the run was started with, each with the early stop that applies to it.
        phases: the phases to continue with, likewise.
        checkpoints: the run's checkpoints, newest first.
        recipe: the recipe to continue with; it names the metric that the early stop monitors.
        note: called with the reason when a changed phase has nothing left to train.

    Returns:
        None if there is no checkpoint, so that training starts from the beginning.

    Raises:
        RecipeError: a phase can't change in this way.
        RunError: the checkpoint of the end of the last epoch no longer exists.
    """
    if not checkpoints:
        return None
    newest = checkpoints[0]
    reached = newest.state.phase
    # The recipe may be newer than what was trained: it is written before the first checkpoint of an extension.
    original = _as_planned(original, newest.state.planned)
    if list(original) == list(phases):
        return newest
    for before, after in zip(original[:reached], phases[:reached], strict=False):
        extended = before is original[-1] and after is phases[-1]
        if not extended and replace(before, early_stop=None) != replace(after, early_stop=None):
            raise _refused(f"the phase {before.name} is finished and can't change")
    if len(phases) < reached:
        raise _refused(f"{reached} phases are finished; expected at least as many, received {len(phases)}")
    if reached == len(original) == len(phases) and original[-1] != phases[-1]:
        return _extended(original[-1], phases[-1], checkpoints, recipe, note)
    if newest.state.inside is not None:
        if reached >= len(phases):
            raise _refused(f"the phase {original[reached].name} has started and can't be left out")
        _check_phase(original[reached], phases[reached], newest.state.inside.epoch)
        return _with_early_stop(newest, newest.state.inside, original[reached], phases[reached], recipe)
    return newest


def _as_planned(phases: Sequence[Phase], planned: Sequence[Planned] | None) -> Sequence[Phase]:
    if planned is None:
        return phases
    pairs = zip(phases, planned, strict=False)
    return [replace(phase, epochs=each.epochs, early_stop=each.early_stop) for phase, each in pairs]


def _extended(
    original: Phase, phase: Phase, checkpoints: Sequence[Checkpoint], recipe: Recipe, note: Callable[[str], None]
) -> Checkpoint:
    """Return the checkpoint from which the finished last phase continues."""
    from tlkit.train.watch import stopped_by_patience

    # The phase ended by restoring its best weights; its training continues from the end of its last epoch.
    newest = checkpoints[0]
    last = next((each for each in checkpoints if each.state.phase == newest.state.phase - 1), None)
    inside = None if last is None else last.state.inside
    _check_phase(original, phase, 0 if inside is None else min(len(inside.rows), original.epochs))
    if last is None or inside is None:
        raise RunError("the checkpoint of the end of the last epoch is missing; the run can't be extended")
    continued = _with_early_stop(last, inside, original, phase, recipe)
    assert continued.state.inside is not None
    if continued.state.inside.stopped:
        reason = "a callback asked for it"
        if stopped_by_patience(inside, original.early_stop) and phase.early_stop is not None:
            reason = f"train.early_stop.patience is {phase.early_stop.patience}; a larger value may continue it"
        note(f"the phase {phase.name} stays stopped after epoch {len(inside.rows)}: {reason}")
        return newest
    if inside.epoch >= phase.epochs:
        note(f"all {phase.epochs} epochs of the phase {phase.name} are done; a larger schedule.epochs continues it")
        return newest
    return continued


def _with_early_stop(
    checkpoint: Checkpoint, inside: PhaseState, original: Phase, phase: Phase, recipe: Recipe
) -> Checkpoint:
    """Return the checkpoint as if its phase had always had the early stop of ``phase``."""
    from tlkit.train.watch import with_early_stop

    if original.early_stop == phase.early_stop:
        return checkpoint
    monitor = choose_monitor(recipe.train, recipe.task, list(inside.rows[0])) if inside.rows else None
    inside = with_early_stop(inside, original.early_stop, phase.early_stop, monitor)
    return replace(checkpoint, state=checkpoint.state.model_copy(update={"inside": inside}))


def _check_phase(original: Phase, phase: Phase, done: int) -> None:
    same = replace(phase, epochs=original.epochs, early_stop=original.early_stop)
    if same != original:
        raise _refused(
            f"the phase {original.name} has started: its number of epochs and its early stop may change, nothing else"
        )
    if phase.epochs < done:
        raise _refused(
            f"{done} epochs of the phase {original.name} are done; expected at least as many, received {phase.epochs}"
        )


def _refused(reason: str) -> RecipeError:
    return RecipeError([Problem("schedule", f"{reason}. Start a new run instead")])
