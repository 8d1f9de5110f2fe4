"""Hypothesis strategies for every xDLMS APDU that the tables of hes.dlms.apdu know."""

from hypothesis import strategies as st

from hes.dlms import apdu, axdr
from hes.dlms.codes import (
    ActionResult,
    ConfirmedService,
    DataAccessResult,
    ErrorGroup,
    ServiceError,
    StateError,
    UnknownCode,
    code,
)
from hes.dlms.tests.strategies import data
from hes.dlms.xdlms.exception import ERROR_CODES

U8 = st.integers(0, 255)
U32 = st.integers(0, 2**32 - 1)
RAW = st.binary(max_size=40) | st.binary(min_size=126, max_size=130)
ENCODED = data().map(axdr.encode)
TIMES = st.just(b"") | st.binary(min_size=12, max_size=12)
SELECTIONS = st.just(b"") | st.builds(lambda selector, parameters: bytes((selector,)) + parameters, U8, ENCODED)
_DESCRIPTOR = (st.integers(0, 0xFFFF), st.binary(min_size=6, max_size=6), st.integers(-128, 127))
ATTRIBUTES = st.builds(apdu.AttributeDescriptor, *_DESCRIPTOR)
METHODS = st.builds(apdu.MethodDescriptor, *_DESCRIPTOR)

ATTRIBUTE_RESULTS = U8.map(lambda number: code(DataAccessResult, number))
METHOD_RESULTS = U8.map(lambda number: code(ActionResult, number))
ERRORS = st.integers(1, 255).map(lambda number: code(DataAccessResult, number))
READS = st.tuples(st.just(DataAccessResult.SUCCESS), ENCODED) | st.tuples(ERRORS, st.just(b""))
OUTCOMES = st.builds(apdu.ActionOutcome, METHOD_RESULTS, st.none() | ENCODED, st.none()) | st.builds(
    apdu.ActionOutcome, METHOD_RESULTS, st.none(), ATTRIBUTE_RESULTS
)


def many(items):
    return st.lists(items, max_size=4).map(tuple)


def paired(keys, values):
    """As many `keys` as `values`, drawn together."""
    return st.lists(st.tuples(keys, values), max_size=4).map(
        lambda pairs: (tuple(key for key, _ in pairs), tuple(value for _, value in pairs))
    )


SELECTED = st.tuples(ATTRIBUTES, SELECTIONS)
BLOCK = (st.booleans(), U32, RAW)

GETS = [
    st.builds(apdu.GetRequestNormal, U8, ATTRIBUTES, SELECTIONS),
    st.builds(apdu.GetRequestNext, U8, U32),
    st.builds(apdu.GetRequestWithList, U8, many(SELECTED)),
    st.builds(lambda invoke, read: apdu.GetResponseNormal(invoke, *read), U8, READS),
    st.builds(apdu.GetResponseWithBlock, U8, st.booleans(), U32, st.just(DataAccessResult.SUCCESS), RAW),
    st.builds(apdu.GetResponseWithBlock, U8, st.booleans(), U32, ERRORS),
    st.builds(apdu.GetResponseWithList, U8, many(READS)),
]
SETS = [
    st.builds(apdu.SetRequestNormal, U8, ATTRIBUTES, ENCODED, SELECTIONS),
    st.builds(apdu.SetRequestFirstBlock, U8, ATTRIBUTES, SELECTIONS, *BLOCK),
    st.builds(apdu.SetRequestBlock, U8, *BLOCK),
    st.builds(lambda invoke, pairs: apdu.SetRequestWithList(invoke, *pairs), U8, paired(SELECTED, ENCODED)),
    st.builds(apdu.SetRequestWithListFirstBlock, U8, many(SELECTED), *BLOCK),
    st.builds(apdu.SetResponseNormal, U8, ATTRIBUTE_RESULTS),
    st.builds(apdu.SetResponseBlock, U8, U32),
    st.builds(apdu.SetResponseLastBlock, U8, ATTRIBUTE_RESULTS, U32),
    st.builds(apdu.SetResponseLastBlockWithList, U8, many(ATTRIBUTE_RESULTS), U32),
    st.builds(apdu.SetResponseWithList, U8, many(ATTRIBUTE_RESULTS)),
]
ACTIONS = [
    st.builds(apdu.ActionRequestNormal, U8, METHODS, st.none() | ENCODED),
    st.builds(apdu.ActionRequestNextBlock, U8, U32),
    st.builds(lambda invoke, pairs: apdu.ActionRequestWithList(invoke, *pairs), U8, paired(METHODS, ENCODED)),
    st.builds(apdu.ActionRequestFirstBlock, U8, METHODS, *BLOCK),
    st.builds(apdu.ActionRequestWithListFirstBlock, U8, many(METHODS), *BLOCK),
    st.builds(apdu.ActionRequestBlock, U8, *BLOCK),
    st.builds(lambda invoke, outcome: apdu.ActionResponseNormal(invoke, *outcome), U8, OUTCOMES),
    st.builds(apdu.ActionResponseBlock, U8, *BLOCK),
    st.builds(apdu.ActionResponseWithList, U8, many(OUTCOMES)),
    st.builds(apdu.ActionResponseNextBlock, U8, U32),
]


def _exception(state: int, service: int, counter: int) -> apdu.ExceptionResponse:
    counted = service == ServiceError.INVOCATION_COUNTER_ERROR
    return apdu.ExceptionResponse(code(StateError, state), code(ServiceError, service), counter if counted else None)


def _confirmed_error(service: int, group: int, number: int) -> apdu.ConfirmedServiceError:
    table = ERROR_CODES.get(group)
    named = UnknownCode(number) if table is None else code(table, number)
    return apdu.ConfirmedServiceError(code(ConfirmedService, service), code(ErrorGroup, group), named)


OTHERS = [
    st.builds(
        lambda invoke, time, octets, tagged: apdu.DataNotification(invoke, time, octets, tagged and bool(time)),
        U32,
        TIMES,
        ENCODED,
        st.booleans(),
    ),
    st.builds(
        lambda time, attribute, octets, tagged: apdu.EventNotification(time, attribute, octets, tagged and bool(time)),
        TIMES,
        ATTRIBUTES,
        ENCODED,
        st.booleans(),
    ),
    st.builds(_exception, U8, U8, U32),
    st.builds(_confirmed_error, U8, U8 | st.sampled_from((0, 3, 6)), U8),
]
U16 = st.integers(0, 0xFFFF)
VARIABLES = st.one_of(
    st.builds(apdu.VariableName, U16),
    st.builds(apdu.ParameterizedAccess, U16, U8, ENCODED),
    st.builds(apdu.BlockNumberAccess, U16),
    st.builds(apdu.ReadDataBlockAccess, st.booleans(), U16, RAW),
    st.builds(apdu.WriteDataBlockAccess, st.booleans(), U16),
)
ACCESS_ERRORS = st.builds(apdu.DataAccessError, ERRORS)
READ_RESULTS = st.one_of(
    st.builds(apdu.ReadData, ENCODED),
    ACCESS_ERRORS,
    st.builds(apdu.DataBlock, st.booleans(), U16, RAW),
    st.builds(apdu.ReadBlockNumber, U16),
)
WRITE_RESULTS = st.one_of(st.builds(apdu.WriteSuccess), ACCESS_ERRORS, st.builds(apdu.WriteBlockNumber, U16))
WRITES = paired(VARIABLES, ENCODED)
REPORT_TIMES = st.one_of(
    st.just((b"", False)),
    st.tuples(st.binary(min_size=1, max_size=32), st.just(False)),
    st.tuples(st.binary(min_size=12, max_size=12), st.just(True)),
)
SHORT_NAMES = [
    st.builds(apdu.ReadRequest, many(VARIABLES)),
    st.builds(apdu.ReadResponse, many(READ_RESULTS)),
    st.builds(lambda pairs: apdu.WriteRequest(*pairs), WRITES),
    st.builds(lambda pairs: apdu.UnconfirmedWriteRequest(*pairs), WRITES),
    st.builds(apdu.WriteResponse, many(WRITE_RESULTS)),
    st.builds(lambda pairs, time: apdu.InformationReport(*pairs, *time), WRITES, REPORT_TIMES),
]


def _specified(kind):
    target = METHODS if kind is apdu.AccessKind.ACTION else ATTRIBUTES
    selective = kind in (apdu.AccessKind.GET_WITH_SELECTION, apdu.AccessKind.SET_WITH_SELECTION)
    return st.builds(
        apdu.AccessSpecification, st.just(kind), target, SELECTIONS.filter(bool) if selective else st.just(b"")
    )


SPECIFICATIONS = st.sampled_from(apdu.AccessKind).flatmap(_specified)
ACCESS_RESULTS = st.tuples(st.sampled_from((apdu.AccessKind.GET, apdu.AccessKind.SET)), ATTRIBUTE_RESULTS) | st.tuples(
    st.just(apdu.AccessKind.ACTION), METHOD_RESULTS
)


def _access_response(invoke, time, tagged, rows, described):
    specifications = tuple(row[0] for row in rows) if described else None
    data, results = tuple(row[1] for row in rows), tuple(row[2] for row in rows)
    return apdu.AccessResponse(invoke, time, specifications, data, results, tagged and bool(time))


ACCESSES = [
    st.builds(
        lambda invoke, time, tagged, pairs: apdu.AccessRequest(invoke, time, *pairs, tagged and bool(time)),
        U32,
        TIMES,
        st.booleans(),
        paired(SPECIFICATIONS, ENCODED),
    ),
    st.builds(
        _access_response,
        U32,
        TIMES,
        st.booleans(),
        st.lists(st.tuples(SPECIFICATIONS, ENCODED, ACCESS_RESULTS), max_size=4),
        st.booleans(),
    ),
]
GENERAL_BLOCKS = st.builds(apdu.GeneralBlock, st.booleans(), st.booleans(), st.integers(0, 63), U16, U16, RAW)
OTHERS += [
    GENERAL_BLOCKS,
    st.builds(
        lambda invoke, time, tagged: apdu.DataNotificationConfirm(invoke, time, tagged and bool(time)),
        U32,
        TIMES,
        st.booleans(),
    ),
]
APDUS = st.one_of([*GETS, *SETS, *ACTIONS, *ACCESSES, *OTHERS, *SHORT_NAMES])
