"""General block transfer on the server: outside of protection, around the whole way of an APDU.

    block -> put together -> `pipeline` -> cut -> blocks

A request that came in blocks is answered in blocks, however short the answer is. An answer that is longer than the
client takes goes in blocks where the services had none of their own for it.

Source: docs/protocols/dlms-application.md §3 (general block transfer); docs/protocols/dlms-roles.md §3.
"""

from __future__ import annotations

from typing import Any

from hes.dlms import apdu
from hes.dlms.findings import Finding, FindingKind
from hes.dlms.general_blocks import ABORT, GeneralBlocks, State
from hes.dlms.server import pipeline
from hes.dlms.server.association import ServerAssociation
from hes.dlms.server.refusals import MALFORMED, NOT_NEGOTIATED, TOO_LONG, malformed
from hes.errors import RemoteProtocolError


def receive(
    association: ServerAssociation[Any], octets: bytes, findings: list[Finding], *, at_once: int, now_s: float
) -> tuple[bytes, ...]:
    """What a general block is answered with: nothing, or up to `at_once` APDUs."""
    note = association.context.note
    if not association.cuts:
        note(FindingKind.NOT_NEGOTIATED, "general block transfer was not negotiated", "APPL_DATA_LN_N4")
        return (NOT_NEGOTIATED,)
    try:
        block = apdu.decode(octets)
    except RemoteProtocolError as error:
        note(FindingKind.MALFORMED_APDU, malformed("general block", error))
        return (MALFORMED,)
    assert isinstance(block, apdu.GeneralBlock)
    blocks = _blocks_of(association)
    outcome = blocks.receive(block, at_once=at_once, now_s=now_s)
    if outcome.remark:
        note(FindingKind.BLOCK_WINDOW_EXCEEDED, outcome.remark)
    if outcome.ended:
        note(FindingKind.BLOCK_TRANSFER_ENDED, outcome.ended)
    if outcome.whole is None:
        return outcome.send
    answer = pipeline.answer(association, outcome.whole, findings)
    if answer is None:
        blocks.end()
        return ()
    return send(association, answer, at_once=at_once, now_s=now_s)


def send(association: ServerAssociation[Any], answer: bytes, *, at_once: int, now_s: float) -> tuple[bytes, ...]:
    """The first blocks of an answer; the refusal TOO_LONG where it needs more than there can be, or the end."""
    blocks = _blocks_of(association)
    if blocks.state not in (State.IDLE, State.TURN):
        blocks.end()
    if not blocks.fits(len(answer)):
        text = f"an answer of {len(answer)} octets has no room in general blocks for this client"
        association.context.note(FindingKind.ANSWER_TOO_LONG, text)
        answer = TOO_LONG
    if not blocks.fits(len(answer)):
        blocks.end()
        return (ABORT,)
    return blocks.send(answer, at_once=at_once, now_s=now_s)


def _blocks_of(association: ServerAssociation[Any]) -> GeneralBlocks:
    """Made when it is needed first: most associations never see a block."""
    if association.blocks is None:
        context = association.context
        window = context.device.general_block_window
        association.blocks = GeneralBlocks(context.max_send_pdu_size, initiates=False, window=window)
    return association.blocks
