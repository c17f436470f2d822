"""What may change in a run that goes on, and from which of its checkpoints it does."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlkit.contracts import Phase
from tlkit.errors import Problem, RecipeError, RunError
from tlkit.recipe.monitor import choose_monitor
from tlkit.recipe.schema import Recipe
from tlkit.runs.folder import RunFolder
from tlkit.runs.reading import MAX_TABLE_BYTES, read_run_file, read_run_table

if TYPE_CHECKING:
    from tlkit.train.checkpoint import Checkpoint
    from tlkit.train.state import PhaseState, Planned

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
    then: Sequence[Phase],
    now: Sequence[Phase],
    checkpoints: Sequence[Checkpoint],
    recipe: Recipe,
    say: Callable[[str], None],
) -> Checkpoint | None:
    """The checkpoint from which phases as they are now go on with those that were run.

    A phase that has ended can't change; the one that is trained, or that was the last, may have more epochs, or fewer
    as long as they are not done yet, and another early stop.

    Args:
        then: the phases as the run began them, each with the early stop that it has.
        now: as they are to be, likewise.
        checkpoints: of the run, the newest first.
        recipe: as it is to be; it says which metric the early stop looks at.
        say: told why nothing is left to train of a phase that was changed.

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
    # The recipe may be newer than what was trained: it is written before the first checkpoint of an extension.
    then = _as_planned(then, newest.state.planned)
    if list(then) == list(now):
        return newest
    for before, after in zip(then[:reached], now[:reached], strict=False):
        extended = before is then[-1] and after is now[-1]
        if not extended and replace(before, early_stop=None) != replace(after, early_stop=None):
            raise _refused(f"the phase {before.name} has ended and can't change")
    if len(now) < reached:
        raise _refused(f"{reached} phases have ended, and now there are to be {len(now)}")
    if reached == len(then) == len(now) and then[-1] != now[-1]:
        return _extended(then[-1], now[-1], checkpoints, recipe, say)
    if newest.state.inside is not None:
        if reached >= len(now):
            raise _refused(f"the phase {then[reached].name} has begun and can't be left out")
        _check_phase(then[reached], now[reached], newest.state.inside.epoch)
        return _with_early_stop(newest, newest.state.inside, then[reached], now[reached], recipe)
    return newest


def damaged_products(folder: RunFolder, checkpoint: Checkpoint, predictions: int | None) -> list[str]:
    """The files that a run's end writes and that are missing or not whole, by name.

    Args:
        folder: of the run.
        checkpoint: of its end.
        predictions: lines that ``predictions.csv`` has; None for a run that writes none.
    """
    looks: dict[Path, Callable[[Path], bool]] = {
        folder.model: _is_whole_archive,
        folder.card: lambda _: bool(folder.read_card()),
        folder.metrics: lambda path: isinstance(folder.read_json(path), dict),
        folder.history: lambda path: read_run_file(path).decode() == checkpoint.state.history,
        folder.freeze: lambda path: read_run_file(path, MAX_TABLE_BYTES).decode() == checkpoint.state.freeze,
        folder.report: lambda path: read_run_file(path).rstrip().endswith(b"</html>"),
    }
    if predictions is not None:
        looks[folder.path / "predictions.csv"] = lambda path: (
            read_run_file(path, MAX_TABLE_BYTES).endswith(b"\n") and len(read_run_table(path)) == predictions
        )
    return [path.name for path, look in looks.items() if not _is_whole(path, look)]


def _is_whole(path: Path, look: Callable[[Path], bool]) -> bool:
    try:
        return path.is_file() and look(path)
    except (RunError, OSError, ValueError):
        return False


def _is_whole_archive(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return "model.weights.h5" in archive.namelist() and archive.testzip() is None
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError):
        return False


def _as_planned(phases: Sequence[Phase], planned: Sequence[Planned] | None) -> Sequence[Phase]:
    if planned is None:
        return phases
    pairs = zip(phases, planned, strict=False)
    return [replace(phase, epochs=each.epochs, early_stop=each.early_stop) for phase, each in pairs]


def _extended(
    then: Phase, now: Phase, checkpoints: Sequence[Checkpoint], recipe: Recipe, say: Callable[[str], None]
) -> Checkpoint:
    """Where the last phase goes on that had ended."""
    # Its end has put the best weights back; its training goes on from the end of its last epoch.
    newest = checkpoints[0]
    last = next((each for each in checkpoints if each.state.phase == newest.state.phase - 1), None)
    inside = None if last is None else last.state.inside
    _check_phase(then, now, 0 if inside is None else min(len(inside.rows), then.epochs))
    if last is None or inside is None:
        raise RunError("the checkpoint of the end of the last epoch is gone; the run can't be extended")
    again = _with_early_stop(last, inside, then, now, recipe)
    assert again.state.inside is not None
    if again.state.inside.stopped:
        why = "a callback asked for it"
        if _stopped_by_patience(inside, then) and now.early_stop is not None:
            why = f"train.early_stop.patience is {now.early_stop.patience}; more may go on"
        say(f"the phase {now.name} stays stopped after epoch {len(inside.rows)}: {why}")
        return newest
    if inside.epoch >= now.epochs:
        say(f"all {now.epochs} epochs of the phase {now.name} are done; more of schedule.epochs would go on")
        return newest
    return again


def _with_early_stop(checkpoint: Checkpoint, inside: PhaseState, then: Phase, now: Phase, recipe: Recipe) -> Checkpoint:
    """The checkpoint as if its phase had had another early stop all along, apart from where that had stopped it."""
    from tlkit.train.monitor import Patience

    if then.early_stop == now.early_stop:
        return checkpoint
    stop, stopped = None, inside.stopped and not _stopped_by_patience(inside, then)
    if now.early_stop is not None:
        patience = Patience(now.early_stop.patience, now.early_stop.min_delta)
        if inside.rows:
            monitor = choose_monitor(recipe.train, recipe.task, list(inside.rows[0]))
            exhausted = [patience.exhausted(monitor, row[monitor.name]) for row in inside.rows][-1]
            stopped = stopped or (inside.stopped and exhausted)
        stop = (patience.best, patience.waited)
    inside = inside.model_copy(update={"stopped": stopped, "watch": inside.watch.model_copy(update={"stop": stop})})
    return replace(checkpoint, state=checkpoint.state.model_copy(update={"inside": inside}))


def _stopped_by_patience(inside: PhaseState, phase: Phase) -> bool:
    waited = 0 if inside.watch.stop is None else inside.watch.stop[1]
    return inside.stopped and phase.early_stop is not None and waited >= phase.early_stop.patience


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
