"""What a scenario says to a meter once it is associated: values with names and units instead of octets.

A thin layer over `hes.protocols.dlms_cosem.DlmsSession`, the session that the head-end itself reads meters with.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

from hes.devices.profiles import CapturedProfile, DataItem, DeviceProfile
from hes.dlms import axdr, data
from hes.dlms.client.events import Associated
from hes.dlms.cosem.disconnect_control import ControlState
from hes.dlms.cosem_time import date_time_octets, epoch_s
from hes.dlms.obis import Obis
from hes.dlms.profile_buffer import decode_rows
from hes.dlms.selective_access import by_range
from hes.errors import LinkError, RemoteProtocolError
from hes.protocols.dlms_cosem import DlmsSession
from hes.protocols.wrapper_session import SessionLost
from scenarios.verdicts import Inapplicable

CLASS_DATA = 1
LOGICAL_DEVICE_NAME = Obis.parse("0.0.42.0.0.255")
CLASS_PROFILE_GENERIC, BUFFER, ENTRIES_IN_USE = 7, 2, 7
CLASS_DISCONNECT_CONTROL, OUTPUT_STATE, CONTROL_STATE = 70, 2, 3
REMOTE_DISCONNECT, REMOTE_RECONNECT = 1, 2
SCALER_UNIT = 3
DATE_TIME_OCTETS = 12

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Quantity:
    """A register as it was read. value: with its scaler applied. unit: DLMS number, from the meter itself."""

    value: Decimal
    unit: int
    raw: int


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a profile. stamp_s: end of its interval, seconds since 1970 UTC. values: by column name, raw."""

    stamp_s: int
    values: dict[str, int]


class Association:
    """One open association with one meter. info: what the meter granted."""

    def __init__(
        self, session: DlmsSession, profile: DeviceProfile, info: Associated, replay: Callable[[], Awaitable[bytes]]
    ) -> None:
        self.session = session
        self.profile = profile
        self.info = info
        self._replay = replay

    # -- reading

    async def get(self, item: DataItem, attribute: int | None = None) -> Any:
        """One attribute as a plain value; `item.attribute` unless another is named."""
        octets = await self.session.get(item.class_id, item.obis, attribute or item.attribute)
        return axdr.plain(axdr.decode_all(octets))

    async def register(self, name: str, *, asking_again: int = 0) -> Quantity:
        """A register by its name in the device profile, with the scaler and unit that the meter states.

        asking_again: how often a request without an answer is sent once more.
        """
        item = self.item(name)
        raw = await self.again(lambda: self.get(item), asking_again)
        scaler_unit = await self.get(item, SCALER_UNIT)
        if type(raw) is not int or not isinstance(scaler_unit, tuple) or len(scaler_unit) != 2:
            raise RemoteProtocolError(f"{name} is no register: {raw!r}, {scaler_unit!r}")
        scaler, unit = scaler_unit
        return Quantity(Decimal(raw).scaleb(scaler), unit, raw)

    async def logical_device_name(self) -> bytes:
        """The name that no other logical device has."""
        octets = await self.session.get(CLASS_DATA, LOGICAL_DEVICE_NAME, 2)
        value = axdr.plain(axdr.decode_all(octets))
        if not isinstance(value, bytes):
            raise RemoteProtocolError("the logical device name is no octet-string")
        return value

    async def clock_s(self) -> int:
        """What the meter's clock shows, in seconds since 1970 UTC."""
        value = await self.get(self.profile.clock)
        if not isinstance(value, bytes) or len(value) != DATE_TIME_OCTETS:
            raise RemoteProtocolError("the clock holds no date-time")
        return epoch_s(value, deviation_sign=self._sign)

    async def rows(self, name: str, first_s: int, last_s: int) -> list[Row]:
        """The rows of a profile ("load-profile", "billing") stamped first_s..last_s, both included."""
        profile = self._captured(name)
        clock = next(column.item for column in profile.columns if column.is_clock)
        selection = by_range(
            clock,
            date_time_octets(first_s),
            date_time_octets(last_s),
        )
        octets = await self.session.get(CLASS_PROFILE_GENERIC, profile.obis, BUFFER, selection)
        return [self._row(profile, row) for row in decode_rows(octets)]

    async def again(self, ask: Callable[[], Awaitable[T]], times: int) -> T:
        """Ask, and ask again up to `times` when no answer came and the link is still there."""
        for left in range(times, -1, -1):
            try:
                return await ask()
            except SessionLost:
                raise
            except LinkError:
                if not left:
                    raise
        raise AssertionError("the last try returns or raises")

    # -- writing and doing

    async def set_clock(self, to_s: int) -> None:
        """Set the meter's clock. Raises AccessDenied when it does not let us."""
        clock = self.profile.clock
        octets = axdr.encode(data.octets(date_time_octets(to_s)))
        await self.session.set(clock.class_id, clock.obis, clock.attribute, octets)

    async def relay(self) -> tuple[bool, ControlState]:
        """Output state (True: current may flow) and control state of the disconnect control."""
        obis = self.profile.disconnect_control
        output = axdr.plain(axdr.decode_all(await self.session.get(CLASS_DISCONNECT_CONTROL, obis, OUTPUT_STATE)))
        state = axdr.plain(axdr.decode_all(await self.session.get(CLASS_DISCONNECT_CONTROL, obis, CONTROL_STATE)))
        return bool(output), ControlState(state)

    async def disconnect(self) -> None:
        await self._switch(REMOTE_DISCONNECT)

    async def reconnect(self) -> None:
        await self._switch(REMOTE_RECONNECT)

    async def _switch(self, method: int) -> None:
        parameter = axdr.encode(data.i8(0))
        await self.session.act(CLASS_DISCONNECT_CONTROL, self.profile.disconnect_control, method, parameter)

    async def replay_last_request(self) -> bytes:
        """Send the very octets of the last request once more, as somebody who recorded them would; gives the answer."""
        return await self._replay()

    # -- names

    def item(self, name: str) -> DataItem:
        """A data item by its name. Raises Inapplicable when this kind of meter has none."""
        found = next((item for item in self.profile.items if item.name == name), None)
        if found is None:
            raise Inapplicable(f"profile {self.profile.name} has no {name}")
        return found

    @property
    def _sign(self) -> Any:
        return self.profile.deviation_sign

    def _captured(self, name: str) -> CapturedProfile:
        found = next((profile for profile in self.profile.profiles if profile.name == name), None)
        if found is None:
            raise Inapplicable(f"profile {self.profile.name} captures no {name}")
        return found

    def _row(self, profile: CapturedProfile, row: tuple[Any, ...]) -> Row:
        if len(row) != len(profile.columns):
            raise RemoteProtocolError(f"a row of {len(row)} columns, {len(profile.columns)} are captured")
        clock = next(column.index for column in profile.columns if column.is_clock)
        if not isinstance(row[clock], bytes):
            raise RemoteProtocolError(f"a row of {profile.name} has no stamp")
        stamp_s = epoch_s(row[clock], deviation_sign=self._sign)
        return Row(stamp_s, {column.name: row[column.index] for column in profile.channels})
