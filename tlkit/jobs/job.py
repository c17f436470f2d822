"""A run in progress: what it works with, and how it reports its progress, its failures and its end."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tlkit.boundary.code import PluginCode
from tlkit.errors import PluginError, RecipeError, TlkitError
from tlkit.jobs.member import Member
from tlkit.recipe.load import locate
from tlkit.recipe.schema import Recipe
from tlkit.registry import Registry
from tlkit.runs.disk_errors import explain_disk_errors
from tlkit.runs.folder import RunFolder
from tlkit.runs.log import event_log
from tlkit.runs.profile import Profile, profile_text
from tlkit.system.memory import SMALLER, explained_memory
from tlkit.system.signals import Interrupted, Signals

if TYPE_CHECKING:
    from tlkit.system.progress import Reporter


@dataclass(frozen=True)
class Job:
    """A run in progress.

    Args:
        recipe: the recipe that is run, overrides applied.
        registry: the plugins.
        folder: the run folder; this process holds its lock.
        reporter: the console.
        log: ``events.log`` of the run folder.
        signals: SIGINT, SIGTERM and SIGHUP, which end the run after its state is saved.
        profile: where to write where the time went; None: nowhere.
        member: what this process is among the workers of the training.
    """

    recipe: Recipe
    registry: Registry
    folder: RunFolder
    reporter: Reporter
    log: logging.Logger
    signals: Signals
    profile: Profile | None = None
    member: Member = field(default_factory=Member)

    def say(self, text: str, *, gap: bool = False) -> None:
        """Print a message, after an empty line if there is to be a gap, and log it."""
        self.reporter.say(text, gap=gap)
        self.log.info("%s", text.strip())

    def note(self, text: str) -> None:
        """Print a note, and log it."""
        self.say(f"  note: {text}")

    def write_profile(self, *, show: bool = False) -> None:
        """Write where the time of this command went so far, if the run is to; ``show``: print it as well."""
        if self.profile is None:
            return
        times = self.reporter.times.all()
        self.profile.write(times)
        if show:
            self.say(profile_text(times), gap=True)

    @contextmanager
    def scratch_folder(self) -> Iterator[Path]:
        """Create an empty folder for temporary files inside the run folder, and remove it at the end."""
        folder = self.folder.path / "cache"
        shutil.rmtree(folder, ignore_errors=True)
        try:
            folder.mkdir()
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def open_job(
    recipe: Recipe,
    registry: Registry,
    folder: RunFolder,
    overrides: Sequence[str] = (),
    *,
    quiet: bool = False,
    profile: bool = False,
    member: Member | None = None,
) -> Iterator[Job]:
    """Open the console and the event log, handle signals, and complete the messages of errors.

    Args:
        recipe, registry: as for ``Job``.
        folder: the run folder; the caller holds its lock.
        overrides: those that the user wrote, to which problems of the recipe may point.
        quiet: print nothing.
        profile: write where the time goes; a run that once did always does.
        member: as for ``Job``; None: there is one worker.

    Raises:
        RecipeError: each problem has its line of the recipe, or its override.
        FullDiskError, RunError: an operating-system error about a file of the run folder, explained.
        Interrupted: its message names the command that continues.
    """
    from tlkit.system.progress import Reporter

    signals = Signals()
    reporting = Reporter(quiet=quiet)
    with explain_disk_errors(folder.path), reporting as reporter, event_log(folder) as log, signals.handled():
        try:
            # Layers, losses and optimizers of plugins run as parts of the network, whose calls are not the core's own.
            with (
                explain_disk_errors(folder.path),
                explained_memory(lambda: _with_less_memory(folder)),
                PluginCode("code of a plugin", "in the run", (Exception,), watch=False),
            ):
                written = Profile(folder.profile) if profile or folder.profile.is_file() else None
                member = member or Member()
                with _profiled(Job(recipe, registry, folder, reporter, log, signals, written, member)) as job:
                    if written is not None and written.damage:
                        job.note(f"{written.damage}; it is begun anew")
                    yield job
        except TlkitError as error:
            log.error("%s: %s", type(error).__name__, error)
            if isinstance(error, PluginError) and error.details:
                log.error("%s", error.details)
            if isinstance(error, RecipeError):
                raise RecipeError(locate(error.problems, recipe.file, overrides)) from error
            raise
        except Interrupted as stopped:
            log.warning("%s", stopped)
            if folder.recipe.is_file():
                stopped.args = (f"{stopped} To continue: tlkit resume {folder.path}",)
            raise
        except BaseException as error:
            log.error("%s: %s", type(error).__name__, error, exc_info=True)
            raise


@contextmanager
def _profiled(job: Job) -> Iterator[Job]:
    """Write the profile of a run that is interrupted, and can be resumed; others write theirs themselves."""
    try:
        yield job
    except Interrupted:
        if job.folder.recipe.is_file():
            with suppress(OSError, TlkitError):  # the signal has the last word
                job.write_profile()
        raise


def _with_less_memory(folder: RunFolder) -> str:
    """Return what to do when the memory is exhausted; a run that has begun can't change the size of its batches."""
    if not any(folder.checkpoints.glob("[0-9]*.json")):
        return SMALLER
    resume = f"tlkit resume {folder.path}"
    return f"the last checkpoint is intact: where there is more memory, {resume} continues. Or, in a new run, {SMALLER}"
