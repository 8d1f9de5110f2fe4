"""What the peers make of a push that our meter sent: the values in it, as text that both write alike."""

from __future__ import annotations

import importlib
from typing import Any

from interop.places import Offer


def decode(peer: str, frame: bytes, offer: Offer) -> list[str]:
    """The values of one wrapper frame with a DataNotification, plain or ciphered: octets and numbers."""
    keys = {name: bytes.fromhex(offer["test_keys"][name]) for name in ("encryption_key", "authentication_key")}
    return [shown(value) for value in {"gurux-dlms": by_gurux, "pydlms-client": by_pydlms}[peer](frame, keys)]


def shown(value: Any) -> str:
    return bytes(value).hex() if isinstance(value, bytes | bytearray) else str(value)


def by_gurux(frame: bytes, keys: dict[str, bytes]) -> list[Any]:
    from gurux_dlms import GXReplyData
    from gurux_dlms.enums import Authentication, InterfaceType, Security
    from gurux_dlms.secure import GXDLMSSecureClient

    client = GXDLMSSecureClient(True, 16, 1, Authentication.NONE, None, InterfaceType.WRAPPER)
    client.ciphering.security = Security.AUTHENTICATION_ENCRYPTION
    client.ciphering.blockCipherKey = bytearray(keys["encryption_key"])
    client.ciphering.authenticationKey = bytearray(keys["authentication_key"])
    notified = GXReplyData()
    client.getData(bytearray(frame), GXReplyData(), notified)
    return list(notified.value)


def by_pydlms(frame: bytes, keys: dict[str, bytes]) -> list[Any]:
    pydlms = importlib.import_module("pydlms")
    security = pydlms.SecurityContext(keys["encryption_key"], keys["authentication_key"])
    (message,) = pydlms.PushDecoder("wrapper", security).feed(frame)
    body = message.notification.body
    return [element.value for element in body.value]
