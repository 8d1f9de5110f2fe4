"""Several logical devices in one physical device: who is meant by a server SAP, and what goes to all of them.

`PhysicalDevice` is shared by all meters of a profile, `PhysicalServer` belongs to one meter and makes the `Server` of a
logical device when somebody speaks to it. Both kinds of line (wrapper, HDLC) have the same SAPs:

    0 no station (silence) | 1 management | ... | all stations: carried out by every logical device, never answered

What goes to all stations works in the association that its client has in each logical device, above all a
pre-established one. Logical devices that share keys share their counters: give each its own security state where a
protected broadcast is for several of them.

Source: docs/protocols/dlms-roles.md §1 (several logical devices).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, Generic, TypeVar

from hes.dlms.axdr import Octets
from hes.dlms.codes import ApduTag
from hes.dlms.cosem.logical_device import MANAGEMENT_LOGICAL_DEVICE, LogicalDevice
from hes.dlms.findings import Finding
from hes.dlms.server.opening import CHALLENGE_OCTETS
from hes.dlms.server.server import Server
from hes.errors import LocalProtocolError

I = TypeVar("I")  # noqa: E741 - the instance: one meter of the profile

NO_STATION: Final = 0
ALL_STATIONS: Final = frozenset((0x7F, 0x3FFF))
"""In one octet or on the wrapper, and in two octets. Source: docs/protocols/hdlc.md §3, wrapper-and-gateway.md."""
LOGICAL_DEVICES_MAX: Final = 64  # ours [A]; a meter with four M-Bus devices and its modem has six or seven
_ASSOCIATION_CONTROL: Final = frozenset((ApduTag.AARQ, ApduTag.RLRQ))


def goes_to_all(apdu: Octets) -> bool:
    """Whether an APDU to all stations is carried out: nobody opens or closes associations that way [A]."""
    return len(apdu) > 0 and apdu[0] not in _ASSOCIATION_CONTROL


class PhysicalDevice(Generic[I]):
    """Logical devices by server SAP. The management logical device lists them all in its SAP assignment."""

    def __init__(self, logical_devices: Sequence[LogicalDevice[I]]) -> None:
        """Raises LocalProtocolError for no management logical device, and for a SAP that is given twice or reserved."""
        self._devices = {device.server_sap: device for device in logical_devices}
        if len(self._devices) != len(logical_devices) or len(logical_devices) > LOGICAL_DEVICES_MAX:
            raise LocalProtocolError(f"every one of up to {LOGICAL_DEVICES_MAX} logical devices has a SAP of its own")
        reserved = sorted({NO_STATION, *ALL_STATIONS} & set(self._devices))
        if reserved:
            raise LocalProtocolError(f"SAP {reserved[0]} is nobody's, or everybody's")
        management = self._devices.get(MANAGEMENT_LOGICAL_DEVICE)
        if management is None:
            raise LocalProtocolError("a physical device has a management logical device, at SAP 1")
        management.neighbours = tuple(logical_devices)

    def find(self, server_sap: int) -> LogicalDevice[I] | None:
        return self._devices.get(server_sap)

    def __iter__(self) -> Iterator[LogicalDevice[I]]:
        """All logical devices, in the order they were given."""
        return iter(self._devices.values())


class PhysicalServer(Generic[I]):
    """All associations of one meter, whichever logical device they are with."""

    def __init__(
        self,
        device: PhysicalDevice[I],
        instance: I,
        *,
        entropy: Callable[[int], bytes],
        challenge_octets: int = CHALLENGE_OCTETS,
    ) -> None:
        """See `Server`."""
        self.device = device
        self.instance = instance
        self._entropy = entropy
        self._challenge_octets = challenge_octets
        self._servers: dict[int, Server[I]] = {}

    @property
    def idle(self) -> bool:
        """True when no association is open: the server may be dropped."""
        return all(server.idle for server in self._servers.values())

    def receive(
        self, server_sap: int, client_sap: int, octets: Octets, now_s: float, *, at_once: int = 1
    ) -> bytes | None:
        """The answer of that logical device; None for silence, and always for all stations. See `Server.receive`."""
        if server_sap in ALL_STATIONS:
            if goes_to_all(octets):
                for device in self.device:
                    self._server(device).receive(client_sap, octets, now_s)
            return None
        meant = self.device.find(server_sap)
        return None if meant is None else self._server(meant).receive(client_sap, octets, now_s, at_once=at_once)

    def _server(self, device: LogicalDevice[I]) -> Server[I]:
        server = self._servers.get(device.server_sap)
        if server is None:
            server = self._servers[device.server_sap] = Server(
                device, self.instance, entropy=self._entropy, challenge_octets=self._challenge_octets
            )
        return server

    def take_further(self, server_sap: int) -> list[bytes]:
        """See `Server.take_further`."""
        server = self._servers.get(server_sap)
        return [] if server is None else server.take_further()

    def link_lost(self, client_sap: int | None = None, *, server_sap: int | None = None) -> None:
        """The layer below is gone: one client's associations, or all (None); with one logical device, or all (None)."""
        for sap, server in self._servers.items():
            if server_sap in (None, sap):
                server.link_lost(client_sap)

    def take_findings(self, server_sap: int | None = None) -> list[Finding]:
        """What peers did wrong or oddly, in one logical device or in all (None), one by one; forgotten here."""
        if server_sap is not None:
            server = self._servers.get(server_sap)
            return server.take_findings() if server is not None and server.findings else []
        return [finding for server in self._servers.values() for finding in server.take_findings()]
