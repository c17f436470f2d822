"""The table of a run's environment: versions, devices, and those environment variables that are known."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from tlkit.runs.folder import RunFolder
from tlkit.runs.secrets import known_variables


def read_environment(folder: RunFolder) -> Mapping[str, Any]:
    """Return what ``environment.json`` has; empty without the file."""
    environment = folder.read_json(folder.environment) if folder.environment.is_file() else {}
    return environment if isinstance(environment, dict) else {}


def environment_rows(environment: Mapping[str, Any]) -> dict[str, str]:
    """Return name → value of what ``environment.json`` has, each as text, but for the recipe."""
    rows: dict[str, str] = {}
    forms = {
        "plugins": "{plugin} ({distribution} {version})",
        "devices": "{type} {name}",
        "parts": "{kind} {name} ({distribution} {version})",
    }
    for name, value in environment.items():
        if name == "settings":
            continue
        if name == "variables" and isinstance(value, dict):
            value = known_variables(value)  # older versions wrote every variable that begins with TF_
        if name == "packages" and isinstance(value, dict):
            value = ", ".join(f"{package} {version}" for package, version in value.items())
        elif name in forms and isinstance(value, list) and all(isinstance(each, dict) for each in value):
            value = ", ".join(forms[name].format_map(defaultdict(lambda: "–", each)) for each in value)
        elif isinstance(value, dict):
            value = ", ".join(f"{key}={each}" for key, each in value.items()) or "–"
        rows[name.replace("_", " ")] = str(value)
    return rows
