"""Every decoder: what it is fed, with which valid octets it begins, and which modules it decodes with."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from itertools import chain

from hypothesis import strategies as st

from fuzz import every_class, machines, repair, sealed
from fuzz.examples import drawn, published_octets
from fuzz.target import Feed, Target, decoder
from hes.dlms import acse, apdu, axdr, cosem_time, gateway, initiate, profile_buffer, selective_access, wrapper
from hes.dlms.hdlc import frame, frame_reject, parameters
from hes.dlms.hdlc.push import PushReceiver
from hes.dlms.hdlc.receiver import Receiver
from hes.dlms.hdlc.tests.strategies import FRAMES
from hes.dlms.inspect.conversation import Conversation
from hes.dlms.inspect.node import render_text, to_json
from hes.dlms.mode_e.messages import LineReader, decode_identification, decode_option_select, decode_request
from hes.dlms.security.ciphering import read_general
from hes.dlms.tests import bench_meter as bm
from hes.dlms.tests import published
from hes.dlms.tests.strategies import data
from hes.dlms.tests.test_acse import APDUS as ACSE_APDUS
from hes.dlms.tests.test_initiate import APDUS as INITIATE_APDUS
from hes.dlms.xdlms.read import decode_read_content, decode_read_response_content
from hes.dlms.xdlms.tests.apdu_strategies import APDUS
from hes.dlms.xdlms.write import decode_write_content
from hes.errors import AccessDenied, RemoteProtocolError
from hes.protocols import qgdw376
from hes.protocols.framing import StreamSplitter
from hes.protocols.tests import test_qgdw376 as known_qgdw

CLOCK = apdu.AttributeDescriptor(8, bm.CLOCK, 2)
ENERGY = apdu.AttributeDescriptor(3, bm.ENERGY, 2)
STAMP = bm.AMSTERDAM.octets(bm.NOW_S)


def encoded(value: acse.AcseApdu | apdu.Apdu | initiate.InitiateRequest) -> bytes:
    return value.encode()


@cache
def values() -> list[bytes]:
    return drawn(data(), 400, axdr.encode)


@cache
def rows() -> list[bytes]:
    """Profile buffers: plain, with null-data for what did not change, of mixed types, of one row and of none."""
    plain = [bm.row(bm.NOW_S + index * 900) for index in range(6)]
    other = axdr.encode(axdr.decode_all(plain[1]))
    sparse = [plain[0], *(b"\x02\x06\x00\x11\x03\x06\x00\x00\x00\x01\x00\x00\x00" for _ in range(3))]
    mixed = [plain[0], b"\x02\x02\x09\x0c" + STAMP + b"\x00", other]
    return [b"\x01" + bytes((len(some),)) + b"".join(some) for some in (plain, sparse, mixed, plain[:1], [])]


@cache
def selections() -> list[bytes]:
    return [
        selective_access.by_range(CLOCK, STAMP, STAMP, (ENERGY, CLOCK)),
        selective_access.by_range(CLOCK, STAMP, STAMP),
        selective_access.by_entry(1, 10, 1, 2),
        selective_access.by_entry(1, 0),
    ]


@cache
def apdus() -> list[bytes]:
    return drawn(APDUS, 1500, encoded) + published_octets()


@cache
def acse_apdus() -> list[bytes]:
    return drawn(ACSE_APDUS, 300, encoded) + published_octets()


@cache
def frames() -> list[bytes]:
    return drawn(FRAMES, 300, lambda one: one.encode())


def _pieces(octets: bytes) -> None:
    """What blocks hold once they are put together, every kind of it."""
    for decode in (
        apdu.decode_outcome,
        apdu.decode_outcomes,
        apdu.decode_data_results,
        apdu.decode_values,
        decode_read_content,
        decode_read_response_content,
        decode_write_content,
    ):
        with suppress(RemoteProtocolError):
            decode(octets)


@cache
def pieces() -> list[bytes]:
    """Behind the head of an APDU with a list stands what its blocks would carry."""
    return [octets[start:] for octets in drawn(APDUS, 300, encoded) for start in (1, 3)]


def _terminal(octets: bytes) -> None:
    """A frame of a concentrator, with all that the head-end looks at."""
    found = qgdw376.decode(octets)
    qgdw376.link_service(found)
    qgdw376.clock_of(found)
    _ = found.units, found.pseq, found.wants_confirmation, found.is_uplink


def _between_flags(octets: bytes) -> None:
    frame.decode(octets[1:-1])


def _messages(octets: bytes) -> None:
    for line in LineReader().feed(octets):
        decode_request(line)
        decode_option_select(line)
        decode_identification(line)


def _wrapper_stream() -> Feed:
    receiver = wrapper.Receiver()

    def feed(octets: bytes) -> None:
        if receiver.fault is None:
            receiver.feed(octets)

    return feed


def _hdlc_stream() -> Feed:
    receiver, pushes = Receiver(inter_octet_s=0.5), PushReceiver()
    now_s = 0.0

    def feed(octets: bytes) -> None:
        nonlocal now_s
        now_s += 0.2
        receiver.feed(octets, now_s)
        receiver.timed_out(now_s)
        pushes.feed(octets, now_s)
        pushes.timed_out(now_s)

    return feed


def _stream(make: type[qgdw376.Receiver] | type[StreamSplitter]) -> Feed:
    return make().feed


def _inspector() -> Feed:
    conversation = Conversation()

    def feed(octets: bytes) -> None:
        node = conversation.inspect(octets)
        render_text(node)
        to_json(node)

    return feed


@cache
def wrapped() -> list[bytes]:
    return [wrapper.encode(16, 1, octets) for octets in apdus()[::10]]


@cache
def gateways() -> list[bytes]:
    return [b"\xe6\x00\x06METER1" + octets for octets in apdus()[::20]]


@cache
def initiates() -> list[bytes]:
    return [*drawn(INITIATE_APDUS, 150, encoded), published.INITIATE_REQUEST, published.INITIATE_RESPONSE]


def protected() -> list[bytes]:
    heads = (b"\xdb", b"\xdc", b"\xc8", b"\x21", b"\x28")
    return [octets for octets in published_octets() if octets.startswith(heads)]


def qgdw() -> list[bytes]:
    return [bytes.fromhex(text) for text in vars(known_qgdw).values() if isinstance(text, str) and text[:2] == "68"]


@cache
def link_parameters() -> list[bytes]:
    return [*drawn(st.binary(max_size=30), 50), bytes.fromhex("8180140502008006020080070400000001080400000001")]


def answers() -> list[bytes]:
    return [b"\xc4\x01\xc1\x00" + value for value in values()] + apdus()[:50]


def conversations() -> list[bytes]:
    return list(chain(apdus()[::5], acse_apdus()[::5], wrapped()[::5], frames()[::5]))


def targets() -> Sequence[Target]:
    """All of them, decoders first."""
    decoders = [
        Target(name="axdr", session=decoder(axdr.decode_all), examples=values, weight=3,
               decoders=("hes.dlms.axdr", "hes.dlms.axdr_scalars", "hes.dlms.compact_array")),
        Target(name="axdr_value", session=decoder(axdr.decode_value), examples=values, weight=2,
               decoders=("hes.dlms.axdr", "hes.dlms.axdr_scalars", "hes.dlms.compact_array")),
        Target(name="axdr_skip", session=decoder(axdr.skip), examples=values,
               decoders=("hes.dlms.axdr", "hes.dlms.axdr_scalars", "hes.dlms.compact_array")),
        Target(name="apdu", session=decoder(apdu.decode), examples=apdus, weight=5,
               decoders=("hes.dlms.apdu", "hes.dlms.xdlms.common", "hes.dlms.xdlms.get", "hes.dlms.xdlms.set",
                         "hes.dlms.xdlms.action", "hes.dlms.xdlms.notification", "hes.dlms.xdlms.exception",
                         "hes.dlms.xdlms.read", "hes.dlms.xdlms.write", "hes.dlms.xdlms.information_report",
                         "hes.dlms.xdlms.variable_access")),
        Target(name="get_response", session=decoder(lambda octets: apdu.decode_get_response_value(octets, 0xC1)),
               examples=answers,
               may_raise=(RemoteProtocolError, AccessDenied),
               decoders=("hes.dlms.xdlms.get",)),
        Target(name="pieces", session=decoder(_pieces), examples=pieces,
               decoders=("hes.dlms.xdlms.action", "hes.dlms.xdlms.set", "hes.dlms.xdlms.read")),
        Target(name="acse", session=decoder(acse.decode), examples=acse_apdus, weight=2, repair=repair.outer_length,
               decoders=("hes.dlms.acse", "hes.dlms.ber")),
        Target(name="initiate", session=decoder(initiate.decode), examples=initiates, decoders=("hes.dlms.initiate",)),
        Target(name="selective_access", session=decoder(selective_access.decode), examples=selections,
               decoders=("hes.dlms.selective_access",)),
        Target(name="profile_buffer", session=decoder(profile_buffer.decode_rows), examples=rows,
               decoders=("hes.dlms.profile_buffer",)),
        Target(name="cosem_time", session=decoder(lambda octets: cosem_time.CosemDateTime.from_octets(octets[:12])),
               examples=lambda: [STAMP, b"\xff" * 9 + b"\x80\x00\xff"], decoders=("hes.dlms.cosem_time",)),
        Target(name="general_ciphering_head", session=decoder(read_general), examples=protected,
               repair=repair.outer_length, decoders=("hes.dlms.security.ciphering",)),
        Target(name="wrapper_datagram", session=decoder(wrapper.decode_datagram), examples=wrapped,
               repair=repair.wrapped, decoders=("hes.dlms.wrapper",)),
        Target(name="wrapper_stream", session=_wrapper_stream, examples=wrapped, repair=repair.wrapped, stateful=True,
               decoders=("hes.dlms.wrapper",)),
        Target(name="gateway", session=decoder(gateway.decode), examples=gateways, decoders=("hes.dlms.gateway",)),
        Target(name="hdlc_frame", session=decoder(_between_flags), examples=frames, weight=2, repair=repair.hdlc,
               decoders=("hes.dlms.hdlc.frame", "hes.dlms.hdlc.address")),
        Target(name="hdlc_stream", session=_hdlc_stream, examples=frames, weight=2, repair=repair.hdlc,
               stateful=True, decoders=("hes.dlms.hdlc.receiver", "hes.dlms.hdlc.push")),
        Target(name="hdlc_parameters", session=decoder(parameters.decode), examples=link_parameters,
               decoders=("hes.dlms.hdlc.parameters",)),
        Target(name="hdlc_frame_reject", session=decoder(frame_reject.decode),
               examples=lambda: [b"\x97\x10\x01", bytes(3)], decoders=("hes.dlms.hdlc.frame_reject",)),
        Target(name="mode_e", session=decoder(_messages), decoders=("hes.dlms.mode_e.messages",),
               examples=lambda: [b"/?!\r\n", b"/?12345678!\r\n", b"/AML5\\2METER\r\n", b"\x06252\r\n"]),
        Target(name="qgdw376", session=decoder(_terminal), examples=qgdw, repair=repair.qgdw376,
               decoders=("hes.protocols.qgdw376",)),
        Target(name="qgdw376_stream", session=lambda: _stream(qgdw376.Receiver), examples=qgdw, repair=repair.qgdw376,
               stateful=True, decoders=("hes.protocols.qgdw376",)),
        Target(name="listening_port", session=lambda: _stream(StreamSplitter), stateful=True,
               examples=lambda: qgdw() + wrapped(), decoders=("hes.protocols.framing",)),
        Target(name="inspector", session=_inspector, stateful=True, may_raise=(), weight=0.5,
               examples=conversations,
               decoders=("hes.dlms.inspect.conversation",)),
    ]  # fmt: skip
    return [*decoders, *sealed.targets(), *machines.targets(apdus, frames), *every_class.targets()]
