"""The server of commands and the reference runs that the tests of this folder share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from command_server import CommandServer
from machine_world import References


@pytest.fixture(scope="session")
def server() -> Iterator[CommandServer]:
    """Run commands in processes forked from one that has imported everything."""
    server = CommandServer({"CUDA_VISIBLE_DEVICES": "-1"})
    yield server
    server.close()


@pytest.fixture(scope="session")
def references(server: CommandServer, tmp_path_factory: pytest.TempPathFactory) -> References:
    """Return uninterrupted runs."""
    return References(server, tmp_path_factory.mktemp("references").resolve())
