"""Why a value that is due is not there: exactly one cause each, from one fixed tree.

the meter has nothing to give   NEVER_CAPTURED (terminal: it is not asked for again), NOT_CAPTURED_YET
nobody could ask                HEAD_END_DOWN (when the window closed), DCU_OFFLINE, NOT_REACHED (its turn never came),
                                NOT_CONFIGURED (a key or an association is not there), INTERNAL_ERROR (our own defect)
nobody answered                 METER_SILENT, METER_UNKNOWN, DCU_BUSY, LINK_LOST
the answer was no               ASSOCIATION_REFUSED, ACCESS_DENIED, SECURITY_FAILED
the answer was wrong            PROTOCOL_ERROR
"""

from __future__ import annotations

from enum import StrEnum


class Cause(StrEnum):
    """The cause of a missing value, as stored, reported and counted."""

    NEVER_CAPTURED = "never_captured"
    NOT_CAPTURED_YET = "not_captured_yet"
    HEAD_END_DOWN = "head_end_down"
    DCU_OFFLINE = "dcu_offline"
    NOT_REACHED = "not_reached"
    NOT_CONFIGURED = "not_configured"
    INTERNAL_ERROR = "internal_error"
    METER_SILENT = "meter_silent"
    METER_UNKNOWN = "meter_unknown"
    DCU_BUSY = "dcu_busy"
    LINK_LOST = "link_lost"
    ASSOCIATION_REFUSED = "association_refused"
    ACCESS_DENIED = "access_denied"
    SECURITY_FAILED = "security_failed"
    PROTOCOL_ERROR = "protocol_error"


RETRIABLE = frozenset(
    {
        Cause.NOT_CAPTURED_YET,
        Cause.METER_SILENT,
        Cause.DCU_BUSY,
        Cause.LINK_LOST,
        Cause.PROTOCOL_ERROR,
        Cause.DCU_OFFLINE,
    }
)
"""Causes that time may heal. The others need a person, or the next window."""
