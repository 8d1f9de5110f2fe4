"""The reference meter answers our own client on every association it offers, and keeps what it is told."""

from __future__ import annotations

import random

import pytest

from hes.dlms import axdr, data, selective_access
from hes.dlms.apdu import AttributeDescriptor, MethodDescriptor
from hes.dlms.client import Client
from hes.dlms.client.events import ActDone, Associated, AssociationRefused, Got, Released, SendNext, SetDone
from hes.dlms.client.settings import ClientSecurity, ClientSettings
from hes.dlms.codes import DataAccessResult, Mechanism
from hes.dlms.cosem.association_ln import CURRENT_ASSOCIATION
from hes.dlms.cosem.disconnect_control import ControlState
from hes.dlms.cosem.interface_classes import CLASSES
from hes.dlms.cosem.local_time import UTC
from hes.dlms.cosem.logical_device import LOGICAL_DEVICE_NAME
from hes.dlms.cosem.object_list import object_list_from_value
from hes.dlms.security import AUTHENTICATED, AUTHENTICATED_ENCRYPTED, ENCRYPTED
from hes.dlms.security.asymmetric import AsymmetricKeys
from hes.dlms.security.certificates import CertificateType
from sim.reference import known_keys, load_profile, objects
from sim.reference.associations import OFFERS, SETUP_STRICT, SUITE_OF
from sim.reference.behaviours import OWN_CLASSES, RELAY_SCHEDULE
from sim.reference.device import MANAGEMENT_SAP, SECOND_SAP
from sim.reference.serving import ReferenceMeters

NOW_S = 1_790_000_123
CLOCK = AttributeDescriptor(8, load_profile.CLOCK, 2)
IMPORT = AttributeDescriptor(3, load_profile.IMPORT, 2)
PROFILE = AttributeDescriptor(7, objects.LOAD_PROFILE, 2)
WRITTEN = AttributeDescriptor(1, objects.WRITTEN, 2)
BY_NAME = {offer.name: offer for offer in OFFERS}


class StandingClock:
    def __init__(self):
        self.now_s = float(NOW_S)

    def epoch_s(self):
        return self.now_s


class SeededChance:
    def octets(self, count):
        return random.Random(7).randbytes(count)

    def uniform(self, low, high):
        return low


def security_of(offer, control):
    """Keys and titles of the test client; control: None for nothing ciphered."""
    suite, kind = SUITE_OF[offer.setup], CertificateType.DIGITAL_SIGNATURE
    pairs = AsymmetricKeys()
    if suite:
        pairs = AsymmetricKeys(
            signing_key=known_keys.private_key("client", kind, suite),
            peer_signing_key=known_keys.private_key("meter", kind, suite).public_key(),
        )
    return ClientSecurity(
        system_title=known_keys.CLIENT_SYSTEM_TITLE,
        keys=known_keys.global_keys(offer.setup, suite),
        suite=suite,
        control=control or AUTHENTICATED_ENCRYPTED,
        ciphered=control is not None,
        pairs=pairs,
    )


class Session:
    """Our client on one association, through wrapper frames."""

    def __init__(self, offer, *, control=None, meters=None, server_sap=MANAGEMENT_SAP, send_counter=1):
        self.meters = meters or ReferenceMeters(clock=StandingClock(), entropy=SeededChance())
        self.endpoint = next(station.endpoint for station in self.meters.stations if station.server_sap == server_sap)
        settings = ClientSettings(
            client_sap=offer.client_sap,
            server_sap=server_sap,
            mechanism=offer.mechanism,
            password=b"" if offer.mechanism is Mechanism.NONE else known_keys.PASSWORD,
            security=None if offer.setup is None else security_of(offer, control),
            manufacturer_hls=known_keys.manufacturer_proof,
        )
        self.client = Client(settings, send_counter=send_counter)

    def run(self, octets):
        settings = self.client.settings
        while True:
            event = self.client.receive(self.endpoint.ask(settings.client_sap, octets, self.meters.clock.epoch_s()))
            if not isinstance(event, SendNext):
                return event
            octets = event.octets

    def open(self):
        high = self.client.settings.mechanism.high_level
        return self.run(self.client.associate(challenge=b"0123456789abcdef" * 2 if high else b""))

    def value(self, attribute, selection=b""):
        event = self.run(self.client.get(attribute, selection))
        assert isinstance(event, Got), event
        return axdr.decode_value(event.data)[0]


@pytest.mark.parametrize("control", [None, AUTHENTICATED, ENCRYPTED, AUTHENTICATED_ENCRYPTED])
@pytest.mark.parametrize("name", [offer.name for offer in OFFERS if offer.setup not in (None, SETUP_STRICT)])
def test_every_association_opens_with_every_protection_and_reads(name, control):
    session = Session(BY_NAME[name], control=control)
    assert isinstance(session.open(), Associated)
    assert session.value(IMPORT) == load_profile.import_wh(NOW_S)
    assert isinstance(session.run(session.client.release()), Released)


def test_the_strict_setup_takes_nothing_less_than_authenticated_encryption():
    assert isinstance(Session(BY_NAME["management"], control=AUTHENTICATED).open(), AssociationRefused)
    session = Session(BY_NAME["management"], control=AUTHENTICATED_ENCRYPTED)
    assert isinstance(session.open(), Associated)
    assert session.value(IMPORT) == load_profile.import_wh(NOW_S)


def test_it_has_stored_rows_and_captures_the_next_one_when_it_is_due():
    session = Session(BY_NAME["by-none"])
    session.open()
    rows = session.value(PROFILE)
    assert len(rows) == load_profile.ROWS_AT_START
    newest_s = NOW_S // 900 * 900
    assert rows[-1][2] == load_profile.import_wh(newest_s)
    session.meters.clock.now_s += 900
    session.meters.life.advance(session.meters.clock.now_s)
    ends = (objects.UTC.octets(newest_s), objects.UTC.octets(newest_s + 900))
    since = selective_access.by_range(load_profile.COLUMNS[0], *ends)
    assert [row[2] for row in session.value(PROFILE, since)] == [
        load_profile.import_wh(newest_s),
        load_profile.import_wh(newest_s + 900),
    ]


def test_what_is_written_and_switched_is_kept_for_the_next_client():
    session = Session(BY_NAME["by-none"])
    session.open()
    text = bytes(range(256)) * 8
    done = session.run(session.client.set(WRITTEN, axdr.encode(data.octets(text))))
    assert isinstance(done, SetDone)
    assert done.succeeded
    acted = session.run(session.client.act(MethodDescriptor(70, objects.RELAY, 1), axdr.encode(data.i8(0))))
    assert isinstance(acted, ActDone)
    assert acted.succeeded
    session.run(session.client.release())
    other = Session(BY_NAME["by-lls"], meters=session.meters)
    other.open()
    assert other.value(WRITTEN) == text
    assert other.value(AttributeDescriptor(70, objects.RELAY, 3)) == ControlState.DISCONNECTED


def test_the_second_logical_device_has_a_name_of_its_own():
    session = Session(BY_NAME["public"], server_sap=SECOND_SAP)
    session.open()
    assert session.value(AttributeDescriptor(1, LOGICAL_DEVICE_NAME, 2)).endswith(b"18")


def test_the_second_logical_device_has_every_class_in_every_version():
    session = Session(BY_NAME["by-none"], server_sap=SECOND_SAP)
    session.open()
    listed = object_list_from_value(session.value(AttributeDescriptor(15, CURRENT_ASSOCIATION, 2)))
    found = {(entry.class_id, entry.version) for entry in listed}
    assert set(CLASSES) - found <= {key for key in CLASSES if key[0] in OWN_CLASSES}


def test_a_schedule_switches_the_relay_when_its_time_has_come():
    session = Session(BY_NAME["by-none"])
    session.open()
    due_s = NOW_S // 60 * 60 + 120
    octets = UTC.octets(due_s)
    time, date = octets[5:9], octets[:5]
    times = data.array([data.structure(data.octets(time), data.octets(date))])
    written = session.run(session.client.set(AttributeDescriptor(22, RELAY_SCHEDULE, 4), axdr.encode(times)))
    assert written.succeeded
    session.meters.clock.now_s = float(due_s - 1)
    assert session.value(AttributeDescriptor(70, objects.RELAY, 3)) == ControlState.CONNECTED
    assert session.meters.life.deadline_s(due_s - 1) == due_s
    session.meters.clock.now_s = float(due_s + 1)
    assert session.value(AttributeDescriptor(70, objects.RELAY, 3)) == ControlState.DISCONNECTED


@pytest.mark.parametrize("attribute", [WRITTEN, AttributeDescriptor(1, objects.LONG_VALUE, 2)])
@pytest.mark.parametrize(("octets", "blocks_taken"), [(0xFFFF, None), (0x10000, 103), (1_000_000, 103)])
def test_a_value_that_is_too_long_is_aborted_where_it_becomes_so(attribute, octets, blocks_taken):
    session = Session(BY_NAME["by-none"])
    session.open()
    done = session.run(session.client.set(attribute, axdr.encode(data.octets(bytes(octets)))))
    assert isinstance(done, SetDone)
    assert done.results == ((DataAccessResult.LONG_SET_ABORTED if blocks_taken else DataAccessResult.SUCCESS),)
