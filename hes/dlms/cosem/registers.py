"""Data and the register family: classes 1, 3, 4 and 5.

Source: docs/protocols/cosem-objects.md §1.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

from hes.dlms import data
from hes.dlms.cosem import interface_classes
from hes.dlms.cosem.access import READERS, Role
from hes.dlms.cosem.cosem_object import (
    Attribute,
    CosemObject,
    Invoker,
    Method,
    Reader,
    Writer,
    attribute,
    constant,
    method,
)
from hes.dlms.cosem.units import UNITS
from hes.dlms.data import Data
from hes.dlms.obis import Obis
from hes.errors import RemoteProtocolError

__all__ = ["UNITS", "DataObject", "DemandRegister", "ExtendedRegister", "Register", "ScalerUnit"]

I = TypeVar("I")  # noqa: E741 - the instance: one meter of the profile


@dataclass(frozen=True, slots=True)
class ScalerUnit:
    """Attribute 3 of a register: the number counts 10**scaler of `unit`."""

    scaler: int
    unit: int

    def to_data(self) -> Data:
        return data.structure(data.i8(self.scaler), data.enum(self.unit))

    @classmethod
    def from_value(cls, value: Any) -> ScalerUnit:
        """From the plain value that a meter sent. Raises RemoteProtocolError for any other shape."""
        if isinstance(value, tuple) and len(value) == 2 and all(type(part) is int for part in value):
            return cls(value[0], value[1])
        raise RemoteProtocolError(f"not a scaler_unit: {value!r}")

    @property
    def unit_name(self) -> str:
        """The unit's sign, or its number where it is not in the table."""
        return UNITS.get(self.unit, f"unit {self.unit}")

    def scaled(self, number: int) -> Decimal:
        """`number` in whole units, exactly."""
        return Decimal(number).scaleb(self.scaler)


def _scaler_unit(scaler_unit: ScalerUnit, readable: Role) -> Attribute[I]:
    return constant(scaler_unit.to_data(), readable=readable)


def _methods(**invokers: Invoker[I] | None) -> dict[int, Method[I]]:
    """Methods 1, 2, ... in the order given; an invoker of None leaves its method refused."""
    return {index: method(invoker) for index, invoker in enumerate(invokers.values(), 1) if invoker is not None}


class DataObject(CosemObject[I]):
    """Class 1, Data: one value of any type. Named so because `Data` is a typed value in this package."""

    __slots__ = ()

    def __init__(
        self,
        logical_name: Obis | str,
        value: Reader[I] | Data | bytes | None,
        *,
        write: Writer[I] | None = None,
        readable: Role = READERS,
        writable: Role = Role.MANAGEMENT,
    ) -> None:
        """value: a reader, a constant, or None for a value that can only be written."""
        super().__init__(
            interface_classes.DATA,
            logical_name,
            {2: attribute(value, write, readable=readable, writable=writable)},
        )


class Register(CosemObject[I]):
    """Class 3, Register: a number with scaler and unit. `reset` is refused unless given."""

    __slots__ = ()

    def __init__(
        self,
        logical_name: Obis | str,
        value: Reader[I] | Data | bytes,
        scaler_unit: ScalerUnit,
        *,
        write: Writer[I] | None = None,
        reset: Invoker[I] | None = None,
        readable: Role = READERS,
    ) -> None:
        super().__init__(
            interface_classes.REGISTER,
            logical_name,
            {2: attribute(value, write, readable=readable), 3: _scaler_unit(scaler_unit, readable)},
            _methods(reset=reset),
        )


class ExtendedRegister(CosemObject[I]):
    """Class 4, Extended register: a register with a status and the time of its capture."""

    __slots__ = ()

    def __init__(
        self,
        logical_name: Obis | str,
        value: Reader[I] | Data | bytes,
        scaler_unit: ScalerUnit,
        *,
        status: Reader[I] | Data | bytes,
        capture_time: Reader[I] | Data | bytes,
        write: Writer[I] | None = None,
        reset: Invoker[I] | None = None,
        readable: Role = READERS,
    ) -> None:
        super().__init__(
            interface_classes.EXTENDED_REGISTER,
            logical_name,
            {
                2: attribute(value, write, readable=readable),
                3: _scaler_unit(scaler_unit, readable),
                4: attribute(status, readable=readable),
                5: attribute(capture_time, readable=readable),
            },
            _methods(reset=reset),
        )


class DemandRegister(CosemObject[I]):
    """Class 5, Demand register: averages over a sliding or fixed period."""

    __slots__ = ()

    def __init__(
        self,
        logical_name: Obis | str,
        *,
        current_average: Reader[I] | Data | bytes,
        last_average: Reader[I] | Data | bytes,
        scaler_unit: ScalerUnit,
        status: Reader[I] | Data | bytes,
        capture_time: Reader[I] | Data | bytes,
        start_time_current: Reader[I] | Data | bytes,
        period_s: int,
        number_of_periods: int = 1,
        reset: Invoker[I] | None = None,
        next_period: Invoker[I] | None = None,
        readable: Role = READERS,
    ) -> None:
        super().__init__(
            interface_classes.DEMAND_REGISTER,
            logical_name,
            {
                2: attribute(current_average, readable=readable),
                3: attribute(last_average, readable=readable),
                4: _scaler_unit(scaler_unit, readable),
                5: attribute(status, readable=readable),
                6: attribute(capture_time, readable=readable),
                7: attribute(start_time_current, readable=readable),
                8: constant(data.u32(period_s), readable=readable),
                9: constant(data.u16(number_of_periods), readable=readable),
            },
            _methods(reset=reset, next_period=next_period),
        )
