"""general-ciphering and general-signing as nodes: the head field by field, how the key comes, the signature.

`hes.dlms.security.general` has read the APDU before; here its fields get their places.

Source: docs/protocols/dlms-application.md §5 (general-ciphering, general-signing).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from hes.dlms import axdr
from hes.dlms.inspect.data_nodes import octets_as_date_time
from hes.dlms.inspect.node import Node
from hes.dlms.security.general import (
    KEY_BROADCAST,
    KEY_UNICAST,
    ONE_PASS,
    STATIC_UNIFIED,
    AgreedKey,
    GeneralSigning,
    IdentifiedKey,
    KeyInfo,
    WrappedKey,
)

_FIELDS: Final = (
    "transaction id", "originator's system title", "recipient's system title", "date-time", "other information",
)  # fmt: skip
_KEYS: Final = {KEY_UNICAST: "global unicast key (GUEK)", KEY_BROADCAST: "global broadcast key (GBEK)"}
_SCHEMES: Final = {ONE_PASS: "one-pass Diffie-Hellman", STATIC_UNIFIED: "static unified model"}


def head_nodes(octets: bytes, base: int) -> Iterator[Node]:
    """The five fields behind the tag; those that are empty are left out."""
    offset = 1
    for label in _FIELDS:
        count, start = axdr.decode_length(octets, offset)
        held = octets[start : start + count]
        if held:
            text = (octets_as_date_time(held) if label == "date-time" else "") or held.hex()
            yield Node(label=label, value=text, plain=held.hex(), offset=base + start, length=count)
        offset = start + count


def key_info_node(key_info: KeyInfo | None, offset: int) -> Node:
    """How the receiver comes by the key. offset: where the octet stands that says whether this is there."""
    held: dict[str, object] = {}
    if key_info is None:
        text = "not there: both sides know which key"
    elif isinstance(key_info, IdentifiedKey):
        text, held = _KEYS.get(key_info.key_id, f"key {key_info.key_id}"), {"key_id": key_info.key_id}
    elif isinstance(key_info, WrappedKey):
        held = {"kek_id": key_info.kek_id, "wrapped": key_info.wrapped.hex()}
        text = f"a key of this APDU alone, wrapped under key {key_info.kek_id} (0 is the master key)"
    else:
        assert isinstance(key_info, AgreedKey)
        scheme = _SCHEMES.get(key_info.parameters, f"parameters {key_info.parameters.hex()}")
        held = {"parameters": key_info.parameters.hex(), "data": key_info.ciphered.hex()}
        text = f"agreed on by public keys: {scheme}, {len(key_info.ciphered)} octets of data"
    return Node(label="key", value=text, plain=held or None, offset=offset)


def signature_node(signing: GeneralSigning, octets: bytes, base: int) -> Node:
    count = len(signing.signature)
    return Node(
        label="signature",
        value=f"{signing.signature.hex()} (not checked)",
        plain=signing.signature.hex(),
        offset=base + len(octets) - count,
        length=count,
    )
