"""Frames and APDUs in the order in which they were sent, and which association each of them belongs to.

What was said before decides what octets mean: an answer names nothing, blocks are put together, keys and titles come
with the association, an object list says which version a class has. `AssociationMemory` holds that, one for each client
and server SAP, and the meter's address where a gateway stands in between; what a device says of its own objects is
shared by its clients.
"""

from __future__ import annotations

from typing import Final

from hes.dlms import gateway, wrapper
from hes.dlms.codes import ApduTag
from hes.dlms.hdlc.frame import Frame
from hes.dlms.inspect.apdu_inspection import ApduInspection, AssociationMemory
from hes.dlms.inspect.hdlc_nodes import HdlcInspector
from hes.dlms.inspect.knowledge import Knowledge
from hes.dlms.inspect.node import Node, fault, fault_of
from hes.dlms.inspect.requests import Asked, Requests
from hes.dlms.inspect.sealed_nodes import InspectorKeys
from hes.errors import RemoteProtocolError

ASSOCIATIONS_MAX: Final = 4096
_HDLC_FLAG: Final = 0x7E


class Conversation:
    """Inspects frames and APDUs in the order in which they were sent, both directions of one connection together."""

    def __init__(self, keys: InspectorKeys | None = None, known: Knowledge | None = None) -> None:
        """known: of the devices beforehand, such as what a device profile says."""
        self._keys = keys or InspectorKeys()
        self._known = known or Knowledge()
        self._devices: dict[tuple[int, bytes], Knowledge] = {}
        self._associations: dict[tuple[int, int, bytes], AssociationMemory] = {}
        self._forgotten = Requests()
        self._place = self._sender = ""
        self._hdlc = HdlcInspector(self._hdlc_apdu, self._hdlc_hides)
        self.apdus = 0
        """Whole APDUs seen so far, valid or not; those inside others are not counted."""

    def inspect(self, octets: bytes, *, place: str = "", sender: str = "") -> Node:
        """Whatever the first octets say it is: a wrapper frame, an HDLC frame or a bare APDU. Never raises.

        place: what answers to this are told that it stood in, such as "#12". sender: who sent it, where the octets do
        not say that themselves; any word, the same one for the same side.
        """
        self._place, self._sender = place, sender
        if not octets:
            return fault("no octets", 0)
        if octets[0] == _HDLC_FLAG:
            return self._hdlc.node(octets)
        if octets[:2] == b"\x00\x01":
            return self.inspect_wrapper(octets)
        return self.inspect_apdu(octets)

    def inspect_wrapper(self, octets: bytes) -> Node:
        """One wrapper frame: header, gateway prefix if there is one, APDU."""
        try:
            header = wrapper.decode_header(octets)
        except RemoteProtocolError as error:
            return Node(label="wrapper", length=len(octets), children=(fault_of(error, 0),))
        end = wrapper.HEADER_OCTETS + header.payload_octets
        children: list[Node] = []
        if end > wrapper.HEADER_OCTETS:
            payload = octets[wrapper.HEADER_OCTETS : end]
            children.append(
                self.inspect_apdu(
                    payload, source=header.source, destination=header.destination, base=wrapper.HEADER_OCTETS
                )
            )
        if len(octets) < end:
            children.append(fault(f"the frame ends {end - len(octets)} octets before its APDU does", len(octets)))
        elif len(octets) > end:
            children.append(fault(f"{len(octets) - end} octets left over behind the frame", end, len(octets) - end))
        text = f"{header.source} -> {header.destination}, {header.payload_octets} octets"
        held = {"source": header.source, "destination": header.destination, "payload_octets": header.payload_octets}
        return Node(label="wrapper", value=text, plain=held, length=len(octets), children=tuple(children))

    def inspect_apdu(
        self, octets: bytes, *, source: int = 0, destination: int = 0, address: bytes = b"", base: int = 0
    ) -> Node:
        """One APDU, behind a gateway prefix or not. source, destination: the wPorts, address: of the meter if known."""
        if not octets:
            return fault("no APDU", base)
        if gateway.is_gateway(octets):
            if address:
                return fault("a gateway prefix inside a gateway prefix", base, len(octets))
            return self._gateway(octets, source, destination, base)
        self.apdus += 1
        association = self._association(source, destination, address)
        if octets[0] == ApduTag.AARQ:
            association.known = self._of_device(destination, address)
        sender = (source, self._sender)
        return ApduInspection(association, self._keys, place=self._place, sender=sender).node(octets, base)

    def _gateway(self, octets: bytes, source: int, destination: int, base: int) -> Node:
        try:
            frame = gateway.decode(octets)
        except RemoteProtocolError as error:
            return Node(label="gateway", offset=base, length=len(octets), children=(fault_of(error, base),))
        inner = base + len(octets) - len(frame.apdu)
        child = self.inspect_apdu(frame.apdu, source=source, destination=destination, address=frame.address, base=inner)
        address = frame.address.hex()
        shown = f"{address} {frame.address.decode('ascii')!r}" if _is_text(frame.address) else address
        way = "from" if frame.is_response else "to"
        return Node(
            label="gateway",
            value=f"network {frame.network_id}, {way} {shown}",
            plain={"network_id": frame.network_id, "address": address},
            offset=base,
            length=len(octets),
            children=(child,),
        )

    def _hdlc_apdu(self, octets: bytes, frame: Frame, base: int) -> Node:
        """An APDU out of an HDLC frame, or of several; the addresses as they stand keep associations apart."""
        source, destination = int.from_bytes(frame.source, "big"), int.from_bytes(frame.destination, "big")
        return self.inspect_apdu(octets, source=source, destination=destination, base=base)

    def _hdlc_hides(self, begun: bytes, frame: Frame) -> bool:
        source, destination = int.from_bytes(frame.source, "big"), int.from_bytes(frame.destination, "big")
        low, high = sorted((source, destination))
        memory = self._associations.get((low, high, b"")) or AssociationMemory(known=self._known.copy())
        return ApduInspection(memory, self._keys).may_hide(begun)

    def _association(self, source: int, destination: int, address: bytes) -> AssociationMemory:
        low, high = sorted((source, destination))
        key = (low, high, address)
        found = self._associations.get(key)
        if found is None:
            if len(self._associations) >= ASSOCIATIONS_MAX:
                forgotten = self._associations.pop(next(iter(self._associations))).requests
                self._forgotten.unanswered += forgotten.close()
                self._forgotten.answers += forgotten.answers
            found = self._associations[key] = AssociationMemory(known=self._known.copy())
        return found

    def _of_device(self, server_sap: int, address: bytes) -> Knowledge:
        """What is known of a logical device, shared by the associations of all its clients."""
        key = (server_sap, address)
        if key not in self._devices:
            if len(self._devices) >= ASSOCIATIONS_MAX:
                del self._devices[next(iter(self._devices))]
            self._devices[key] = self._known.copy()
        return self._devices[key]

    @property
    def answers(self) -> int:
        """Answers seen so far."""
        return self._forgotten.answers + sum(memory.requests.answers for memory in self._associations.values())

    @property
    def unanswered(self) -> list[Asked]:
        """Requests that were never answered, those that still wait included."""
        found = list(self._forgotten.unanswered)
        for memory in self._associations.values():
            found += [*memory.requests.unanswered, *memory.requests.waiting]
        return found


def _is_text(octets: bytes) -> bool:
    return bool(octets) and all(0x20 <= octet < 0x7F for octet in octets)
