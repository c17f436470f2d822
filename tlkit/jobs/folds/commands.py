"""The command that runs a fold: with the plugins and the options of this process, and no others."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tlkit.errors import PluginError
from tlkit.registry import OWN_DISTRIBUTION, VARIABLE, Registry
from tlkit.registry.discovery import exact_name
from tlkit.runs.folds import FoldsFolder
from tlkit.system.from_parent import ALLOWED_BY_PARENT


@dataclass(frozen=True)
class FoldCommand:
    """How the process of each fold is started.

    Args:
        plugins: the options that choose the plugins.
        environment: the variables that choose the plugins, None for one that is not set.
        deterministic: use deterministic operations only.
        profile: write where the time of each fold goes.
    """

    plugins: Sequence[str] = ()
    environment: Mapping[str, str | None] = field(default_factory=dict)
    deterministic: bool = False
    profile: bool = False

    def of_fold(self, folder: FoldsFolder, number: int) -> list[str]:
        """Return the arguments of the interpreter that runs a fold, or resumes it if it was interrupted."""
        run = folder.fold(number)
        command = ["-m", "tlkit", *self.plugins]
        if run.recipe.is_file():
            return [*command, "resume", str(run.path), *self._options("--profile")]
        samples = json.dumps(folder.splits(number).resolve().as_posix(), ensure_ascii=False)
        command += ["run", str(folder.recipe), "--out", str(run.path), "--set", f"input.samples={samples}"]
        return command + self._options("--deterministic", "--profile")

    def _options(self, *allowed: str) -> list[str]:
        chosen = {"--deterministic": self.deterministic, "--profile": self.profile}
        return [option for option in allowed if chosen[option]]


def fold_command(given: Registry, used: Registry, *, deterministic: bool, what: str = "fold") -> FoldCommand:
    """Return how the processes of the folds are started, so that each has the plugins of this process and no others.

    Args:
        given: the plugins that were loaded before the recipe was read.
        used: these, and the plugin files that the recipe names. The processes may load the same bytes, but nothing that
            stands in these files later.
        deterministic: use deterministic operations only.
        what: what runs in a process each, for the message.

    Raises:
        PluginError: a plugin is an object of this process, which no other process can load.
    """
    for key, source in given.sources.items():
        if key.startswith("object:"):
            raise PluginError(
                f"{source.title}: is a plugin that exists only in this process, and each {what} runs in another; "
                "write it to a file, and give the file"
            )
    files = [str(Path(source.plugin).resolve()) for source in given.sources.values() if source.digest is not None]
    installed = [source for source in used.sources.values() if source.digest is None]
    allowed = ",".join(source.digest for source in used.sources.values() if source.digest is not None)
    if not allowed and all(source.distribution == OWN_DISTRIBUTION for source in installed):
        return FoldCommand(["--no-plugins"], {VARIABLE: None}, deterministic)
    options = [part for file in files for part in ("--plugin", file)]
    names = ",".join(exact_name(source) for source in installed)
    return FoldCommand(options, {VARIABLE: names, ALLOWED_BY_PARENT: allowed or None}, deterministic)
