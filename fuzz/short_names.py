"""A server and a client with short names, as state machines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from typing import Final

from fuzz.target import Feed, Target
from hes.dlms import acse, axdr, data
from hes.dlms.apdu import (
    BlockNumberAccess,
    InformationReport,
    ParameterizedAccess,
    ReadDataBlockAccess,
    ReadRequest,
    UnconfirmedWriteRequest,
    VariableName,
    WriteDataBlockAccess,
    WriteRequest,
)
from hes.dlms.association import State
from hes.dlms.client import Client
from hes.dlms.client.settings import ClientSettings
from hes.dlms.codes import ApplicationContext, AssociationResult
from hes.dlms.cosem.access import SHORT_NAME_CONFORMANCE
from hes.dlms.initiate import InitiateRequest
from hes.dlms.selective_access import by_entry
from hes.dlms.server.tests import server_wire as sw
from hes.dlms.tests import bench_meter as bm
from hes.dlms.tests import bench_short_names as bs
from hes.dlms.tests import published

PROFILE: Final = bs.attribute(bm.LOAD_PROFILE, 2)
MESSAGE: Final = bs.attribute(bm.MESSAGE, 2)
ENTRIES: Final = by_entry(2, 9, 1, 3)
TEXT: Final = axdr.encode(data.octets(b"hello"))
_OBJECTS: Final = axdr.encode(data.array([data.structure(data.u16(3), data.octets(bm.ENERGY), data.i8(2))]))
_CONTENT: Final = WriteRequest((VariableName(MESSAGE),), (TEXT,)).encode_content()

REQUESTS: Final = [
    request.encode()
    for request in (
        ReadRequest((VariableName(0xFD08), VariableName(PROFILE))),
        ReadRequest((ParameterizedAccess(PROFILE, ENTRIES[0], ENTRIES[1:]),)),
        ReadRequest((BlockNumberAccess(1),)),
        ReadRequest((ReadDataBlockAccess(last=False, block=1, raw=b"\x01\x02"),)),
        ReadRequest((ReadDataBlockAccess(last=True, block=2, raw=b"\xfd\x08"),)),
        ReadRequest((ParameterizedAccess(0xFA30, 1, _OBJECTS), ParameterizedAccess(0xFA20, 1, b"\x12\x00\x08"))),
        WriteRequest((VariableName(MESSAGE), VariableName(PROFILE)), (TEXT, b"\x00")),
        WriteRequest((VariableName(0xFA40),), (TEXT,)),
        WriteRequest((VariableName(bs.BASES[bm.RELAY] + 0x20),), (b"\x0f\x00",)),
        WriteRequest((WriteDataBlockAccess(last=False, block=1),), (axdr.encode(data.octets(_CONTENT[:5])),)),
        WriteRequest((WriteDataBlockAccess(last=True, block=2),), (axdr.encode(data.octets(_CONTENT[5:])),)),
        UnconfirmedWriteRequest((VariableName(MESSAGE),), (TEXT,)),
    )
]
ASKING: Final[Sequence[Callable[[Client], bytes]]] = (
    lambda client: client.read([0xFD08, PROFILE]),
    lambda client: client.read([PROFILE]),
    lambda client: client.write([(MESSAGE, TEXT), (PROFILE, b"\x00")]),
    lambda client: client.write([(MESSAGE, axdr.encode(data.octets(bytes(2000))))]),
    lambda client: client.read_object_list(),
)
_number = count()


def _server() -> Feed:
    wire = sw.Wire(bs.BOTH_NAMES, device=bs.DEVICE)
    wire.meter.security.secrets[bs.BOTH_NAMES] = published.PASSWORD
    information = InitiateRequest(SHORT_NAME_CONFORMANCE, 200).encode()
    request = sw.lls_aarq(context=ApplicationContext.SN, user_information=information)
    assert acse.decode(wire(request.encode())).result == AssociationResult.ACCEPTED
    return wire


def _opened(bench: bm.Bench) -> None:
    bench.client.link_lost()
    bench.server.link_lost()
    bench.associate()


def _bench() -> bm.Bench:
    return bm.Bench(ClientSettings(client_sap=bs.PUBLIC, short_names=True, max_receive_pdu_size=200), device=bs.DEVICE)


def _client() -> Feed:
    """A client that keeps asking, each session something else."""
    ask = ASKING[next(_number) % len(ASKING)]
    bench = _bench()

    def feed(octets: bytes) -> None:
        if bench.client.state is not State.ASSOCIATED:
            _opened(bench)
        if not bench.client.busy:
            ask(bench.client)
        bench.client.receive(octets)

    return feed


def _answers() -> list[bytes]:
    bench = _bench()
    bench.associate()
    for ask in ASKING:
        bench.run(ask(bench.client))
    report = InformationReport((VariableName(MESSAGE),), (TEXT,), b"20260101120000").encode()
    return [*dict.fromkeys(octets for side, octets in bench.wire if side == "S"), report]


def targets(apdus: Callable[[], Sequence[bytes]]) -> list[Target]:
    """apdus: give valid ones of every kind, beside those that fit the state."""
    return [
        Target(name="server_short_names", session=_server, examples=lambda: REQUESTS + list(apdus()[::15]), weight=0.4,
               stateful=True, may_raise=(), machines=("hes.dlms.server.short_name_services",)),
        Target(name="client_short_names", session=_client, examples=lambda: _answers() + list(apdus()[::15]),
               weight=0.3, stateful=True,
               machines=("hes.dlms.client.short_names", "hes.dlms.client.short_name_exchanges")),
    ]  # fmt: skip
