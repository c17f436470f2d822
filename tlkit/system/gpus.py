"""How many GPUs this process can use, as far as that can be said without TensorFlow, which takes seconds to start."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

from tlkit.errors import RunError

_NVIDIA = Path("/proc/driver/nvidia/gpus")
_OTHERS = ("dxg", "kfd", "nvidia*", "nvhost*", "nvmap", "nvgpu*")
"""Devices of /dev with which there may be GPUs that ``_NVIDIA`` does not list: of WSL, AMD, containers and Jetson."""


def visible_gpus() -> list[str]:
    """Return the names of the GPUs of NVIDIA that TensorFlow would see, without importing it."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        # As CUDA does: what comes after a name that is no device does not count.
        found: list[str] = []
        for name in (part.strip() for part in named.split(",")):
            if not name or name.startswith("-"):
                break
            found.append(name)
        return found
    with suppress(OSError):
        return [str(number) for number in range(len(list(_NVIDIA.iterdir())))]
    return []


def known_gpus() -> int | None:
    """Return how many GPUs this process can use at most; None where only TensorFlow can say it."""
    if not sys.platform.startswith("linux"):
        return None
    names = visible_gpus()
    if not names and os.environ.get("CUDA_VISIBLE_DEVICES") is None and any(map(_is_there, _OTHERS)):
        return None
    return len(names)


def _is_there(name: str) -> bool:
    return next(Path("/dev").glob(name), None) is not None


def too_few_gpus(asked: int, seen: int) -> RunError:
    """Return the error that there are fewer GPUs than were asked for.

    Args:
        asked: what ``--gpus`` says.
        seen: how many there are.
    """
    return RunError(
        f"--gpus {asked}: TensorFlow sees {seen} GPU{'' if seen == 1 else 's'} here; expected as many. Ask for fewer, "
        "or see what CUDA_VISIBLE_DEVICES hides"
    )


def refuse_missing_gpus(asked: int) -> None:
    """Check, before anything heavy is imported, that there are so many GPUs.

    Raises:
        RunError: there are certainly fewer. TensorFlow may see fewer still.
    """
    known = known_gpus()
    if asked > 1 and known is not None and known < asked:
        raise too_few_gpus(asked, known)
