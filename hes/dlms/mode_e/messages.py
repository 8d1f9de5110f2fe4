"""The four messages of a sign-on: request, identification, option select and its confirmation.

All are lines of 7-bit characters that end with CR LF. A gateway that presents them as 8N1 leaves the parity in bit 7,
so that bit is dropped from whatever comes.

Source: docs/protocols/mode-e.md §2.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from hes.errors import LocalProtocolError, RemoteProtocolError

BAUD_RATES: Final = {
    "0": 300,
    "1": 600,
    "2": 1200,
    "3": 2400,
    "4": 4800,
    "5": 9600,
    "6": 19200,
    "7": 38400,  # 7 to 9 are reserved; some meters use them so [M]
    "8": 57600,
    "9": 115200,
}
OPENING_BAUD: Final = 300
ADDRESS_CHARACTERS_MAX: Final = 32
IDENT_CHARACTERS_MAX: Final = 16
LINE_OCTETS_MAX: Final = 96  # of one message, its end included; the longest legal one has 41 [A]

ACK: Final = 0x06
END: Final = b"\r\n"
MODE_E: Final = "2"  # after a backslash in an identification; as V and as Y of an option select
_ADDRESS: Final = re.compile(r"[0-9A-Za-z ]*")
_IDENTIFICATION: Final = re.compile(r"/([A-Za-z]{3})([0-9A-Za-z])((?:\\[!-~])*)([ \x22-.0-\[\]-~]*)")
_SELECT: Final = re.compile(r"\x06([0-9])([0-9A-Za-z])([0-9A-Za-z])")
_SEVEN_BITS: Final = bytes(octet & 0x7F for octet in range(256))


def seven_bits(octets: bytes) -> bytes:
    """The characters without the parity that a gateway may have left in."""
    return octets.translate(_SEVEN_BITS)


def encode_request(address: str = "") -> bytes:
    """`/?address!`. address: of the device, up to 32 characters; "" asks whoever is there.

    Raises LocalProtocolError for an address that cannot stand in a request.
    """
    if len(address) > ADDRESS_CHARACTERS_MAX or _ADDRESS.fullmatch(address) is None:
        raise LocalProtocolError(
            f"a device address has up to {ADDRESS_CHARACTERS_MAX} digits, letters and spaces, not {address!r}"
        )
    return b"/?" + address.encode("ascii") + b"!" + END


def decode_request(line: bytes) -> str | None:
    """The device address in a request, "" for none; None when `line` (without CR LF) is no request."""
    if not line.startswith(b"/?") or not line.endswith(b"!"):
        return None
    address = line[2:-1].decode("ascii", "replace")
    fits = len(address) <= ADDRESS_CHARACTERS_MAX and _ADDRESS.fullmatch(address) is not None
    return address if fits else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Identification:
    """Who answers a request. manufacturer: three letters; baud_id: the fastest rate it offers; ident: its own text.

    options: what stands after backslashes, such as "2" for mode E. A lower-case third letter says that the meter
    reacts within 20 ms instead of 200 ms.
    """

    manufacturer: str
    baud_id: str
    options: str = MODE_E
    ident: str = ""

    @property
    def offers_mode_e(self) -> bool:
        return MODE_E in self.options

    def encode(self) -> bytes:
        escapes = "".join(f"\\{option}" for option in self.options)
        text = f"/{self.manufacturer}{self.baud_id}{escapes}{self.ident}"
        if _IDENTIFICATION.fullmatch(text) is None or len(self.ident) > IDENT_CHARACTERS_MAX:
            raise LocalProtocolError(f"{text!r} is no identification")
        return text.encode("ascii") + END


def decode_identification(line: bytes) -> Identification:
    """Read an identification without its CR LF. Raises RemoteProtocolError for anything else."""
    match = _IDENTIFICATION.fullmatch(line.decode("ascii", "replace"))
    if match is None:
        raise RemoteProtocolError(f"{line!r} is no identification", octet_offset=0)
    manufacturer, baud_id, escapes, ident = match.groups()
    return Identification(manufacturer=manufacturer, baud_id=baud_id, options=escapes[1::2], ident=ident)


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionSelect:
    """ACK V Z Y: protocol V ("2": HDLC), rate Z, mode Y ("0" readout, "1" programming, "2" binary).

    A meter that agrees to mode E sends the same back.
    """

    protocol: str
    baud_id: str
    mode: str

    @property
    def is_mode_e(self) -> bool:
        return self.protocol == MODE_E and self.mode == MODE_E

    def encode(self) -> bytes:
        return bytes((ACK,)) + f"{self.protocol}{self.baud_id}{self.mode}".encode("ascii") + END


def decode_option_select(line: bytes) -> OptionSelect | None:
    """The option that `line` (without CR LF) selects; None when it is no option select."""
    match = _SELECT.fullmatch(line.decode("ascii", "replace"))
    return None if match is None else OptionSelect(protocol=match[1], baud_id=match[2], mode=match[3])


class LineReader:
    """Cuts what arrives into lines, octet by octet or at once; noise between them is bounded and forgotten."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, octets: bytes) -> list[bytes]:
        """The lines that are complete now, without CR LF and from the last octet on that can start a message."""
        lines: list[bytes] = []
        for octet in seven_bits(octets):
            self._buffer.append(octet)
            if self._buffer.endswith(END):
                lines.append(_from_start(bytes(self._buffer[: -len(END)])))
                self._buffer.clear()
            elif len(self._buffer) > LINE_OCTETS_MAX:
                del self._buffer[:-LINE_OCTETS_MAX]
        return lines

    def clear(self) -> None:
        self._buffer.clear()


def _from_start(line: bytes) -> bytes:
    """`line` without the noise before its message: an option select starts with ACK, the others with a slash."""
    start = max(line.rfind(b"/"), line.rfind(bytes((ACK,))))
    return line[max(start, 0) :]
