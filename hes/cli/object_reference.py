"""How an operator names what to read: `clock`, `1.0.1.8.0.255`, `3/1.0.1.8.0.255/2`."""

from __future__ import annotations

from dataclasses import dataclass

from hes.dlms.obis import Obis
from hes.dlms.obis_names import BY_ALIAS, parse
from hes.errors import LocalProtocolError

VALUE_ATTRIBUTE = 2


@dataclass(frozen=True, slots=True)
class ObjectReference:
    """An object and one of its attributes. class_id None: the meter's object list has to say it."""

    text: str
    obis: Obis
    class_id: int | None = None
    attribute: int = VALUE_ATTRIBUTE

    @classmethod
    def parse(cls, text: str) -> ObjectReference:
        """Read [CLASS/]OBIS[/ATTRIBUTE], where OBIS is a code in one of its forms or a short name.

        Raises LocalProtocolError with a sentence that shows the forms.
        """
        parts = [part.strip() for part in text.split("/")]
        class_id = int(parts.pop(0)) if len(parts) > 1 and parts[0].isascii() and parts[0].isdigit() else None
        obis = parse(parts[0])
        known = BY_ALIAS.get(parts[0].lower())
        attribute = VALUE_ATTRIBUTE
        if known is not None:
            class_id = known.class_id if class_id is None else class_id
            attribute = known.attribute
        if len(parts) == 2:
            attribute = _attribute(parts[1], text)
        if len(parts) > 2 or (class_id is not None and class_id > 0xFFFF):
            raise LocalProtocolError(f"not an object: {text!r}; write it as clock, 1.0.1.8.0.255 or 3/1.0.1.8.0.255/2")
        return cls(text, obis, class_id, attribute)


def _attribute(digits: str, text: str) -> int:
    try:
        number = int(digits)
    except ValueError:
        number = 0
    if not -128 <= number <= 127 or number == 0:
        raise LocalProtocolError(f"{digits!r} in {text!r} is not the number of an attribute, which starts at 1")
    return number
