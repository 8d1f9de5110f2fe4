"""One HDLC frame with 128 octets of information: encoded, and the answer decoded.

Inputs: 50 payloads from a fixed seed and the I frames of the server that carry them. Every implementation writes the
client's I frame and reads the server's, as in one exchange of a session; what it reads is N(S), N(R) and payload. The
receiver rows take frames out of a stream as it comes from a serial line, 64 octets at a time.
"""

from __future__ import annotations

import random

from dlms_cosem.hdlc.address import HdlcAddress
from dlms_cosem.hdlc.frames import InformationFrame
from gurux_dlms.enums import InterfaceType
from gurux_dlms.GXByteBuffer import GXByteBuffer
from gurux_dlms.GXDLMS import GXDLMS
from gurux_dlms.GXDLMSClient import GXDLMSClient
from gurux_dlms.GXReplyData import GXReplyData

from benches._measure import Candidate, Row, compare
from hes.dlms.hdlc import frame as frames
from hes.dlms.hdlc.receiver import Receiver

NAME = "hdlc"
INPUTS = 50
INFORMATION_OCTETS = 128
LLC_COMMAND, LLC_RESPONSE = b"\xe6\xe6\x00", b"\xe6\xe7\x00"
CLIENT, SERVER = b"\x21", b"\x03"
REQUEST, ANSWER = 0x32, 0x52  # I(1,1) and I(1,2), both P/F
PIECE_OCTETS = 64

_CLIENT, _SERVER = HdlcAddress(16, None, "client"), HdlcAddress(1, None, "server")
_GURUX = GXDLMSClient(
    useLogicalNameReferencing=True, clientAddress=16, serverAddress=1, interfaceType=InterfaceType.HDLC
)
_GURUX.settings.hdlc.maxInfoTX = INFORMATION_OCTETS + len(LLC_COMMAND)

Result = tuple[bytes, int, int, bytes]


def run(quick: bool) -> list[Row]:
    stream = random.Random(62056)
    payloads = [stream.randbytes(INFORMATION_OCTETS - len(LLC_COMMAND)) for _ in range(INPUTS)]
    inputs = [
        (payload, frames.encode(CLIENT, SERVER, ANSWER, LLC_RESPONSE + answer))
        for payload, answer in zip(payloads, reversed(payloads), strict=True)
    ]
    rows = compare(
        NAME, "I frame of 128 octets, encode and decode", inputs,
        [
            Candidate("amiloop", _ours),
            Candidate("dlms-cosem", _dlms_cosem, target=50.0),
            Candidate("gurux-dlms", _gurux, target=10.0),
        ],
        quick=quick,
    )  # fmt: skip
    noise = b"\x7e\xa7\xff\x03\x21\x10\x00" * 3
    line = b"".join(octets for _, octets in inputs)
    noisy = b"".join(noise + octets for _, octets in inputs)
    rows += compare(NAME, "receiver, 50 such frames", [(line,)], [Candidate("amiloop", _received)], quick=quick)
    rows += compare(
        NAME, "receiver, 50 such frames in noise", [(noisy,)], [Candidate("amiloop", _received)], quick=quick
    )
    return rows


def _ours(payload: bytes, answer: bytes) -> Result:
    octets = frames.encode(SERVER, CLIENT, REQUEST, LLC_COMMAND + payload)
    frame = frames.decode(answer[1:-1])
    return octets, frame.send, frame.receive, frame.information[3:]


def _dlms_cosem(payload: bytes, answer: bytes) -> Result:
    request = InformationFrame(
        _SERVER, _CLIENT, LLC_COMMAND + payload, send_sequence_number=1, receive_sequence_number=1
    )
    frame = InformationFrame.from_bytes(answer)
    return (
        request.to_bytes(),
        frame.send_sequence_number,
        frame.receive_sequence_number,
        frame.payload[3:] if frame.payload else b"",
    )


def _gurux(payload: bytes, answer: bytes) -> Result:
    octets = GXDLMS.getHdlcFrame(_GURUX.settings, REQUEST, GXByteBuffer(LLC_COMMAND + payload))
    buffer, reply = GXByteBuffer(answer), GXReplyData()
    reply.xml = _GURUX.settings  # or it would want the numbers to go on from one frame to the next
    control = GXDLMS.getHdlcData(server=False, settings=_GURUX.settings, reply=buffer, data=reply, notify=None)
    return bytes(octets), control >> 1 & 7, control >> 5, bytes(buffer.array()[buffer.position : reply.packetLength])


def _received(octets: bytes) -> int:
    receiver = Receiver(inter_octet_s=None)
    count = 0
    for begin in range(0, len(octets), PIECE_OCTETS):
        count += len(receiver.feed(octets[begin : begin + PIECE_OCTETS]))
    assert count == INPUTS
    return count
