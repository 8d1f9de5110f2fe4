"""Runs the clients of others, as released, in a process that may be killed: some of them loop or spin for ever.

One JSON object per line on standard input says what to read and where; one line comes back: {"value": ...} or
{"error": "<type>: <message>"}. What the libraries print goes nowhere. Started by test_live_peers.py.
"""

from __future__ import annotations

import datetime
import json
import logging
import os
import resource
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

import serial
from dlms_cosem import cosem, utils
from dlms_cosem import time as cosem_time
from dlms_cosem.clients.dlms_client import DlmsClient
from dlms_cosem.clients.hdlc_transport import SerialHdlcTransport
from dlms_cosem.cosem.capture_object import CaptureObject
from dlms_cosem.cosem.selective_access import RangeDescriptor
from dlms_cosem.enumerations import AuthenticationMechanism, CosemInterface
from gurux_dlms import GXDLMSClient, GXReplyData
from gurux_dlms.enums import Authentication, InterfaceType, Security
from gurux_dlms.objects import GXDLMSClock, GXDLMSData, GXDLMSProfileGeneric, GXDLMSRegister
from gurux_dlms.secure import GXDLMSSecureClient

TIME_LIMIT_S = 5.0
MEMORY_OCTETS_MAX = 1 << 30
CLOCK, ENERGY, PROFILE = "0.0.1.0.0.255", "1.0.1.8.0.255", "1.0.99.1.0.255"
Offer = dict[str, Any]
"""What `amiloop meter --json` prints."""


def place(offer: Offer) -> tuple[str, int]:
    host, port = offer["url"].removeprefix("tcp://").rsplit(":", 1)
    return host, int(port)


def instant(when: datetime.datetime) -> float:
    """Seconds since 1970 UTC; the meters of these tests live in UTC, and dlms-cosem gives UTC+0 without its zone."""
    return (when if when.tzinfo else when.replace(tzinfo=datetime.UTC)).timestamp()


def moment(epoch_s: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(epoch_s, datetime.UTC)


class Gurux:
    """gurux-dlms makes requests and reads answers; the socket is ours, for it has none."""

    def __init__(self, offer: Offer, security: str, client_sap: int, counter: int) -> None:
        self.hdlc = offer["framing"] == "hdlc"
        keys = offer["test_keys"]
        kind = InterfaceType.HDLC if self.hdlc else InterfaceType.WRAPPER
        server = offer["server_sap"]
        if self.hdlc:
            server = GXDLMSClient.getServerAddress(offer["hdlc_address"]["upper"], offer["hdlc_address"]["lower"])
        if security == "gmac":
            client = GXDLMSSecureClient(True, client_sap, server, Authentication.HIGH_GMAC, None, kind)
            client.ciphering.security = Security.AUTHENTICATION_ENCRYPTION
            client.ciphering.systemTitle = bytearray(b"GRXCLIEN")
            client.ciphering.blockCipherKey = bytearray.fromhex(keys["encryption_key"])
            client.ciphering.authenticationKey = bytearray.fromhex(keys["authentication_key"])
            client.ciphering.invocationCounter = counter
        elif security == "lls":
            client = GXDLMSClient(True, client_sap, server, Authentication.LOW, keys["password"], kind)
        else:
            client = GXDLMSClient(True, client_sap, server, Authentication.NONE, None, kind)
        self.client = client
        self.line = socket.create_connection(place(offer), TIME_LIMIT_S)
        self.received = bytearray()

    def open(self) -> Gurux:
        if self.hdlc:
            self.client.parseUAResponse(self.ask(self.client.snrmRequest()).data)
        self.client.parseAareResponse(self.ask(self.client.aarqRequest()).data)
        if self.client.getIsAuthenticationRequired():
            answer = self.ask(self.client.getApplicationAssociationRequest())
            self.client.parseApplicationAssociationResponse(answer.data)
        return self

    def ask(self, frames: Any) -> GXReplyData:
        reply = GXReplyData()
        for frame in frames if isinstance(frames, list) else [frames]:
            self.feed(frame, reply)
            while reply.isMoreData():
                self.feed(self.client.receiverReady(reply), reply)
        if reply.error:
            raise ValueError(f"error {reply.error}")
        return reply

    def feed(self, frame: bytearray, reply: GXReplyData) -> None:
        self.line.sendall(bytes(frame))
        self.client.getData(bytearray(self.one_frame()), reply)

    def one_frame(self) -> bytes:
        if not self.hdlc:
            header = self.exactly(8)
            return header + self.exactly(int.from_bytes(header[6:], "big"))
        head = self.exactly(3)
        return head + self.exactly(((head[1] << 8 | head[2]) & 0x7FF) - 1)

    def exactly(self, count: int) -> bytes:
        octets = b""
        while len(octets) < count:
            more = self.line.recv(count - len(octets))
            if not more:
                raise ConnectionError("the meter hung up")
            octets += more
        return octets

    def close(self) -> None:
        self.ask(self.client.releaseRequest())
        if self.hdlc:
            self.ask(self.client.disconnectRequest())
        self.line.close()

    def read(self, item: Any, index: int) -> Any:
        return self.client.updateValue(item, index, self.ask(self.client.read(item, index)).value)

    def clock(self) -> float:
        clock = GXDLMSClock(CLOCK)
        self.read(clock, 2)
        return instant(clock.time.value)

    def register(self) -> int:
        return int(self.read(GXDLMSRegister(ENERGY), 2))

    def profile(self, first_s: int, last_s: int) -> list[list[Any]]:
        profile = GXDLMSProfileGeneric(PROFILE)
        self.read(profile, 3)
        answer = self.ask(self.client.readRowsByRange(profile, moment(first_s), moment(last_s)))
        return [[instant(row[0].value), *row[1:]] for row in self.client.updateValue(profile, 2, answer.value)]

    def counter(self, obis: str) -> int:
        return int(self.read(GXDLMSData(obis), 2))


def attribute(kind: CosemInterface, obis: str, index: int) -> cosem.CosemAttribute:
    return cosem.CosemAttribute(kind, cosem.Obis(*map(int, obis.split("."))), index)


class DlmsCosem:
    """dlms-cosem with transports of its own; pyserial gives the one for HDLC a port that is a socket."""

    def __init__(self, offer: Offer, security: str, client_sap: int, counter: int, patience_s: float = 0.5) -> None:
        keys = offer["test_keys"]
        how: dict[str, Any] = {}
        if security == "lls":
            how = {"authentication_method": AuthenticationMechanism.LLS, "password": keys["password"].encode()}
        elif security == "gmac":
            how = {
                "authentication_method": AuthenticationMechanism.HLS_GMAC,
                "encryption_key": bytes.fromhex(keys["encryption_key"]),
                "authentication_key": bytes.fromhex(keys["authentication_key"]),
                "client_system_title": b"DLCCLIEN",
                "client_initial_invocation_counter": counter,
            }
        host, port = place(offer)
        server = offer["server_sap"]
        self.port: serial.SerialBase | None = None
        if offer["framing"] == "wrapper":
            self.client = DlmsClient.with_tcp_transport(host, port, client_sap, server, timeout=TIME_LIMIT_S, **how)
        else:
            self.port = serial.serial_for_url(f"socket://{host}:{port}", timeout=patience_s)
            transport = SerialHdlcTransport(
                client_logical_address=client_sap,
                server_logical_address=offer["hdlc_address"]["upper"],
                server_physical_address=offer["hdlc_address"]["lower"],
                serial_port=self.port.port,
                serial=self.port,
            )
            self.client = DlmsClient(client_sap, server, transport, **how)

    def open(self) -> DlmsCosem:
        self.client.connect()
        self.client.associate()
        return self

    def close(self) -> None:
        """Its HDLC link is left to the meter: it never sees the end of one (test_live_peers.py)."""
        self.client.release_association()
        if self.port is None:
            self.client.disconnect()
        else:
            self.port.close()

    def disconnect(self) -> None:
        self.client.disconnect()

    def read(self, wanted: cosem.CosemAttribute, selection: RangeDescriptor | None = None) -> Any:
        return utils.parse_as_dlms_data(self.client.get(wanted, selection))

    def time(self) -> datetime.datetime:
        return cosem_time.datetime_from_bytes(self.read(attribute(CosemInterface.CLOCK, CLOCK, 2)))[0]

    def clock(self) -> float:
        return instant(self.time())

    def clock_zone(self) -> str | None:
        return self.time().tzname()

    def register(self) -> int:
        return int(self.read(attribute(CosemInterface.REGISTER, ENERGY, 2)))

    def profile(self, first_s: int, last_s: int) -> list[list[Any]]:
        column = CaptureObject(attribute(CosemInterface.CLOCK, CLOCK, 2), 0)
        rows = self.read(
            attribute(CosemInterface.PROFILE_GENERIC, PROFILE, 2),
            RangeDescriptor(column, moment(first_s), moment(last_s)),
        )
        return [[instant(cosem_time.datetime_from_bytes(row[0])[0]), *row[1:]] for row in rows]

    def single_rows(self, stamps_s: list[int]) -> list[tuple[float, float]]:
        """Reads the row of each stamp for itself: its stamp, and how long that took, in seconds."""
        found = []
        for stamp_s in stamps_s:
            start_s = time.perf_counter()
            ((read_s, *_),) = self.profile(stamp_s, stamp_s)
            found.append((read_s, time.perf_counter() - start_s))
        return found

    def register_with_an_old_counter(self) -> int:
        self.client.client_invocation_counter = 0
        return self.register()

    def sent(self) -> list[str]:
        """The octets of the APDUs of one session that reads the register, as this client sent them."""
        seen: list[str] = []
        original = self.client.dlms_connection.send

        def send(event: Any) -> bytes:
            octets = original(event)
            seen.append(octets.hex())
            return octets

        self.client.dlms_connection.send = send
        self.open()
        self.register()
        self.close()
        return seen


PEERS: dict[str, Callable[..., Any]] = {"gurux-dlms": Gurux, "dlms-cosem": DlmsCosem}


def work(order: dict[str, Any]) -> Any:
    if order["what"] == "decode":
        return repr(utils.parse_as_dlms_data(bytes.fromhex(order["octets"])))
    how = order.get("how", {})
    peer = PEERS[order["peer"]](order["offer"], order["security"], order["client_sap"], order.get("counter", 0), **how)
    if order["what"] == "sent":
        return peer.sent()
    peer.open()
    value = getattr(peer, order["what"])(*order.get("arguments", ()))
    peer.close()
    return value


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_OCTETS_MAX, MEMORY_OCTETS_MAX))
    answers = os.fdopen(os.dup(1), "w")
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - gurux prints, as long as this runs
    logging.disable(logging.CRITICAL)  # the log of dlms-cosem shows passwords
    for line in sys.stdin:
        try:
            answer = {"value": work(json.loads(line))}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
