"""What the operating system says about hosts and ports, as one sentence that says what to look at."""

from __future__ import annotations

import errno
import socket
from typing import Any


def url_of(scheme: str, address: tuple[Any, ...]) -> str:
    """The URL of a socket's address (host and port come first)."""
    host, port = address[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def why_not_connected(host: str, port: int, error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return f"host {host} is not known: check its spelling or the name server"
    if isinstance(error, ConnectionRefusedError):
        return f"{host}:{port} refused the connection: nothing listens on that port, or a firewall says no"
    if isinstance(error, TimeoutError):
        return f"{host}:{port} did not answer: check the address, the route and the device's power"
    if error.errno in {errno.ENETUNREACH, errno.EHOSTUNREACH}:
        return f"there is no route to {host}: check this machine's network"
    if error.errno is None:  # asyncio sums up a name with several addresses without a number
        return f"{host}:{port} could not be reached at any of its addresses: does anything listen there?"
    return f"{host}:{port} could not be reached: {error.strerror or error}"


def why_not_listening(host: str, port: int, error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return f"host {host} is not known: listen on an address of this machine, such as 0.0.0.0"
    if error.errno == errno.EADDRINUSE:
        return f"port {port} of {host} is busy: stop the program that listens there or choose another port"
    if error.errno in {errno.EADDRNOTAVAIL, None}:  # asyncio of Python 3.13 says it without a number
        return f"{host} is not an address of this machine: listen on one that is, such as 0.0.0.0"
    if error.errno == errno.EACCES:
        return f"port {port} needs more rights than this program has: choose one above 1023"
    return f"cannot listen on {host}:{port}: {error.strerror or error}"
