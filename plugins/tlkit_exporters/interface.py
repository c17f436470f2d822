"""What every exported file takes and gives, by the names that its runtime knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Any

import tlkit

OUTPUTS = ("logits", "probabilities")


def input_type(path: Path, types: Mapping[str, Any], given: Sequence[tuple[str, str, int]], results: Set[str]) -> Any:
    """Return the NumPy type of the images that a file takes.

    Args:
        path: the file, for the message.
        types: what the runtime calls uint8 and float32, with NumPy's types.
        given: the name, the type and the number of dimensions of each input, as the runtime says them.
        results: the names of its outputs.

    Raises:
        DataError: it has other inputs or outputs.
    """
    kind = next((each for each in types if list(given) == [("images", each, 4)]), None)
    if kind is None or not results >= {*OUTPUTS}:
        raise tlkit.DataError(
            f"{path}: expected one input images, uint8 or float32 (N, H, W, 3), and the outputs logits and "
            f"probabilities; received {list(given)} and {sorted(results)}"
        )
    return types[kind]
