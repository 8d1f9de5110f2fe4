"""A concentrator's session with everything round it in the test's hand: transport, owner, tap, and time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from hes.acquisition.dcu_session import DcuSession, SessionContext, SessionLimits
from hes.acquisition.registry import Registry
from hes.dlms import gateway, wrapper
from hes.protocols import qgdw376
from hes.protocols.qgdw376 import LinkService, TerminalId
from hes.trace.tap import Direction

EAST = TerminalId(731, 1)
WEST = TerminalId(731, 300)
METER, OTHER = b"000000000001", b"000000000002"
CLIENT, SERVER = 1, 1
ASK = bytes.fromhex("C001C100080000010000FF0200")
LIMITS = SessionLimits(login_s=60, silence_s=600, exchange_s=30, late_answer_s=120)


class FakeTransport(asyncio.Transport):
    """Notes what is written. stuck: the peer is dead, so that `close` never gets its last octets away."""

    def __init__(self, *, stuck: bool = False) -> None:
        super().__init__()
        self.sent: list[bytes] = []
        self.aborted = False
        self.stuck = stuck
        self.reads = True
        self.protocol: asyncio.Protocol | None = None
        self._closing = False

    def write(self, data: Any) -> None:
        assert not self._closing, "nothing is written to a connection that is closing"
        self.sent.append(bytes(data))

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            if not self.stuck:
                self.lose(None)

    def abort(self) -> None:
        self._closing = self.aborted = True
        self.lose(None)

    def lose(self, error: Exception | None) -> None:
        self._closing = True
        assert self.protocol is not None
        asyncio.get_running_loop().call_soon(self.protocol.connection_lost, error)


class NotingTap:
    """(session, direction, note) of frames, and (session, event, detail)."""

    def __init__(self) -> None:
        self.frames: list[tuple[str, Direction, str]] = []
        self.events: list[tuple[str, str, str]] = []

    def frame(
        self,
        at_epoch_s: float,
        session: str,
        direction: Direction,
        octets: bytes,
        plaintext: Any = None,
        note: str = "",
    ) -> None:
        self.frames.append((session, direction, note))

    def deciphered(self, at_epoch_s: float, session: str, direction: Direction, apdu: bytes) -> None: ...

    def session_event(self, at_epoch_s: float, session: str, event: str, detail: str = "") -> None:
        self.events.append((session, event, detail))


class LoopClock:
    def epoch_s(self) -> float:
        return asyncio.get_running_loop().time()


@dataclass
class Bench:
    """Sessions of one head-end that knows EAST and WEST."""

    known: set[str] = field(default_factory=lambda: {str(EAST), str(WEST)})
    opened: list[DcuSession] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    tap: NotingTap = field(default_factory=NotingTap)
    registry: Registry = field(default_factory=Registry)

    def session_opened(self, session: DcuSession) -> None:
        self.opened.append(session)

    def session_closed(self, session: DcuSession, reason: str) -> None:
        self.closed.append(reason)

    def knows(self, terminal_id: str) -> bool:
        return terminal_id in self.known

    def dial(self, *, stuck: bool = False) -> tuple[DcuSession, FakeTransport]:
        """A connection that has just been accepted."""
        context = SessionContext(registry=self.registry, clock=LoopClock(), tap=self.tap, limits=LIMITS)
        session = DcuSession(self, context, "conn-00001")
        transport = FakeTransport(stuck=stuck)
        transport.protocol = session
        session.connection_made(transport)
        return session, transport

    def online(self, terminal: TerminalId = EAST, *, stuck: bool = False) -> tuple[DcuSession, FakeTransport]:
        """A concentrator that has logged in."""
        session, transport = self.dial(stuck=stuck)
        session.data_received(link(terminal, LinkService.LOGIN))
        return session, transport


def link(terminal: TerminalId, service: LinkService, pseq: int = 0) -> bytes:
    return qgdw376.encode_link(terminal, service, pseq).encode()


def answer(apdu: bytes, address: bytes = METER) -> bytes:
    """What the concentrator sends for a meter."""
    return wrapper.encode(SERVER, CLIENT, gateway.encode_response(1, address, apdu))


def ask(session: DcuSession, address: bytes = METER) -> asyncio.Future[bytes]:
    """An exchange under way."""
    return asyncio.ensure_future(session.exchange(address, CLIENT, SERVER, ASK))


def verdicts(transport: FakeTransport) -> list[bool]:
    """What the head-end said to link frames: accepted or not."""
    frames = [qgdw376.decode(octets) for octets in transport.sent if octets[0] == qgdw376.START]
    found = [qgdw376.confirmation(frame) for frame in frames]
    return [verdict.is_accepted for verdict in found if verdict is not None]
