import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hes.dlms.codes import (
    ActionResult,
    ApplicationContext,
    Conformance,
    DataAccessResult,
    Mechanism,
    ReleaseReason,
    UnknownCode,
    code,
)


@given(number=st.integers(0, 255))
def test_every_number_keeps_its_value_known_or_not(number):
    found = code(DataAccessResult, number)
    assert found == number
    assert isinstance(found, UnknownCode) == (number not in {int(result) for result in DataAccessResult})


def test_an_unknown_number_is_shown_as_such_and_never_as_another():
    unknown = code(ActionResult, 77)
    assert (repr(unknown), unknown.name, unknown.value) == ("UnknownCode(77)", "UNKNOWN_77", 77)
    assert unknown not in list(ActionResult)
    assert pickle.loads(pickle.dumps(unknown)) == unknown  # noqa: S301 - our own octets


def test_long_transfers_of_get_and_action_share_the_number_but_not_the_name():
    assert code(DataAccessResult, 15).name == "LONG_GET_ABORTED"
    assert code(ActionResult, 15).name == "LONG_ACTION_ABORTED"


@pytest.mark.parametrize(("bit", "service"), [(1, "GENERAL_PROTECTION"), (11, "BLOCK_TRANSFER_GET"), (23, "ACTION")])
def test_bit_0_of_the_conformance_block_is_the_most_significant(bit, service):
    assert Conformance(1 << (23 - bit)).name == service


def test_the_conformance_of_a_small_meter_reads_as_its_services():
    small = Conformance(0x00501F)
    assert Conformance.GET | Conformance.SET | Conformance.ACTION in small
    assert Conformance.MULTIPLE_REFERENCES not in small


def test_a_conformance_bit_without_a_name_is_kept():
    assert int(Conformance(0x800001)) == 0x800001


def test_the_names_of_contexts_and_mechanisms_answer_what_is_asked_of_them():
    assert [context.ciphered for context in ApplicationContext] == [False, False, True, True]
    assert [mechanism.high_level for mechanism in Mechanism] == [False, False, True, True, True, True, True, True]


def test_release_reason_1_has_both_names():
    assert ReleaseReason.URGENT is ReleaseReason.NOT_FINISHED
