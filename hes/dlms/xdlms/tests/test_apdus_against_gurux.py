"""Agreement with the translator of gurux-dlms 1.0.203: it reads what we write, value by value, and writes it again.

Left out is what it cannot do: it reads neither blocks nor lists of ACTION nor blocks of a list of SET, exception codes
above 3, nor a tagged time, nor a first block that is not number 1; it writes only a part of what it reads.
"""

import contextlib
import io
from xml.etree import ElementTree

import pytest
from gurux_dlms import GXByteBuffer, GXDLMSTranslator
from hypothesis import given
from hypothesis import strategies as st

from hes.dlms import apdu
from hes.dlms.apdu import AttributeDescriptor, MethodDescriptor
from hes.dlms.codes import ActionResult, ConfirmedService, DataAccessResult, ErrorGroup, InitiateError
from hes.dlms.codes import ServiceError as Service
from hes.dlms.codes import StateError as State

SUCCESS = DataAccessResult.SUCCESS
INVOKE = st.integers(0, 255)
BLOCK = st.integers(0, 2**32 - 1)
RAW = st.binary(min_size=1, max_size=40) | st.binary(min_size=126, max_size=130)
OBIS = st.binary(min_size=6, max_size=6)
ATTRIBUTE = st.builds(AttributeDescriptor, st.sampled_from((1, 3, 7, 8, 15, 70)), OBIS, st.integers(1, 127))
METHOD = st.builds(MethodDescriptor, st.sampled_from((1, 3, 7, 8, 15, 70)), OBIS, st.integers(1, 127))
NUMBER = st.integers(0, 2**32 - 1)
TIME = bytes.fromhex("07E80C0F070C1E00FF800000")


def number(value):
    return b"\x06" + value.to_bytes(4, "big")


def translate(octets):
    """The leaves of the XML, as (element, value), in order."""
    with contextlib.redirect_stdout(io.StringIO()):
        text = GXDLMSTranslator().pduToXml(GXByteBuffer(octets))
    tree = ElementTree.fromstring(text)  # noqa: S314 - its own text of our octets
    return text, [(element.tag, element.get("Value")) for element in tree.iter() if element.get("Value")]


def agree(ours, leaves, *, writes_again=True):
    octets = ours.encode()
    text, seen = translate(octets)
    assert seen == leaves
    assert apdu.decode(octets) == ours
    if writes_again:
        with contextlib.redirect_stdout(io.StringIO()):
            written = bytes.fromhex(GXDLMSTranslator().xmlToHexPdu(text))
        assert written[:2] + written[3:] == octets[:2] + octets[3:]  # it writes an invoke octet of its own


def invoked(invoke):
    return ("InvokeIdAndPriority", f"{invoke:02X}")


def described(attribute):
    class_id, obis, index = attribute
    kind = "Attribute" if isinstance(attribute, AttributeDescriptor) else "Method"
    return [("ClassId", f"{class_id:04X}"), ("InstanceId", obis.hex().upper()), (f"{kind}Id", f"{index:02X}")]


def block(last, number, raw):
    return [("LastBlock", f"{last:02X}"), ("BlockNumber", f"{number:08X}"), ("RawData", raw.hex().upper())]


@given(invoke=INVOKE, attribute=ATTRIBUTE, number=BLOCK)
def test_get_requests_agree(invoke, attribute, number):
    agree(apdu.GetRequestNormal(invoke, attribute), [invoked(invoke), *described(attribute)])
    agree(apdu.GetRequestNext(invoke, number), [invoked(invoke), ("BlockNumber", f"{number:08X}")])


@given(invoke=INVOKE, attributes=st.lists(ATTRIBUTE, min_size=1, max_size=4))
def test_get_requests_for_a_list_agree(invoke, attributes):
    leaves = [leaf for attribute in attributes for leaf in described(attribute)]
    agree(
        apdu.GetRequestWithList(invoke, tuple((attribute, b"") for attribute in attributes)),
        [invoked(invoke), *leaves],
        writes_again=False,
    )


@given(invoke=INVOKE, value=NUMBER, last=st.booleans(), count=BLOCK, raw=RAW)
def test_get_responses_agree(invoke, value, last, count, raw):
    agree(
        apdu.GetResponseNormal(invoke, SUCCESS, number(value)),
        [invoked(invoke), ("UInt32", f"{value:08X}")],
    )
    seen = translate(apdu.GetResponseWithBlock(invoke, last, count, SUCCESS, raw).encode())[1]
    leaves = dict(seen)
    assert seen[0] == invoked(invoke)
    assert int(leaves["BlockNumber"], 16) == count
    assert leaves["RawData"] == raw.hex().upper()


def test_a_refused_read_agrees():
    agree(
        apdu.GetResponseNormal(0xC1, DataAccessResult.OBJECT_UNDEFINED),
        [invoked(0xC1), ("DataAccessError", "UndefinedObject")],
    )


@given(invoke=INVOKE, attribute=ATTRIBUTE, value=NUMBER, last=st.booleans(), count=BLOCK, raw=RAW)
def test_set_requests_agree(invoke, attribute, value, last, count, raw):
    agree(
        apdu.SetRequestNormal(invoke, attribute, number(value)),
        [invoked(invoke), *described(attribute), ("UInt32", f"{value:08X}")],
    )
    agree(
        apdu.SetRequestFirstBlock(invoke, attribute, b"", last, 1, raw),
        [invoked(invoke), *described(attribute), *block(last, 1, raw)],
    )
    agree(apdu.SetRequestBlock(invoke, last, count, raw), [invoked(invoke), *block(last, count, raw)])


@given(invoke=INVOKE, pairs=st.lists(st.tuples(ATTRIBUTE, NUMBER), min_size=1, max_size=4))
def test_set_requests_for_a_list_agree(invoke, pairs):
    ours = apdu.SetRequestWithList(
        invoke,
        tuple((attribute, b"") for attribute, _ in pairs),
        tuple(number(value) for _, value in pairs),
    )
    leaves = [leaf for attribute, _ in pairs for leaf in described(attribute)]
    agree(ours, [invoked(invoke), *leaves, *[("UInt32", f"{value:08X}") for _, value in pairs]])


@given(invoke=INVOKE, count=BLOCK)
def test_set_responses_agree(invoke, count):
    agree(apdu.SetResponseNormal(invoke, SUCCESS), [invoked(invoke), ("Result", "Success")])
    agree(apdu.SetResponseBlock(invoke, count), [invoked(invoke), ("BlockNumber", f"{count:08X}")])
    agree(
        apdu.SetResponseLastBlock(invoke, SUCCESS, count),
        [invoked(invoke), ("Result", "Success"), ("BlockNumber", f"{count:08X}")],
        writes_again=False,
    )


@given(invoke=INVOKE, method=METHOD, value=NUMBER)
def test_actions_agree(invoke, method, value):
    agree(apdu.ActionRequestNormal(invoke, method), [invoked(invoke), *described(method)])
    agree(
        apdu.ActionRequestNormal(invoke, method, number(value)),
        [invoked(invoke), *described(method), ("UInt32", f"{value:08X}")],
    )
    agree(
        apdu.ActionResponseNormal(invoke, ActionResult.SUCCESS, number(value)),
        [invoked(invoke), ("Result", "Success"), ("UInt32", f"{value:08X}")],
    )


@given(invoke=NUMBER, value=NUMBER, attribute=ATTRIBUTE)
def test_notifications_agree(invoke, value, attribute):
    head, tail = ("LongInvokeIdAndPriority", f"{invoke:08X}"), ("UInt32", f"{value:08X}")
    time = ("DateTime", TIME.hex().upper())
    agree(apdu.DataNotification(invoke, b"", number(value)), [head, tail], writes_again=False)
    agree(apdu.DataNotification(invoke, TIME, number(value)), [head, time, tail], writes_again=False)
    agree(apdu.EventNotification(b"", attribute, number(value)), [*described(attribute), tail], writes_again=False)
    event = apdu.EventNotification(TIME, attribute, number(value))
    agree(event, [("Time", TIME.hex().upper()), *described(attribute), tail], writes_again=False)


@pytest.mark.parametrize(
    ("ours", "leaves"),
    [
        (
            apdu.ExceptionResponse(State.SERVICE_UNKNOWN, Service.OTHER_REASON),
            [("StateError", "ServiceUnknown"), ("ServiceError", "OtherReason")],
        ),
        (
            apdu.ConfirmedServiceError(
                ConfirmedService.INITIATE, ErrorGroup.INITIATE, InitiateError.PDU_SIZE_TOO_SHORT
            ),
            [("Service", "01"), ("Initiate", "PduSizeTooShort")],
        ),
    ],
)
def test_refusals_agree(ours, leaves):
    agree(ours, leaves, writes_again=False)


SPECIFIED = {
    apdu.AccessKind.GET: "AccessRequestGet",
    apdu.AccessKind.SET: "AccessRequestSet",
    apdu.AccessKind.ACTION: "AccessRequestAction",
}
SPECIFICATION = st.sampled_from(list(SPECIFIED)).flatmap(
    lambda kind: st.builds(
        apdu.AccessSpecification, st.just(kind), METHOD if kind is apdu.AccessKind.ACTION else ATTRIBUTE, st.just(b"")
    )
)


@given(invoke=NUMBER, asked=st.lists(st.tuples(SPECIFICATION, NUMBER), min_size=1, max_size=4))
def test_access_requests_agree(invoke, asked):
    ours = apdu.AccessRequest(
        invoke,
        b"",
        tuple(specification for specification, _ in asked),
        tuple(number(value) for _, value in asked),
    )
    text, seen = translate(ours.encode())
    # it calls the index of a method an attribute here
    leaves = [leaf for specification, _ in asked for leaf in described(AttributeDescriptor(*specification.target))]
    assert seen == [
        ("LongInvokeIdAndPriority", f"{invoke:08X}"),
        *leaves,
        *[("UInt32", f"{value:08X}") for _, value in asked],
    ]
    kinds = [element.tag for element in ElementTree.fromstring(text).iter() if element.tag in SPECIFIED.values()]  # noqa: S314 - its own text
    assert kinds == [SPECIFIED[specification.kind] for specification, _ in asked]


@given(invoke=NUMBER, values=st.lists(st.tuples(st.sampled_from(list(SPECIFIED)), NUMBER), min_size=1, max_size=4))
def test_access_responses_agree(invoke, values):
    ours = apdu.AccessResponse(
        invoke,
        b"",
        None,
        tuple(number(value) for _, value in values),
        tuple((kind, ActionResult.SUCCESS if kind is apdu.AccessKind.ACTION else SUCCESS) for kind, _ in values),
    )
    seen = translate(ours.encode())[1]
    assert seen == [
        ("LongInvokeIdAndPriority", f"{invoke:08X}"),
        *[("UInt32", f"{value:08X}") for _, value in values],
        *[("Result", "Success")] * len(values),
    ]


@given(
    last=st.booleans(),
    window=st.integers(0, 63),
    numbers=st.tuples(st.integers(1, 0xFFFF), st.integers(0, 0xFFFF)),
    raw=st.binary(min_size=1, max_size=300),
)
def test_general_blocks_agree(last, window, numbers, raw):
    ours = apdu.GeneralBlock(last, not last, window, *numbers, raw)
    control = (0x80 if last else 0x40) | window
    agree(
        ours,
        [
            ("BlockControl", f"{control:02X}"),
            ("BlockNumber", f"{numbers[0]:04X}"),
            ("BlockNumberAck", f"{numbers[1]:04X}"),
            ("BlockData", raw.hex().upper()),
        ],
        writes_again=False,
    )
