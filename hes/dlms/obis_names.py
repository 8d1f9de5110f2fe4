"""What OBIS codes stand for, in our words, and short names for the objects that people ask for most.

An exact code is looked up first, then the electricity groups are put together (quantity C, kind D, tariff E), then
the abstract families with a running number. A code that fits nothing has no name: `name` gives "".

Source: docs/protocols/names.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hes.dlms.obis import Obis
from hes.errors import LocalProtocolError


@dataclass(frozen=True, slots=True)
class NamedObject:
    """An object with a short name for the command line. attribute: the one that is usually read."""

    alias: str
    class_id: int
    obis: Obis
    attribute: int
    text: str


def _named(alias: str, class_id: int, obis: str, text: str, attribute: int = 2) -> NamedObject:
    return NamedObject(alias, class_id, Obis.parse(obis), attribute, text)


NAMED_OBJECTS: Final = (
    _named("clock", 8, "0.0.1.0.0.255", "clock"),
    _named("ldn", 1, "0.0.42.0.0.255", "logical device name"),
    _named("device-id", 1, "0.0.96.1.0.255", "device identifier 1 (serial number)"),
    _named("association", 15, "0.0.40.0.0.255", "current association"),
    _named("saps", 17, "0.0.41.0.0.255", "SAP assignment"),
    _named("security", 64, "0.0.43.0.0.255", "security setup"),
    _named("invocation-counter", 1, "0.0.43.1.0.255", "invocation counter"),
    _named("image", 18, "0.0.44.0.0.255", "image transfer", attribute=6),
    _named("disconnect", 70, "0.0.96.3.10.255", "disconnect control", attribute=3),
    _named("limiter", 71, "0.0.17.0.0.255", "limiter", attribute=3),
    _named("calendar", 20, "0.0.13.0.0.255", "activity calendar"),
    _named("special-days", 11, "0.0.11.0.0.255", "special days"),
    _named("error-register", 1, "0.0.97.97.0.255", "error register"),
    _named("alarm-register", 1, "0.0.97.98.0.255", "alarm register 1"),
    _named("tariff", 1, "0.0.96.14.0.255", "current tariff"),
    _named("firmware", 1, "1.0.0.2.0.255", "active firmware identifier"),
    _named("load-profile", 7, "1.0.99.1.0.255", "load profile 1"),
    _named("load-profile-2", 7, "1.0.99.2.0.255", "load profile 2 (daily)"),
    _named("billing", 7, "0.0.98.1.0.255", "billing profile"),
    _named("event-log", 7, "0.0.99.98.0.255", "standard event log"),
    _named("power-failures", 7, "1.0.99.97.0.255", "power failure log"),
    _named("energy-import", 3, "1.0.1.8.0.255", "active energy import (+A), total"),
    _named("energy-export", 3, "1.0.2.8.0.255", "active energy export (-A), total"),
    _named("reactive-import", 3, "1.0.3.8.0.255", "reactive energy import (+R), total"),
    _named("reactive-export", 3, "1.0.4.8.0.255", "reactive energy export (-R), total"),
    _named("power-import", 3, "1.0.1.7.0.255", "active power import (+P), instantaneous"),
    _named("power-export", 3, "1.0.2.7.0.255", "active power export (-P), instantaneous"),
    _named("voltage-l1", 3, "1.0.32.7.0.255", "voltage L1, instantaneous"),
    _named("voltage-l2", 3, "1.0.52.7.0.255", "voltage L2, instantaneous"),
    _named("voltage-l3", 3, "1.0.72.7.0.255", "voltage L3, instantaneous"),
    _named("current-l1", 3, "1.0.31.7.0.255", "current L1, instantaneous"),
    _named("current-l2", 3, "1.0.51.7.0.255", "current L2, instantaneous"),
    _named("current-l3", 3, "1.0.71.7.0.255", "current L3, instantaneous"),
    _named("frequency", 3, "1.0.14.7.0.255", "supply frequency, instantaneous"),
)
BY_ALIAS: Final = {known.alias: known for known in NAMED_OBJECTS}

_EXACT: Final[dict[bytes, str]] = {bytes(known.obis): known.text for known in NAMED_OBJECTS} | {
    bytes(Obis.parse(obis)): text
    for obis, text in (
        ("0.0.96.10.1.255", "status of load profile 1"),
        ("0.0.96.10.2.255", "status of load profile 2"),
        ("0.0.97.98.1.255", "alarm register 2"),
        ("0.0.97.98.2.255", "alarm register 3"),
        ("0.0.97.98.10.255", "alarm filter 1"),
        ("0.0.97.98.11.255", "alarm filter 2"),
        ("0.0.97.98.12.255", "alarm filter 3"),
        ("0.0.97.98.20.255", "alarm descriptor 1"),
        ("0.0.97.98.21.255", "alarm descriptor 2"),
        ("0.0.96.13.0.255", "consumer message text"),
        ("0.0.96.13.1.255", "consumer message code"),
        ("0.0.96.7.9.255", "number of long power failures"),
        ("0.0.96.7.19.255", "duration of the last long power failure"),
        ("0.0.96.7.21.255", "number of power failures in any phase"),
        ("0.0.96.12.5.255", "field strength"),
        ("0.0.10.0.1.255", "end-of-billing-period scripts"),
        ("0.0.10.0.100.255", "tariff scripts"),
        ("0.0.10.0.106.255", "disconnect scripts"),
        ("0.0.10.0.108.255", "push scripts"),
        ("0.0.14.0.1.255", "register activation"),
        ("0.0.15.0.0.255", "end-of-billing-period schedule"),
        ("0.0.15.0.1.255", "disconnect schedule"),
        ("0.0.15.0.2.255", "image activation schedule"),
        ("0.0.25.0.0.255", "TCP-UDP setup"),
        ("0.0.25.1.0.255", "IPv4 setup"),
        ("0.0.25.2.0.255", "MAC address"),
        ("0.0.25.3.0.255", "PPP setup"),
        ("0.0.25.4.0.255", "GPRS modem"),
        ("0.0.25.6.0.255", "GSM diagnostic"),
        ("0.0.22.0.0.255", "IEC HDLC setup"),
        ("0.0.2.0.0.255", "modem configuration"),
        ("0.0.2.1.0.255", "auto connect"),
        ("0.0.2.2.0.255", "auto answer"),
        ("1.0.0.2.8.255", "active firmware signature"),
        ("1.0.99.14.0.255", "power quality profile"),
        ("0.0.99.98.1.255", "fraud log"),
        ("0.0.99.98.2.255", "disconnector log"),
        ("0.0.99.98.3.255", "M-Bus log"),
        ("1.0.12.31.0.255", "voltage sag threshold"),
        ("1.0.12.35.0.255", "voltage swell threshold"),
        ("1.0.12.43.0.255", "voltage sag time threshold"),
        ("1.0.12.44.0.255", "voltage swell time threshold"),
        ("0.1.25.9.0.255", "push on interval 2"),
        ("0.0.25.9.0.255", "push on interval 1"),
        ("0.2.25.9.0.255", "push on interval 3"),
        ("0.3.25.9.0.255", "push on installation"),
        ("0.4.25.9.0.255", "push on alarm"),
    )
}

# (A, C, D): families of abstract objects that are numbered by E
_FAMILIES: Final[dict[tuple[int, int, int], str]] = {
    (0, 40, 0): "association {e}",
    (0, 43, 0): "security setup {e}",
    (0, 43, 1): "invocation counter {e}",
    (0, 96, 1): "device identifier {e1}",
    (0, 96, 7): "power failure counter {e}",
    (0, 96, 11): "event code {e}",
    (0, 96, 15): "event counter {e}",
    (0, 99, 98): "event log {e}",
    (0, 98, 1): "billing profile {e}",
    (0, 94, 34): "G3-PLC object {e}",
    (0, 24, 1): "M-Bus client, channel {b}",
    (0, 24, 2): "M-Bus value {e}, channel {b}",
    (0, 24, 3): "M-Bus profile {e}, channel {b}",
    (1, 99, 1): "load profile 1, part {e}",
    (1, 99, 2): "load profile 2, part {e}",
}

_SUM_QUANTITIES: Final = (
    "active {} import (+{A})",
    "active {} export (-{A})",
    "reactive {} import (+{R})",
    "reactive {} export (-{R})",
    "reactive {} QI",
    "reactive {} QII",
    "reactive {} QIII",
    "reactive {} QIV",
    "apparent {} import (+{S})",
    "apparent {} export (-{S})",
    "current",
    "voltage",
    "power factor",
    "supply frequency",
    "active {} (|+{A}| + |-{A}|)",
    "active {} (|+{A}| - |-{A}|)",
)
_ENERGY_LETTERS: Final = {"A": "A", "R": "R", "S": "VA"}
_POWER_LETTERS: Final = {"A": "P", "R": "Q", "S": "S"}
_SPECIAL_QUANTITIES: Final = {90: "sum of currents", 91: "neutral current", 92: "neutral voltage", 81: "phase angle"}
_ANGLES: Final = 81
_INSTANTANEOUS: Final = 7
_THD: Final = 124
_POWER_KINDS: Final = {
    4: "average demand, current",
    5: "average demand, last",
    6: "maximum demand",
    7: "instantaneous",
    2: "cumulative maximum demand",
    24: "average",
    25: "last average",
}
_EVENT_KINDS: Final = {
    31: "threshold for sags",
    32: "number of sags",
    33: "duration of the last sag",
    34: "magnitude of the last sag",
    35: "threshold for swells",
    36: "number of swells",
    37: "duration of the last swell",
    38: "magnitude of the last swell",
}
_ENERGY_KINDS: Final = {8: "", 9: "since the last reset", 29: "in the interval", 30: "in the interval"}


def name(obis: bytes) -> str:
    """What the code stands for, in a few words, or "" for a code that is not known here or has not 6 octets."""
    if len(obis) != 6:
        return ""
    known = _EXACT.get(bytes(obis))
    if known is not None:
        return known
    a, b, c, d, e, _f = obis
    if a == 1:
        text = _electricity(c, d, e)
        if text:
            return text
    family = _FAMILIES.get((a, c, d))
    return "" if family is None else family.format(b=b, e=e, e1=e + 1)


def labelled(obis: bytes) -> str:
    """ "1.0.1.8.0.255 (active energy import (+A), total)", or the bare code where there is no name."""
    code = str(Obis(obis))
    text = name(obis)
    return f"{code} ({text})" if text else code


def parse(text: str) -> Obis:
    """An OBIS code from its written forms or from a short name such as "clock". Raises LocalProtocolError."""
    known = BY_ALIAS.get(text.strip().lower())
    if known is not None:
        return known.obis
    try:
        return Obis.parse(text)
    except LocalProtocolError as error:
        raise LocalProtocolError(f"{error.message}, or as one of: {', '.join(sorted(BY_ALIAS))}", obis=text) from error


def _electricity(c: int, d: int, e: int) -> str:
    """Groups C, D and E of an electricity code put together, or "" when C or D is outside the tables."""
    quantity = _quantity(c, energy=d in _ENERGY_KINDS)
    if not quantity:
        return ""
    if d in _EVENT_KINDS:
        return f"{quantity}, {_EVENT_KINDS[d]}"
    if d in _ENERGY_KINDS:
        parts = [quantity, _ENERGY_KINDS[d], "total" if e == 0 else f"rate {e}"]
    elif d in _POWER_KINDS:
        parts = [quantity, _POWER_KINDS[d], _detail(c, d, e)]
    else:
        return ""
    return ", ".join(part for part in parts if part)


def _detail(c: int, d: int, e: int) -> str:
    """What group E says beside a power, a voltage, a current or an angle."""
    if c == _ANGLES:
        return f"angle {e}"
    if e == 0:
        return ""
    if d == _INSTANTANEOUS:
        return "total harmonic distortion" if e == _THD else f"harmonic {e}"
    return f"rate {e}"


def _quantity(c: int, *, energy: bool) -> str:
    special = _SPECIAL_QUANTITIES.get(c)
    if special is not None:
        return special
    phase, index = divmod(c - 1, 20)
    if not 0 <= phase <= 3 or index >= len(_SUM_QUANTITIES):
        return ""
    kind, letters = ("energy", _ENERGY_LETTERS) if energy else ("power", _POWER_LETTERS)
    text = _SUM_QUANTITIES[index].format(kind, **letters)
    return text if phase == 0 else f"{text} L{phase}"
