"""Build the augmentation policies of a recipe, and digest the code behind them."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from tlkit.boundary.guard import options_code
from tlkit.contracts import Augmentation, AugmentContext
from tlkit.recipe.schema import Selection

_METADATA = (".dist-info", ".egg-info")

Augment = Callable[[dict[str, Any], Any], dict[str, Any]]


@dataclass(frozen=True)
class Policy:
    """An augmentation policy, ready to use.

    Args:
        name: the name of its record.
        augment: ``augment(batch, seed)`` → batch, as ``Augmentation.build`` returns it.
        mixes: whether it mixes targets.
        key: digest of its options and code; None if the code can't be read.
    """

    name: str
    augment: Augment
    mixes: bool = False
    key: str | None = None


def build_policies(augment: Sequence[Selection[Augmentation]], ctx: AugmentContext) -> tuple[Policy, ...]:
    """Build the recipe's policies, in their order; leave out those that change nothing."""
    policies = []
    for each in augment:
        made = each.record.build(ctx, each.options)
        if made is not None:
            policies.append(Policy(each.record.name, made, each.record.soft_labels, _key(each, ctx)))
    return tuple(policies)


def _key(chosen: Selection[Augmentation], ctx: AugmentContext) -> str | None:
    code = code_digest(chosen.record.build)
    if code is None:
        return None
    with options_code(chosen.record):
        options = chosen.options.model_dump(mode="json")
    text = [chosen.record.name, options, repr(ctx), code, _installed()]
    return hashlib.sha256(json.dumps(text, sort_keys=True).encode()).hexdigest()


def code_digest(function: Any) -> str | None:
    """Return the SHA-256 of every Python file of a function's package, or of its module; None if there is no file."""
    name = getattr(function, "__module__", None)
    module = sys.modules.get(name.partition(".")[0]) if isinstance(name, str) else None
    file = getattr(module, "__file__", None)
    if file is None or not Path(file).is_file():
        return None
    path = Path(file)
    files = sorted(path.parent.rglob("*.py")) if path.name == "__init__.py" else [path]
    digest = hashlib.sha256()
    for each in files:
        digest.update(each.relative_to(path.parent).as_posix().encode() + b"\0" + each.read_bytes() + b"\0")
    return digest.hexdigest()


def _installed() -> str:
    """Return a digest of the name and version of every installed package: a policy's code may use any of them.

    Both stand in the name of the folder with a package's metadata (packaging.python.org/specifications), so that folder
    is not read: of hundreds of packages that takes longer than an epoch.
    """
    found: set[str] = set()
    for entry in sys.path:
        with suppress(OSError):
            names = [each.stem for each in Path(entry).iterdir() if each.suffix in _METADATA]
            found.update(names)
            if not all("-" in name for name in names):  # written by hand, or by an old setuptools
                found |= {f"{each.name} {each.version}" for each in distributions(path=[entry])}
    return hashlib.sha256("\n".join(sorted(found)).encode()).hexdigest()
