"""What the first-party plugin packages have in common."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tlkit.contracts import LazyFunction
from tlkit.registry import KINDS, Registry

PACKAGES = (
    "tlkit_annotations",
    "tlkit_augment",
    "tlkit_datasets",
    "tlkit_exporters",
    "tlkit_heads",
    "tlkit_schedules",
    "tlkit_trackers",
)


@pytest.mark.parametrize("package", PACKAGES)
def test_import_is_light(package: str) -> None:
    heavy = ("tensorflow", "keras", "keras_cv", "sklearn", "matplotlib", "pycocotools", "defusedxml", "PIL")
    code = f"import sys, {package}; print([name for name in {heavy} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_every_option_of_ours_has_a_description(registry: Registry) -> None:
    for kind in KINDS:
        for record, _ in registry.records(kind):
            assert all(field.description for field in record.options.model_fields.values()), record.name


def test_every_lazy_function_of_ours_exists(registry: Registry) -> None:
    found = 0
    for kind in KINDS:
        for record, _ in registry.records(kind):
            for value in vars(record).values():
                function = getattr(value, "function", value)  # behind the plugin boundary
                function = getattr(function, "func", function)  # of a functools.partial
                if isinstance(function, LazyFunction):
                    assert callable(function.load()), record.name
                    found += 1
    assert found > 100
