"""The invocation counter that a ciphered association begins with: read through the public client, found where it is.

A meter has one counter per security setup (0.0.43.1.e), and the public client is not always told which setup a client
belongs to. Where it may see the association of that client, the counter is known. Where it may not, and several
counters differ, the lowest comes first: a counter that is too low is refused, and one that is too high is taken, which
a meter never takes back. A low one is a nonce used again, for an InitiateRequest that holds nothing secret: a dedicated
key is never sent that way. After a refusal comes the one that the meter names, or the next higher one.
Source: docs/protocols/dlms-roles.md §6; the order is ours [A].
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from hes.dlms import axdr
from hes.dlms.cosem.association_ln import CURRENT_ASSOCIATION
from hes.dlms.cosem.object_list import ObjectListElement, object_list_from_value
from hes.dlms.cosem.security_setup import invocation_counter_name
from hes.dlms.obis import OBIS_OCTETS, Obis
from hes.dlms.security import INVOCATION_COUNTER_MAX
from hes.errors import AccessDenied, ConfigError, RemoteProtocolError
from hes.protocols.dlms_cosem import DlmsSession

DATA_CLASS: Final = 1
ASSOCIATION_CLASS: Final = 15
OBJECT_LIST, PARTNERS, SECURITY_SETUP = 2, 3, 9
SETUP_NAME: Final = bytes((0, 0, 43, 0))
COUNTER_NAME: Final = bytes((0, 0, 43, 1))
LOOKED_AT_MAX: Final = 64
"""Associations and counters that are asked for in search of the right one [A]."""


class SendCounter:
    """Numbers of one client, one after another. next: the one that comes next. moved: whether some were passed over."""

    def __init__(self, first: int, client_sap: int) -> None:
        self.next = first
        self.client_sap = client_sap
        self.moved = False

    def move_up(self, lowest: int) -> None:
        self.next, self.moved = lowest, True

    def take(self) -> int:
        """Raises ConfigError when there are no more."""
        taken = self.next
        if taken >= INVOCATION_COUNTER_MAX:
            raise ConfigError(
                f"the invocation counter of client {self.client_sap} has run out: its keys must be changed.",
                value=taken,
            )
        self.next = taken + 1
        return taken


@dataclass(frozen=True, slots=True)
class Seen:
    """One counter object and what stands in it."""

    name: Obis
    value: int

    @property
    def used_up(self) -> bool:
        return self.value + 1 >= INVOCATION_COUNTER_MAX

    def __str__(self) -> str:
        return f"{self.name} = {self.value}"


@dataclass(frozen=True, slots=True)
class SeenCounters:
    """The counters that one client may have, lowest first, at least one. certain: it is known to be that one."""

    each: tuple[Seen, ...]
    certain: bool

    @property
    def usable(self) -> tuple[Seen, ...]:
        return tuple(seen for seen in self.each if not seen.used_up)

    @property
    def differ(self) -> bool:
        return len({seen.value for seen in self.each}) > 1

    def lowest_above(self, counter: int) -> int:
        """Above `counter`, and what the next higher of these begins with; 0 where there is none."""
        found = next((seen.value + 1 for seen in self.usable if seen.value + 1 >= counter), -1)
        return max(found, counter + 1) if found >= 0 else 0

    def __str__(self) -> str:
        return ", ".join(map(str, sorted(self.each, key=lambda seen: seen.name)))


async def counter_in(session: DlmsSession, counter_object: Obis) -> int:
    """The value of a counter object. Raises AccessDenied where it is refused or holds no counter."""
    value, _ = axdr.decode_value(await session.get(DATA_CLASS, counter_object, 2))
    if type(value) is not int or value < 0:
        raise AccessDenied(f"{counter_object} holds no counter but {value!r}.", obis=str(counter_object))
    return value


async def counters_seen(public: DlmsSession, client_sap: int, usual: Obis) -> SeenCounters:
    """What the public client can tell of the counter of that client. usual: the object that most meters have.

    public: open, with logical names. Raises AccessDenied where nothing is to be seen.
    """
    listed = await _listed(public)
    own = await _of_client(public, listed, client_sap)
    if own is not None:
        with suppress(AccessDenied):
            return SeenCounters((Seen(own, await counter_in(public, own)),), certain=True)
    names = [Obis(each.logical_name) for each in listed if _is_counter(each)]
    refused: AccessDenied | None = None
    found: list[Seen] = []
    for name in [usual, *(name for name in names if name != usual)][:LOOKED_AT_MAX]:
        try:
            found.append(Seen(name, await counter_in(public, name)))
        except AccessDenied as error:
            refused = refused or error
    if not found:
        assert refused is not None
        raise refused  # it names the object that an operator can look for
    return SeenCounters(tuple(sorted(found, key=lambda seen: seen.value)), certain=False)


async def counter_of_setup(session: DlmsSession) -> Obis | None:
    """The counter of the open association by its security setup; None where it does not say."""
    if session.client.settings.short_names:
        return None
    return await _setup_counter(session, CURRENT_ASSOCIATION)


async def _listed(public: DlmsSession) -> list[ObjectListElement]:
    """The objects of the public client; none where it may not read the list."""
    try:
        encoded = await public.get(ASSOCIATION_CLASS, CURRENT_ASSOCIATION, OBJECT_LIST)
        return object_list_from_value(axdr.decode_value(encoded)[0])
    except (AccessDenied, RemoteProtocolError):
        return []


async def _of_client(public: DlmsSession, listed: Sequence[ObjectListElement], client_sap: int) -> Obis | None:
    others = [
        each for each in listed if each.class_id == ASSOCIATION_CLASS and each.logical_name != CURRENT_ASSOCIATION
    ]
    for each in others[:LOOKED_AT_MAX]:
        with suppress(AccessDenied):
            value, _ = axdr.decode_value(await public.get(ASSOCIATION_CLASS, each.logical_name, PARTNERS))
            if isinstance(value, list | tuple) and value and value[0] == client_sap:
                return await _setup_counter(public, each.logical_name)
    return None


async def _setup_counter(session: DlmsSession, association: bytes) -> Obis | None:
    try:
        name, _ = axdr.decode_value(await session.get(ASSOCIATION_CLASS, association, SECURITY_SETUP))
    except (AccessDenied, RemoteProtocolError):
        return None
    return counter_of(name)


def counter_of(setup: object) -> Obis | None:
    """0.0.43.1.e of the setup 0.0.43.0.e; None for anything else."""
    if isinstance(setup, bytes) and len(setup) == OBIS_OCTETS and setup[:4] == SETUP_NAME:
        return invocation_counter_name(setup[4])
    return None


def _is_counter(each: ObjectListElement) -> bool:
    return each.class_id == DATA_CLASS and each.logical_name[:4] == COUNTER_NAME
