"""The methods of an asyncio loop that lead outside, each refused with a sentence on what to use instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn, TypeVar

from sim.errors import OutsideWorldError

_LINK = "open a simulated link instead: hes.links.Links.connect with a sim:// URL (sim.media registers it)"
_LISTENER = "listen on a simulated link instead: hes.links.Links.listen with a sim-listen:// URL"
_MESSAGES = "send octets over a simulated link (sim.media) or post a callback with loop.post_at"
_NAMES = "simulated links are opened by the name of their endpoint; nothing needs an address"
_TLS = "simulated links are plain; test TLS on a real loop (live or hil)"
_SIGNAL = "raise the condition as a fault of the world (sim.faults), or cancel the task that should end"
_PROCESS = "call the function with loop.run_in_executor, or start the process outside the run"
_FILE = "read or write files through loop.run_in_executor, or before and after the run"

INSTEAD: dict[str, str] = {
    "create_connection": _LINK,
    "create_unix_connection": _LINK,
    "connect_accepted_socket": _LINK,
    "create_server": _LISTENER,
    "create_unix_server": _LISTENER,
    "create_datagram_endpoint": _MESSAGES,
    "sock_recv": _LINK,
    "sock_recv_into": _LINK,
    "sock_recvfrom": _MESSAGES,
    "sock_recvfrom_into": _MESSAGES,
    "sock_sendall": _LINK,
    "sock_sendto": _MESSAGES,
    "sock_connect": _LINK,
    "sock_accept": _LISTENER,
    "sock_sendfile": _LINK,
    "sendfile": _LINK,
    "start_tls": _TLS,
    "add_reader": _LINK,
    "remove_reader": _LINK,
    "add_writer": _LINK,
    "remove_writer": _LINK,
    "getaddrinfo": _NAMES,
    "getnameinfo": _NAMES,
    "add_signal_handler": _SIGNAL,
    "remove_signal_handler": _SIGNAL,
    "subprocess_shell": _PROCESS,
    "subprocess_exec": _PROCESS,
    "connect_read_pipe": _FILE,
    "connect_write_pipe": _FILE,
}

_Loop = TypeVar("_Loop", bound=type)


def refuse_outside_world(loop_class: _Loop) -> _Loop:
    """Class decorator: every method in `INSTEAD` raises OutsideWorldError when called, awaited or not."""
    for name, instead in INSTEAD.items():
        setattr(loop_class, name, _refusal(name, instead))
    return loop_class


def _refusal(name: str, instead: str) -> Callable[..., NoReturn]:
    def refuse(self: object, *args: object, **options: object) -> NoReturn:
        raise OutsideWorldError(f"loop.{name} reaches outside the simulation: {instead}.", method=name)

    refuse.__name__ = name
    return refuse
