"""``environment.json``: what a run's numbers depend on besides its recipe and its data."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from tlkit.recipe.schema import Recipe
from tlkit.registry import Registry
from tlkit.runs.secrets import known_variables, without_secrets
from tlkit.system.tensorflow import is_deterministic

PACKAGES = (
    "tlkit",
    "tensorflow",
    "keras",
    "keras-cv",
    "numpy",
    "scikit-learn",
    "pillow",
    "h5py",
    "pydantic",
    "pluggy",
)

_COMPARED = (
    "python",
    "processors",
    "usable_processors",
    "intra_op_threads",
    "inter_op_threads",
    "op_determinism",
    "devices",
)
_WITHOUT_EFFECT = ("PYTHONHASHSEED", "TF_FORCE_GPU_ALLOW_GROWTH", "TF_GPU_ALLOCATOR", "TLKIT_PLUGINS")
"""Variables that are written, but that change no number; plugins are compared themselves."""


def describe_environment(registry: Registry, recipe: Recipe) -> dict[str, Any]:
    """Return the versions, devices, threads, determinism and plugins of this process, as plain values.

    Of the environment variables only those that are known to matter are among them, and no secret of the recipe is.
    """
    import tensorflow as tf

    return {
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in PACKAGES},
        "plugins": [
            {"plugin": s.plugin, "distribution": s.distribution, "version": s.version}
            | ({"digest": s.digest} if s.digest else {})
            for s in registry.sources.values()
        ],
        "devices": [{"type": device.device_type, "name": device.name} for device in tf.config.list_physical_devices()],
        "processors": os.cpu_count(),
        "usable_processors": _usable_processors(),
        "intra_op_threads": tf.config.threading.get_intra_op_parallelism_threads(),
        "op_determinism": is_deterministic(),
        "inter_op_threads": tf.config.threading.get_inter_op_parallelism_threads(),
        "variables": known_variables(os.environ),
        "working_directory": Path.cwd().as_posix(),
        "recipe": None if recipe.file is None else recipe.file.as_posix(),
        "settings": without_secrets(recipe.values),
    }


def computes_bfloat16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool | None:
    """Return whether the processor has instructions for bfloat16; None where unknown (not Linux on x86).

    Without them ``mixed_bfloat16`` is slower than float32, not faster.
    """
    try:
        flags = re.search(r"^flags\s*:(.*)$", cpuinfo.read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        return None
    return None if flags is None else bool({"avx512_bf16", "amx_bf16"} & set(flags[1].split()))


def differences(original: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return a phrase for each difference between two environments on which the bits of a result depend.

    Args:
        original: the environment in which the run started, as read from ``environment.json``.
        now: the environment of this process, from ``describe_environment``.
    """
    phrases = []
    for key in _COMPARED:
        if key in original and key in now and original[key] != now[key]:
            phrases.append(f"{key} {original[key]} before, {now[key]} now")
    phrases += _changed_variables(original, now)
    versions = original.get("packages")
    for name, before in versions.items() if isinstance(versions, dict) else ():
        current = now["packages"].get(name)
        if before != current:
            phrases.append(f"{name} {before} before, {current} now")
    phrases += [f"the plugin {name} has changed" for name in _changed_plugins(original, now)]
    return phrases


def _changed_variables(original: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return a phrase for each environment variable, such as a number of threads, that is another than before."""
    before, after = original.get("variables"), now.get("variables")
    if not isinstance(before, dict) or not isinstance(after, dict):
        return []
    pairs = {name: (before.get(name, "unset"), after.get(name, "unset")) for name in sorted({*before, *after})}
    changed = {name: pair for name, pair in pairs.items() if pair[0] != pair[1] and name not in _WITHOUT_EFFECT}
    return [f"{name} {was} before, {is_now} now" for name, (was, is_now) in changed.items()]


def _usable_processors() -> int | None:
    """Return how many processors this process may use, which ``taskset`` and schedulers limit; it sets the threads."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # on Windows and macOS
        return os.cpu_count()


def _changed_plugins(original: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return the names of the plugin files whose bytes are others than before."""
    digests = []
    for environment in (original, now):
        listed = environment.get("plugins")
        entries = [each for each in (listed if isinstance(listed, list) else ()) if isinstance(each, dict)]
        files = [each for each in entries if "digest" in each]
        digests.append({Path(str(each.get("plugin"))).name: str(each["digest"]) for each in files})
    before, after = digests
    return [name for name, digest in after.items() if before.get(name, digest) != digest]


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
