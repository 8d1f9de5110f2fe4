"""Rules that a peer breaks, as log lines of `amiloop meter`: which answer the peer got, and which clause is named."""

from __future__ import annotations

import asyncio
import socket
from contextlib import closing
from typing import Any

import pytest
import structlog

from hes.dlms import wrapper
from hes.dlms.client import Client
from hes.dlms.client.settings import ClientSecurity, ClientSettings
from hes.dlms.codes import Mechanism
from hes.dlms.findings import Finding, FindingKind
from hes.dlms.hdlc.address import ServerAddress
from hes.dlms.hdlc.frame import Frame
from hes.dlms.hdlc.link_events import LINK_CLAUSES, LinkFindingKind
from hes.dlms.obis import Obis
from hes.dlms.security import EncryptionKeys
from hes.entropy import SystemEntropy
from hes.protocols.dlms_cosem import DlmsSession
from sim.finding_log import LINES_PER_SECOND, FindingLog
from sim.tests.test_serving_commands import PATIENCE_S, serving

CLOCK = Obis.parse("0.0.1.0.0.255")
PUBLIC, MANAGEMENT = 16, 1
AARQ_PUBLIC = bytes.fromhex("601DA109060760857405080101BE10040E01000000065F1F0400001019FFFF")
NOT_AN_APDU, ACTION_NOT_AGREED = bytes.fromhex("FF0102"), bytes.fromhex("C301C10046000060030AFF0100")


class RawClient:
    """Wrapper frames to a meter on a socket, from any client SAP; the last one sent is kept."""

    def __init__(self, url: str) -> None:
        host, port = url.removeprefix("tcp://").rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), PATIENCE_S)
        self.last = b""

    def close(self) -> None:
        self.socket.close()

    def __call__(self, client_sap: int, apdu: bytes) -> bytes:
        self.last = apdu
        self.socket.sendall(wrapper.encode(client_sap, 1, apdu))
        octets = b""
        while len(octets) < 8 or len(octets) < 8 + int.from_bytes(octets[6:8], "big"):
            received = self.socket.recv(4096)
            assert received, "the meter has closed the connection"
            octets += received
        return octets[8:]


async def read_clock_as_management(raw: RawClient, offer: dict[str, Any]) -> None:
    keys = [bytes.fromhex(offer["test_keys"][name]) for name in ("encryption_key", "authentication_key")]
    settings = ClientSettings(
        client_sap=MANAGEMENT,
        mechanism=Mechanism.HLS_GMAC,
        security=ClientSecurity(
            system_title=b"AMLTEST1",
            keys=EncryptionKeys(*keys),
            server_system_title=bytes.fromhex(offer["system_title"]),
        ),
    )

    async def exchange(apdu: bytes) -> bytes:
        return raw(MANAGEMENT, apdu)

    session = DlmsSession(Client(settings, send_counter=1000), exchange, SystemEntropy())
    await session.open()
    await session.get(8, CLOCK, 2)


def test_amiloop_meter_answers_who_breaks_a_rule_and_says_which_on_standard_error():
    with serving("meter", "--tcp", "127.0.0.1:0", "--json") as meter:
        offer = meter.offer
        with closing(RawClient(offer["url"])) as raw:
            assert raw(PUBLIC, ACTION_NOT_AGREED).hex() == "d80101"
            assert raw(PUBLIC, AARQ_PUBLIC)[0] == 0x61
            assert raw(PUBLIC, NOT_AN_APDU).hex() == "d80202"
            assert raw(PUBLIC, ACTION_NOT_AGREED).hex() == "d80102"
            asyncio.run(read_clock_as_management(raw, offer))
            assert raw(MANAGEMENT, raw.last)[:3].hex() == "d80106"
        status, said = meter.stop()
    assert status == 0
    lines = [line for line in said.splitlines() if "peer_broke_a_rule" in line]
    assert len(lines) == 4, said
    for line, kind, clause, client in zip(
        lines,
        ("no_association", "unknown_service", "not_negotiated", "replayed"),
        ("APPL_IDLE_N1", "APPL_DATA_LN_N4", "APPL_DATA_LN_N4", "SYMSEC_0_FraCount_1"),
        (PUBLIC, PUBLIC, PUBLIC, MANAGEMENT),
        strict=True,
    ):
        assert "warning" in line
        assert f"kind={kind}" in line
        assert f"case {clause}'" in line
        assert f"client={client} " in line
        assert f"meter={offer['number']} " in line
    assert offer["test_keys"]["encryption_key"].lower() not in said.lower()


def test_the_reference_meter_on_hdlc_says_it_too():
    with serving("meter", "--model", "reference", "--hdlc", "--tcp", "127.0.0.1:0", "--json") as meter:
        host, port = meter.offer["url"].removeprefix("tcp://").rsplit(":", 1)
        address, client = ServerAddress(1, 17, 2).encode(), bytes((PUBLIC << 1 | 1,))
        with socket.create_connection((host, int(port)), PATIENCE_S) as line:
            line.sendall(Frame(address, client, 0x83).encode())  # SNRM without the P bit
            line.sendall(Frame(address, client, 0x93).encode())
            assert line.recv(4096), "UA"
            line.sendall(Frame(address, client, 0xFF).encode())  # a control octet that nobody defines
            assert line.recv(4096), "FRMR"
        _status, said = meter.stop()
    lines = [line for line in said.splitlines() if "peer_broke_a_rule" in line]
    assert [("kind=not_polled" in line, "kind=undefined_control" in line) for line in lines] == [
        (True, False),
        (False, True),
    ], said
    assert "docs/protocols/hdlc.md §4), case HDLC_FRAME_N5" in lines[1]
    assert "meter=reference/1 " in lines[1]


@pytest.fixture
def lines():
    with structlog.testing.capture_logs() as captured:
        yield captured


def findings(count: int) -> list[Finding]:
    return [Finding(FindingKind.REPLAYED, f"counter {number}", 16) for number in range(count)]


def test_so_many_lines_a_second_and_the_rest_is_counted(lines):
    log = FindingLog()
    log.tell(findings(LINES_PER_SECOND + 5), meter="1", now_s=100.0)
    log.tell(findings(2), meter="1", now_s=100.9)
    assert len(lines) == LINES_PER_SECOND
    log.tell(findings(1), meter="1", now_s=101.0)
    assert lines[-2] == {"event": "rules_broken_more_often", "left_out": 7, "log_level": "warning"}
    assert lines[-1]["clause"] == Finding(FindingKind.REPLAYED, "", 16).clause


def test_a_clock_that_is_set_back_silences_nothing(lines):
    log = FindingLog()
    log.tell(findings(LINES_PER_SECOND), meter="1", now_s=100.0)
    log.tell(findings(1), meter="1", now_s=40.0)
    assert len(lines) == LINES_PER_SECOND + 1


def test_what_was_left_out_is_said_when_the_connection_ends(lines):
    log = FindingLog()
    log.tell(findings(LINES_PER_SECOND + 1), meter="1", now_s=0.0)
    log.over()
    log.over()
    assert [line["left_out"] for line in lines if "left_out" in line] == [1]


def test_every_kind_of_a_link_has_its_clause():
    assert set(LINK_CLAUSES) == set(LinkFindingKind)
