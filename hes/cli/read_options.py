"""What the options of `amiloop read` hold, told apart from other text before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import click

from hes.cli.object_reference import ObjectReference
from hes.dlms.cosem_time import CosemDateTime, epoch_s
from hes.dlms.obis import Obis
from hes.dlms.security import INVOCATION_COUNTER_MAX
from hes.errors import LocalProtocolError

SAP_MAX: Final = 0xFFFF
SAP: Final = click.IntRange(0, SAP_MAX)
NO_ZONE: Final = b"\x80\x00"  # the deviation of a date-time that does not say one


class Counter(click.ParamType):  # type: ignore[type-arg] # generic from click 8.4 on
    """An invocation counter, or `read` for None."""

    name = "counter"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | None:
        if value is None or isinstance(value, int):
            return value
        if value == "read":
            return None
        text = str(value)
        if not (text.isascii() and text.isdigit() and int(text) < INVOCATION_COUNTER_MAX):
            self.fail(f"{text!r} is neither 'read' nor a number from 0 to {INVOCATION_COUNTER_MAX - 1}", param, ctx)
        return int(text)


class Mechanisms(click.Choice):  # type: ignore[type-arg] # generic from click 8.4 on
    """Ways to authenticate. The one that is missing is told why."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "hls":
            self.fail("'hls' (mechanism 2) is each manufacturer's own way, which is not known here", param, ctx)
        return super().convert(value, param, ctx)


class Moment(click.ParamType):  # type: ignore[type-arg] # generic from click 8.4 on
    """An ISO 8601 date or date and time, as the octets of a date-time; without a zone it is the meter's own time."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> bytes:
        if isinstance(value, bytes):
            return value
        try:
            moment = datetime.fromisoformat(str(value).strip())
        except ValueError:
            self.fail(f"{value!r} is no date or time such as 2024-12-15 or 2024-12-15T12:30", param, ctx)
        offset = moment.utcoffset()
        return CosemDateTime(
            year=moment.year,
            month=moment.month,
            day=moment.day,
            weekday=moment.isoweekday(),
            hour=moment.hour,
            minute=moment.minute,
            second=moment.second,
            deviation_min=None if offset is None else -(offset // timedelta(minutes=1)),
            status=0,
        ).to_octets()


class Reference(click.ParamType):  # type: ignore[type-arg] # generic from click 8.4 on
    """An object, see hes.cli.object_reference."""

    name = "object"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> ObjectReference:
        if isinstance(value, ObjectReference):
            return value
        try:
            return ObjectReference.parse(str(value))
        except LocalProtocolError as error:
            self.fail(error.message, param, ctx)


@dataclass(frozen=True, slots=True)
class MeterAddress:
    """Which logical device, and on HDLC which physical one. lower: None where nobody said."""

    upper: int
    lower: int | None = None


class Server(click.ParamType):  # type: ignore[type-arg] # generic from click 8.4 on
    """`1`, or `1/17` for the upper and the lower part of an HDLC address."""

    name = "server"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> MeterAddress:
        if isinstance(value, MeterAddress):
            return value
        parts = str(value).split("/")
        if not 1 <= len(parts) <= 2 or not all(part.isascii() and part.isdigit() for part in parts):
            self.fail(f"{value!r} is no server address such as 1, or 1/17 for upper and lower on HDLC", param, ctx)
        numbers = [int(part) for part in parts]
        if max(numbers) > SAP_MAX:
            self.fail(f"{value!r} is beyond {SAP_MAX}", param, ctx)
        return MeterAddress(*numbers)


class ObisCode(click.ParamType):  # type: ignore[type-arg] # generic from click 8.4 on
    """An OBIS code in one of its forms."""

    name = "obis"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Obis:
        if isinstance(value, Obis):
            return value
        try:
            return Obis.parse(str(value))
        except LocalProtocolError as error:
            self.fail(error.message, param, ctx)


def check_range(first: bytes | None, last: bytes | None) -> None:
    """Raises UsageError when the range ends before it begins; times with and without a zone cannot be compared."""
    if first is None or last is None or (first[9:11] == NO_ZONE) != (last[9:11] == NO_ZONE):
        return
    if epoch_s(first) > epoch_s(last):
        raise click.UsageError("--from is later than --to: no row can be in that range.")


def password_octets(text: str) -> bytes:
    """The octets of a password as it is typed: text, or `hex:` and hex digits. Raises UsageError."""
    prefix, _, digits = text.partition(":")
    if prefix != "hex":
        return text.encode("utf-8")
    try:
        return bytes.fromhex(digits)
    except ValueError:
        raise click.UsageError("--password starts with 'hex:' but what follows is not hex.") from None
