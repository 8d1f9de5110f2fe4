"""dlms-cosem 21.3.2 as a client of our meters, as released, on its own two transports."""

from __future__ import annotations

import datetime
import time
from typing import Any

import serial
from dlms_cosem import cosem, utils
from dlms_cosem import time as cosem_time
from dlms_cosem.clients.dlms_client import DlmsClient
from dlms_cosem.clients.hdlc_transport import SerialHdlcTransport
from dlms_cosem.cosem.capture_object import CaptureObject
from dlms_cosem.cosem.selective_access import RangeDescriptor
from dlms_cosem.enumerations import AuthenticationMechanism, CosemInterface

from interop.places import CLOCK, ENERGY, PROFILE, TIME_LIMIT_S, Offer, instant, moment, place


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
