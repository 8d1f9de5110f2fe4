"""Read and Write against a whole meter, octet by octet. Names with ids are cases of the DLMS UA's conformance tests."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hes.dlms import acse, apdu, axdr, data
from hes.dlms.apdu import (
    BlockNumberAccess,
    DataAccessError,
    DataBlock,
    ParameterizedAccess,
    ReadBlockNumber,
    ReadData,
    ReadDataBlockAccess,
    ReadRequest,
    ReadResponse,
    UnconfirmedWriteRequest,
    VariableName,
    WriteBlockNumber,
    WriteDataBlockAccess,
    WriteRequest,
    WriteResponse,
    WriteSuccess,
)
from hes.dlms.codes import AcseDiagnostic, ApplicationContext, AssociationResult, Conformance, DataAccessResult
from hes.dlms.cosem import ControlState
from hes.dlms.cosem.access import SHORT_NAME_CONFORMANCE
from hes.dlms.cosem.association_sn import sn_object_list_from_value
from hes.dlms.initiate import InitiateRequest
from hes.dlms.initiate import decode as decode_initiate
from hes.dlms.server.tests import server_wire as sw
from hes.dlms.tests import bench_meter as bm
from hes.dlms.tests import bench_short_names as bs
from hes.dlms.tests import published
from hes.dlms.xdlms.read import decode_read_response_content
from hes.dlms.xdlms.tests.apdu_strategies import APDUS, SHORT_NAMES

WRITTEN = WriteResponse((WriteSuccess(),))
MESSAGE = bs.attribute(bm.MESSAGE, 2)
ENERGY = bs.attribute(bm.ENERGY, 2)
PROFILE = bs.attribute(bm.LOAD_PROFILE, 2)
HELLO = axdr.encode(data.octets(b"hello"))
READ_UNSUPPORTED, WRITE_UNSUPPORTED = bytes.fromhex("0E050302"), bytes.fromhex("0E060302")
READ_MALFORMED, WRITE_MALFORMED, PDU_SIZE = (bytes.fromhex(text) for text in ("0E050300", "0E060300", "0E050301"))


def open_wire(conformance=SHORT_NAME_CONFORMANCE, pdu_size=1200, client=bs.READER):
    """An open LLS association with short names."""
    wire = sw.Wire(client, device=bs.DEVICE)
    wire.meter.security.secrets[client] = published.PASSWORD
    request = sw.lls_aarq(
        context=ApplicationContext.SN, user_information=InitiateRequest(conformance, pdu_size).encode()
    )
    aare = acse.decode(wire(request.encode()))
    assert aare.result == AssociationResult.ACCEPTED
    assert decode_initiate(aare.user_information).vaa_name == 0xFA00
    return wire


def ask(wire, request):
    return apdu.decode(wire(request.encode()))


def read(wire, *variables):
    return ask(wire, ReadRequest(variables)).results


def value(result):
    assert isinstance(result, ReadData)
    return axdr.decode_value(result.data)[0]


def error(result):
    assert isinstance(result, DataAccessError)
    return result.result


# -- association


def test_a_context_with_short_names_grants_no_service_of_logical_names_and_the_other_way_round():
    everything = Conformance(0xFFFFFF)
    for context, lacks, has in (
        (ApplicationContext.SN, Conformance.GET, Conformance.READ),
        (ApplicationContext.LN, Conformance.READ, Conformance.GET),
    ):
        wire = sw.Wire(bs.BOTH_NAMES, device=bs.DEVICE)
        wire.meter.security.secrets[bs.BOTH_NAMES] = published.PASSWORD
        request = sw.lls_aarq(context=context, user_information=InitiateRequest(everything, 0).encode())
        aare = acse.decode(wire(request.encode()))
        granted = decode_initiate(aare.user_information).conformance
        assert has in granted
        assert not granted & lacks


def test_the_context_has_to_be_offered_to_the_client():
    wire = sw.Wire(bm.READER)
    aare = acse.decode(wire(sw.lls_aarq(context=ApplicationContext.SN).encode()))
    assert aare.diagnostic == AcseDiagnostic.APPLICATION_CONTEXT_NAME_NOT_SUPPORTED


def test_the_recorded_aarq_of_a_reader_opens_an_association():
    """Short conformance head, protocol version spelled out (docs/protocols/short-names.md §6)."""
    wire = sw.Wire(bs.PUBLIC, device=bs.DEVICE)
    aare = acse.decode(wire(bytes.fromhex("602080020780A109060760857405080102BE0F040D01000000065F04001C13200000")))
    assert aare.result == AssociationResult.ACCEPTED
    granted = decode_initiate(aare.user_information)
    assert (granted.vaa_name, granted.conformance) == (0xFA00, Conformance(0x1C1320) & SHORT_NAME_CONFORMANCE)
    (name,) = read(wire, VariableName(0xFD08))
    assert value(name) == b"AML0000000000001"


# -- Read


def test_one_and_several_attributes_are_read():
    wire = open_wire()
    assert wire(bytes.fromhex("050102FD08")) == bytes.fromhex("0C0100 0910") + b"AML0000000000001"
    energy, missing, name = read(
        wire, VariableName(ENERGY), VariableName(0xE001), VariableName(bs.attribute(bm.RELAY, 1))
    )
    assert value(energy) == bm.NOW_S // bm.PERIOD_S
    assert error(missing) == DataAccessResult.OBJECT_UNDEFINED
    assert value(name) == bm.RELAY


def test_rights_hold_as_they_do_for_logical_names():
    wire = open_wire()
    assert error(read(wire, VariableName(bs.attribute(bm.SECRET_TEXT, 2)))[0]) == DataAccessResult.READ_WRITE_DENIED
    denied = ask(wire, WriteRequest((VariableName(ENERGY),), (b"\x11\x01",)))
    assert error(denied.results[0]) == DataAccessResult.READ_WRITE_DENIED


def test_a_profile_is_read_by_entry_through_parameterized_access():
    wire = open_wire()
    entries = axdr.encode(data.structure(data.u32(2), data.u32(3), data.u16(1), data.u16(0)))
    (rows,) = read(wire, ParameterizedAccess(PROFILE, 2, entries))
    assert len(value(rows)) == 2
    (refused,) = read(wire, ParameterizedAccess(ENERGY, 2, entries))
    assert error(refused) == DataAccessResult.SCOPE_OF_ACCESS_VIOLATED


def test_a_long_answer_comes_in_blocks_that_hold_the_answer_behind_its_tag():
    wire = open_wire(pdu_size=200)
    parts, number = [], 0
    answer = wire(ReadRequest((VariableName(PROFILE),)).encode())
    while True:
        assert len(answer) <= 200
        ((block,),) = [apdu.decode(answer).results]
        number += 1
        assert isinstance(block, DataBlock)
        assert block.block == number
        parts.append(block.raw)
        if block.last:
            break
        again = wire(ReadRequest((BlockNumberAccess(number - 1),)).encode()) if number > 1 else answer
        assert again == answer
        answer = wire(ReadRequest((BlockNumberAccess(number),)).encode())
    (whole,) = decode_read_response_content(b"".join(parts)).results
    assert len(value(whole)) == bm.ROWS
    assert error(read(wire, BlockNumberAccess(number))[0]) == DataAccessResult.NO_LONG_GET_IN_PROGRESS


def test_a_block_out_of_turn_ends_the_transfer():
    wire = open_wire(pdu_size=200)
    read(wire, VariableName(PROFILE))
    assert error(read(wire, BlockNumberAccess(7))[0]) == DataAccessResult.DATA_BLOCK_NUMBER_INVALID
    assert error(read(wire, BlockNumberAccess(1))[0]) == DataAccessResult.NO_LONG_GET_IN_PROGRESS


def test_an_answer_that_is_too_long_without_block_transfer_is_refused_by_its_size():
    wire = open_wire(SHORT_NAME_CONFORMANCE & ~Conformance.BLOCK_TRANSFER_GET, 200)
    assert wire(ReadRequest((VariableName(PROFILE),)).encode()) == PDU_SIZE


def test_a_long_request_arrives_in_blocks():
    wire = open_wire()
    content = ReadRequest((VariableName(ENERGY), VariableName(0xFD08))).encode_content()
    first, second = content[:3], content[3:]
    taken = ReadResponse((ReadBlockNumber(1),))
    assert ask(wire, ReadRequest((ReadDataBlockAccess(last=False, block=1, raw=first),))) == taken
    assert (
        ask(wire, ReadRequest((ReadDataBlockAccess(last=False, block=1, raw=first),))) == taken
    )  # its answer was lost
    energy, name = read(wire, ReadDataBlockAccess(last=True, block=2, raw=second))
    assert value(energy) == bm.NOW_S // bm.PERIOD_S
    assert value(name) == b"AML0000000000001"
    assert error(read(wire, ReadDataBlockAccess(last=True, block=4, raw=b""))[0]) in (
        DataAccessResult.NO_LONG_GET_IN_PROGRESS,
        DataAccessResult.DATA_BLOCK_NUMBER_INVALID,
    )


# -- Write


def test_an_attribute_is_written_and_each_of_several_has_its_result():
    wire = open_wire(client=bs.BOTH_NAMES)
    assert ask(wire, WriteRequest((VariableName(MESSAGE),), (HELLO,))) == WRITTEN
    assert wire.meter.message == b"hello"
    several = WriteRequest(
        (VariableName(0xE001), VariableName(MESSAGE), VariableName(MESSAGE)), (HELLO, b"\x11\x05", HELLO)
    )
    missing, mistyped, done = ask(wire, several).results
    assert (error(missing), error(mistyped)) == (DataAccessResult.OBJECT_UNDEFINED, DataAccessResult.TYPE_UNMATCHED)
    assert done == WriteSuccess()


def test_an_unconfirmed_write_works_and_is_not_answered():
    wire = open_wire(client=bs.BOTH_NAMES)
    assert wire(UnconfirmedWriteRequest((VariableName(MESSAGE),), (HELLO,)).encode()) is None
    assert wire.meter.message == b"hello"
    assert wire(b"\x16\x01\x03") is None
    silent = open_wire(SHORT_NAME_CONFORMANCE & ~Conformance.UNCONFIRMED_WRITE, client=bs.BOTH_NAMES)
    assert silent(UnconfirmedWriteRequest((VariableName(MESSAGE),), (HELLO,)).encode()) is None
    assert silent.meter.message == b""


def test_a_long_write_arrives_in_blocks_and_is_executed_once():
    wire = open_wire(client=bs.BOTH_NAMES)
    text = bytes(range(200))
    content = WriteRequest((VariableName(MESSAGE),), (axdr.encode(data.octets(text)),)).encode_content()
    first = WriteRequest((WriteDataBlockAccess(last=False, block=1),), (axdr.encode(data.octets(content[:100])),))
    second = WriteRequest((WriteDataBlockAccess(last=True, block=2),), (axdr.encode(data.octets(content[100:])),))
    assert ask(wire, first) == WriteResponse((WriteBlockNumber(1),))
    assert ask(wire, second) == WRITTEN
    assert ask(wire, second) == WRITTEN
    assert (wire.meter.message, wire.meter.writes) == (text, 1)
    wrong = WriteRequest((WriteDataBlockAccess(last=False, block=9),), (b"\x09\x00",))
    assert error(ask(wire, wrong).results[0]) == DataAccessResult.NO_LONG_SET_IN_PROGRESS


def block_of(last, number, octets):
    return WriteRequest((WriteDataBlockAccess(last=last, block=number),), (axdr.encode(data.octets(octets)),))


def test_another_long_write_begins_with_its_own_first_block_whatever_was_left_of_the_one_before():
    wire = open_wire(client=bs.BOTH_NAMES)
    left, whole = (
        WriteRequest((VariableName(MESSAGE),), (axdr.encode(data.octets(text)),)).encode_content()
        for text in (b"given up on", b"what counts")
    )
    taken = WriteResponse((WriteBlockNumber(1),))
    assert ask(wire, block_of(False, 1, left[:8])) == taken
    assert ask(wire, block_of(False, 1, whole[:8])) == taken
    assert ask(wire, block_of(True, 2, whole[8:])) == WRITTEN
    assert wire.meter.message == b"what counts"
    for count in (2, 3):  # in one block each, and alike: no invoke id tells them apart, so both are carried out
        assert ask(wire, block_of(True, 1, whole)) == WRITTEN
        assert wire.meter.writes == count
    different = ask(wire, block_of(True, 2, whole[8:])).results
    assert error(different[0]) == DataAccessResult.NO_LONG_SET_IN_PROGRESS


# -- methods


def test_a_method_is_invoked_by_read_with_parameters_and_what_it_returns_is_the_answer():
    wire = open_wire()
    objects = axdr.encode(data.array([data.structure(data.u16(3), data.octets(bm.ENERGY), data.i8(2))]))
    (values,) = read(wire, ParameterizedAccess(0xFA30, 1, objects))
    assert value(values) == [bm.NOW_S // bm.PERIOD_S]
    (one,) = read(wire, ParameterizedAccess(0xFA28, 1, axdr.encode(data.structure(data.u16(8), data.octets(bm.CLOCK)))))
    assert [element.base_name for element in sn_object_list_from_value(value(one))] == [bs.BASES[bm.CLOCK]]
    (clocks,) = read(wire, ParameterizedAccess(0xFA20, 1, axdr.encode(data.u16(8))))
    assert clocks == one
    (wrong,) = read(wire, ParameterizedAccess(0xFA20, 1, b"\x00"))
    assert error(wrong) == DataAccessResult.TYPE_UNMATCHED
    (late,) = read(wire, ParameterizedAccess(0xFA58, 1, b"\x09\x00"))
    assert error(late) == DataAccessResult.OTHER_REASON


@pytest.mark.parametrize("index", [data.structure(data.u16(2), data.u16(2)), data.octets(b"2"), data.array(())])
def test_an_object_read_by_its_name_has_a_number_for_its_attribute(index):
    wire = open_wire()
    row = data.structure(data.u16(3), data.octets(bm.ENERGY), index)
    (refused,) = read(wire, ParameterizedAccess(0xFA30, 1, axdr.encode(data.array((row,)))))
    assert error(refused) == DataAccessResult.TYPE_UNMATCHED


def managing_wire():
    """An association after HLS: pass 3 by Read, under the keys of the published examples."""
    wire = sw.Wire(bs.MANAGEMENT, device=bs.DEVICE)
    request = acse.Aarq(
        context=ApplicationContext.SN,
        calling_ap_title=published.CLIENT_TITLE,
        authentication=True,
        mechanism=5,
        authentication_value=published.CLIENT_CHALLENGE,
        user_information=InitiateRequest(SHORT_NAME_CONFORMANCE & ~Conformance.PARAMETERIZED_ACCESS, 1200).encode(),
    )
    aare = acse.decode(wire(request.encode()))
    assert aare.diagnostic == AcseDiagnostic.AUTHENTICATION_REQUIRED
    return wire


PROOF = bytes.fromhex("09111000000001") + published.PROOF_STOC


def test_hls_passes_by_read_and_nothing_else_before():
    wire = managing_wire()
    assert wire(ReadRequest((VariableName(ENERGY),)).encode()) == sw.NOT_POSSIBLE
    (answer,) = read(wire, ParameterizedAccess(0xFA58, 1, PROOF))
    assert value(answer)[5:] == published.PROOF_CTOS
    assert value(read(wire, VariableName(ENERGY))[0]) == bm.NOW_S // bm.PERIOD_S


def test_hls_passes_by_write_without_pass_4():
    wire = managing_wire()
    assert ask(wire, WriteRequest((VariableName(0xFA58),), (PROOF,))) == WRITTEN
    assert value(read(wire, VariableName(ENERGY))[0]) == bm.NOW_S // bm.PERIOD_S


@pytest.mark.parametrize("form", ["read", "write"])
def test_a_wrong_proof_is_denied_and_ends_the_association(form):
    wire, proof = managing_wire(), PROOF[:-1] + b"\0"
    if form == "read":
        (refused,) = read(wire, ParameterizedAccess(0xFA58, 1, proof))
    else:
        (refused,) = ask(wire, WriteRequest((VariableName(0xFA58),), (proof,))).results
    assert error(refused) == DataAccessResult.READ_WRITE_DENIED
    assert wire.server.idle


def test_a_relay_is_switched_by_write_and_by_read():
    relay = bs.BASES[bm.RELAY]
    wire = managing_wire()
    read(wire, ParameterizedAccess(0xFA58, 1, PROOF))
    assert ask(wire, WriteRequest((VariableName(relay + 0x20),), (b"\x0f\x00",))) == WRITTEN
    assert wire.meter.relay is ControlState.DISCONNECTED
    (reset,) = read(wire, VariableName(bs.BASES[bm.EXPORT] + 0x28))
    assert value(reset) is None


# -- what is refused as a whole


def test_appl_data_sn_n1_read_requests_with_errors():
    wire = open_wire()
    assert wire(bytes.fromhex("050103FA00")) == READ_MALFORMED  # unknown specification
    assert wire(bytes.fromhex("050102FA")) == READ_MALFORMED  # elements missing
    assert wire(bytes.fromhex("0500")) == READ_MALFORMED
    assert wire(bytes.fromhex("050202FD08050001")) == READ_MALFORMED  # a block among variables
    assert wire(bytes.fromhex("050107010001")) == READ_MALFORMED  # a block of a Write
    assert wire(bytes.fromhex("050102FA01")) == bytes.fromhex("0C010104")  # a name that nothing has
    assert value(read(wire, VariableName(0xFD08))[0]) == b"AML0000000000001"  # and it goes on


def test_appl_data_sn_n2_write_requests_with_errors():
    wire = open_wire()
    assert wire(bytes.fromhex("060103FA00010000")) == WRITE_MALFORMED
    assert wire(bytes.fromhex("060102FA00")) == WRITE_MALFORMED
    assert wire(bytes.fromhex("060102FA000200110511")) == WRITE_MALFORMED
    assert wire(bytes.fromhex("060107010001011105")) == WRITE_MALFORMED  # a block that is no octet-string
    assert wire(bytes.fromhex("060105000101 00")) == WRITE_MALFORMED
    assert wire(bytes.fromhex("060102FA01011105")) == bytes.fromhex("0D010104")


@pytest.mark.parametrize("request_hex", ["C001C100080000010000FF0200", "0F000000010000", "0C010000", "99"])
def test_appl_data_sn_n3_services_that_short_names_do_not_have(request_hex):
    assert open_wire()(bytes.fromhex(request_hex)) in (sw.UNKNOWN, sw.MALFORMED)


@pytest.mark.parametrize(
    ("lacks", "request_hex", "answer"),
    [
        (Conformance.READ, "050102FD08", READ_UNSUPPORTED),
        (Conformance.WRITE, "060102FD0801 00", WRITE_UNSUPPORTED),
        (Conformance.MULTIPLE_REFERENCES, "050202FD0802FD08", READ_UNSUPPORTED),
        (Conformance.PARAMETERIZED_ACCESS, "050104FD080100", READ_UNSUPPORTED),
        (Conformance.BLOCK_TRANSFER_GET, "0501050001", READ_UNSUPPORTED),
        (Conformance.BLOCK_TRANSFER_SET, "06010701000101090100", WRITE_UNSUPPORTED),
    ],
)
def test_what_was_not_negotiated_is_refused(lacks, request_hex, answer):
    assert open_wire(SHORT_NAME_CONFORMANCE & ~lacks)(bytes.fromhex(request_hex)) == answer


# -- ciphered


def test_a_ciphered_association_with_short_names_answers_under_the_tags_of_its_services():
    wire, ciphering = sw.Wire(bs.CIPHERED, device=bs.DEVICE), sw.client_side()
    wire.meter.security.secrets[bs.CIPHERED] = published.PASSWORD
    request = sw.lls_aarq(
        context=ApplicationContext.SN_CIPHERED,
        calling_ap_title=published.CLIENT_TITLE,
        user_information=ciphering.protect_initiate(InitiateRequest(SHORT_NAME_CONFORMANCE, 1200).encode()),
    )
    aare = acse.decode(wire(request.encode()))
    granted = decode_initiate(ciphering.unprotect(aare.user_information).apdu)
    assert granted.vaa_name == 0xFA00
    for plain, sealed_tag, answer_tag in (
        (ReadRequest((VariableName(ENERGY),)), 0x25, 0x2C),
        (WriteRequest((VariableName(MESSAGE),), (HELLO,)), 0x26, 0x2D),
        (ReadRequest(()), 0x25, 0x2E),
    ):
        sealed = ciphering.protect(plain.encode())
        answer = wire(sealed)
        assert (sealed[0], answer[0]) == (sealed_tag, answer_tag)
        assert ciphering.unprotect(answer).apdu[0] == answer_tag - 0x20
    unconfirmed = ciphering.protect(UnconfirmedWriteRequest((VariableName(MESSAGE),), (HELLO,)).encode())
    assert (unconfirmed[0], wire(unconfirmed)) == (0x36, None)


# -- garbage


@given(octets=st.one_of(APDUS.map(lambda value: value.encode()), st.binary(max_size=60)), cut=st.integers(0, 60))
def test_no_octets_make_it_raise(octets, cut):
    wire = open_wire(pdu_size=100)
    for sent in (octets, octets[:cut]):
        answer = wire(sent)
        assert answer is None or answer


@given(requests=st.lists(st.one_of(SHORT_NAMES), max_size=6))
def test_any_sequence_of_requests_gets_answers_that_can_be_read(requests):
    wire = open_wire(pdu_size=100)
    for request in requests:
        answer = wire(request.encode())
        assert answer is None or apdu.decode(answer)
        assert answer is None or len(answer) <= 100
