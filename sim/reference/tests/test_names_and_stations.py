"""The reference meter by short names, and asked as all of its logical devices at once."""

from __future__ import annotations

import asyncio

from hes.dlms import axdr, data, wrapper
from hes.dlms.apdu import AttributeDescriptor, SetRequestNormal
from hes.dlms.client import Client
from hes.dlms.client.events import Associated, Got
from hes.dlms.client.settings import ClientSettings
from hes.dlms.client.short_names import ObjectNames
from hes.dlms.codes import Mechanism
from hes.dlms.cosem.association_sn import sn_object_list_from_value
from hes.dlms.hdlc import frame
from hes.dlms.hdlc.address import ServerAddress, encode_client_address
from hes.dlms.hdlc.frame import Kind
from hes.dlms.hdlc.link_flow import LLC_COMMAND
from sim.meter_lines import Door, HdlcLine, WrapperLine
from sim.reference import known_keys, objects
from sim.reference.associations import OFFERS
from sim.reference.serving import ReferenceMeters
from sim.reference.tests.test_reference_meter import IMPORT, SeededChance, StandingClock

WRITTEN = AttributeDescriptor(1, objects.WRITTEN, 2)
LLS = next(offer for offer in OFFERS if offer.name == "by-lls")


class Transport(asyncio.Transport):
    def __init__(self):
        super().__init__()
        self.written = b""

    def write(self, octets):
        self.written += octets

    def is_closing(self):
        return False


class Line:
    """A wrapper line to the reference meter."""

    def __init__(self, loop):
        self.meters = ReferenceMeters(clock=StandingClock(), entropy=SeededChance())
        self.line = WrapperLine(Door(self.meters.stations, self.meters.clock, gone=loop.create_future()))
        self.transport = Transport()
        self.line.connection_made(self.transport)

    def ask(self, client_sap, server_sap, apdu):
        self.transport.written = b""
        self.line.data_received(wrapper.encode(client_sap, server_sap, apdu))
        return self.transport.written[wrapper.HEADER_OCTETS :]


class BusLine(Line):
    """An HDLC line to it."""

    def __init__(self, loop):
        self.meters = ReferenceMeters(clock=StandingClock(), entropy=SeededChance())
        loop.run_until_complete(self._connect(loop))

    async def _connect(self, loop):
        self.line = HdlcLine(Door(self.meters.stations, self.meters.clock, gone=loop.create_future()))
        self.transport = Transport()
        self.line.connection_made(self.transport)

    def broadcast(self, client_sap, destination, apdu):
        """UI frames; gives what is answered."""
        information = LLC_COMMAND + apdu
        self.line.data_received(frame.encode(destination, encode_client_address(client_sap), Kind.UI, information))
        return self.transport.written


def with_line(test, make=Line):
    loop = asyncio.new_event_loop()
    try:
        test(make(loop))
    finally:
        loop.close()


def opened(line, *, short_names=False):
    settings = ClientSettings(
        client_sap=LLS.client_sap, mechanism=Mechanism.LLS, password=known_keys.PASSWORD, short_names=short_names
    )
    client = Client(settings)
    event = client.receive(line.ask(LLS.client_sap, 1, client.associate()))
    assert isinstance(event, Associated)
    return client


def got(line, client, octets):
    event = client.receive(line.ask(LLS.client_sap, 1, octets))
    assert isinstance(event, Got), event
    return axdr.decode_value(event.data)[0]


def test_it_is_read_by_short_names_as_by_logical_ones():
    def test(line):
        by_name = opened(line)
        expected = got(line, by_name, by_name.get(IMPORT))
        client = opened(line, short_names=True)
        client.names = ObjectNames(sn_object_list_from_value(_long(line, client, client.read_object_list())))
        assert got(line, client, client.get(IMPORT)) == expected

    with_line(test)


def _long(line, client, octets):
    """An answer that comes in blocks."""
    while True:
        event = client.receive(line.ask(LLS.client_sap, 1, octets))
        if isinstance(event, Got):
            return axdr.decode_value(event.data)[0]
        octets = event.octets


def test_what_goes_to_all_stations_is_carried_out_and_not_answered():
    def test(line):
        client = opened(line)
        request = SetRequestNormal(0x81, WRITTEN, axdr.encode(data.octets(b"to all"))).encode()
        assert line.ask(LLS.client_sap, 0x7F, request) == b""
        assert got(line, client, client.get(WRITTEN)) == b"to all"
        assert line.ask(LLS.client_sap, 0x7F, client.release()) == b""
        assert not line.meters.server.idle

    with_line(test)


def test_ui_frames_to_all_stations_are_carried_out_and_not_answered():
    def test(line):
        client_sap = LLS.client_sap
        server = line.meters.server
        client = Client(ClientSettings(client_sap=client_sap, mechanism=Mechanism.LLS, password=known_keys.PASSWORD))
        now_s = line.meters.clock.epoch_s()
        client.receive(server.receive(1, client_sap, client.associate(), now_s))
        request = SetRequestNormal(0x81, WRITTEN, axdr.encode(data.octets(b"to all"))).encode()
        assert line.broadcast(client_sap, ServerAddress(0x7F, 17, 2).encode(), request) == b""
        event = client.receive(server.receive(1, client_sap, client.get(WRITTEN), now_s))
        assert axdr.decode_value(event.data)[0] == b"to all"
        assert line.broadcast(client_sap, b"\xff", client.release()) == b""
        assert not server.idle

    with_line(test, BusLine)
