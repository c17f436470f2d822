"""What the verbs of one invocation share: the plugins, and the options that several verbs take."""

from __future__ import annotations

import os
import sys
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tlkit.cli.console import say
from tlkit.system.entry_points import offered_by_others
from tlkit.system.from_parent import ALLOWED_BY_PARENT
from tlkit.system.signals import process_signals

if TYPE_CHECKING:
    from tlkit.cluster.options import ClusterOptions
    from tlkit.evaluation.engine_option import EngineOption
    from tlkit.recipe.schema import Recipe
    from tlkit.registry import Registry
    from tlkit.system.code_files import CodeFile


class Session:
    """One invocation of the command line. The shared options (see ``tlkit.cli.options``) set its attributes.

    Attributes:
        plugin_files: the files of ``--plugin``.
        no_plugins: whether ``--no-plugins`` was given.
        allow_plugins: whether ``--allow-plugins`` was given.
        overrides: the values of ``--set``.
        overwrite: whether ``--overwrite`` was given.
        profile: whether ``--profile`` was given.
        trust: whether ``--trust`` was given.
        model: the value of ``--model``; None without it.
        engine: the value of ``--engine``, or ``auto``.
        cluster: the value of ``--cluster``; None without it.
        patience: the value of ``--patience``; None without it.
        judged: the values of ``--unknown`` and ``--sets``, if they were given.
        tiles: the value of ``--tiles``: pixels, or ``model``.
        overlap: the value of ``--overlap``, in pixels.
    """

    def __init__(self) -> None:
        self.plugin_files: list[Path] = []
        self.no_plugins = False
        self.allow_plugins = False
        self.overrides: tuple[str, ...] = ()
        self.overwrite = False
        self.profile = False
        self.trust = False
        self.model: Path | None = None
        self.engine: EngineOption = "auto"
        self.cluster: str | None = None
        self.patience: float | None = None
        self.judged: dict[str, float] = {}
        self.tiles: int | str | None = None
        self.overlap: int | None = None
        self._allowed = set(filter(None, os.environ.pop(ALLOWED_BY_PARENT, "").split(",")))

    def places(self) -> str | ClusterOptions | None:
        """Return where a pass over images is done: what ``--cluster`` and ``--patience`` say."""
        if self.patience is None:
            return self.cluster
        if self.cluster is None:
            raise click.UsageError("--patience is for the workers of --cluster, which is not given")
        from tlkit.cluster.options import ClusterOptions

        return ClusterOptions(self.cluster, patience=self.patience)

    @cached_property
    def registry(self) -> Registry:
        """The installed plugins and those of ``--plugin``, loaded when first needed."""
        from tlkit.registry import VARIABLE
        from tlkit.registry.discovery import OWN_PLUGINS, make_registry

        if self.no_plugins and self.plugin_files:
            raise click.UsageError("--no-plugins and --plugin contradict each other")
        if self.no_plugins and self.allow_plugins:
            raise click.UsageError("--no-plugins and --allow-plugins contradict each other")
        with process_signals.not_lost():
            made = make_registry(self.plugin_files, {VARIABLE: OWN_PLUGINS} if self.no_plugins else os.environ)
        made.permit = self._permit
        return made

    def _permit(self, file: CodeFile) -> bool:
        """Return whether a plugin file that a recipe or a run names may be loaded; ask on a terminal.

        Raises:
            PluginError: ``--no-plugins`` was given.
        """
        from tlkit.errors import PluginError

        if self.no_plugins:
            raise PluginError(f"{file.path.absolute()}: is a plugin, which --no-plugins refuses")
        if file.digest in self._allowed or file.is_allowed():
            return True
        allowed = self.allow_plugins
        if not allowed and sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty():
            say("The recipe names a plugin: code that runs with your rights. Load it only if you trust it:", err=True)
            say(f"  {file.path.absolute()}", err=True)
            say(f"  {file.digest}", err=True)
            allowed = click.confirm("Load it, now and whenever its bytes are these?", default=False, err=True)
        if allowed:
            self._allowed.add(file.digest)
            file.allow()
        return allowed

    @cached_property
    def commands(self) -> dict[str, click.Command]:
        """The verbs that plugins add, by name. tlkit's own plugins add none, so they are not loaded for this."""
        from_others = offered_by_others("tlkit", "tlkit")
        if self.no_plugins or not (from_others or self.plugin_files or "TLKIT_PLUGINS" in os.environ):
            return {}
        from tlkit.cli.plugin_verbs import plugin_commands

        return plugin_commands(self.registry)

    def load_recipe(self, recipe: Path) -> Recipe:
        """Load a recipe file, or a shipped recipe by name, with the overrides of ``--set``.

        Raises:
            RecipeError: it is not valid.
        """
        from tlkit.recipe import catalog
        from tlkit.recipe.load import load_recipe
        from tlkit.registry.discovery import copied

        # With a registry of its own: another recipe may name another plugin file of the same name.
        return load_recipe(catalog.resolve(recipe), copied(self.registry), self.overrides)

    def check_new_files(self, *files: Path | None) -> None:
        """Check, before the work, that files can be written, and don't exist unless ``--overwrite`` was given.

        Raises:
            DataError: one of them exists, or can't be written.
        """
        from tlkit.system.disk import check_new_files

        check_new_files([file for file in files if file is not None], overwrite=self.overwrite)
