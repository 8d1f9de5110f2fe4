"""Invocation counters of a served meter outlive it: whatever it sent or took, it sends and takes no more."""

from __future__ import annotations

import json

import pytest

from hes.dlms import axdr, data
from hes.dlms.apdu import MethodDescriptor
from hes.dlms.client import Client, ClientSettings
from hes.dlms.client.events import ActDone, Associated, Got
from hes.dlms.cosem.disconnect_control import ControlState
from hes.dlms.security import AUTHENTICATED_ENCRYPTED
from hes.errors import ConfigError, StoreError
from sim import counter_file
from sim.counter_file import BLOCK, CounterFile
from sim.expose import ExposedMeters
from sim.meter.keys import meter_keys
from sim.reference import known_keys, objects
from sim.reference.kept_security import KeptSecurity
from sim.reference.serving import ReferenceMeters
from sim.reference.tests.test_reference_meter import BY_NAME, IMPORT, SeededChance, Session, StandingClock
from sim.world import parse

KEY, OTHER_KEY = bytes(16), bytes(range(16))
DISCONNECT = MethodDescriptor(70, objects.RELAY, 1)


def made(path):
    return ReferenceMeters(clock=StandingClock(), entropy=SeededChance(), state=path)


def crash(meters):
    """The process is gone: nothing is written any more, and its lock is no more."""
    meters._counters._lock.close()


class Recorded(Session):
    """A session that keeps what it sent."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.sent = []

    def run(self, octets):
        self.sent.append(octets)
        return super().run(octets)


def disconnected(meters):
    """A ciphered LLS session that opens the relay; gives what was sent, and what came back."""
    session = Recorded(BY_NAME["by-lls"], control=AUTHENTICATED_ENCRYPTED, meters=meters)
    assert isinstance(session.open(), Associated)
    done = session.run(session.client.act(DISCONNECT, axdr.encode(data.i8(0))))
    assert isinstance(done, ActDone)
    assert done.succeeded
    return session.sent


@pytest.mark.parametrize("stop", [crash, ReferenceMeters.close])
def test_a_recorded_request_is_refused_after_a_restart(tmp_path, stop):
    meters = made(tmp_path / "state")
    sent = disconnected(meters)
    stop(meters)
    meters = made(tmp_path / "state")
    answers = [meters.stations[0].endpoint.ask(33, octets, meters.clock.epoch_s()) for octets in sent]
    assert meters.meter.relay is ControlState.CONNECTED
    assert [answer[0] for answer in answers] == [0xD8, 0xD8]
    meters.close()


@pytest.mark.parametrize("stop", [crash, ReferenceMeters.close])
def test_the_meter_never_sends_a_counter_twice(tmp_path, stop):
    used = []
    for _ in range(3):
        meters = made(tmp_path / "state")
        used += [meters.meter.security.take_send_counter(0) for _ in range(BLOCK + 5)]
        stop(meters)
    assert used == sorted(set(used))


def test_a_clean_stop_skips_nothing_and_a_crash_at_most_a_block(tmp_path):
    meters = made(tmp_path / "state")
    meters.meter.security.advance_receive_counter(0, 1000)
    taken = meters.meter.security.take_send_counter(0)
    meters.close()
    meters = made(tmp_path / "state")
    assert meters.meter.security.receive_counter(0) == 1000
    assert meters.meter.security.take_send_counter(0) == taken + 1
    meters.meter.security.advance_receive_counter(0, 1001)
    crash(meters)
    meters = made(tmp_path / "state")
    assert meters.meter.security.receive_counter(0) == 1001 + BLOCK
    assert meters.meter.security.take_send_counter(0) == taken + 1 + BLOCK
    meters.close()


def test_a_client_that_reads_the_counter_goes_on_after_a_crash(tmp_path):
    meters = made(tmp_path / "state")
    disconnected(meters)
    crash(meters)
    meters = made(tmp_path / "state")
    session = Session(BY_NAME["by-hls-gmac"], control=AUTHENTICATED_ENCRYPTED, meters=meters)
    assert not isinstance(session.open(), Associated)
    expected = meters.meter.security.receive_counter(0)
    session = Session(BY_NAME["by-hls-gmac"], control=AUTHENTICATED_ENCRYPTED, meters=meters, send_counter=expected)
    assert isinstance(session.open(), Associated)
    assert isinstance(session.run(session.client.get(IMPORT)), Got)
    meters.close()


def test_a_key_that_comes_back_goes_on_with_its_counters(tmp_path):
    with_file = CounterFile(tmp_path / "state", "somebody")
    security = KeptSecurity(system_title=known_keys.SYSTEM_TITLE, counters=with_file)
    security.add_setup(0, known_keys.global_keys(0, 0), send_counter=1)
    security.advance_receive_counter(0, 500)
    security.take_send_counter(0)
    security.replace_keys(0, encryption=KEY, authentication=None, broadcast=OTHER_KEY)
    assert (security.receive_counter(0), security.take_send_counter(0)) == (0, 0)
    security.advance_broadcast_counter(0, 7)
    security.replace_keys(0, encryption=known_keys.global_keys(0, 0).encryption, authentication=None)
    assert (security.receive_counter(0), security.take_send_counter(0)) == (500, 2)
    security.replace_keys(0, encryption=KEY, authentication=None, broadcast=OTHER_KEY)
    assert (security.receive_counter(0), security.take_send_counter(0)) == (0, 1)
    assert security.broadcast_counter(0) == 7
    with_file.close()


def test_meters_with_the_same_key_count_apart(tmp_path):
    kept = CounterFile(tmp_path / "state", "somebody")
    kept.of_key(b"AMLREF01", KEY).advance(9)
    assert kept.of_key(b"AMLREF02", KEY).expected == 0
    kept.close()


@pytest.mark.parametrize("stop", [crash, ExposedMeters.close])
def test_a_simulated_meter_takes_and_sends_nothing_twice_either(tmp_path, stop):
    for expected, used in ((0, []), (1, [0, 1])):
        meters = ExposedMeters(parse.load("neighbourhood"), clock=StandingClock(), state=tmp_path / "state")
        security = meters.stations[0].endpoint._endpoint._security
        assert security.receive_counter(0) >= expected
        assert security.take_send_counter(0) not in used
        security.take_send_counter(0)
        security.replace_keys(0, encryption=KEY, authentication=None, broadcast=OTHER_KEY)
        assert security.receive_counter(0) == security.broadcast_counter(0) == 0
        security.replace_keys(0, encryption=security_of(meters), authentication=None)
        security.advance_receive_counter(0, 1)
        stop(meters)


def security_of(meters):
    """The encryption key that the first meter was made with."""
    device = meters.devices[0]
    return meter_keys(meters.population.world.seed, device.system_title).global_keys.encryption


def test_a_simulated_meter_is_asked_with_its_counters_in_a_file(tmp_path):
    meters = ExposedMeters(parse.load("neighbourhood"), clock=StandingClock(), state=tmp_path / "state")
    endpoint = meters.stations[0].endpoint
    assert endpoint.ask(3, Client(ClientSettings(client_sap=3)).associate(), meters.clock.epoch_s())[0] == 0x61
    assert endpoint._endpoint.meter().security_record is endpoint._endpoint._security
    meters.close()


def test_no_key_stands_in_the_file(tmp_path):
    meters = made(tmp_path / "state")
    disconnected(meters)
    meters.close()
    text = (tmp_path / "state").read_text().upper()
    assert not any(known_keys.global_keys(setup, 0).encryption.hex().upper() in text for setup in (0, 1))


def test_a_request_is_not_carried_out_when_its_counter_cannot_be_kept(tmp_path, monkeypatch):
    meters = made(tmp_path / "state")
    session = Session(BY_NAME["by-lls"], control=AUTHENTICATED_ENCRYPTED, meters=meters)
    session.open()

    def full(_file):
        raise StoreError("no space")

    monkeypatch.setattr(CounterFile, "write", full)
    meters.meter.security._unicast[0]._kept.receive = 0  # a block is used up
    octets = session.client.act(DISCONNECT, axdr.encode(data.i8(0)))
    assert session.endpoint.ask(33, octets, meters.clock.epoch_s()) is None
    assert meters.meter.relay is ControlState.CONNECTED
    crash(meters)


def test_the_number_of_keys_has_a_bound(tmp_path, monkeypatch):
    monkeypatch.setattr(counter_file, "KEYS_MAX", 1)
    kept = CounterFile(tmp_path / "state", "somebody")
    kept.of_key(b"AMLREF01", KEY)
    with pytest.raises(StoreError, match="takes no more"):
        kept.of_key(b"AMLREF01", OTHER_KEY)
    kept.close()


@pytest.mark.parametrize(
    ("octets", "said"),
    [
        (b"", "no file of counters"),
        (b"\x7fELF", "no file of counters"),
        (b'{"some": "thing"}', "no file of counters"),
        (b'{"format": "amiloop meter counters", "version": 2}', "version 2"),
        (b'{"format": "amiloop meter counters", "version": 1}', "damaged"),
    ],
)
def test_a_foreign_or_damaged_file_is_left_alone(tmp_path, octets, said):
    (tmp_path / "state").write_bytes(octets)
    with pytest.raises(ConfigError, match=said):
        made(tmp_path / "state")
    assert (tmp_path / "state").read_bytes() == octets


def test_a_changed_number_is_damage(tmp_path):
    meters = made(tmp_path / "state")
    meters.close()
    found = json.loads((tmp_path / "state").read_text())
    found["keys"] = {mark: [0, 0] for mark in found["keys"]}
    (tmp_path / "state").write_text(json.dumps(found))
    with pytest.raises(ConfigError, match="damaged"):
        made(tmp_path / "state")


def test_the_file_of_another_meter_is_refused(tmp_path):
    CounterFile(tmp_path / "state", "somebody else").close()
    with pytest.raises(ConfigError, match="of somebody else, not of the reference meter"):
        made(tmp_path / "state")


def test_two_meters_do_not_share_a_file(tmp_path):
    meters = made(tmp_path / "state")
    with pytest.raises(ConfigError, match="in use"):
        made(tmp_path / "state")
    meters.close()
    made(tmp_path / "state").close()


def test_a_link_to_the_file_is_the_file(tmp_path):
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "state")
    meters = made(tmp_path / "state")
    with pytest.raises(ConfigError, match="in use"):
        made(link)
    meters.close()
    made(link).close()
    assert link.is_symlink()


def test_a_place_where_nothing_can_be_written_is_named_at_once(tmp_path):
    with pytest.raises(ConfigError, match="missing"):
        made(tmp_path / "missing" / "state")
