"""The head-end reads the reference meter through a concentrator, by plan, with suites 1 and 2 and keys from files."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sqlalchemy import select

from hes.acquisition.account import Totals
from hes.acquisition.plans import Plan
from hes.acquisition.reader import AssociationChoice
from hes.app import HeadEnd, HeadEndConfig
from hes.devices.file_keys import FileKeys
from hes.devices.secrets_file import Secrets
from hes.dlms import wrapper
from hes.dlms.codes import Mechanism
from hes.dlms.cosem.security_setup import invocation_counter_name
from hes.dlms.security.certificates import CertificateType, name_of_title
from hes.dlms.security.curves import PrivateKey, public_octets_of
from hes.protocols.qgdw376 import TerminalId
from hes.store.sqlite import SqliteStore, reader_engine
from hes.store.store import DeviceKind, NewDevice
from hes.store.tables import attempt, channel, reading
from sim.clock import VirtualClock
from sim.dcu.config import DcuConfig
from sim.dcu.firmware import Dcu
from sim.dcu.ports import MeterSilent
from sim.loop import VirtualLoop
from sim.media.net import Lan, SimNet
from sim.reference import known_keys, load_profile
from sim.reference.associations import FIRST_BY_MECHANISM, SETUP_SUITE_1, SETUP_SUITE_2, name_of
from sim.reference.device import MANAGEMENT_SAP
from sim.reference.serving import ReferenceMeters
from sim.run_loop import run
from sim.streams import SeededEntropy, Streams

MIDNIGHT_S = 1_790_035_200
HOURS = 6
ROWS = HOURS * 4
VALUES = ROWS * 3
TERMINAL = TerminalId(731, 1)
NUMBER = "000000000001"
SETUPS = {1: SETUP_SUITE_1, 2: SETUP_SUITE_2}
SIGNING = CertificateType.DIGITAL_SIGNATURE
PLAN = Plan(
    name="hours", item="load-profile", at_s=(900,), lookback_s=HOURS * 3600, window_s=3600,
    valid_from_s=MIDNIGHT_S, settle_s=60,
)  # fmt: skip
PROFILE = """
name = "reference-meter"
title = "The reference meter under one of its security setups"
origin = "sim/reference"
licence = "MIT, as the rest of amiloop"
phases = 1
server_sap = 1
max_pdu_octets = 640

[clock]
deviation_sign = 1

[security]
suite = {suite}
invocation_counter = "{counter}"

[gateway]
address = "ascii"

[[association]]
name = "public"
client_sap = 16
mechanism = "none"
rights = "counters"

[[association]]
name = "reading"
client_sap = {client_sap}
mechanism = "{mechanism}"
ciphered = {ciphered}
rights = "read"

[load_profile]
obis = "1.0.99.1.0.255"
capture_period_s = 900
entries = 960
columns = ["clock", "status", "active_import", "active_export", "voltage"]

[[item]]
name = "clock"
class = 8
obis = "0.0.1.0.0.255"
type = "octet-string"

[[item]]
name = "status"
class = 1
obis = "0.0.96.10.1.255"
type = "unsigned"

[[item]]
name = "active_import"
class = 3
obis = "1.0.1.8.0.255"
type = "double-long-unsigned"
unit = "Wh"

[[item]]
name = "active_export"
class = 3
obis = "1.0.2.8.0.255"
type = "double-long-unsigned"
unit = "Wh"

[[item]]
name = "voltage"
class = 3
obis = "1.0.32.7.0.255"
type = "long-unsigned"
scaler = -1
unit = "V"
"""


class ReferenceNetwork:
    """`sim.dcu.ports.MeterNetwork` with nothing but the reference meter in it."""

    def __init__(self, meters: ReferenceMeters) -> None:
        self.meters = meters
        self.endpoint = next(each.endpoint for each in meters.stations if each.server_sap == MANAGEMENT_SAP)

    async def exchange(self, address: bytes, octets: bytes, timeout_s: float) -> bytes:
        (frame,) = wrapper.decode_datagram(octets)
        answer = self.endpoint.ask(frame.source, frame.apdu, self.meters.clock.epoch_s())
        if answer is None:
            await asyncio.sleep(timeout_s)
            raise MeterSilent("silent")
        return wrapper.encode(frame.destination, frame.source, answer)


def pem(path: Path, key: PrivateKey) -> None:
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


@dataclass
class Bench:
    """A head-end with its secrets in a folder, and the reference meter behind a concentrator."""

    folder: Path
    suite: int
    mechanism: Mechanism
    ciphered: bool = True
    totals: Totals = field(init=False)

    def __post_init__(self) -> None:
        self.profile = self.folder / "reference-meter.toml"
        self.database = self.folder / "amiloop.sqlite"
        setup = SETUPS[self.suite]
        text = PROFILE.format(
            suite=self.suite,
            counter=invocation_counter_name(setup),
            client_sap=FIRST_BY_MECHANISM[setup] + self.mechanism,
            mechanism=name_of(self.mechanism),
            ciphered=str(self.ciphered).lower(),
        )
        self.profile.write_text(text)

    def secrets(self, own: str = "", device: str = "") -> None:
        """Write the secrets file: the usual keys and what is given."""
        keys = known_keys.global_keys(SETUPS[self.suite], self.suite)
        title = known_keys.SYSTEM_TITLE.hex().upper()
        (self.folder / "secrets.toml").write_text(
            f'system_title = "{known_keys.CLIENT_SYSTEM_TITLE.hex()}"\n{own}\n[[device]]\nsystem_title = "{title}"\n'
            f'encryption_key = "{keys.encryption.hex()}"\nauthentication_key = "{keys.authentication.hex()}"\n'
            f'password = "{known_keys.PASSWORD.decode()}"\n{device}\n'
        )

    def own_key(self, owner: str = "client") -> str:
        """The head-end's signing key in a file, and the entry that names it."""
        pem(self.folder / "sign.pem", known_keys.private_key(owner, SIGNING, self.suite))
        return 'signing_key_file = "sign.pem"'

    def public_key(self, owner: str = "meter") -> str:
        key = known_keys.private_key(owner, SIGNING, self.suite)
        return f'signing_public_key = "{public_octets_of(key).hex()}"'

    def collect(self) -> Bench:
        """Let the head-end serve until the window of its plan has closed."""
        loop = VirtualLoop()
        run(self._collect(loop), loop=loop)
        return self

    async def _collect(self, loop: VirtualLoop) -> None:
        streams, clock, net = Streams(7), VirtualClock(loop, MIDNIGHT_S), SimNet(loop)
        store = await SqliteStore.open(self.database)
        try:
            await self._enter_devices(store)
            head_end = self._head_end(store, clock, streams, net, loop)
            await head_end.start()
            dcu = Dcu(
                DcuConfig(terminal=TERMINAL, main_url="sim://head-end", meters=(NUMBER.encode(),)),
                links=net.links(Lan(loop)),
                meters=ReferenceNetwork(
                    ReferenceMeters(clock=clock, entropy=SeededEntropy(streams, "reference-meter"))
                ),
                clock=clock,
                entropy=SeededEntropy(streams, "dcu"),
            )
            async with asyncio.TaskGroup() as group:
                services = [group.create_task(head_end.run()), group.create_task(dcu.run())]
                await asyncio.sleep(PLAN.at_s[0] + PLAN.window_s + 2)
                for service in services:
                    service.cancel()
            self.totals = head_end.account.totals()
        finally:
            await store.close()

    async def _enter_devices(self, store: SqliteStore) -> None:
        meter = NewDevice(
            kind=DeviceKind.METER,
            number=NUMBER,
            profile=str(self.profile),
            system_title=known_keys.SYSTEM_TITLE,
            key_ref=known_keys.SYSTEM_TITLE.hex(),
            dcu_number=str(TERMINAL),
        )
        await store.add_devices([NewDevice(kind=DeviceKind.DCU, number=str(TERMINAL), name="east"), meter])

    def _head_end(
        self, store: SqliteStore, clock: VirtualClock, streams: Streams, net: SimNet, loop: VirtualLoop
    ) -> HeadEnd:
        keys = FileKeys(Secrets.read(self.folder / "secrets.toml"))
        return HeadEnd(
            HeadEndConfig(
                listen_url="sim-listen://head-end",
                plans=(PLAN,),
                association=AssociationChoice(name="reading", system_title=keys.system_title),
            ),
            clock=clock,
            entropy=SeededEntropy(streams, "head-end"),
            links=net.links(Lan(loop, "head-end")),
            store=store,
            keys=keys,
        )

    def query(self, *columns: Any, join: Any = None) -> list[Any]:
        engine = reader_engine(self.database)
        with engine.connect() as connection:
            wanted = select(*columns)
            rows = list(connection.execute(wanted if join is None else wanted.select_from(join)))
        engine.dispose()
        return rows

    def values(self) -> dict[tuple[str, int], int]:
        joined = reading.join(channel, channel.c.id == reading.c.channel_id)
        rows = self.query(channel.c.name, reading.c.time_s, reading.c.value, join=joined)
        return {(name, stamp_s): value for name, stamp_s, value in rows}

    def details(self) -> set[str]:
        """What the attempts said."""
        return {detail for (detail,) in self.query(attempt.c.detail) if detail}


def assert_all_read(bench: Bench) -> None:
    assert bench.totals.missing == {}, bench.details()
    assert bench.totals.read == bench.totals.due == VALUES
    truth = {"active_import": load_profile.import_wh, "active_export": load_profile.export_wh}
    truth["voltage"] = load_profile.voltage_dv
    stamps_s = range(MIDNIGHT_S + 900 - (ROWS - 1) * 900, MIDNIGHT_S + 901, 900)
    assert bench.values() == {(name, at_s): value(at_s) for name, value in truth.items() for at_s in stamps_s}


@pytest.mark.parametrize("ciphered", [False, True], ids=["plain", "ciphered"])
@pytest.mark.parametrize("suite", [1, 2])
def test_meters_with_hls_ecdsa_are_read_with_a_key_pair_and_the_meters_public_key(
    tmp_path: Path, suite: int, ciphered: bool
) -> None:
    bench = Bench(tmp_path, suite, Mechanism.HLS_ECDSA, ciphered)
    bench.secrets(bench.own_key(), bench.public_key())
    assert_all_read(bench.collect())


def test_certificates_in_files_and_authorities_do_as_well(tmp_path: Path) -> None:
    """The reference meter brings its certificate under suite 2."""
    bench = Bench(tmp_path, 2, Mechanism.HLS_ECDSA)
    authority = known_keys.authority(2)
    own = known_keys.private_key("client", SIGNING, 2).public_key()
    certificate = authority.issue(name_of_title(known_keys.CLIENT_SYSTEM_TITLE), own, SIGNING, serial_number=5)
    (tmp_path / "own.crt").write_bytes(certificate)
    (tmp_path / "root.crt").write_bytes(authority.own_certificate())
    bench.secrets(bench.own_key() + '\ncertificate_file = "own.crt"\nauthorities_file = "root.crt"')
    assert_all_read(bench.collect())


@pytest.mark.parametrize(
    ("mechanism", "ciphered"),
    [
        (Mechanism.HLS_GMAC, True),
        (Mechanism.HLS_GMAC, False),
        (Mechanism.HLS_SHA256, True),
        (Mechanism.HLS_SHA256, False),
        (Mechanism.NONE, True),
    ],
)
@pytest.mark.parametrize("suite", [1, 2])
def test_suites_1_and_2_are_read_by_the_other_mechanisms_too(
    tmp_path: Path, suite: int, mechanism: Mechanism, ciphered: bool
) -> None:
    bench = Bench(tmp_path, suite, mechanism, ciphered)
    bench.secrets()
    assert_all_read(bench.collect())


def test_a_key_that_is_not_there_leaves_its_meter_not_configured_with_one_sentence(tmp_path: Path) -> None:
    bench = Bench(tmp_path, 1, Mechanism.HLS_ECDSA)
    bench.secrets(device=bench.public_key())
    assert bench.collect().totals.missing == {"not_configured": VALUES}
    assert bench.details() == {
        f"meter {NUMBER}, association reading of profile reference-meter: hls-ecdsa needs the head-end's own signing "
        "key: name it as signing_key_file in the secrets."
    }


def test_a_certificate_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    bench = Bench(tmp_path, 1, Mechanism.HLS_ECDSA)
    bench.secrets(bench.own_key(), 'signing_certificate_file = "meter.crt"')
    assert bench.collect().totals.missing == {"not_configured": VALUES}
    title, folder = known_keys.SYSTEM_TITLE.hex().upper(), tmp_path
    assert bench.details() == {
        f"'signing_certificate_file' of device {title} in the secrets file {folder}/secrets.toml: {folder}/meter.crt "
        "cannot be read: No such file or directory."
    }


def test_another_meters_public_key_fails_its_proof_and_another_key_of_ours_is_refused(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    theirs = Bench(tmp_path / "theirs", 1, Mechanism.HLS_ECDSA)
    theirs.secrets(theirs.own_key(), theirs.public_key("authority"))
    assert theirs.collect().totals.missing == {"security_failed": VALUES}
    (tmp_path / "ours").mkdir()
    ours = Bench(tmp_path / "ours", 1, Mechanism.HLS_ECDSA)
    ours.secrets(ours.own_key("authority"), ours.public_key())
    assert ours.collect().totals.missing == {"association_refused": VALUES}
