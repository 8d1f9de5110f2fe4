"""Why a value that is due is not there: exactly one cause each, from one fixed tree.

the meter has nothing to give   NEVER_CAPTURED (terminal: it is not asked for again)
nobody could ask                DCU_OFFLINE, NOT_REACHED (its turn never came before the window closed)
nobody answered                 METER_SILENT, METER_UNKNOWN, DCU_BUSY, LINK_LOST
the answer was no               ASSOCIATION_REFUSED, ACCESS_DENIED, SECURITY_FAILED
the answer was wrong            PROTOCOL_ERROR
"""

from __future__ import annotations

from enum import StrEnum


class Cause(StrEnum):
    """The cause of a missing value, as stored, reported and counted."""

    NEVER_CAPTURED = "never_captured"
    DCU_OFFLINE = "dcu_offline"
    NOT_REACHED = "not_reached"
    METER_SILENT = "meter_silent"
    METER_UNKNOWN = "meter_unknown"
    DCU_BUSY = "dcu_busy"
    LINK_LOST = "link_lost"
    ASSOCIATION_REFUSED = "association_refused"
    ACCESS_DENIED = "access_denied"
    SECURITY_FAILED = "security_failed"
    PROTOCOL_ERROR = "protocol_error"


RETRIABLE = frozenset({Cause.METER_SILENT, Cause.DCU_BUSY, Cause.LINK_LOST, Cause.PROTOCOL_ERROR, Cause.DCU_OFFLINE})
"""Causes that time may heal. The others need a person, or the next window."""


def cause_of_missing(*, never_captured: bool, last_failure: Cause | None, dcu_was_online: bool) -> Cause:
    """The one cause of a row that is due and not stored.

    never_captured: the meter has answered for that row's range and has no such row.
    last_failure: what ended the last attempt on the device since the plan opened, None if there was none.
    dcu_was_online: its concentrator had a session at any time since the plan opened.
    """
    if never_captured:
        return Cause.NEVER_CAPTURED
    if last_failure is not None:
        return last_failure
    return Cause.NOT_REACHED if dcu_was_online else Cause.DCU_OFFLINE
