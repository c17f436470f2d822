"""Find out within seconds whether a cluster can be reached: Ray itself tries a wrong address for minutes."""

from __future__ import annotations

import re
import socket

from tlkit.errors import DataError

_SECONDS = 10.0
_HTTP_2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"
"""How a client of HTTP/2 begins (RFC 9113, section 3.4), with empty settings; a server answers with its own."""
_SETTINGS = 4
_ADDRESS = re.compile(r"(?:ray://)?(?P<host>[^\s/:]+|\[[0-9a-fA-F:]+\]):(?P<port>[0-9]{1,5})")


def check_address(address: str) -> None:
    """Check that a Ray cluster answers at an address.

    Args:
        address: ``HOST:PORT`` or ``ray://HOST:PORT``.

    Raises:
        DataError: it is no address, or nothing there answers as Ray does.
    """
    named = f"--cluster {address}"
    parts = _ADDRESS.fullmatch(address)
    if parts is None or not 0 < int(parts["port"]) < 65536:
        raise DataError(f"{named}: expected local, auto, or the address of a cluster such as 10.0.0.1:6379")
    try:
        with socket.create_connection((parts["host"].strip("[]"), int(parts["port"])), _SECONDS) as stream:
            stream.settimeout(_SECONDS)
            stream.sendall(_HTTP_2)
            answer = stream.recv(9)
    except TimeoutError as error:
        raise DataError(
            f"{named}: no answer within {_SECONDS:g} s; is a Ray cluster there, and no firewall?"
        ) from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(
            f"{named}: can't be reached: {reason}. On its first machine, ray start --head prints the address"
        ) from error
    if len(answer) < 4 or answer[3] != _SETTINGS:
        raise DataError(f"{named}: what answers there is not a Ray cluster. ray start --head prints the address of one")


def port_hint(address: str) -> str:
    """Return which port an address is to have, which Ray's own errors don't say; empty for this machine's cluster."""
    if _ADDRESS.fullmatch(address) is None:
        return ""
    return (
        ". HOST:PORT has the port of the cluster, 6379 unless ray start --head --port names another; ray://HOST:PORT "
        "has that of its server for clients, 10001 unless --ray-client-server-port does"
    )


def token_hint(error: BaseException | None) -> str:
    """Return what to do where a cluster asks for a token: Ray says so only in what led to its error."""
    while error is not None:
        if "AuthToken" in str(error):
            return (
                ". It asks for a token, as ray start does on a machine with ~/.ray/auth_token: set "
                "RAY_AUTH_MODE=token, and have the same token in that file on all machines, or in RAY_AUTH_TOKEN"
            )
        error = error.__cause__ or error.__context__
    return ""
