"""What limiters and monitors watch: one attribute of another object, compared with thresholds.

Source: docs/protocols/cosem-objects.md §4.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, TypeVar

from hes.dlms import data
from hes.dlms.cosem.context import Context
from hes.dlms.cosem.inner_calls import InnerContext, ScriptReference, logical_name_of, members, number
from hes.dlms.data import Data, Tag
from hes.dlms.obis import Obis
from hes.errors import RemoteProtocolError

I = TypeVar("I")  # noqa: E741 - the instance: one meter of the profile

SAMPLE_PERIOD_S: Final = 1.0  # how often a watched value is looked at, unless the caller says otherwise [A]
NUMBERS: Final = frozenset(
    {
        Tag.BOOLEAN,
        Tag.ENUM,
        Tag.INTEGER,
        Tag.LONG,
        Tag.DOUBLE_LONG,
        Tag.LONG64,
        Tag.UNSIGNED,
        Tag.LONG_UNSIGNED,
        Tag.DOUBLE_LONG_UNSIGNED,
        Tag.LONG64_UNSIGNED,
        Tag.FLOAT32,
        Tag.FLOAT64,
    }
)
NOTHING: Final = Obis(bytes(6))


@dataclass(frozen=True, slots=True)
class AttributeReference:
    """One attribute of one object: {class u16, logical name, attribute i8}. Attribute 0 of class 0 is nothing."""

    class_id: int = 0
    logical_name: Obis = NOTHING
    attribute: int = 0

    def to_data(self) -> Data:
        return data.structure(data.u16(self.class_id), data.octets(self.logical_name), data.i8(self.attribute))

    @classmethod
    def from_data(cls, value: Data) -> AttributeReference:
        """Raises RemoteProtocolError for any other shape."""
        class_id, name, attribute = members(value, 3)
        return cls(number(class_id, Tag.LONG_UNSIGNED), logical_name_of(name), number(attribute, Tag.INTEGER))

    def value(self, context: Context[I]) -> int | float | None:
        """What the attribute is now, as a number; None when it is none."""
        if not self.class_id:
            return None
        read = context.device.read(context, self.class_id, self.logical_name, self.attribute)
        return None if read is None else comparable(read)


NO_ATTRIBUTE: Final = AttributeReference()


def comparable(value: Data) -> int | float | None:
    """The number that thresholds are compared with; None for anything that is not one."""
    if value.tag not in NUMBERS:
        return None
    held: int | float = value.value
    return held


def threshold(value: Data) -> Data:
    """`value` itself. Raises RemoteProtocolError when it is not a number."""
    if value.tag not in NUMBERS:
        raise RemoteProtocolError(f"{value.tag.name} is not a threshold")
    return value


def next_sample_s(now_s: float, period_s: float) -> float:
    """The next instant, on a grid that starts at 1970, at which a value is looked at."""
    return (now_s // period_s + 1) * period_s


@contextmanager
def acting_locally(context: Context[I]) -> Iterator[None]:
    """Inside, a switch that the device's own calls reach moves as by a limiter or credit, not as from afar."""
    if not isinstance(context, InnerContext):
        yield
        return
    before, context.local = context.local, True
    try:
        yield
    finally:
        context.local = before


def run_script(context: InnerContext[I], script: ScriptReference) -> None:
    """Set off a script as the device's own decision; a reference to nothing does nothing."""
    if script.script_table != NOTHING:
        with acting_locally(context):
            context.device.execute(context, script.action())
