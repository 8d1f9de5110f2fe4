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
from sim.meter_lines import Door, WrapperLine
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


def with_line(test):
    loop = asyncio.new_event_loop()
    try:
        test(Line(loop))
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
