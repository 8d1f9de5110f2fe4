"""Two runs of the same suite on two stations: the same APDUs were said, and how their times differ.

What a station is must not show in what is said: the sequence of APDUs, in the clear, of each scenario is the same.
Octet for octet, with one exception: values that follow the meter's clock (the clock itself, registers that count on)
may differ, because real time is never the same twice. Of such an APDU everything else must agree: kind, invoke-id,
object, and the types and lengths of the data.

Times do differ. They are set beside what each link says of itself (hes.links.facts).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import zip_longest
from typing import Any

from hes.dlms import apdu, axdr
from hes.dlms.data import Data
from hes.dlms.inspect.conversation import Conversation
from hes.dlms.inspect.hiding import shown_hex
from hes.errors import RemoteProtocolError
from scenarios.evidence import Entry, Evidence


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where two sequences part. place: counted from 1; "" stands for an APDU that is not there."""

    meter: str
    place: int
    first: str
    second: str


@dataclass(slots=True)
class Timing:
    """Exchanges of one scenario: how many were answered, and how long they took together on either station."""

    exchanges: int = 0
    first_s: float = 0.0
    second_s: float = 0.0

    @property
    def difference_s(self) -> float:
        """By how much an exchange took longer on the second station, on average."""
        return (self.second_s - self.first_s) / self.exchanges if self.exchanges else 0.0


@dataclass(slots=True)
class Comparison:
    """One scenario on two stations. apdus: compared; identical: of these, octet for octet."""

    scenario: str
    apdus: int = 0
    identical: int = 0
    differences: list[Difference] = field(default_factory=list)
    timing: Timing = field(default_factory=Timing)


def compare_runs(first: Mapping[str, Evidence], second: Mapping[str, Evidence]) -> list[Comparison]:
    """Compare every scenario that either run has, by its key."""
    nothing = Evidence()
    return [
        compare(key, first.get(key, nothing), second.get(key, nothing)) for key in sorted(first.keys() | second.keys())
    ]


def compare(scenario: str, first: Evidence, second: Evidence) -> Comparison:
    """Compare one scenario, meter by meter: meters that are spoken to side by side have no common order."""
    comparison = Comparison(scenario)
    for meter in sorted({entry.source for evidence in (first, second) for entry in evidence.apdus()}):
        pairs = zip_longest(first.apdus(meter), second.apdus(meter))
        for place, (one, other) in enumerate(pairs, start=1):
            comparison.apdus += 1
            if one is not None and other is not None and _told(one) == _told(other):
                comparison.identical += 1
            elif one is None or other is None or _shape(one) != _shape(other):
                comparison.differences.append(Difference(meter, place, _text(one), _text(other)))
    comparison.timing = _timing(first, second)
    return comparison


def report(comparisons: Iterable[Comparison], first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """The comparison as JSON can hold it. first, second: the runs' result.json, for names and links' facts."""
    listed = [
        {
            "scenario": comparison.scenario,
            "same": not comparison.differences,
            "apdus": comparison.apdus,
            "identical": comparison.identical,
            "exchanges": comparison.timing.exchanges,
            "first_s": round(comparison.timing.first_s, 6),
            "second_s": round(comparison.timing.second_s, 6),
            "exchange_longer_s": round(comparison.timing.difference_s, 6),
            "differences": [asdict(difference) for difference in comparison.differences],
        }
        for comparison in comparisons
    ]
    return {
        "same": all(entry["same"] for entry in listed),
        "first": {"station": first["station"], "links": _links(first)},
        "second": {"station": second["station"], "links": _links(second)},
        "scenarios": listed,
    }


def lines(told: Mapping[str, Any]) -> Iterator[str]:
    """A report in words, one line a scenario, the links' facts first."""
    for when, run in (("then", told["first"]), ("now", told["second"])):
        yield f"{when}: station {run['station']['name']}: {'; '.join(map(_link_text, run['links'])) or 'no link'}"
    for entry in told["scenarios"]:
        word = "same" if entry["same"] else "DIFFERENT"
        yield (
            f"  {word:<10} {entry['scenario']}: {entry['identical']} of {entry['apdus']} APDUs octet for octet, "
            f"an exchange takes {entry['exchange_longer_s'] * 1000:+.1f} ms"
        )
        if entry["differences"]:
            part = entry["differences"][0]
            yield f"    {part['meter']}, APDU {part['place']}: {part['first'] or 'none'} | {part['second'] or 'none'}"


def _links(run: Mapping[str, Any]) -> list[Any]:
    """The facts of every kind of link of a run, each once."""
    found: dict[str, Any] = {}
    for scenario in run["scenarios"]:
        for facts in scenario["links"]:
            found.setdefault(str(facts), facts)
    return list(found.values())


def _link_text(facts: Mapping[str, Any]) -> str:
    duplex = ", half duplex" if facts["half_duplex"] else ""
    return f"{facts['kind']}{duplex}, usual turnaround {facts['turnaround_s'] * 1000:g} ms"


def _told(entry: Entry) -> tuple[bool, bytes]:
    return entry.to_device, entry.octets


def _text(entry: Entry | None) -> str:
    if entry is None:
        return ""
    shown = shown_hex(entry.octets, Conversation().inspect_apdu(entry.octets))
    return f"{'to' if entry.to_device else 'from'} the meter {shown}"


def _shape(entry: Entry) -> tuple[Any, ...]:
    """Everything of an APDU but the values that may follow a clock."""
    try:
        decoded = apdu.decode(entry.octets)
    except RemoteProtocolError:
        return _told(entry)
    match decoded:
        case apdu.GetResponseNormal(invoke=invoke, result=result, data=data) if data:
            return entry.to_device, "get-response", invoke, result, _data_shape(data)
        case apdu.SetRequestNormal(invoke=invoke, attribute=attribute, data=data, selection=selection):
            return entry.to_device, "set-request", invoke, attribute, selection, _data_shape(data)
    return _told(entry)


def _data_shape(octets: bytes) -> Any:
    return _types(axdr.decode_all(octets))


def _types(data: Data) -> Any:
    value = data.value
    if isinstance(value, tuple):
        return data.tag, tuple(_types(part) if isinstance(part, Data) else part for part in value)
    return data.tag, len(value) if isinstance(value, bytes | str) else None


def _timing(first: Evidence, second: Evidence) -> Timing:
    timing = Timing()
    for one, other in zip(_exchanges(first), _exchanges(second), strict=False):
        timing.exchanges += 1
        timing.first_s += one
        timing.second_s += other
    return timing


def _exchanges(evidence: Evidence) -> Iterator[float]:
    """How long each answered exchange took, in order."""
    asked_s: dict[str, float] = {}
    for entry in evidence.apdus():
        if entry.to_device:
            asked_s[entry.source] = entry.at_s
        elif entry.source in asked_s:
            yield entry.at_s - asked_s.pop(entry.source)
