"""Agreement with two independent implementations, inside what each of them can do.

dlms-cosem 21.3.2: addresses of one octet, or of two with both parts 1..127 (it does not read four octets, and leaves a
part of 0 out); only the directions that its client needs. gurux-dlms: frames of up to 255 octets.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hes.dlms.hdlc import frame as frames
from hes.dlms.hdlc import parameters
from hes.dlms.hdlc.address import ServerAddress, decode_server_address, encode_client_address
from hes.dlms.hdlc.frame import Frame, Kind
from hes.dlms.hdlc.parameters import Parameters, agree
from hes.dlms.hdlc.tests import published

pytest.importorskip("dlms_cosem")
pytest.importorskip("gurux_dlms")

from dlms_cosem.hdlc import frames as theirs
from dlms_cosem.hdlc.address import HdlcAddress
from dlms_cosem.hdlc.exceptions import HdlcParsingError
from gurux_dlms.enums import InterfaceType
from gurux_dlms.GXByteBuffer import GXByteBuffer
from gurux_dlms.GXDLMS import GXDLMS
from gurux_dlms.GXDLMSClient import GXDLMSClient
from gurux_dlms.GXReplyData import GXReplyData

CLIENTS = st.integers(1, 127)
ONE_OR_TWO_OCTETS = st.builds(ServerAddress, st.integers(1, 127)) | st.builds(
    ServerAddress, st.integers(1, 127), st.integers(1, 127), st.just(2)
)
NUMBERS = st.integers(0, 7)
INFORMATION = st.binary(min_size=1, max_size=2030)
SHORT = st.binary(min_size=1, max_size=200)


def address(server: ServerAddress) -> HdlcAddress:
    return HdlcAddress(server.upper, server.lower, "server")


def client_address(client: int) -> HdlcAddress:
    return HdlcAddress(client, None, "client")


@given(server=ONE_OR_TWO_OCTETS, client=CLIENTS)
def test_addresses_are_those_of_dlms_cosem(server: ServerAddress, client: int) -> None:
    assert server.encode() == address(server).to_bytes()
    assert encode_client_address(client) == client_address(client).to_bytes()


@given(server=st.builds(ServerAddress, st.integers(128, 0x3FFF), st.integers(128, 0x3FFF), st.just(4)))
def test_addresses_of_four_octets_are_those_that_dlms_cosem_writes(server: ServerAddress) -> None:
    if all(server.encode()):  # it leaves out octets of 0
        assert server.encode() == address(server).to_bytes()


@given(
    server=ONE_OR_TWO_OCTETS,
    client=CLIENTS,
    information=INFORMATION,
    send=NUMBERS,
    receive=NUMBERS,
    segmented=st.booleans(),
    final=st.booleans(),
)
def test_i_frames_are_written_and_read_as_by_dlms_cosem(
    server: ServerAddress, client: int, information: bytes, send: int, receive: int, segmented: bool, final: bool
) -> None:
    control = frames.control(Kind.I, final=final, send=send, receive=receive)
    ours = Frame(encode_client_address(client), server.encode(), control, information, segmented)
    frame = theirs.InformationFrame(
        client_address(client), address(server), information, segmented, final, send, receive
    )
    assert ours.encode() == frame.to_bytes()
    read = theirs.InformationFrame.from_bytes(ours.encode())
    back = frames.decode(ours.encode()[1:-1])
    found = decode_server_address(back.source)
    assert (read.payload, read.segmented, read.final) == (back.information, back.segmented, back.final)
    assert (read.send_sequence_number, read.receive_sequence_number) == (back.send, back.receive)
    assert (read.source_address.logical_address, read.source_address.physical_address) == (found.upper, found.lower)
    assert read.destination_address.logical_address == back.destination[0] >> 1


@given(server=ONE_OR_TWO_OCTETS, client=CLIENTS, information=INFORMATION, receive=NUMBERS, final=st.booleans())
def test_the_other_kinds_are_written_as_by_dlms_cosem(
    server: ServerAddress, client: int, information: bytes, receive: int, final: bool
) -> None:
    own, peer = client_address(client), address(server)
    to_server = (server.encode(), encode_client_address(client))
    to_client = to_server[::-1]
    ready = frames.control(Kind.RR, receive=receive)
    unnumbered = frames.control(Kind.UI, final=final)
    assert frames.encode(*to_server, 0x93) == theirs.SetNormalResponseModeFrame(peer, own).to_bytes()
    assert frames.encode(*to_server, 0x53) == theirs.DisconnectFrame(peer, own).to_bytes()
    assert (
        frames.encode(*to_server, ready)
        == theirs.ReceiveReadyFrame(peer, own, receive_sequence_number=receive).to_bytes()
    )
    assert (
        frames.encode(*to_client, 0x73, information)
        == theirs.UnNumberedAcknowledgmentFrame(own, peer, information).to_bytes()
    )
    assert (
        frames.encode(*to_client, unnumbered, information)
        == theirs.UnnumberedInformationFrame(own, peer, information, final=final).to_bytes()
    )


@given(octets=st.binary(min_size=1, max_size=60), position=st.integers(0, 10**6))
def test_dlms_cosem_refuses_what_we_refuse(octets: bytes, position: int) -> None:
    whole = bytearray(frames.encode(b"\x21", b"\x03", 0x10, octets))
    place = 8 * 6 + position % (8 * (len(whole) - 7))  # any bit behind the control octet: it checks what it rebuilds
    whole[place // 8] ^= 1 << place % 8
    with pytest.raises(frames.RemoteProtocolError):
        frames.decode(bytes(whole[1:-1]))
    with pytest.raises(HdlcParsingError):
        theirs.InformationFrame.from_bytes(bytes(whole))


GURUX = GXDLMSClient(True, 16, 1, interfaceType=InterfaceType.HDLC)
GURUX.settings.hdlc.maxInfoTX = 300
GURUX_ADDRESSES = st.one_of(
    st.builds(lambda upper: (ServerAddress(upper), upper, 0), st.integers(1, 127)),
    st.builds(
        lambda upper, lower: (ServerAddress(upper, lower, 2), upper << 7 | lower, 2),
        st.integers(1, 127),
        st.integers(1, 127),
    ),
    st.builds(
        lambda upper, lower: (ServerAddress(upper, lower, 4), upper << 14 | lower, 4),
        st.integers(1, 0x3FFF),
        st.integers(1, 0x3FFF),
    ),
)


@given(server=GURUX_ADDRESSES, client=CLIENTS, information=SHORT, control=st.sampled_from([0x10, 0x32, 0xFE, 0x13]))
def test_frames_are_written_and_read_as_by_gurux(
    server: tuple[ServerAddress, int, int], client: int, information: bytes, control: int
) -> None:
    settings = GURUX.settings
    settings.clientAddress, settings.serverAddress, settings.serverAddressSize = client, server[1], server[2]
    octets, own = server[0].encode(), encode_client_address(client)
    assert frames.encode(octets, own, control, information) == GXDLMS.getHdlcFrame(
        settings, control, GXByteBuffer(information)
    )
    assert frames.encode(octets, own, 0x93) == GXDLMS.getHdlcFrame(settings, 0x93, None)
    answer = frames.encode(own, octets, control, b"\xe6\xe7\x00" + information)
    reply, buffer = GXReplyData(), GXByteBuffer(answer)
    reply.xml = settings  # or it would want the numbers of a session
    assert GXDLMS.getHdlcData(False, settings, buffer, reply, None) == control
    back = frames.decode(answer[1:-1])
    assert buffer.array()[buffer.position : reply.packetLength] == back.information[3:]
    assert back.kind is not None


@given(
    transmit=st.integers(1, 2030), receive=st.integers(1, 2030), send_window=st.integers(1, 7), window=st.integers(1, 7)
)
def test_parameters_are_written_and_understood_as_by_gurux(
    transmit: int, receive: int, send_window: int, window: int
) -> None:
    said = Parameters(
        transmit_octets=transmit, receive_octets=receive, transmit_window=send_window, receive_window=window
    )
    settings = GXDLMSClient(True, 16, 1, interfaceType=InterfaceType.HDLC).settings.hdlc
    GXDLMS.parseSnrmUaResponse(GXByteBuffer(said.encode()), settings)
    everything = Parameters(transmit_octets=2030, receive_octets=2030, transmit_window=7, receive_window=7)
    agreed = agree(everything, parameters.decode(said.encode()))
    assert (settings.maxInfoTX, settings.maxInfoRX) == (agreed.transmit_octets, agreed.receive_octets)
    assert (settings.windowSizeTX, settings.windowSizeRX) == (agreed.transmit_window, agreed.receive_window)


@pytest.mark.parametrize("name", ["I AARE", "I GET response", "last segment of the response"])
def test_published_i_frames_are_read_as_by_dlms_cosem(name: str) -> None:
    read = theirs.InformationFrame.from_bytes(bytes.fromhex(published.FRAMES[name]))
    ours = frames.decode(published.body(name))
    assert (read.payload, read.send_sequence_number, read.receive_sequence_number, read.final) == (
        ours.information,
        ours.send,
        ours.receive,
        ours.final,
    )
