import pytest

from hes.dlms import apdu, axdr
from hes.dlms.apdu import AttributeDescriptor, DataNotification, EventNotification
from hes.dlms.hdlc.fcs import is_intact
from hes.dlms.tests import published
from hes.errors import LocalProtocolError, RemoteProtocolError

TIME = bytes.fromhex("07E80C0F070C1E00FF800000")
LLC = bytes.fromhex("E6E700")
CLOCK = AttributeDescriptor(8, bytes.fromhex("0000010000FF"), 2)
# a concentrator that pushes events in this form: docs/protocols/dlms-application.md §8
NODE_REGISTERED = bytes.fromhex(
    "C2004E2C000080000CFF0302050920303130353434353037333031303031363231333431353733303030323636343509"
    "0C07DF0818010C260E310000001200001200C209414E6F6465205B303230303A303046463A464530303A303030305D205B3078303030315D20"
    "6861732072656769737465726564206F6E20746865206E6574776F726B"
)


def test_the_published_push_is_read_and_written():
    value = DataNotification(1, TIME, bytes.fromhex("020209060000010000FF0600000001"))
    assert apdu.decode(published.DATA_NOTIFICATION) == value
    assert value.encode() == published.DATA_NOTIFICATION


def test_a_push_of_a_meter_that_puts_the_tag_before_the_time_is_read_and_written_as_it_came():
    octets = bytes.fromhex("0F40000000090C") + TIME + b"\x00"
    value = apdu.decode(octets)
    assert value == DataNotification(0x40000000, TIME, b"\x00", tagged_time=True)
    assert value.encode() == octets


def test_a_push_without_time_is_read_and_written():
    octets = bytes.fromhex("0F0000000100 1107".replace(" ", ""))
    assert apdu.decode(octets) == DataNotification(1, b"", b"\x11\x07")
    assert DataNotification(1, b"", b"\x11\x07").encode() == octets


def test_an_event_of_a_concentrator_is_read():
    value = apdu.decode(NODE_REGISTERED)
    assert value.time == b""
    assert value.attribute == AttributeDescriptor(20012, bytes.fromhex("000080000CFF"), 3)
    serial, when, device_class, event, text = axdr.decode_value(value.data)[0]
    assert (serial[:8], len(when), device_class, event) == (b"01054450", 12, 0, 0xC2)
    assert text.endswith(b"registered on the network")
    assert value.encode() == NODE_REGISTERED


def pushes_in(octets):
    """The APDUs of intact HDLC frames: flag, A0..A7 and length, addresses, control, HCS, LLC, APDU, FCS, flag."""
    start = octets.find(0x7E)
    while 0 <= start < len(octets) - 3:
        end = start + 2 + ((octets[start + 1] & 7) << 8 | octets[start + 2])
        llc = octets.find(LLC + b"\x0f", start, end)
        if octets[start + 1] & 0xF8 == 0xA0 and llc > 0 and is_intact(octets[start + 1 : end - 1]):
            yield octets[llc + len(LLC) : end - 3]
            start = end - 1
        start = octets.find(0x7E, start + 1)


@pytest.mark.parametrize(("name", "count"), [("kaifa-2017-09-12.txt", 611), ("kamstrup-2017-10-19.txt", 156)])
def test_every_push_of_a_customer_port_is_read_and_written_as_it_came(captures, name, count):
    text = (captures / "han" / name).read_text()
    octets = b"".join(bytes.fromhex("".join(block.split("]")[1].split())) for block in text.split("[")[1:])
    pushes = list(pushes_in(octets))
    assert len(pushes) == count
    for received in pushes:
        push = apdu.decode(received)
        assert push.tagged_time
        assert push.encode() == received


@pytest.mark.parametrize(("prefix", "tagged"), [("010C", False), ("090C", True)])
def test_an_event_has_its_time_in_either_form(prefix, tagged):
    octets = b"\xc2" + bytes.fromhex(prefix) + TIME + bytes.fromhex("00080000010000FF021100")
    value = apdu.decode(octets)
    assert value == EventNotification(TIME, CLOCK, b"\x11\x00", tagged)
    assert value.encode() == octets


@pytest.mark.parametrize(
    "octets",
    [
        "0F000000010507E80C0F0700",  # a date is no date-time
        "0F00000001090507E80C0F0700",
        "0F0000000101",
        "0F000000010C07E8",
        "0F00000001",
        "C20C07E80C0F070C1E00FF80000000080000010000FF021100",
        "C200080000010000FF02",
    ],
)
def test_a_notification_that_breaks_the_layout_is_refused(octets):
    with pytest.raises(RemoteProtocolError):
        apdu.decode(bytes.fromhex(octets))


@pytest.mark.parametrize("value", [DataNotification(1, TIME[:5], b"\0"), EventNotification(TIME[:5], CLOCK, b"\0")])
def test_a_time_of_another_length_is_our_own_mistake(value):
    with pytest.raises(LocalProtocolError):
        value.encode()
