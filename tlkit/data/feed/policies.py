"""The recipe's augmentation, built, and digests of the code behind it."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from tlkit.contracts import Augmentation, AugmentContext
from tlkit.recipe.schema import Selection

Augment = Callable[[dict[str, Any], Any], dict[str, Any]]


@dataclass(frozen=True)
class Policy:
    """An augmentation that was built.

    Args:
        name: of its record.
        augment: ``augment(batch, seed)`` → batch, as ``Augmentation.build`` returns it.
        mixes: whether it mixes targets.
        key: a digest of its options and code; None where the code can't be read.
    """

    name: str
    augment: Augment
    mixes: bool = False
    key: str | None = None


def build_policies(augment: Sequence[Selection[Augmentation]], ctx: AugmentContext) -> tuple[Policy, ...]:
    """The recipe's policies in their order, without those for which nothing is to be done."""
    found = []
    for each in augment:
        made = each.record.build(ctx, each.options)
        if made is not None:
            found.append(Policy(each.record.name, made, each.record.soft_labels, _key(each, ctx)))
    return tuple(found)


def _key(chosen: Selection[Augmentation], ctx: AugmentContext) -> str | None:
    code = code_digest(chosen.record.build)
    if code is None:
        return None
    text = [chosen.record.name, chosen.options.model_dump(mode="json"), repr(ctx), code, _installed()]
    return hashlib.sha256(json.dumps(text, sort_keys=True).encode()).hexdigest()


def code_digest(function: Any) -> str | None:
    """SHA-256 of every Python file of the package that a function is of, or of its one file; None without a file."""
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
    """The name and version of everything that is installed: a policy's code may use any of it."""
    found = sorted({f"{each.name} {each.version}" for each in distributions()})
    return hashlib.sha256("\n".join(found).encode()).hexdigest()
