"""InformationReport: what a server with short names says without being asked.

The time is a GeneralizedTime in the ASN.1 (a visible string with a presence octet before its length); a known stack
sends a COSEM date-time of 12 octets with nothing before the length. `bare_time` remembers the second form, so that
what was received can be written again octet for octet.

Source: docs/protocols/short-names.md §1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hes.dlms.xdlms.common import Reader, encode_octets
from hes.dlms.xdlms.variable_access import (
    VariableAccess,
    check_pairs,
    encode_list_of_data,
    encode_variables,
    read_variables_and_data,
)
from hes.errors import LocalProtocolError, RemoteProtocolError

TIME_OCTETS_MAX: Final = 32  # "20260101120000.000+0100" has 23
DATE_TIME_OCTETS: Final = 12


@dataclass(frozen=True, slots=True)
class InformationReport:
    """Variables with their values. time: b"", or what was sent as it stands. data: encoded values."""

    variables: tuple[VariableAccess, ...]
    data: tuple[bytes, ...]
    time: bytes = b""
    bare_time: bool = False

    def encode(self) -> bytes:
        check_pairs(self.variables, self.data)
        return b"\x18" + self._time() + encode_variables(self.variables) + encode_list_of_data(self.data)

    def _time(self) -> bytes:
        if not self.time and not self.bare_time:
            return b"\x00"
        if len(self.time) > TIME_OCTETS_MAX or (self.bare_time and len(self.time) != DATE_TIME_OCTETS):
            raise LocalProtocolError(f"a time of {len(self.time)} octets does not fit an information report")
        return encode_octets(self.time) if self.bare_time else b"\x01" + encode_octets(self.time)


def read_information_report(reader: Reader) -> InformationReport:
    time, bare = _read_time(reader)
    return InformationReport(*read_variables_and_data(reader), time, bare)


def _read_time(reader: Reader) -> tuple[bytes, bool]:
    start = reader.offset
    presence = reader.u8("presence of time")
    if presence == 0:
        return b"", False
    if presence == DATE_TIME_OCTETS:
        return reader.take(DATE_TIME_OCTETS, "time"), True
    if presence != 1:
        raise RemoteProtocolError(f"neither no time nor one: {presence:02X}", octet_offset=start)
    time = reader.octet_string("time")
    if not 0 < len(time) <= TIME_OCTETS_MAX:
        raise RemoteProtocolError(f"a time of {len(time)} octets", octet_offset=start)
    return time, False
