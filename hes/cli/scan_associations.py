"""The associations of a logical device as one table: which client, how it proves itself, what it may see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from hes.cli.scan_facts import ASSOCIATION_CLASS, plain_value
from hes.cli.scan_result import ScannedObject
from hes.dlms import acse
from hes.dlms.codes import ApplicationContext
from hes.dlms.cosem.association_ln import CURRENT_ASSOCIATION
from hes.dlms.cosem.object_list import object_list_from_value
from hes.dlms.inspect.meanings import MECHANISM_WORDS, shape_of
from hes.dlms.inspect.node import Table
from hes.dlms.obis import OBIS_OCTETS, Obis
from hes.dlms.xdlms.common import AttributeDescriptor
from hes.errors import RemoteProtocolError

HEADINGS: Final = ("association", "client", "authentication", "context", "security setup", "objects", "status")
_CONTEXTS: Final = {
    ApplicationContext.LN: "LN",
    ApplicationContext.SN: "SN",
    ApplicationContext.LN_CIPHERED: "LN, ciphered",
    ApplicationContext.SN_CIPHERED: "SN, ciphered",
}
_UNKNOWN: Final = "?"


def others(objects: Sequence[ScannedObject]) -> list[ScannedObject]:
    """The associations besides the one that asks."""
    return [each for each in objects if each.class_id == ASSOCIATION_CLASS and each.obis != CURRENT_ASSOCIATION]


def association_table(objects: Sequence[ScannedObject]) -> Table:
    return Table(HEADINGS, tuple(_row(each) for each in objects))


def _row(each: ScannedObject) -> tuple[str, ...]:
    partners, status, setup = (plain_value(each.reading(index)) for index in (3, 8, 9))
    mechanism = acse.MECHANISM_NAMES.get(_name(plain_value(each.reading(6))))
    context = acse.CONTEXT_NAMES.get(_name(plain_value(each.reading(4))))
    words = shape_of(AttributeDescriptor(ASSOCIATION_CLASS, each.obis, 8)).words
    return (
        str(each.obis),
        str(partners[0]) if isinstance(partners, tuple) and partners else _UNKNOWN,
        MECHANISM_WORDS[mechanism].partition(" (")[0] if mechanism is not None else _UNKNOWN,
        _CONTEXTS[context] if context is not None else _UNKNOWN,
        str(Obis(setup)) if isinstance(setup, bytes) and len(setup) == OBIS_OCTETS else "",
        _count(plain_value(each.reading(2))),
        words.get(status, str(status)) if type(status) is int else _UNKNOWN,
    )


def _name(value: Any) -> bytes:
    """An object identifier as its octets; b"" for one that came as numbers, or not at all."""
    return value if isinstance(value, bytes) else b""


def _count(object_list: Any) -> str:
    if object_list is None:
        return _UNKNOWN
    try:
        return str(len(object_list_from_value(object_list)))
    except RemoteProtocolError:
        return _UNKNOWN
