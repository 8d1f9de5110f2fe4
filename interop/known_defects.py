"""Cells that are not green, each by a defect of the peer that a test shows in the peer alone.

The tests stand in the files of REPRODUCTIONS; a release that mends a defect makes its test fail.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from interop.combinations import OPERATIONS, Combination

REPRODUCTIONS: Final = {"G": "sim/tests/test_gurux_defects.py", "P": "sim/tests/test_pydlms_defects.py"}
EVERY: Final = (*OPERATIONS, "release")


@dataclass(frozen=True, slots=True, kw_only=True)
class Defect:
    """sign: what a cell shows. says: part of what was raised. reproduction: a test in REPRODUCTIONS, by the letter."""

    sign: str
    peer: str
    operations: tuple[str, ...]
    where: Callable[[Combination], bool]
    says: str
    what: str
    reproduction: str


def _general_with_tag(each: Combination) -> bool:
    return each.scope.startswith("general") and each.protection in ("authenticated", "both")


DEFECTS: Final = (
    Defect(
        sign="G1",
        peer="gurux-dlms",
        operations=("long_set",),
        where=_general_with_tag,
        says="PDU is too long",
        what="blocks of a long SET under general-glo or general-ded exceed what the meter takes: the tag is forgotten",
        reproduction="test_gurux_sends_longer_apdus_than_the_server_takes_under_general_ciphering",
    ),
    Defect(
        sign="G2",
        peer="gurux-dlms",
        operations=("access",),
        where=lambda _each: True,
        says="has no attribute 'settings'",
        what="an ACCESS that writes or invokes cannot be made: the arguments of an event are in the wrong order",
        reproduction="test_gurux_cannot_make_an_access_request_that_writes",
    ),
    Defect(
        sign="G3",
        peer="gurux-dlms",
        operations=EVERY,
        where=lambda each: each.mechanism == "hls-ecdsa" and each.suite == 2,
        says="",
        what="a certificate that comes with the AARE is taken for an invocation id; and it cannot sign on P-384",
        reproduction="test_gurux_takes_a_certificate_in_the_aare_for_an_invocation_id",
    ),
    Defect(
        sign="G4",
        peer="gurux-dlms",
        operations=EVERY,
        where=lambda each: each.style == "sn" and each.protection != "plain",
        says="AssertionError",
        what="with short names nothing ciphered leaves the client: it asserts that no request is ciphered",
        reproduction="test_gurux_asserts_that_no_request_with_short_names_is_ciphered",
    ),
    Defect(
        sign="G5",
        peer="gurux-dlms",
        operations=("long_set",),
        where=lambda each: each.style == "gbt",
        says="PDU is too long",
        what="general blocks are up to two octets longer than the meter takes: the length of the length is forgotten",
        reproduction="test_gurux_sends_general_blocks_longer_than_the_server_takes",
    ),
    Defect(
        sign="G8",
        peer="gurux-dlms",
        operations=EVERY,
        where=lambda each: each.style == "sn" and each.mechanism.startswith("hls"),
        says="Server to Client do not match",
        what="with short names methods are invoked by Write, whose answer has no room for the server's proof",
        reproduction="test_gurux_replies_to_hls_by_write_with_short_names",
    ),
    Defect(
        sign="G6",
        peer="gurux-dlms",
        operations=("range", "long_get", "object_list"),
        where=lambda each: each.style == "sn" and each.protection == "plain",
        says="",
        what="a long read with short names ends at its first block: a method is called that its class does not have",
        reproduction="test_gurux_cannot_take_the_blocks_of_a_long_read_with_short_names",
    ),
    Defect(
        sign="G7",
        peer="gurux-dlms",
        operations=("long_set",),
        where=lambda each: each.style == "sn" and each.protection == "plain",
        says="",
        what="a long write with short names calls its first block the last, with the head of the value alone in it",
        reproduction="test_gurux_calls_the_first_block_of_a_long_write_the_last",
    ),
    Defect(
        sign="P1",
        peer="pydlms-client",
        operations=("range", "long_set", "long_get"),
        where=lambda each: each.style == "sn",
        says="trailing octets after block-transferred data",
        what="the blocks of a long read with short names hold results, as a recorded meter's do; it wants a bare value",
        reproduction="test_pydlms_wants_the_bare_value_in_the_blocks_of_a_long_read",
    ),
    Defect(
        sign="P1",
        peer="pydlms-client",
        operations=("range", "entry", "long_set", "long_get"),
        where=lambda each: each.style == "sn" and each.role == "server",
        says="result choice",
        what="the blocks of a long read with short names hold the bare value, and not results as a recorded meter's do",
        reproduction="test_the_simulator_of_pydlms_puts_the_bare_value_in_the_blocks_of_a_long_read",
    ),
    Defect(
        sign="P3",
        peer="pydlms-client",
        operations=("long_set",),
        where=lambda each: each.style == "gbt" and each.framing == "hdlc" and each.role == "client",
        says="expected an RR after a segment",
        what="over HDLC, a frame goes twice where the answer to a general block within a window comes late",
        reproduction="test_pydlms_sends_a_frame_again_where_the_answer_to_a_general_block_of_a_window_comes_late",
    ),
    Defect(
        sign="P2",
        peer="pydlms-client",
        operations=EVERY,
        where=lambda each: each.role == "server" and each.mechanism == "hls-gmac" and each.suite > 0,
        says="an HLS proof of suite 0",
        what="the simulator proves itself with suite 0 under suites 1 and 2",
        reproduction="test_the_simulator_of_pydlms_proves_itself_with_suite_0_under_every_suite",
    ),
)


def defect_of(combination: Combination, operation: str, said: str) -> Defect | None:
    """Why that cell is not green, None when nothing known explains it."""
    for defect in DEFECTS:
        same = defect.peer == combination.peer and operation in defect.operations
        if same and defect.says in said and defect.where(combination):
            return defect
    return None
