"""``docs/Dockerfile``: what it copies exists, what it starts is a command of tlkit, and nothing runs as root."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tlkit.cli.serve import serve

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docs" / "Dockerfile"
STEPS = [
    tuple(line.split(maxsplit=1))
    for line in FILE.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    if line and not line.startswith("#")
]


def arguments(step: str) -> list[str]:
    """Return the arguments of each step of a kind."""
    return [text for name, text in STEPS if name == step]


def test_what_it_copies_exists():
    copied = [name for text in arguments("COPY") for name in text.split()[:-1]]
    assert copied[-1] == "${RUN}"
    assert "RUN" in arguments("ARG")
    assert all((ROOT / name).exists() for name in copied[:-1])


def test_it_copies_what_the_wheel_is_built_from():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    [folders] = re.findall(r"only-include = (\[.*\])", text)
    needed = {*json.loads(folders), "README.md", "LICENSE", "pyproject.toml"}
    assert needed <= {name for step in arguments("COPY") for name in step.split()}


def test_it_starts_a_command_that_there_is():
    [command] = arguments("ENTRYPOINT")
    name, verb, *rest = json.loads(command)
    assert (name, verb) == ("tlkit", "serve")
    context = serve.make_context(verb, rest, resilient_parsing=True)
    assert (context.params["host"], context.params["port"]) == ("0.0.0.0", 8000)
    assert arguments("EXPOSE") == ["8000"]


def test_it_does_not_run_as_root_and_names_the_version_of_its_base():
    steps = [name for name, _ in STEPS]
    assert steps.index("USER") < steps.index("ENTRYPOINT")
    assert arguments("USER") == ["10001"]
    assert re.fullmatch(r"python:3\.1\d-slim", arguments("FROM")[0])
    assert "latest" not in FILE.read_text(encoding="utf-8")


def test_its_health_is_asked_at_the_port_that_it_listens_at():
    [check] = arguments("HEALTHCHECK")
    *_, code = json.loads(check.partition("CMD ")[2])
    compile(code, "HEALTHCHECK", "exec")
    assert "http://127.0.0.1:8000/health" in code
