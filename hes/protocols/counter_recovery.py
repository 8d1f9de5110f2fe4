"""Opening an association although our invocation counter is behind what the meter expects.

A counter falls behind when a head-end starts with a new or an older database, or when somebody else uses the same key.
A meter then refuses the ciphered AARQ: either with an exception that names the counter it expects, or with a refusal
that could mean anything of keys and counters. In that case the counter object is read through the public client.

Safe by three rules. Our counter only ever moves up, so that none is used twice whatever a meter or somebody in between
says. It moves at most `moves_max` times per opening, once unless the caller knows of several counters, so that a liar
causes one more attempt and no endless chase. And it moves no further than JUMP_MAX at a time, so that nobody uses up a
key by naming a counter near its end: then a person decides.

Source: docs/protocols/dlms-roles.md §6; the rules are ours [A].
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from hes.dlms import axdr
from hes.dlms.apdu import ConfirmedServiceError, ExceptionResponse
from hes.dlms.codes import AcseDiagnostic, ServiceError
from hes.dlms.obis import Obis
from hes.dlms.security import INVOCATION_COUNTER_MAX
from hes.errors import AccessDenied, HesError, LinkError, RemoteProtocolError
from hes.protocols.dlms_cosem import DlmsSession

JUMP_MAX: Final = 1 << 24
"""Counters that may be passed over at once: a meter read every minute takes thirty years for as many [A]."""
CEILING: Final = INVOCATION_COUNTER_MAX - (1 << 16)
"""Above this a key is as good as used up and wants changing, not following."""
DATA_CLASS: Final = 1
_COULD_BE_THE_COUNTER: Final = frozenset({AcseDiagnostic.AUTHENTICATION_FAILURE, AcseDiagnostic.NO_REASON_GIVEN})


class CounterJumpRefused(AccessDenied):
    """The meter expects a counter so far ahead that a person has to decide. expected, ours: in the fields."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterRecovery:
    """What recovery needs of its caller.

    next_counter: the next counter that would be sent. move_up: go on at least at this one, durably. read_expected: asks
    the meter through the public client; None where there is none. moves_max: how often the counter may move.
    """

    next_counter: Callable[[], int]
    move_up: Callable[[int], Awaitable[None]]
    read_expected: Callable[[], Awaitable[int]] | None = None
    jump_max: int = JUMP_MAX
    moves_max: int = 1


async def open_recovering(make: Callable[[], DlmsSession], recovery: CounterRecovery) -> DlmsSession:
    """An open association from `make`, which gives a new session each time.

    Raises what `DlmsSession.open` raises when the counter was not why, or when it was of no use to move it.
    """
    for _ in range(recovery.moves_max):
        session = make()
        try:
            await session.open()
        except AccessDenied as refusal:
            await _move(refusal, recovery)
        else:
            return session
    session = make()
    await session.open()
    return session


async def _move(refusal: AccessDenied, recovery: CounterRecovery) -> None:
    """Go on where the meter wants it. Raises the refusal when the counter was not why, or when it cannot move."""
    expected = await _expected(refusal, recovery)
    ours = recovery.next_counter()
    named = expected_counter(refusal) is not None  # then the next one that we would send may be the one that it wants
    if expected is None or expected < ours or (expected == ours and not named):
        raise refusal
    if expected - ours > recovery.jump_max or expected > CEILING:
        raise CounterJumpRefused(
            f"the meter expects invocation counter {expected}, ours is {ours}: too far to follow unasked; "
            "set the counter by hand or change the key.",
            expected=expected,
            ours=ours,
        ) from refusal
    await recovery.move_up(expected)


async def _expected(refusal: AccessDenied, recovery: CounterRecovery) -> int | None:
    """The counter that the meter wants, None when that is not why it refused, or cannot be found out."""
    said = expected_counter(refusal)
    if said is not None or recovery.read_expected is None or not could_be_the_counter(refusal):
        return said
    try:
        return await recovery.read_expected()
    except (AccessDenied, LinkError, RemoteProtocolError):
        return None  # the first refusal tells more


def expected_counter(refusal: HesError) -> int | None:
    """The counter that an exception-response of the meter names."""
    said = refusal.fields.get("refusal")
    return said.invocation_counter if isinstance(said, ExceptionResponse) else None


def could_be_the_counter(refusal: HesError) -> bool:
    """Whether meters that do not say it clearly refuse an old counter like this."""
    said = refusal.fields.get("refusal")
    if isinstance(said, ExceptionResponse):
        return said.service_error == ServiceError.DECIPHERING_ERROR
    if isinstance(said, ConfirmedServiceError):
        return True
    return refusal.fields.get("diagnostic") in _COULD_BE_THE_COUNTER


async def read_counter_object(public: DlmsSession, counter_object: Obis) -> int:
    """The first counter that is surely accepted, asked through the public client's own association.

    Some meters show the last counter they took and others the next: one more than either is right for both [A].
    Raises RemoteProtocolError when the object holds no counter.
    """
    await public.open()
    encoded = await public.get(DATA_CLASS, counter_object, 2)
    await public.release()
    value, _end = axdr.decode_value(encoded)
    if type(value) is not int or value < 0:
        raise RemoteProtocolError(f"{counter_object} holds no invocation counter", obis=str(counter_object))
    return value + 1
