"""A frame in one line: what the APDU in it is, what it is about and what it says.

Made from the tree, so that both tell the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from hes.dlms.codes import ApduTag
from hes.dlms.inspect.apdu_nodes import ACSE_NAMES
from hes.dlms.inspect.node import Node, faults

VALUES_SHOWN: Final = 3
_NAMES: Final = frozenset(ACSE_NAMES.get(tag) or tag.name.lower().replace("_", "-") for tag in ApduTag)
_ENVELOPES: Final = ("glo-", "ded-", "general-glo", "general-ded", "general-ciphering", "general-signing")
_ABOUT: Final = ("attribute", "method", "short name")
_WORTH_SAYING: Final = frozenset(
    {
        "application context", "block number", "code", "diagnostic", "mechanism", "reason", "result", "sealed",
        "service", "service error", "state error",
    }
)  # fmt: skip


def brief(node: Node) -> str:
    """ "get-response normal to #11: 3/1.0.1.8.0.255/2 Register.value, ...: 5 Wh". Faults stand behind it."""
    found = list(_apdus(node))
    text = _said(found[-1] if found else node)
    fault = next(faults(node), None)
    return f"{text}  !! {fault.value}" if fault is not None else text


def _apdus(node: Node) -> Iterator[Node]:
    """The APDUs in a tree, outer before inner; what an association carries inside is part of it."""
    is_apdu = _base_name(node.label) in _NAMES
    if is_apdu:
        yield node
    if is_apdu and not node.label.startswith(_ENVELOPES) and not any(child.space for child in node.children):
        return
    for child in node.children:
        yield from _apdus(child)


def _base_name(label: str) -> str:
    return label if label in _NAMES else label.partition(" ")[0]


def _said(node: Node) -> str:
    """Name, request that is answered, subjects, values or results of one APDU; of any other frame its own line."""
    if _base_name(node.label) not in _NAMES:
        return f"{node.label}: {node.value}" if node.value else node.label
    text = node.label
    answers = next((child for child in node.children if child.label == "answers"), None)
    if answers is not None and isinstance(answers.plain, dict) and answers.plain["frame"]:
        text += f" to {answers.plain['frame']}"
    parts = [child.value for child in node.children if child.label.startswith(_ABOUT) and child.value]
    parts += [_selection(child) for child in node.children if child.label == "access selection"]
    values = [child for child in node.children if child.type_name or child.table is not None]
    parts += [_value(child) for child in values]
    parts += [f"{child.label} {child.value}" for child in node.children if _is_worth_saying(child)]
    shown = parts[:VALUES_SHOWN] + ([f"and {len(parts) - VALUES_SHOWN} more"] if len(parts) > VALUES_SHOWN else [])
    return f"{text}: {'; '.join(shown)}" if shown else text


def _selection(node: Node) -> str:
    """ "from .. to ..": both ends of a range, or of entries."""
    ends = [inner for child in node.children for inner in child.children if inner.label.split(" ")[0] in ("from", "to")]
    return " ".join(f"{end.label} {end.value}" for end in ends[:2]) or "a selection"


def _value(node: Node) -> str:
    return f"{node.label}: {node.value}" if node.value and node.label != "value" else node.value or node.label


def _is_worth_saying(node: Node) -> bool:
    return node.label in _WORTH_SAYING or node.label.startswith("result ")
