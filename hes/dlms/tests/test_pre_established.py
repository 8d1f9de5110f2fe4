"""Associations that were agreed in advance: no AARQ, services at once, no release."""

import pytest

from hes.dlms import acse, apdu, axdr, data
from hes.dlms.apdu import AttributeDescriptor
from hes.dlms.association import State
from hes.dlms.client import Client
from hes.dlms.client.events import Got
from hes.dlms.client.settings import ClientSettings
from hes.dlms.codes import AcseDiagnostic, ApplicationContext, Conformance, Mechanism
from hes.dlms.cosem import ClientAccess, LogicalDevice, Role
from hes.dlms.cosem.access import SHORT_NAME_CONFORMANCE, PreEstablished
from hes.dlms.server import Server
from hes.dlms.tests import bench_meter as bm
from hes.dlms.tests import published
from hes.errors import LocalProtocolError

PLAIN, SHORT, SEALED = 0x20, 0x21, 0x22
ENERGY = AttributeDescriptor(3, bm.ENERGY, 2)
MESSAGE = AttributeDescriptor(1, bm.MESSAGE, 2)
PROFILE = AttributeDescriptor(7, bm.LOAD_PROFILE, 2)
RELEASE = bytes.fromhex("6203800100")
NOT_POSSIBLE = bytes.fromhex("D80101")


def access(client_sap, **more):
    fields = {"role": Role.MANAGEMENT, "pre_established": PreEstablished(client_max_receive_pdu_size=200), **more}
    return ClientAccess(client_sap=client_sap, **fields)


DEVICE = LogicalDevice(
    name=lambda _meter: b"AML0000000000001",
    clients=(
        access(PLAIN),
        access(SHORT, contexts=frozenset({ApplicationContext.SN}), conformance=SHORT_NAME_CONFORMANCE),
        access(
            SEALED,
            contexts=frozenset({ApplicationContext.LN_CIPHERED}),
            security_setup=1,
            client_system_title=published.CLIENT_TITLE,
        ),
    ),
    objects=bm.objects(),
    security=lambda meter: meter.security,
)


def bench(client_sap, **more):
    made = bm.Bench(ClientSettings(client_sap=client_sap, pre_established=True, **more), device=DEVICE)
    made.client.begin()
    return made


def sealed(**more):
    return bench(SEALED, security=bm.client_security(server_system_title=published.SERVER_TITLE), **more)


@pytest.mark.parametrize("make", [lambda: bench(PLAIN), sealed], ids=["in the clear", "ciphered"])
def test_services_are_served_at_once_and_nothing_is_kept(make):
    talk = make()
    event = talk.run(talk.client.get(ENERGY))
    assert isinstance(event, Got)
    assert axdr.decode_value(event.data)[0] == bm.NOW_S // bm.PERIOD_S
    assert talk.server.idle
    assert len(talk.wire) == 2
    done = talk.run(talk.client.set(MESSAGE, axdr.encode(data.octets(b"hello"))))
    assert done.succeeded
    assert talk.meter.message == b"hello"
    assert talk.server.idle


def test_a_long_answer_keeps_the_association_until_another_request_ends_the_transfer():
    talk = bench(PLAIN)
    event = talk.run(talk.client.get(PROFILE))
    assert len(axdr.decode_value(event.data)[0]) == bm.ROWS
    assert all(len(octets) <= 200 for _side, octets in talk.wire)
    talk.run(talk.client.get(ENERGY))
    assert talk.server.idle


def test_counters_are_kept_across_requests():
    talk = sealed()
    talk.run(talk.client.get(ENERGY))
    (_, request), _answer = talk.wire
    replayed = talk.server.receive(SEALED, request, bm.NOW_S)
    assert replayed[:3] == bytes.fromhex("D80106")
    talk.run(talk.client.get(ENERGY))


def test_short_names_work_without_an_aarq_too():
    talk = bench(SHORT, short_names=True)
    base = {entry.logical_name: base for base, entry in DEVICE.short_names.objects}[bm.MESSAGE]
    octets = talk.client.write_unconfirmed([(base + 8, axdr.encode(data.octets(b"to all")))])
    assert talk.server.receive(SHORT, octets, bm.NOW_S) is None
    assert talk.meter.message == b"to all"
    assert not talk.client.busy
    assert talk.server.idle


def test_it_is_neither_opened_nor_released():
    talk = bench(PLAIN)
    aare = acse.decode(talk.ask(bm.Bench(ClientSettings(client_sap=PLAIN)).client.associate()))
    assert aare.diagnostic == AcseDiagnostic.NO_REASON_GIVEN
    assert talk.ask(RELEASE) == NOT_POSSIBLE
    assert isinstance(talk.run(talk.client.get(ENERGY)), Got)
    with pytest.raises(LocalProtocolError, match="never released"):
        talk.client.release()
    with pytest.raises(LocalProtocolError, match="is there without an AARQ"):
        talk.client.associate()
    talk.client.link_lost()
    assert talk.client.state is State.IDLE
    talk.client.begin()


def test_its_status_is_associated_though_nobody_speaks():
    talk = bench(PLAIN)
    other = AttributeDescriptor(15, bytes((0, 0, 40, 0, 2, 255)), 8)
    assert axdr.decode_value(talk.run(talk.client.get(other)).data)[0] == 2


def test_what_was_not_declared_is_refused():
    device = LogicalDevice(
        name=lambda _meter: b"AML", clients=(access(PLAIN, conformance=Conformance.GET),), objects=bm.objects()
    )
    server = Server(device, bm.BenchMeter(), entropy=bm.challenge)
    request = apdu.SetRequestNormal(0xC1, MESSAGE, axdr.encode(data.octets(b"x"))).encode()
    assert server.receive(PLAIN, request, bm.NOW_S) == bytes.fromhex("D80102")
    assert server.receive(0x77, request, bm.NOW_S) is None


def test_a_policy_that_wants_protection_holds_here_too():
    server = Server(DEVICE, bm.BenchMeter(), entropy=bm.challenge)
    plain = apdu.GetRequestNormal(0xC1, ENERGY).encode()
    assert server.receive(SEALED, plain, bm.NOW_S) == NOT_POSSIBLE


@pytest.mark.parametrize(
    "wrong",
    [
        {"mechanism": Mechanism.LLS},
        {"contexts": frozenset({ApplicationContext.LN, ApplicationContext.SN})},
        {"contexts": frozenset({ApplicationContext.LN_CIPHERED})},
        {"contexts": frozenset({ApplicationContext.LN_CIPHERED}), "security_setup": 0},
    ],
)
def test_a_declaration_that_leaves_something_open_is_refused(wrong):
    with pytest.raises(LocalProtocolError, match="pre-established"):
        access(PLAIN, **wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"mechanism": Mechanism.LLS, "password": b"12345678"},
        {"security": bm.client_security()},
        {"security": bm.client_security(server_system_title=published.SERVER_TITLE, dedicated=True)},
    ],
)
def test_settings_that_need_an_aarq_are_refused(wrong):
    with pytest.raises(LocalProtocolError, match="pre-established"):
        ClientSettings(pre_established=True, **wrong)


def test_a_client_that_has_to_open_its_association_does_not_begin():
    with pytest.raises(LocalProtocolError, match="has to be opened"):
        Client(ClientSettings()).begin()
