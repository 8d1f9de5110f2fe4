"""Who asked what: requests kept until their answer has come.

Logical-name services match by their invoke-id and by which service answers which; short-name services, associations and
releases have no number and match by order. An exception answers whatever was asked last. A request that is sent once
more before its answer is a repetition; one whose number is taken over by another was never answered.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Final

from hes.dlms.codes import ApduTag
from hes.dlms.inspect.meanings import Subject
from hes.dlms.selective_access import CaptureObject
from hes.dlms.xdlms.common import (
    INVOKE_CONFIRMED,
    INVOKE_ID_MASK,
    LONG_INVOKE_CONFIRMED,
    LONG_INVOKE_ID_MASK,
)

PENDING_MAX: Final = 64  # of one association: more than there are invoke-ids
UNANSWERED_MAX: Final = 10_000  # that are remembered

# what answers what
ANSWERS: Final[Mapping[int, int]] = {
    ApduTag.GET_REQUEST: ApduTag.GET_RESPONSE,
    ApduTag.SET_REQUEST: ApduTag.SET_RESPONSE,
    ApduTag.ACTION_REQUEST: ApduTag.ACTION_RESPONSE,
    ApduTag.ACCESS_REQUEST: ApduTag.ACCESS_RESPONSE,
    ApduTag.READ_REQUEST: ApduTag.READ_RESPONSE,
    ApduTag.WRITE_REQUEST: ApduTag.WRITE_RESPONSE,
    ApduTag.DATA_NOTIFICATION: ApduTag.DATA_NOTIFICATION_CONFIRM,
    ApduTag.AARQ: ApduTag.AARE,
    ApduTag.RLRQ: ApduTag.RLRE,
}
RESPONSES: Final = frozenset(ANSWERS.values())
REFUSALS: Final = frozenset({ApduTag.EXCEPTION_RESPONSE, ApduTag.CONFIRMED_SERVICE_ERROR})
_SHORT_INVOKE: Final = frozenset(
    {
        ApduTag.GET_REQUEST, ApduTag.SET_REQUEST, ApduTag.ACTION_REQUEST,
        ApduTag.GET_RESPONSE, ApduTag.SET_RESPONSE, ApduTag.ACTION_RESPONSE,
    }
)  # fmt: skip
_LONG_INVOKE: Final = frozenset(
    {
        ApduTag.ACCESS_REQUEST, ApduTag.ACCESS_RESPONSE, ApduTag.DATA_NOTIFICATION, ApduTag.DATA_NOTIFICATION_CONFIRM,
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asked:
    """One request. place: which frame it was in, as the caller counts them. octets: the APDU in the clear.

    subjects: what it is about, for a follow-up (next block) what the first one was. selection: in words. columns: those
    that were chosen of a profile. listed: it came with a list.
    """

    place: str
    name: str
    octets: bytes
    subjects: tuple[Subject, ...] = ()
    selection: str = ""
    columns: tuple[CaptureObject, ...] = ()
    listed: bool = False


def key_of(octets: bytes) -> Hashable:
    """What a request and its answer have in common: the tag of the answer, and the number where there is one."""
    tag = octets[0]
    answer = ANSWERS.get(tag, tag)
    if tag in _SHORT_INVOKE and len(octets) > 2:
        return answer, octets[2] & INVOKE_ID_MASK
    if tag in _LONG_INVOKE and len(octets) > 4:
        return answer, int.from_bytes(octets[1:5], "big") & LONG_INVOKE_ID_MASK
    return answer, 0


def wants_answer(octets: bytes) -> bool:
    """Whether the APDU is a request that is answered: what goes unconfirmed is not.

    Nor is a notification: meters set its confirmed bit, and hardly anybody confirms (docs/protocols/captures.md).
    """
    tag = octets[0]
    if tag not in ANSWERS or tag == ApduTag.DATA_NOTIFICATION:
        return False
    if tag in _SHORT_INVOKE:
        return len(octets) > 2 and bool(octets[2] & INVOKE_CONFIRMED)
    if tag in _LONG_INVOKE:
        return len(octets) > 4 and bool(int.from_bytes(octets[1:5], "big") & LONG_INVOKE_CONFIRMED)
    return True


class Requests:
    """Of one association."""

    __slots__ = ("_first", "_pending", "answers", "unanswered")

    def __init__(self) -> None:
        self._pending: OrderedDict[Hashable, Asked] = OrderedDict()
        self._first: dict[Hashable, Asked] = {}
        self.unanswered: list[Asked] = []
        self.answers = 0
        """Answers seen, whether their request was seen or not."""

    def ask(self, asked: Asked) -> Asked | None:
        """Note a request; the one that it repeats, or None. A follow-up inherits what its first request is about."""
        key = key_of(asked.octets)
        if not asked.subjects and key in self._first:
            first = self._first[key]
            asked = Asked(
                asked.place, asked.name, asked.octets, first.subjects, first.selection, first.columns, first.listed
            )
        else:
            self._first[key] = asked
        before = self._pending.pop(key, None)
        if wants_answer(asked.octets):
            self._pending[key] = asked
            if len(self._pending) > PENDING_MAX:
                self._lost(self._pending.popitem(last=False)[1])
        if before is None:
            return None
        if before.octets == asked.octets:
            return before
        self._lost(before)
        return None

    def answered(self, octets: bytes) -> Asked | None:
        """The request that this APDU answers, None where it was not seen; it waits no more."""
        self.answers += 1
        if octets[0] in REFUSALS:
            return self._pending.popitem()[1] if self._pending else None
        key = key_of(octets)
        return self._pending.pop(key, None) or self._first.get(key)

    def first(self, octets: bytes) -> Asked | None:
        """The request that began the exchange which this APDU belongs to."""
        return self._first.get(key_of(octets))

    def close(self) -> list[Asked]:
        """The association is over, or the octets are: what waits now was never answered."""
        for asked in self._pending.values():
            self._lost(asked)
        self._pending.clear()
        return self.unanswered

    @property
    def waiting(self) -> tuple[Asked, ...]:
        return tuple(self._pending.values())

    def _lost(self, asked: Asked) -> None:
        if len(self.unanswered) < UNANSWERED_MAX:
            self.unanswered.append(asked)
