"""Functions that a plugin names now and that are imported when they are called."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from tlkit.errors import PluginError


@dataclass(frozen=True)
class LazyFunction:
    """A function that is imported the first time it is called; make one with ``lazy``.

    It can be pickled. Its ``__module__`` and ``__name__`` are those of the function it stands for.

    Args:
        target: ``"package.module:function"``.
    """

    target: str

    def __post_init__(self) -> None:
        module, _, name = self.target.partition(":")
        if not (name.isidentifier() and all(part.isidentifier() for part in module.split("."))):
            raise ValueError(f'tlkit.lazy: expected "package.module:function", received {self.target!r}')
        object.__setattr__(self, "__module__", module)
        object.__setattr__(self, "__name__", name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Import the function and call it.

        Raises:
            PluginError: the module can't be imported, or has no such function.
        """
        return self.load()(*args, **kwargs)

    def load(self) -> Any:
        """Import the module and return the function.

        Raises:
            PluginError: the module can't be imported, or has no such function.
        """
        module_name, _, name = self.target.partition(":")
        plugin = module_name.partition(".")[0]
        try:
            module = import_module(module_name)
        except ImportError as error:
            raise PluginError(
                f'plugin package {plugin}: "{self.target}" can\'t be imported: {type(error).__name__}: {error}'
            ) from error
        if not hasattr(module, name):
            raise PluginError(f'plugin package {plugin}: "{self.target}": the module {module_name} has no "{name}"')
        return getattr(module, name)


def lazy(target: str) -> LazyFunction:
    """Return a function for a plugin's record that imports its module only when the core calls it.

    Records are made whenever tlkit starts, so the module that makes them must not import TensorFlow or Keras. Put the
    code that needs them into a module of its own, and name the function there. A plain function works in every record
    as well, if it does its heavy imports itself; so must the functions of a plugin that is a single file.

    Args:
        target: the function as an entry point names it: ``"package.module:function"``.

    Raises:
        ValueError: the target is not of this form.

    Example::

        tlkit.Head(name="unet", summary="…", task="segmentation", options=UnetOptions,
                   build=tlkit.lazy("my_heads.unet:build"))
    """
    return LazyFunction(target)
