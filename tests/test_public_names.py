"""The public names: listed once in the stub, imported when used, and known to type checkers."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import tlkit

PACKAGE = Path(tlkit.__file__).parent
STUB = ast.parse((PACKAGE / "__init__.pyi").read_text(encoding="utf-8"))
IMPORTS = [node for node in STUB.body if isinstance(node, ast.ImportFrom)]

RIGHT = """\
import tlkit


class MyOptions(tlkit.Options):
    units: int = 64


def build(features: object, ctx: tlkit.HeadContext, options: MyOptions) -> object:
    size: tlkit.ImageSize = ctx.image_size
    return size, options.units


TASK: tlkit.Task = "classification"
KIND: tlkit.LabelKind = "binary"


@tlkit.hookimpl
def tlkit_heads() -> list[tlkit.Head]:
    return [tlkit.Head(name="my_head", summary="s", task=TASK, options=MyOptions, build=build)]


def run_folder() -> str:
    return tlkit.run("recipe.toml", ["seed=1"]).folder.name
"""
WRONG = """\
import tlkit
from tlkit import no_such_name

phase = tlkit.Phase(name="head", epochs="ten")
head = tlkit.nothing_here
"""
# As mypy treats an installed package: its own errors are not the user's.
CONFIG = """\
[tool.mypy]
strict = true

[[tool.mypy.overrides]]
module = "tlkit.*"
follow_imports = "silent"
"""


def test_the_stub_exports_each_name_once():
    aliases = [alias for node in IMPORTS for alias in node.names]
    names = [alias.name for alias in aliases]
    assert sorted(set(names)) == sorted(names)
    # Type checkers take `from m import x` in a stub for private, and `from m import x as x` for public.
    assert [alias.asname for alias in aliases] == names


def test_all_is_what_the_stub_lists():
    assert tlkit.__all__ == sorted(alias.name for node in IMPORTS for alias in node.names)


def test_the_stub_and_the_package_define_the_same_other_names():
    others = {node.target.id for node in STUB.body if isinstance(node, ast.AnnAssign) and hasattr(node.target, "id")}
    assert others == {"__version__"}
    assert len(STUB.body) == len(IMPORTS) + len(others)


@pytest.mark.parametrize("name", tlkit.__all__)
def test_a_public_name_is_the_one_of_the_module_in_the_stub(name):
    (module,) = (node.module for node in IMPORTS if node.names[0].name == name)
    expected = import_module(f"tlkit.{name}") if module == "tlkit" else getattr(import_module(module), name)
    assert getattr(tlkit, name) is expected


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'tlkit' has no attribute 'nothing_here'"):
        tlkit.nothing_here  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'nothing_here'"):
        from tlkit import nothing_here  # noqa: F401


def test_strict_mypy_accepts_the_public_names_and_refuses_others(tmp_path):
    (tmp_path / "pyproject.toml").write_text(CONFIG)
    (tmp_path / "right.py").write_text(RIGHT)
    (tmp_path / "wrong.py").write_text(WRONG)
    # mypy finds packages in site-packages by itself, and refuses to be told of that folder.
    path = {} if PACKAGE.parent.name == "site-packages" else {"MYPYPATH": str(PACKAGE.parent)}
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--no-error-summary", "right.py", "wrong.py"],
        cwd=tmp_path,
        env={**os.environ, **path},
        capture_output=True,
        text=True,
    )
    assert checked.stderr == ""
    lines = checked.stdout.splitlines()
    assert [line.partition(": error: ")[0] for line in lines] == ["wrong.py:2", "wrong.py:4", "wrong.py:5"]
    assert 'has no attribute "no_such_name"' in lines[0]
    assert 'Argument "epochs" to "Phase" has incompatible type "str"; expected "int"' in lines[1]
    assert 'has no attribute "nothing_here"' in lines[2]
