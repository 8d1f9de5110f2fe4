"""What was said before decides what octets mean: the memory of a conversation between head-end and meters.

An answer names nothing, so the attributes of each request are kept until the answer with its invoke-id has come. Blocks
of a long value are kept until the last one. The AARQ and AARE bring system titles and, once opened, the dedicated key.
A profile's capture objects, once read, name the columns of its buffer.

One memory per association: client and server SAP, and the meter's address where a gateway stands in between.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final

from hes.dlms import apdu as apdus
from hes.dlms import axdr, gateway, initiate, wrapper
from hes.dlms.acse import Aare, Aarq
from hes.dlms.codes import ApduTag, DataAccessResult
from hes.dlms.hdlc.frame import Frame
from hes.dlms.inspect.acse_nodes import acse_node
from hes.dlms.inspect.apdu_nodes import INITIATE_TAGS, Inspected, apdu_name, initiate_node, xdlms_node
from hes.dlms.inspect.hdlc_nodes import HdlcInspector
from hes.dlms.inspect.meanings import Shape, Subject, column_name, rows_of, shape_of
from hes.dlms.inspect.node import Node, fault, fault_of
from hes.dlms.inspect.push_nodes import with_names
from hes.dlms.inspect.sealed_nodes import InspectorKeys, head_nodes, is_sealed, open_sealed, take_apart
from hes.dlms.xdlms.common import encode_descriptor, encode_selection, invoke_id
from hes.errors import RemoteProtocolError

ASSOCIATIONS_MAX: Final = 4096
NESTING_MAX: Final = 4  # APDU in ciphered APDU in user information; a deeper nest is an attack or a mistake [A]
BLOCKS_OCTETS_MAX: Final = 4 * 1024 * 1024
PROFILES_MAX: Final = 256
_PROFILE_GENERIC: Final = 7
_ACSE: Final = frozenset({ApduTag.AARQ, ApduTag.AARE, ApduTag.RLRQ, ApduTag.RLRE})
_HDLC_FLAG: Final = 0x7E


@dataclass(slots=True)
class _Transfer:
    """A long value that comes in blocks. head: the octets of the APDU that it would have been in one piece."""

    head: bytes
    octets: bytearray = field(default_factory=bytearray)
    is_broken: bool = False


@dataclass(slots=True)
class _Association:
    """What was said between one client and one server.

    device: whose keys of `InspectorKeys.devices` opened it. opened: whether any keys have proven to be the right ones.
    """

    client_title: bytes = b""
    server_title: bytes = b""
    dedicated_key: bytes = field(default=b"", repr=False)
    device: bytes = b""
    opened: bool = False
    asked: dict[int, tuple[Subject, ...]] = field(default_factory=dict)
    listed: dict[int, bool] = field(default_factory=dict)
    transfers: dict[tuple[int, bool], _Transfer] = field(default_factory=dict)
    columns: dict[bytes, tuple[str, ...]] = field(default_factory=dict)
    selected: tuple[str, ...] = ()


class Conversation:
    """Inspects frames and APDUs in the order in which they were sent, both directions of one connection together."""

    def __init__(self, keys: InspectorKeys | None = None) -> None:
        self._keys = keys or InspectorKeys()
        self._associations: dict[tuple[int, int, bytes], _Association] = {}
        self._hdlc = HdlcInspector(self._hdlc_apdu)
        self.apdus = 0
        """Whole APDUs seen so far, valid or not; those inside others are not counted."""

    def inspect(self, octets: bytes) -> Node:
        """Whatever the first octets say it is: a wrapper frame, an HDLC frame or a bare APDU. Never raises."""
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
        return _Inspection(association, self._keys).node(octets, base)

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

    def _association(self, source: int, destination: int, address: bytes) -> _Association:
        low, high = sorted((source, destination))
        key = (low, high, address)
        if key not in self._associations and len(self._associations) >= ASSOCIATIONS_MAX:
            del self._associations[next(iter(self._associations))]
        return self._associations.setdefault(key, _Association())


@dataclass(slots=True)
class _Inspection:
    """One APDU seen in the light of its association's memory."""

    memory: _Association
    keys: InspectorKeys
    nesting: int = 0

    def node(self, octets: bytes, base: int) -> Node:
        """The tree of one APDU, of the first or of an inner one."""
        if not octets:
            return fault("no APDU", base)
        if self.nesting >= NESTING_MAX:
            return fault(f"APDUs inside one another more than {NESTING_MAX} deep", base, len(octets))
        self.nesting += 1
        try:
            return self._any(octets, base)
        finally:
            self.nesting -= 1

    def _any(self, octets: bytes, base: int) -> Node:
        tag = octets[0]
        if tag in _ACSE:
            return self._acse(octets, base)
        if is_sealed(tag):
            return self._sealed(octets, base)
        if tag in INITIATE_TAGS:
            return self._initiate(octets, base)
        return self._xdlms(octets, base)

    # associations

    def _acse(self, octets: bytes, base: int) -> Node:
        if octets[0] == ApduTag.AARQ:
            self._start_anew()
        # titles stand before the user information, and that may need them to be opened
        inspected = acse_node(octets, _unopened, base=base)
        if isinstance(inspected.value, Aarq):
            self.memory.client_title = inspected.value.calling_ap_title
        elif isinstance(inspected.value, Aare):
            self.memory.server_title = inspected.value.responding_ap_title or self.memory.server_title
        return acse_node(octets, self.node, base=base).node

    def _start_anew(self) -> None:
        """A new association forgets requests, keys and titles; columns of profiles stay what they are."""
        fresh = _Association(columns=self.memory.columns)
        for known in fields(_Association):
            setattr(self.memory, known.name, getattr(fresh, known.name))

    def _initiate(self, octets: bytes, base: int) -> Node:
        inspected = initiate_node(octets, base=base)
        if isinstance(inspected.value, initiate.InitiateRequest):
            self.memory.dedicated_key = inspected.value.dedicated_key
        return inspected.node

    # protection

    def _sealed(self, octets: bytes, base: int) -> Node:
        name = apdu_name(octets)
        try:
            sealed = take_apart(octets)
        except RemoteProtocolError as error:
            return Node(label=name, offset=base, length=len(octets), children=(fault_of(error, base),))
        children = list(head_nodes(sealed, base))
        memory = self.memory
        known = memory.client_title if sealed.from_client else memory.server_title
        bunches = self.keys.bunches((sealed.title, memory.device, memory.server_title, memory.client_title), sealed)
        found = open_sealed(sealed, bunches, known, dedicated=memory.dedicated_key, base=base, is_proven=memory.opened)
        if found.device or found.is_proof:
            memory.device, memory.opened = found.device or memory.device, True
        if found.reason is not None:
            children.append(found.reason)
        elif found.plaintext:
            children.append(replace(self.node(found.plaintext, 0), space="offsets from its own start: deciphered"))
        return Node(label=name, offset=base, length=len(octets), children=tuple(children))

    # services

    def _xdlms(self, octets: bytes, base: int) -> Node:
        tag = octets[0]
        invoke = invoke_id(octets[2]) if len(octets) > 2 else -1
        is_answer = tag in (ApduTag.GET_RESPONSE, ApduTag.SET_RESPONSE, ApduTag.ACTION_RESPONSE)
        asked = self.memory.asked.get(invoke, ()) if is_answer else ()
        inspected = xdlms_node(octets, base=base, asked=asked, shapes=self._shape)
        if inspected.value is None:
            return inspected.node
        if tag == ApduTag.DATA_NOTIFICATION:
            return with_names(inspected.node)
        self._remember(inspected, invoke)
        whole = self._blocks(inspected.value, invoke, octets)
        if whole is None:
            return inspected.node
        return replace(inspected.node, children=(*inspected.node.children, whole))

    def _shape(self, subject: Subject | None) -> Shape:
        """What is known of a value, with the columns of a profile buffer where they were read before."""
        if subject is not None and subject[0] == _PROFILE_GENERIC and subject[2] == 2:
            return rows_of(self.memory.selected or self.memory.columns.get(bytes(subject[1]), ()))
        return shape_of(subject)

    def _remember(self, inspected: Inspected, invoke: int) -> None:
        """Keep what a request asks for, and the columns that an answer names."""
        value = inspected.value
        if isinstance(value, apdus.GetRequestNormal | apdus.GetRequestWithList):
            self.memory.selected = _selected_columns(value)
        if inspected.subjects:
            self.memory.asked[invoke] = inspected.subjects
            self.memory.listed[invoke] = isinstance(value, _LISTS)
        if isinstance(value, apdus.GetResponseNormal) and value.result == DataAccessResult.SUCCESS:
            self._learn_columns(self.memory.asked.get(invoke, ()), value.data)

    def _learn_columns(self, asked: tuple[Subject, ...], encoded: bytes) -> None:
        if len(asked) != 1 or asked[0][0] != _PROFILE_GENERIC or asked[0][2] != 3:
            return
        columns = _columns(_value(encoded, 0))
        if columns and len(self.memory.columns) < PROFILES_MAX:
            self.memory.columns[bytes(asked[0][1])] = columns

    # block transfer

    def _blocks(self, value: Any, invoke: int, octets: bytes) -> Node | None:
        """Keep the block that `value` brings; with the last one, the whole as the APDU it would have been."""
        begin = _HEADS.get(type(value))
        is_request = octets[0] in (ApduTag.SET_REQUEST, ApduTag.ACTION_REQUEST)
        key = (invoke, is_request)
        if begin is not None and (is_request or value.block == 1):
            self.memory.transfers[key] = _Transfer(begin(value, self.memory.listed.get(invoke, False)))
        elif begin is None and not isinstance(value, _LATER_BLOCKS):
            return None
        transfer = self.memory.transfers.get(key)
        raw = getattr(value, "raw", b"")
        if transfer is None:
            return Node(label="note", value="the blocks before this one are not here") if value.last else None
        if len(transfer.octets) + len(raw) > BLOCKS_OCTETS_MAX:
            transfer.is_broken = True
        else:
            transfer.octets += raw
        if not value.last:
            return None
        del self.memory.transfers[key]
        if transfer.is_broken:
            return Node(label="note", value=f"more than {BLOCKS_OCTETS_MAX} octets in blocks are not put together")
        whole = self._xdlms(transfer.head + bytes(transfer.octets), 0)
        return replace(whole, space="offsets from its own start: put together from blocks")


def _unopened(octets: bytes, base: int) -> Node:
    """User information that is not looked into."""
    return Node(label="user information", offset=base, length=len(octets))


_LISTS: Final = (
    apdus.GetRequestWithList, apdus.SetRequestWithList, apdus.SetRequestWithListFirstBlock,
    apdus.ActionRequestWithList, apdus.ActionRequestWithListFirstBlock,
)  # fmt: skip
_LATER_BLOCKS: Final = (apdus.SetRequestBlock, apdus.ActionRequestBlock)


def _octet(value: Any) -> bytes:
    return bytes((value.invoke,))


def _get_head(value: apdus.GetResponseWithBlock, listed: bool) -> bytes:
    return b"\xc4\x03" + _octet(value) if listed else b"\xc4\x01" + _octet(value) + b"\x00"


def _set_head(value: apdus.SetRequestFirstBlock, _listed: bool) -> bytes:
    return b"\xc1\x01" + _octet(value) + encode_descriptor(value.attribute) + encode_selection(value.selection)


def _set_list_head(value: apdus.SetRequestWithListFirstBlock, _listed: bool) -> bytes:
    listed = b"".join(encode_descriptor(item) + encode_selection(chosen) for item, chosen in value.attributes)
    return b"\xc1\x04" + _octet(value) + axdr.encode_length(len(value.attributes)) + listed


def _action_head(value: apdus.ActionRequestFirstBlock, _listed: bool) -> bytes:
    return b"\xc3\x01" + _octet(value) + encode_descriptor(value.method) + b"\x01"


def _action_list_head(value: apdus.ActionRequestWithListFirstBlock, _listed: bool) -> bytes:
    methods = b"".join(map(encode_descriptor, value.methods))
    return b"\xc3\x03" + _octet(value) + axdr.encode_length(len(value.methods)) + methods


def _action_answer_head(value: apdus.ActionResponseBlock, listed: bool) -> bytes:
    return (b"\xc7\x03" if listed else b"\xc7\x01") + _octet(value)


# first blocks: the octets that stand before the value when it comes in one piece
_HEADS: Final[dict[type, Callable[[Any, bool], bytes]]] = {
    apdus.GetResponseWithBlock: _get_head,
    apdus.SetRequestFirstBlock: _set_head,
    apdus.SetRequestWithListFirstBlock: _set_list_head,
    apdus.ActionRequestFirstBlock: _action_head,
    apdus.ActionRequestWithListFirstBlock: _action_list_head,
    apdus.ActionResponseBlock: _action_answer_head,
}


def _columns(captured: Any) -> tuple[str, ...]:
    """Names of the columns that capture objects (plain values) describe; () when they are no capture objects."""
    names = []
    for item in captured if isinstance(captured, list) else ():
        match item:
            case (int(class_id), bytes(obis), int(attribute), int(data_index)):
                names.append(column_name(class_id, obis, attribute, data_index))
            case _:
                return ()
    return tuple(names)


def _selected_columns(request: apdus.GetRequestNormal | apdus.GetRequestWithList) -> tuple[str, ...]:
    """The columns that a read by range asks for, () when it asks for all of them."""
    if not isinstance(request, apdus.GetRequestNormal) or request.selection[:1] != b"\x01":
        return ()
    match _value(request.selection, 1):
        case (_, _, _, columns):
            return _columns(columns)
    return ()


def _value(encoded: bytes, offset: int) -> Any:
    """The plain value, None when the octets hold none: then the fault is in the tree already."""
    try:
        return axdr.decode_value(encoded, offset)[0]
    except RemoteProtocolError:
        return None


def _is_text(octets: bytes) -> bool:
    return bool(octets) and all(0x20 <= octet < 0x7F for octet in octets)
