"""gurux-dlms 1.0.203 as a client of our meters, as released; it has no socket, so it is lent one."""

from __future__ import annotations

import socket
from typing import Any

from gurux_dlms import GXDLMSClient, GXReplyData
from gurux_dlms.enums import Authentication, InterfaceType, Security
from gurux_dlms.objects import GXDLMSClock, GXDLMSData, GXDLMSProfileGeneric, GXDLMSRegister
from gurux_dlms.secure import GXDLMSSecureClient

from interop.places import CLOCK, ENERGY, PROFILE, TIME_LIMIT_S, Offer, instant, moment, place

SYSTEM_TITLE = b"GRXCLIEN"


def addressed(offer: Offer) -> tuple[int, InterfaceType]:
    """The server's address as gurux wants it, and its framing."""
    if offer["framing"] != "hdlc":
        return offer["server_sap"], InterfaceType.WRAPPER
    address = offer["hdlc_address"]
    return GXDLMSClient.getServerAddress(address["upper"], address["lower"]), InterfaceType.HDLC


class GuruxSession:
    """One association of a gurux client: it makes requests and reads answers, octets go over a socket of ours."""

    def __init__(self, offer: Offer, client: GXDLMSClient) -> None:
        self.hdlc = offer["framing"] == "hdlc"
        self.client = client
        self.line = socket.create_connection(place(offer), TIME_LIMIT_S)

    def open(self) -> GuruxSession:
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


class Gurux(GuruxSession):
    """What test_live_peers reads, with no security, a password, or HLS-GMAC with everything ciphered."""

    def __init__(self, offer: Offer, security: str, client_sap: int, counter: int) -> None:
        where = addressed(offer)
        keys = offer["test_keys"]
        if security == "gmac":
            client = GXDLMSSecureClient(True, client_sap, where[0], Authentication.HIGH_GMAC, None, where[1])
            client.ciphering.security = Security.AUTHENTICATION_ENCRYPTION
            client.ciphering.systemTitle = bytearray(SYSTEM_TITLE)
            client.ciphering.blockCipherKey = bytearray.fromhex(keys["encryption_key"])
            client.ciphering.authenticationKey = bytearray.fromhex(keys["authentication_key"])
            client.ciphering.invocationCounter = counter
        elif security == "lls":
            client = GXDLMSClient(True, client_sap, where[0], Authentication.LOW, keys["password"], where[1])
        else:
            client = GXDLMSClient(True, client_sap, where[0], Authentication.NONE, None, where[1])
        super().__init__(offer, client)

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
