"""``environment.json``: what a run's numbers depend on besides its recipe and its data."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from tlkit.recipe.schema import Recipe
from tlkit.registry import Registry
from tlkit.runs.secrets import known_variables, without_secrets
from tlkit.system.parallel import usable_processors
from tlkit.system.tensorflow import is_deterministic

PACKAGES = (
    "tlkit",
    "tensorflow",
    "keras",
    "keras-cv",
    "ai-edge-litert",
    "openvino",
    "numpy",
    "scikit-learn",
    "pillow",
    "h5py",
    "pydantic",
    "pluggy",
)

_COMPARED = (
    "python",
    "processor",
    "processors",
    "usable_processors",
    "intra_op_threads",
    "inter_op_threads",
    "op_determinism",
    "devices",
)
THREADS = frozenset({"usable_processors", "intra_op_threads", "inter_op_threads", "op_determinism"})
"""The entries of ``computing`` that say how TensorFlow divides its work."""
_NOT_COMPUTING = frozenset(
    {"PYTHONHASHSEED", "TLKIT_PLUGINS", "TF_FORCE_GPU_ALLOW_GROWTH", "TF_GPU_ALLOCATOR"}
    | {f"{name}_VISIBLE_DEVICES" for name in ("CUDA", "HIP", "NVIDIA", "ROCR")}
)
"""Known variables that no bit depends on, or only through the devices; plugins are compared themselves."""
_INSTRUCTIONS = ("avx", "fma", "avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")
"""Names in /proc/cpuinfo of the instructions that TensorFlow chooses its code by."""


def describe_environment(registry: Registry, recipe: Recipe) -> dict[str, Any]:
    """Return the versions, devices, threads, determinism and plugins of this process, as plain values.

    Of the environment variables only those that are known to matter are among them, and no secret of the recipe is.
    """
    return {
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in PACKAGES},
        "plugins": [
            {"plugin": s.plugin, "distribution": s.distribution, "version": s.version}
            | ({"digest": s.digest} if s.digest else {})
            for s in registry.sources.values()
        ],
        "processors": os.cpu_count(),
        **computing(),
        "variables": known_variables(os.environ),
        "working_directory": Path.cwd().as_posix(),
        "recipe": None if recipe.file is None else recipe.file.as_posix(),
        "settings": without_secrets(recipe.values),
    }


def computing() -> dict[str, Any]:
    """Return what the last bits of a computation depend on in this process besides versions, as plain values."""
    import tensorflow as tf

    return {
        "devices": [{"type": device.device_type, "name": device.name} for device in tf.config.list_physical_devices()],
        "processor": _processor(),
        "usable_processors": usable_processors(),
        "intra_op_threads": tf.config.threading.get_intra_op_parallelism_threads(),
        "inter_op_threads": tf.config.threading.get_inter_op_parallelism_threads(),
        "op_determinism": is_deterministic(),
    }


def computing_variables() -> dict[str, str]:
    """Return the environment variables that the last bits of a computation may depend on, devices left out."""
    return {name: value for name, value in known_variables(os.environ).items() if name not in _NOT_COMPUTING}


def computes_bfloat16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool | None:
    """Return whether the processor has instructions for bfloat16; None where unknown (not Linux on x86).

    Without them ``mixed_bfloat16`` is slower than float32, not faster.
    """
    flags = (_cpu_lines(cpuinfo) or {}).get("flags")
    return None if flags is None else bool({"avx512_bf16", "amx_bf16"} & set(flags.split()))


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
    names = sorted({*before, *after} - _NOT_COMPUTING)
    pairs = {name: (before.get(name, "unset"), after.get(name, "unset")) for name in names}
    return [f"{name} {was} before, {is_now} now" for name, (was, is_now) in pairs.items() if was != is_now]


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


def _processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Return the processor's name and instructions, and the names of the GPUs."""
    import tensorflow as tf

    gpus = (tf.config.experimental.get_device_details(each) for each in tf.config.list_physical_devices("GPU"))
    return ", ".join([_cpu(cpuinfo), *(str(each.get("device_name", "GPU")) for each in gpus)])


@cache
def _cpu(cpuinfo: Path) -> str:
    lines = _cpu_lines(cpuinfo)
    if lines is None:
        return f"{platform.machine()} {platform.processor()}".strip()
    known = set(lines.get("flags", "").split())
    return " ".join([lines.get("model name", platform.machine()), *(each for each in _INSTRUCTIONS if each in known)])


def _cpu_lines(cpuinfo: Path) -> dict[str, str] | None:
    """Return the values that the first processor has in ``/proc/cpuinfo``; None where there is no such file."""
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    lines = (line.partition(":") for line in reversed(text.splitlines()))
    return {name.strip(): value.strip() for name, _, value in lines}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
