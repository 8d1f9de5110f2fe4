"""Agreement with dlms-cosem 21.3.2 inside its valid domain: fields below 128 octets, its own classes, whole APDUs only.

It has no blocks or lists of SET and ACTION and reads neither form of the time of a notification that devices send.
"""

from datetime import UTC, datetime

from dlms_cosem import cosem, enumerations
from dlms_cosem.cosem import selective_access
from dlms_cosem.cosem.capture_object import CaptureObject
from dlms_cosem.protocol import xdlms as peer
from dlms_cosem.protocol.xdlms.data_notification import DataNotification, LongInvokeIdAndPriority
from dlms_cosem.protocol.xdlms.get import GetResponseLastBlockWithError, GetResponseWithList
from hypothesis import given
from hypothesis import strategies as st

from hes.dlms import apdu, axdr
from hes.dlms.apdu import ActionOutcome, AttributeDescriptor, MethodDescriptor
from hes.dlms.codes import ActionResult, DataAccessResult, ServiceError, StateError
from hes.dlms.data import Data, Tag
from hes.dlms.tests.strategies import VALUES

MIN, MAX = datetime(2000, 1, 1), datetime(2099, 12, 31)  # noqa: DTZ001 - the zone is set in the test
CLASSES = st.sampled_from([int(interface) for interface in enumerations.CosemInterface])
OBIS = st.binary(min_size=6, max_size=6)
ATTRIBUTES = st.builds(AttributeDescriptor, CLASSES, OBIS, st.integers(1, 127))
METHODS = st.builds(MethodDescriptor, CLASSES, OBIS, st.integers(1, 127))
INVOKES = st.builds(lambda number, flags: number | flags, st.integers(0, 15), st.sampled_from((0, 0x40, 0x80, 0xC0)))
BLOCKS = st.integers(0, 2**32 - 1)
RAW = st.binary(max_size=100)
RESULTS = st.sampled_from([DataAccessResult(result) for result in enumerations.DataAccessResult if result])
ACTION_RESULTS = st.sampled_from([ActionResult(result) for result in enumerations.ActionResultStatus])
SIMPLE = (Tag.NULL, Tag.BOOLEAN, Tag.DOUBLE_LONG, Tag.DOUBLE_LONG_UNSIGNED, Tag.LONG, Tag.LONG_UNSIGNED, Tag.ENUM)
DATA = st.one_of([st.builds(Data, st.just(tag), VALUES[tag]) for tag in SIMPLE]).map(axdr.encode)


def their_invoke(invoke):
    return peer.InvokeIdAndPriority.from_bytes(bytes((invoke,)))


def their_attribute(attribute):
    interface, instance, index = attribute
    return cosem.CosemAttribute(enumerations.CosemInterface(interface), cosem.Obis.from_bytes(instance), index)


def their_method(method):
    interface, instance, index = method
    return cosem.CosemMethod(enumerations.CosemInterface(interface), cosem.Obis.from_bytes(instance), index)


def agree(ours, theirs):
    """Both write the same octets, and each reads what the other wrote."""
    assert ours.encode() == theirs.to_bytes()
    assert apdu.decode(theirs.to_bytes()) == ours
    assert type(theirs).from_bytes(ours.encode()) == theirs


@given(invoke=INVOKES, attribute=ATTRIBUTES, block=BLOCKS)
def test_get_requests_agree(invoke, attribute, block):
    agree(
        apdu.GetRequestNormal(invoke, attribute),
        peer.GetRequestNormal(their_attribute(attribute), their_invoke(invoke)),
    )
    agree(apdu.GetRequestNext(invoke, block), peer.GetRequestNext(block, their_invoke(invoke)))


@given(invoke=INVOKES, attributes=st.lists(ATTRIBUTES, min_size=1, max_size=8))
def test_get_requests_for_a_list_are_written_alike(invoke, attributes):
    theirs = peer.GetRequestWithList(
        [cosem.CosemAttributeWithSelection(their_attribute(attribute), None) for attribute in attributes],
        their_invoke(invoke),
    )
    ours = apdu.GetRequestWithList(invoke, tuple((attribute, b"") for attribute in attributes))
    assert ours.encode() == theirs.to_bytes()


@given(invoke=INVOKES, attribute=ATTRIBUTES, start=st.datetimes(MIN, MAX), index=st.integers(0, 0xFFFF))
def test_access_by_range_stands_where_they_put_it(invoke, attribute, start, index):
    clock = CaptureObject(their_attribute(AttributeDescriptor(8, bytes.fromhex("0000010000FF"), 2)), index)
    entries = selective_access.RangeDescriptor(clock, start.replace(tzinfo=UTC), start.replace(tzinfo=UTC))
    theirs = peer.GetRequestNormal(their_attribute(attribute), their_invoke(invoke), entries)
    assert apdu.decode(theirs.to_bytes()) == apdu.GetRequestNormal(invoke, attribute, bytes(entries.to_bytes()))


@given(invoke=INVOKES, encoded=DATA, result=RESULTS, block=BLOCKS, raw=RAW)
def test_get_responses_agree(invoke, encoded, result, block, raw):
    success, theirs_invoke = DataAccessResult.SUCCESS, their_invoke(invoke)
    error = enumerations.DataAccessResult(result)
    # this one it reads, but writing it fails
    octets = apdu.GetResponseNormal(invoke, success, encoded).encode()
    assert peer.GetResponseNormal.from_bytes(octets) == peer.GetResponseNormal(encoded, theirs_invoke)
    agree(apdu.GetResponseNormal(invoke, result), peer.GetResponseNormalWithError(error, theirs_invoke))
    agree(
        apdu.GetResponseWithBlock(invoke, False, block, success, raw),
        peer.GetResponseWithBlock(raw, block, theirs_invoke),
    )
    agree(
        apdu.GetResponseWithBlock(invoke, True, block, success, raw),
        peer.GetResponseLastBlock(raw, block, theirs_invoke),
    )
    agree(
        apdu.GetResponseWithBlock(invoke, True, block, result),
        GetResponseLastBlockWithError(error, block, theirs_invoke),
    )


@given(invoke=INVOKES, reads=st.lists(st.integers(0, 2**32 - 1) | RESULTS, max_size=8))
def test_get_responses_for_a_list_are_read_alike(invoke, reads):
    results = tuple(
        (read, b"")
        if isinstance(read, DataAccessResult)
        else (DataAccessResult.SUCCESS, b"\x06" + read.to_bytes(4, "big"))
        for read in reads
    )
    theirs = GetResponseWithList.from_bytes(apdu.GetResponseWithList(invoke, results).encode())
    assert theirs.result == reads
    assert theirs.invoke_id_and_priority == their_invoke(invoke)


@given(invoke=INVOKES, attribute=ATTRIBUTES, encoded=DATA, result=RESULTS | st.just(DataAccessResult.SUCCESS))
def test_sets_agree(invoke, attribute, encoded, result):
    agree(
        apdu.SetRequestNormal(invoke, attribute, encoded),
        peer.SetRequestNormal(their_attribute(attribute), encoded, None, their_invoke(invoke)),
    )
    agree(
        apdu.SetResponseNormal(invoke, result),
        peer.SetResponseNormal(enumerations.DataAccessResult(result), their_invoke(invoke)),
    )


@given(invoke=INVOKES, method=METHODS, encoded=DATA, status=ACTION_RESULTS, result=RESULTS)
def test_actions_agree(invoke, method, encoded, status, result):
    theirs_invoke, their_status = their_invoke(invoke), enumerations.ActionResultStatus(status)
    agree(
        apdu.ActionRequestNormal(invoke, method, encoded),
        peer.ActionRequestNormal(their_method(method), encoded, theirs_invoke),
    )
    agree(apdu.ActionRequestNormal(invoke, method), peer.ActionRequestNormal(their_method(method), None, theirs_invoke))
    agree(apdu.ActionResponseNormal(invoke, status), peer.ActionResponseNormal(their_status, theirs_invoke))
    agree(
        apdu.ActionResponseNormal(invoke, status, encoded),
        peer.ActionResponseNormalWithData(their_status, encoded, theirs_invoke),
    )
    agree(
        apdu.ActionResponseNormal(invoke, *ActionOutcome(status, None, result)),
        peer.ActionResponseNormalWithError(their_status, enumerations.DataAccessResult(result), theirs_invoke),
    )


@given(invoke=st.integers(0, 0xFFFFFF), encoded=DATA)
def test_notifications_without_time_agree(invoke, encoded):
    agree(apdu.DataNotification(invoke, b"", encoded), DataNotification(LongInvokeIdAndPriority(invoke), None, encoded))


@given(
    state=st.sampled_from([StateError(state) for state in enumerations.StateException]),
    service=st.sampled_from([ServiceError(service) for service in enumerations.ServiceException]),
    counter=st.integers(0, 2**32 - 1),
)
def test_exceptions_are_read_alike(state, service, counter):
    expected = counter if service is ServiceError.INVOCATION_COUNTER_ERROR else None
    theirs = peer.ExceptionResponse.from_bytes(apdu.ExceptionResponse(state, service, expected).encode())
    assert (theirs.state_error, theirs.service_error) == (state, service)
    assert theirs.invocation_counter_data == expected
