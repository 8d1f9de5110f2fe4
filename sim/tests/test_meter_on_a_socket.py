"""`amiloop meter --tcp` read by the unmodified gurux-dlms client over a real socket, and by `amiloop read`."""

from __future__ import annotations

import datetime
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from gurux_dlms import GXDLMSClient, GXReplyData
from gurux_dlms.enums import Authentication, InterfaceType, ObjectType, Security
from gurux_dlms.objects import GXDLMSClock, GXDLMSData, GXDLMSProfileGeneric, GXDLMSRegister
from gurux_dlms.secure import GXDLMSSecureClient

COMMAND = [sys.executable, "-c", "from hes.cli.main import main; main()"]
CLIENT_TITLE = b"GRXCLIEN"
BENCH, MANAGEMENT, PUBLIC = 3, 1, 16
DEADLINE_S = 20


@pytest.fixture(scope="module")
def served() -> Iterator[dict[str, Any]]:
    """A meter in another process, and what it prints of itself."""
    arguments = [*COMMAND, "meter", "--tcp", "127.0.0.1:0", "--name", "north-0003", "--json"]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONHASHSEED": "1"})
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.terminate()
        process.wait(DEADLINE_S)
        process.stdout.close()


class OverTcp:
    """The gurux client, unmodified, on a socket of its own."""

    def __init__(self, client: GXDLMSClient, url: str) -> None:
        host, port = url.removeprefix("tcp://").rsplit(":", 1)
        self.client = client
        self.socket = socket.create_connection((host, int(port)), DEADLINE_S)

    def run(self, frames: Any) -> GXReplyData:
        whole = GXReplyData()
        for frame in frames if isinstance(frames, list) else [frames]:
            self.feed(frame, whole)
            while whole.isMoreData():
                self.feed(self.client.receiverReady(whole), whole)
        return whole

    def feed(self, frame: bytearray, reply: GXReplyData) -> None:
        self.socket.sendall(bytes(frame))
        header = self.exactly(8)
        payload = self.exactly(int.from_bytes(header[6:8], "big"))
        self.client.getData(bytearray(header + payload), reply)

    def exactly(self, count: int) -> bytes:
        octets = b""
        while len(octets) < count:
            more = self.socket.recv(count - len(octets))
            assert more, "the meter hung up"
            octets += more
        return octets

    def open(self) -> OverTcp:
        self.client.parseAareResponse(self.run(self.client.aarqRequest()).data)
        if self.client.getIsAuthenticationRequired():
            reply = self.run(self.client.getApplicationAssociationRequest())
            self.client.parseApplicationAssociationResponse(reply.data)
        return self

    def read(self, item: Any, index: int) -> Any:
        reply = self.run(self.client.read(item, index))
        assert reply.error == 0
        return self.client.updateValue(item, index, reply.value)

    def close(self) -> None:
        self.run(self.client.releaseRequest())
        self.socket.close()


def plain_client(served: dict[str, Any]) -> OverTcp:
    client = GXDLMSClient(True, BENCH, served["server_sap"], Authentication.NONE, None, InterfaceType.WRAPPER)
    return OverTcp(client, served["url"])


def ciphered_client(served: dict[str, Any]) -> OverTcp:
    public = GXDLMSClient(True, PUBLIC, served["server_sap"], Authentication.NONE, None, InterfaceType.WRAPPER)
    asking = OverTcp(public, served["url"]).open()
    counter = asking.read(GXDLMSData(served["invocation_counter"]), 2)
    asking.close()
    client = GXDLMSSecureClient(
        True, MANAGEMENT, served["server_sap"], Authentication.HIGH_GMAC, None, InterfaceType.WRAPPER
    )
    client.ciphering.security = Security.AUTHENTICATION_ENCRYPTION
    client.ciphering.systemTitle = bytearray(CLIENT_TITLE)
    client.ciphering.blockCipherKey = bytearray.fromhex(served["test_keys"]["encryption_key"])
    client.ciphering.authenticationKey = bytearray.fromhex(served["test_keys"]["authentication_key"])
    client.ciphering.invocationCounter = counter + 1
    return OverTcp(client, served["url"])


def profile_with_columns(peer: OverTcp) -> GXDLMSProfileGeneric:
    profile = GXDLMSProfileGeneric("1.0.99.1.0.255")
    peer.read(profile, 3)
    assert len(profile.captureObjects) >= 6, "clock, status and at least four channels"
    return profile


@pytest.mark.parametrize("make", [plain_client, ciphered_client], ids=["no security", "HLS-GMAC ciphered"])
def test_the_unmodified_gurux_client_reads_clock_register_and_a_profile_range(
    make: Any, served: dict[str, Any]
) -> None:
    peer = make(served).open()
    clock = GXDLMSClock("0.0.1.0.0.255")
    peer.read(clock, 2)
    now = datetime.datetime.now(datetime.UTC)  # noqa: TID251 - the meter lives in real time here
    assert abs((clock.time.value.astimezone(datetime.UTC) - now).total_seconds()) < 60
    register = GXDLMSRegister("1.0.1.8.0.255")
    peer.read(register, 3)
    energy = peer.read(register, 2)
    assert energy > 0
    profile = profile_with_columns(peer)
    end = now.replace(minute=0, second=0, microsecond=0)
    reply = peer.run(peer.client.readRowsByRange(profile, end - datetime.timedelta(hours=6), end))
    rows = peer.client.updateValue(profile, 2, reply.value)
    stamps = [row[0].value.astimezone(datetime.UTC) for row in rows]
    assert stamps == [end - datetime.timedelta(minutes=15 * k) for k in range(24, -1, -1)]
    imports = [row[2] for row in rows]
    assert imports == sorted(imports)
    assert imports[-1] <= energy
    assert profile.captureObjects[0][0].objectType == ObjectType.CLOCK
    peer.close()


def amiloop(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, timeout=DEADLINE_S, check=False,
        env={**os.environ, **environment},
    )  # fmt: skip


def test_amiloop_read_reads_the_same_meter_with_hls_gmac(served: dict[str, Any]) -> None:
    done = amiloop(
        "read", served["url"], "clock", "1.0.1.8.0.255", "--auth", "gmac", "--client", str(MANAGEMENT), "--json",
        AMILOOP_KEY=served["test_keys"]["encryption_key"],
        AMILOOP_AUTH_KEY=served["test_keys"]["authentication_key"],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "1.0.1.8.0.255" in done.stdout
    assert "clock" in done.stdout


@pytest.mark.parametrize(
    ("changed", "says"),
    [("encryption_key", "key"), ("authentication_key", "key")],
)
def test_a_wrong_key_is_one_sentence_and_no_traceback(served: dict[str, Any], changed: str, says: str) -> None:
    keys = {**served["test_keys"], changed: "00" * 16}
    done = amiloop(
        "read", served["url"], "clock", "--auth", "gmac", "--client", str(MANAGEMENT),
        AMILOOP_KEY=keys["encryption_key"], AMILOOP_AUTH_KEY=keys["authentication_key"],
    )  # fmt: skip
    assert done.returncode == 3
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_an_unreachable_meter_is_one_sentence_and_status_4() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        done = amiloop("read", f"tcp://127.0.0.1:{nobody.getsockname()[1]}", "clock")
    assert done.returncode == 4
    assert len(done.stderr.strip().splitlines()) == 1
