"""Whole sessions over loopback: connect, associate with a password, three GETs, release, close.

One `amiloop meter --tcp` in another process serves everybody, on uvloop. The clients take turns, one session after
the other: ours (WrapperSession and DlmsSession, opened by hes.links) on uvloop and on asyncio, and two independent
ones, unmodified, each with a blocking socket. All must read the same: a name, the scaler and unit of a register, and
its value, which may only rise from one session to the next.

Time on the wire and the meter's work count for all of them alike: the ratios are those of what an operator sees, not
of client code alone. The log of dlms-cosem is silenced, for as released it is 3 to 4 times slower. Every client closes
with a reset (SO_LINGER 0), or ports in TIME_WAIT would slow the later rounds down.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import statistics
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from typing import Any, NamedTuple, NoReturn

from dlms_cosem import cosem, enumerations, utils
from dlms_cosem.clients.dlms_client import DlmsClient
from gurux_dlms import GXDLMSClient, GXReplyData
from gurux_dlms.enums import Authentication, InterfaceType
from gurux_dlms.objects import GXDLMSData, GXDLMSRegister

from benches._measure import DifferenceError, Row
from hes.dlms import axdr
from hes.dlms.client import Client
from hes.dlms.client.settings import ClientSettings
from hes.dlms.codes import Mechanism
from hes.dlms.obis import Obis
from hes.entropy import SystemEntropy
from hes.links.registry import Links
from hes.protocols.dlms_cosem import DlmsSession
from hes.protocols.wrapper_session import WrapperSession

NAME = "sessions"
OPERATION = "connect, associate (LLS), 3 GETs, release, close"
SESSIONS, SESSIONS_QUICK = 60, 10  # of each client in each round
ROUNDS, ROUNDS_QUICK = 15, 4
DEADLINE_S = 10
RESET_ON_CLOSE = struct.pack("ii", 1, 0)
TARGETS = {"dlms-cosem": 2.0, "gurux-dlms": 2.5}
METER = [sys.executable, "-c", "from hes.cli.main import main; main()", "meter", "--tcp", "127.0.0.1:0", "--json"]
READING = 2  # the client that proves itself with a password

DEVICE_NAME = Obis.parse("0.0.42.0.0.255")
ENERGY = Obis.parse("1.0.1.8.0.255")
DATA, REGISTER = 1, 3
WANTED = ((DATA, DEVICE_NAME, 2), (REGISTER, ENERGY, 3), (REGISTER, ENERGY, 2))


class Meter(NamedTuple):
    """Where the meter is, and the password of its client READING."""

    host: str
    port: int
    password: str


Values = tuple[bytes, tuple[int, int], int]
"""Device name, scaler and unit, energy."""
Sessions = Callable[[int], list[Values]]
"""Has so many sessions, one after the other."""


def run(quick: bool) -> list[Row]:
    rounds, sessions = (ROUNDS_QUICK, SESSIONS_QUICK) if quick else (ROUNDS, SESSIONS)
    with ExitStack() as stack:
        meter = stack.enter_context(_served())
        stack.enter_context(_silence())
        clients: dict[str, Sessions] = {
            "amiloop on uvloop": _ours(meter, stack, _uvloop()),
            "amiloop on asyncio": _ours(meter, stack, asyncio.new_event_loop),
            "dlms-cosem": lambda count: [_dlms_cosem(meter) for _ in range(count)],
            "gurux-dlms": lambda count: [_gurux(meter) for _ in range(count)],
        }
        return _rows(_measured(clients, rounds, sessions))


def _measured(clients: dict[str, Sessions], rounds: int, sessions: int) -> dict[str, list[float]]:
    """Microseconds per session of each round. Raises DifferenceError."""
    names = list(clients)
    taken_us: dict[str, list[float]] = {name: [] for name in names}
    latest = clients[names[0]](1)[0]
    for turn in range(-1, rounds):  # the first one warms up
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            start_s = time.perf_counter()
            values = clients[name](sessions)
            elapsed_s = time.perf_counter() - start_s
            if turn >= 0:
                taken_us[name].append(1e6 * elapsed_s / sessions)
            latest = _checked(name, latest, values)
    return taken_us


def _checked(name: str, latest: Values, values: list[Values]) -> Values:
    """The last of `values`, if each follows from the one before it."""
    for found in values:
        if found[:2] != latest[:2] or found[2] < latest[2]:
            raise DifferenceError(f"{NAME}: {name} read {found} where {latest} was read before")
        latest = found
    return latest


def _rows(taken_us: dict[str, list[float]]) -> list[Row]:
    ours = next(iter(taken_us.values()))
    rows = []
    for name, taken in taken_us.items():
        low, median, high = statistics.quantiles(taken, n=4)
        rows.append(
            Row(
                bench=NAME,
                operation=OPERATION,
                implementation=name,
                value=median,
                low=low,
                high=high,
                ratio=statistics.median(theirs / mine for theirs, mine in zip(taken, ours, strict=True)),
                target=TARGETS.get(name),
                note=f"{1e6 / median:,.0f} sessions/s",
            )
        )
    return rows


# what stands around it


@contextmanager
def _served() -> Iterator[Meter]:
    """The meter, in a process of its own until we are done."""
    process = subprocess.Popen(METER, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    try:
        offer = json.loads(process.stdout.readline())
        host, port = offer["url"].removeprefix("tcp://").rsplit(":", 1)
        yield Meter(host, int(port), offer["test_keys"]["password"])
    finally:
        process.terminate()
        process.wait(DEADLINE_S)
        process.stdout.close()


@contextmanager
def _silence() -> Iterator[None]:
    """No log, and nothing of what gurux prints."""
    logging.disable(logging.CRITICAL)
    try:
        with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
            yield
    finally:
        logging.disable(logging.NOTSET)


def _uvloop() -> Callable[[], asyncio.AbstractEventLoop]:
    import uvloop

    return uvloop.new_event_loop


# the clients


def _ours(meter: Meter, stack: ExitStack, make_loop: Callable[[], asyncio.AbstractEventLoop]) -> Sessions:
    runner = stack.enter_context(asyncio.Runner(loop_factory=make_loop))
    links, entropy = Links(), SystemEntropy()
    url = f"tcp://{meter.host}:{meter.port}"
    settings = ClientSettings(client_sap=READING, mechanism=Mechanism.LLS, password=meter.password.encode())

    def make() -> WrapperSession:
        return WrapperSession(client_sap=READING, server_sap=1, timeout_s=DEADLINE_S)

    async def session() -> Values:
        transport, wrapper = await links.connect(url, make)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        dlms = DlmsSession(Client(settings, send_counter=0), wrapper.exchange, entropy, next_answer=wrapper.next_answer)
        await dlms.open()
        name, unit, energy = [axdr.decode_value(await dlms.get(*wanted))[0] for wanted in WANTED]
        await dlms.release()
        wrapper.close()
        return name, unit, energy

    async def sessions(count: int) -> list[Values]:
        return [await session() for _ in range(count)]

    return lambda count: runner.run(sessions(count))


_DLMS_COSEM_WANTED = tuple(
    cosem.CosemAttribute(enumerations.CosemInterface(class_id), cosem.Obis.from_bytes(obis), attribute)
    for class_id, obis, attribute in WANTED
)


def _dlms_cosem(meter: Meter) -> Values:
    client = DlmsClient.with_tcp_transport(
        meter.host,
        meter.port,
        client_logical_address=READING,
        server_logical_address=1,
        authentication_method=enumerations.AuthenticationMechanism.LLS,
        password=meter.password.encode(),
        timeout=DEADLINE_S,
    )
    client.connect()
    client.io_interface.tcp_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    client.associate()
    name, unit, energy = [utils.parse_as_dlms_data(client.get(attribute)) for attribute in _DLMS_COSEM_WANTED]
    client.release_association()
    client.disconnect()
    return bytes(name), tuple(unit), energy


def _gurux(meter: Meter) -> Values:
    client = GXDLMSClient(True, READING, 1, Authentication.LOW, meter.password, InterfaceType.WRAPPER)  # noqa: FBT003 - its own
    with socket.create_connection((meter.host, meter.port), DEADLINE_S) as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)

        def ask(frames: Any) -> GXReplyData:
            reply = GXReplyData()
            for frame in frames:
                line.sendall(frame)
                received = bytearray()
                while not client.getData(received, reply) or not reply.isComplete():
                    received += line.recv(4096) or _hung_up()
            return reply

        client.parseAareResponse(ask(client.aarqRequest()).data)
        energy = GXDLMSRegister(str(ENERGY))
        name = ask(client.read(GXDLMSData(str(DEVICE_NAME)), 2)).value
        unit = ask(client.read(energy, 3)).value
        value = ask(client.read(energy, 2)).value
        ask(client.releaseRequest())
    return bytes(name), tuple(unit), value


def _hung_up() -> NoReturn:
    raise ConnectionError("the meter hung up")
