"""A meter as media and sockets see it: octets in, octets out.

While nobody talks to it, an endpoint is an address and a way to make the meter. The first octets make a `Meter` and a
`hes.dlms.Server`; when the last association has closed both are dropped, unless the endpoint shall `stay_awake`. What
outlives them is small: the journal of interventions, if there were any, and the security counters, if anybody ever
associated.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from weakref import WeakKeyDictionary

from hes.dlms import wrapper
from hes.dlms.cosem.logical_device import LogicalDevice
from hes.dlms.findings import Finding
from hes.dlms.server import Server
from hes.dlms.server.physical_device import ALL_STATIONS, goes_to_all
from hes.errors import RemoteProtocolError
from sim.meter.journal import Journal
from sim.meter.meter import Meter, MeterType
from sim.meter.model import logical_device
from sim.meter.security import MeterSecurity

ASSOCIATION_IDLE_S = 300.0  # an association in which nobody speaks is given up after that [A]

_MODELS: Final[WeakKeyDictionary[MeterType, LogicalDevice[Meter]]] = WeakKeyDictionary()
"""The model of each kind of meter, found without comparing profiles item by item as `logical_device` has to."""

TellFindings = Callable[[bytes, list[Finding], float], None]
"""(address of a meter, what its clients did wrong, world time in seconds)."""
MeterMaker = Callable[[Journal | None, MeterSecurity | None], Meter]
"""(journal, security record) -> the meter that has them."""


class MeterEndpoint:
    """One meter behind its address."""

    __slots__ = ("_journal", "_last_s", "_make", "_meter", "_security", "_server", "_stays", "_tell", "address")

    def __init__(self, address: bytes, make: MeterMaker, tell: TellFindings | None = None) -> None:
        """tell: hears what clients do wrong, at once; without it whoever asks takes it with `take_findings`."""
        self.address = address
        self._make = make
        self._tell = tell
        self._journal: Journal | None = None
        self._security: MeterSecurity | None = None
        self._meter: Meter | None = None
        self._server: Server[Meter] | None = None
        self._last_s = 0.0
        self._stays = False

    def stay_awake(self) -> None:
        """Keep meter and server between associations: for the meter that is asked again and again."""
        self._stays = True

    def remember(self, security: MeterSecurity) -> None:
        """Go on with these keys and counters. Called before anybody associates."""
        self._security = security

    def answer(self, octets: bytes, now_epoch_s: float) -> bytes | None:
        """What the meter says to one wrapper frame, None for nothing: no power, not for it, or not a frame."""
        try:
            header = wrapper.decode_header(octets)
        except RemoteProtocolError:
            return None
        if wrapper.HEADER_OCTETS + header.payload_octets != len(octets):
            return None
        apdu = octets[wrapper.HEADER_OCTETS :]
        answer = self.ask(header.source, apdu, now_epoch_s, server_sap=header.destination)
        return None if answer is None else wrapper.encode(header.destination, header.source, answer)

    def ask(
        self, client_sap: int, apdu: bytes, now_epoch_s: float, *, server_sap: int | None = None, at_once: int = 1
    ) -> bytes | None:
        """What the meter says to one APDU of that client, None for nothing: no power, not for it, or silence.

        server_sap: the logical device that it is for; None for the one that is here. at_once: APDUs that can be carried
        back; what follows the first is there to `take_further`.
        """
        if self._journal is not None and not self._journal.powered_at(int(now_epoch_s * 1000)):
            return None
        meter, server = self._meter, self._server
        late = now_epoch_s - self._last_s > ASSOCIATION_IDLE_S
        if meter is None or server is None or late or self._journal is not None:
            meter, server = self._awake(now_epoch_s)
        answer = None
        if server_sap is None or server_sap == server.device.server_sap:
            answer = server.receive(client_sap, apdu, now_epoch_s, at_once=at_once)
        elif server_sap in ALL_STATIONS and goes_to_all(apdu):
            server.receive(client_sap, apdu, now_epoch_s)  # carried out, and never answered
        if self._tell is not None and server.findings:
            self._tell(self.address, server.take_findings(), now_epoch_s)
        self._last_s = now_epoch_s
        self._journal, self._security = meter.journal, meter.security_record
        if not self._stays and server.idle:
            self._meter = self._server = None
        return answer

    def take_further(self) -> list[bytes]:
        """What goes out behind the last answer, in order."""
        return [] if self._server is None else self._server.take_further()

    def meter(self) -> Meter:
        """The meter as it is now, for checks and faults; whoever only looks changes nothing."""
        return self._meter or self._make(self._journal, self._security)

    def interventions(self) -> Journal:
        """The meter's journal, begun if there was none."""
        if self._journal is None:
            self._journal = self.meter().interventions()
        if self._meter is not None:
            self._meter.journal = self._journal
        return self._journal

    def link_lost(self, client_sap: int | None = None) -> None:
        """The way to the meter is gone, and with it one client's association over it, or all of them (None)."""
        if self._server is not None:
            self._server.link_lost(client_sap)
            if self._server.idle and not self._stays:
                self._meter = self._server = None

    def take_findings(self) -> list[Finding]:
        """What peers did wrong or oddly in the associations that are open."""
        return self._server.take_findings() if self._server is not None and self._server.findings else []

    @property
    def is_awake(self) -> bool:
        """Whether an association is open."""
        return self._server is not None and not self._server.idle

    def _awake(self, now_s: float) -> tuple[Meter, Server[Meter]]:
        if self._meter is None or self._server is None:
            self._meter = self._make(self._journal, self._security)
            shared = self._meter.type
            device = _MODELS.get(shared)
            if device is None:
                device = _MODELS[shared] = logical_device(shared.profile, shared.zone)
            self._server = Server(device, self._meter, entropy=self._meter.challenge)
        elif now_s - self._last_s > ASSOCIATION_IDLE_S or self._was_without_power(now_s):
            self._server.link_lost()
        return self._meter, self._server

    def _was_without_power(self, now_s: float) -> bool:
        """Whether an outage ended since the last octets: associations do not survive it."""
        outages = () if self._journal is None else self._journal.outages
        return any(self._last_s * 1000 <= outage.end_ms <= now_s * 1000 for outage in outages)
