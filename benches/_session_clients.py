"""Three clients that have the same sessions with the same meters: ours, dlms-cosem's and gurux-dlms's.

Each connects, associates, reads a name, the scaler and unit of a register and its value, releases, and closes with a
reset (SO_LINGER 0), or ports in TIME_WAIT would slow the later rounds down. Security is LLS, or HLS-GMAC with every
APDU authenticated and encrypted under the global keys; invocation counters of the one client SAP that all three use
come from one `Counters` for each meter. Of several meters, ours asks all from one loop; the two others, which block,
have a thread for each.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from enum import Enum
from typing import Any, NamedTuple, NoReturn

from dlms_cosem import cosem, enumerations, utils
from dlms_cosem.clients.dlms_client import DlmsClient
from gurux_dlms import GXDLMSClient, GXReplyData
from gurux_dlms.enums import Authentication, InterfaceType
from gurux_dlms.enums import Security as GuruxSecurity
from gurux_dlms.objects import GXDLMSData, GXDLMSRegister
from gurux_dlms.secure import GXDLMSSecureClient

from benches._served_meter import DEADLINE_S, Meter
from hes.dlms import axdr
from hes.dlms.client import Client, ClientSecurity, ClientSettings
from hes.dlms.codes import Mechanism
from hes.dlms.obis import Obis
from hes.dlms.security import EncryptionKeys
from hes.entropy import SystemEntropy
from hes.links.registry import Links
from hes.protocols.dlms_cosem import DlmsSession
from hes.protocols.wrapper_session import WrapperSession

DEVICE_NAME = Obis.parse("0.0.42.0.0.255")
ENERGY = Obis.parse("1.0.1.8.0.255")
DATA, REGISTER = 1, 3
WANTED = ((DATA, DEVICE_NAME, 2), (REGISTER, ENERGY, 3), (REGISTER, ENERGY, 2))
CLIENT_TITLE = b"BENCHCLI"
COUNTERS_OF_A_SESSION = 32
RESET_ON_CLOSE = struct.pack("ii", 1, 0)

Values = tuple[bytes, tuple[int, int], int]
"""Device name, scaler and unit, energy."""
Session = Callable[[], Values]
Sessions = Callable[[int], list[list[Values]]]
"""Has so many sessions with each meter, one after the other, with all meters at once: what was read, by meter."""


class Way(Enum):
    """How a client proves itself; the value is its SAP."""

    LLS = 2
    HLS_GMAC = 1


class Counters:
    """Invocation counters for one session after another, never one twice."""

    def __init__(self) -> None:
        self._next = 1

    def take(self) -> int:
        """The first of COUNTERS_OF_A_SESSION fresh ones."""
        first = self._next
        self._next += COUNTERS_OF_A_SESSION
        return first


class Target(NamedTuple):
    """A meter and the invocation counters of those who ask it."""

    meter: Meter
    counters: Counters


def ours(
    targets: list[Target], way: Way, stack: ExitStack, make_loop: Callable[[], asyncio.AbstractEventLoop]
) -> Sessions:
    runner = stack.enter_context(asyncio.Runner(loop_factory=make_loop))
    links, entropy = Links(), SystemEntropy()

    async def session(url: str, settings: ClientSettings, counters: Counters) -> Values:
        def make() -> WrapperSession:
            return WrapperSession(client_sap=settings.client_sap, server_sap=1, timeout_s=DEADLINE_S)

        transport, wrapper = await links.connect(url, make)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        client = Client(settings, send_counter=counters.take())
        dlms = DlmsSession(client, wrapper.ask, entropy, next_answer=wrapper.next_answer)
        await dlms.open()
        name, unit, energy = [axdr.decode_value(await dlms.get(*wanted))[0] for wanted in WANTED]
        await dlms.release()
        wrapper.close()
        return name, unit, energy

    parts = [(f"tcp://{meter.host}:{meter.port}", _settings(meter, way), counters) for meter, counters in targets]

    async def one_meter(url: str, settings: ClientSettings, counters: Counters, count: int) -> list[Values]:
        return [await session(url, settings, counters) for _ in range(count)]

    async def all_meters(count: int) -> list[list[Values]]:
        return await asyncio.gather(*[one_meter(*part, count) for part in parts])

    return lambda count: runner.run(all_meters(count))


def _settings(meter: Meter, way: Way) -> ClientSettings:
    if way is Way.LLS:
        return ClientSettings(client_sap=way.value, mechanism=Mechanism.LLS, password=meter.password)
    keys = EncryptionKeys(meter.encryption_key, meter.authentication_key)
    security = ClientSecurity(system_title=CLIENT_TITLE, keys=keys)
    return ClientSettings(client_sap=way.value, mechanism=Mechanism.HLS_GMAC, security=security)


def blocking(make: Callable[[Target, Way], Session], targets: list[Target], way: Way, stack: ExitStack) -> Sessions:
    """The sessions of a client that blocks: in this thread with one meter, else in a thread for each."""
    clients = [make(target, way) for target in targets]
    if len(clients) == 1:
        return lambda count: [[clients[0]() for _ in range(count)]]
    pool = stack.enter_context(ThreadPoolExecutor(len(clients)))
    return lambda count: list(pool.map(lambda session: [session() for _ in range(count)], clients))


# -- dlms-cosem

_DLMS_COSEM_WANTED = tuple(
    cosem.CosemAttribute(enumerations.CosemInterface(class_id), cosem.Obis.from_bytes(obis), attribute)
    for class_id, obis, attribute in WANTED
)


def dlms_cosem(target: Target, way: Way) -> Session:
    meter, counters = target
    if way is Way.LLS:
        security: dict[str, Any] = {
            "authentication_method": enumerations.AuthenticationMechanism.LLS,
            "password": meter.password,
        }
    else:
        security = {
            "authentication_method": enumerations.AuthenticationMechanism.HLS_GMAC,
            "encryption_key": meter.encryption_key,
            "authentication_key": meter.authentication_key,
            "client_system_title": CLIENT_TITLE,
        }

    def session() -> Values:
        if way is Way.HLS_GMAC:
            security["client_initial_invocation_counter"] = counters.take()
        client = DlmsClient.with_tcp_transport(
            meter.host,
            meter.port,
            client_logical_address=way.value,
            server_logical_address=1,
            timeout=DEADLINE_S,
            **security,
        )
        client.connect()
        client.io_interface.tcp_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        client.associate()
        name, unit, energy = [utils.parse_as_dlms_data(client.get(attribute)) for attribute in _DLMS_COSEM_WANTED]
        client.release_association()
        client.disconnect()
        return bytes(name), tuple(unit), energy

    return session


# -- gurux-dlms


def gurux(target: Target, way: Way) -> Session:
    meter, counters = target

    def session() -> Values:
        client = _gurux_client(meter, way, counters)
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
            if way is Way.HLS_GMAC:
                client.parseApplicationAssociationResponse(ask(client.getApplicationAssociationRequest()).data)
            energy = GXDLMSRegister(str(ENERGY))
            name = ask(client.read(GXDLMSData(str(DEVICE_NAME)), 2)).value
            unit = ask(client.read(energy, 3)).value
            value = ask(client.read(energy, 2)).value
            ask(client.releaseRequest())
        return bytes(name), tuple(unit), value

    return session


def _gurux_client(meter: Meter, way: Way, counters: Counters) -> Any:
    if way is Way.LLS:
        password = meter.password.decode()
        return GXDLMSClient(True, way.value, 1, Authentication.LOW, password, InterfaceType.WRAPPER)  # noqa: FBT003 - its own
    client = GXDLMSSecureClient(True, way.value, 1, Authentication.HIGH_GMAC, None, InterfaceType.WRAPPER)  # noqa: FBT003
    client.ciphering.security = GuruxSecurity.AUTHENTICATION_ENCRYPTION
    client.ciphering.systemTitle = bytearray(CLIENT_TITLE)
    client.ciphering.blockCipherKey = bytearray(meter.encryption_key)
    client.ciphering.authenticationKey = bytearray(meter.authentication_key)
    client.ciphering.invocationCounter = counters.take()
    return client


def _hung_up() -> NoReturn:
    raise ConnectionError("the meter hung up")
