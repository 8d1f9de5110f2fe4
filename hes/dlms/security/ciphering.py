"""Protection of one association, or of one stream of pushes: which key, which tag, which counter.

Three forms exist on the wire, and an association may use any:

- service-specific, one tag for each service: 21 28 2E C8..CF (global key), 41 48 4E D0..D7 (dedicated key);
- general-glo DB and general-ded DC, which carry the sender's system title;
- (general-ciphering DD and general-signing DF belong to suites 1 and 2 and have no entry yet.)

Counters: one per key and direction. The sender takes the next one for every APDU and never twice; the receiver takes
only what lies above the last one *verified*. An APDU that is encrypted but not authenticated proves nothing, so its
counter must rise within this object but does not move the verified one. The counter inside an HLS-GMAC proof is
authenticated, yet it moves no window: the APDU around it carries its own.

Source: docs/protocols/dlms-application.md §5.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Final, NamedTuple

from hes.dlms import axdr, security
from hes.dlms.codes import ApduTag
from hes.dlms.security import (
    AUTHENTICATED,
    AUTHENTICATED_ENCRYPTED,
    SYSTEM_TITLE_OCTETS,
    EncryptionKeys,
    InvocationCounterError,
    SecurityControl,
    SecurityError,
)
from hes.dlms.security.counters import ReplayWindow, SendCounter
from hes.dlms.xdlms.common import Octets
from hes.errors import LocalProtocolError

__all__ = [
    "Ciphering",
    "CipheringStyle",
    "GeneralApdu",
    "InvocationCounterError",
    "KeyScope",
    "ReplayWindow",
    "SecurityError",
    "SendCounter",
    "Unprotected",
    "is_protected",
    "read_general",
]


class KeyScope(Enum):
    """Whose key: the one all associations of the meter share, this association's own, or the broadcast key."""

    GLOBAL = "global"
    DEDICATED = "dedicated"
    BROADCAST = "broadcast"


class CipheringStyle(Enum):
    """Which form a side sends; what it receives may have any."""

    SERVICE_SPECIFIC = "service-specific"
    GENERAL_GLO = "general-glo"
    GENERAL_DED = "general-ded"


# plain service -> its tag under the global and under the dedicated key
PROTECTED_TAGS: Final[dict[int, tuple[int, int]]] = {
    int(plain): (plain | 0x20, plain | 0x40)
    for plain in (
        ApduTag.INITIATE_REQUEST,
        ApduTag.READ_REQUEST,
        ApduTag.WRITE_REQUEST,
        ApduTag.INITIATE_RESPONSE,
        ApduTag.READ_RESPONSE,
        ApduTag.WRITE_RESPONSE,
        ApduTag.CONFIRMED_SERVICE_ERROR,
        ApduTag.UNCONFIRMED_WRITE_REQUEST,
        ApduTag.INFORMATION_REPORT_REQUEST,
    )
} | {
    int(plain): (plain + 8, plain + 16)
    for plain in (
        ApduTag.GET_REQUEST,
        ApduTag.SET_REQUEST,
        ApduTag.EVENT_NOTIFICATION,
        ApduTag.ACTION_REQUEST,
        ApduTag.GET_RESPONSE,
        ApduTag.SET_RESPONSE,
        ApduTag.ACTION_RESPONSE,
    )
}
# protected tag -> key, plain service that must come out (None: any), form
_Form = tuple[KeyScope, int | None, CipheringStyle]
_SPECIFIC: Final[dict[int, _Form]] = {
    tag: (scope, plain, CipheringStyle.SERVICE_SPECIFIC)
    for plain, pair in PROTECTED_TAGS.items()
    for tag, scope in zip(pair, (KeyScope.GLOBAL, KeyScope.DEDICATED), strict=True)
}
_GENERAL: Final[dict[int, _Form]] = {
    ApduTag.GENERAL_GLO_CIPHERING: (KeyScope.GLOBAL, None, CipheringStyle.GENERAL_GLO),
    ApduTag.GENERAL_DED_CIPHERING: (KeyScope.DEDICATED, None, CipheringStyle.GENERAL_DED),
}
_GENERAL_TAGS: Final = {KeyScope.GLOBAL: 0xDB, KeyScope.BROADCAST: 0xDB, KeyScope.DEDICATED: 0xDC}


def is_protected(apdu: Octets) -> bool:
    """True when the first octet says that `Ciphering.unprotect` must open it."""
    return len(apdu) > 0 and (apdu[0] in _SPECIFIC or apdu[0] in _GENERAL)


class GeneralApdu(NamedTuple):
    """The open part of a general-glo or general-ded APDU. system_title: b"" or 8 octets. sealed: SC | IC | ..."""

    tag: int
    system_title: bytes
    sealed: bytes


def read_general(apdu: Octets) -> GeneralApdu:
    """Read the head of a general-glo/-ded APDU, for instance to find the keys of whoever pushed it.

    Raises SecurityError for another tag, a title that has not 0 or 8 octets, lengths that do not fit.
    """
    octets = bytes(apdu)
    if not octets or octets[0] not in _GENERAL:
        raise SecurityError(f"not a general-glo or general-ded APDU: {octets[:1].hex()}", octet_offset=0)
    title_octets, offset = axdr.decode_length(octets, 1)
    if title_octets not in (0, SYSTEM_TITLE_OCTETS):
        raise SecurityError(f"a system title of {title_octets} octets", octet_offset=1)
    title = octets[offset : offset + title_octets]
    return GeneralApdu(octets[0], title, _sealed(octets, offset + title_octets))


def _sealed(octets: bytes, offset: int) -> bytes:
    """The octets behind the length at `offset`, which must be as many as it says."""
    count, start = axdr.decode_length(octets, offset)
    if len(octets) - start != count:
        raise SecurityError(f"{count} octets announced, {len(octets) - start} are there", octet_offset=offset)
    return octets[start:]


class Unprotected(NamedTuple):
    """An opened APDU, and how it was protected: what an answer in kind needs."""

    apdu: bytes
    control: SecurityControl
    invocation_counter: int
    scope: KeyScope
    style: CipheringStyle
    system_title: bytes


class Ciphering:
    """One side's protection of one association.

    system_title, peer_system_title: 8 octets; the peer's may be learnt later (set the attribute) or from the first
    authenticated general APDU. dedicated_key: shares the authentication key of `global_keys`. send_counter: for the
    global key, a callable that gives a fresh counter for each call, or the first one. dedicated_send_counter: the same
    for the dedicated key. receive_counter: the lowest counter taken from the peer under the global key; keep
    `windows[KeyScope.GLOBAL].expected` across associations. control, style: what this side sends.
    """

    def __init__(
        self,
        *,
        system_title: bytes,
        global_keys: EncryptionKeys,
        send_counter: Callable[[], int] | int,
        peer_system_title: bytes | None = None,
        dedicated_key: bytes | None = None,
        dedicated_send_counter: Callable[[], int] | int = 1,
        broadcast_keys: EncryptionKeys | None = None,
        receive_counter: int = 0,
        control: SecurityControl = AUTHENTICATED_ENCRYPTED,
        style: CipheringStyle = CipheringStyle.SERVICE_SPECIFIC,
    ) -> None:
        if len(system_title) != SYSTEM_TITLE_OCTETS:
            raise LocalProtocolError(f"a system title has {SYSTEM_TITLE_OCTETS} octets, this has {len(system_title)}")
        self.system_title = system_title
        self.peer_system_title = peer_system_title
        self.control = control
        self.style = style
        self._keys: dict[KeyScope, EncryptionKeys] = {KeyScope.GLOBAL: global_keys}
        self._counters: dict[KeyScope, Callable[[], int]] = {KeyScope.GLOBAL: _counter(send_counter)}
        self.windows: dict[KeyScope, ReplayWindow] = {KeyScope.GLOBAL: ReplayWindow(receive_counter)}
        if broadcast_keys is not None:
            self._keys[KeyScope.BROADCAST] = broadcast_keys
            self.windows[KeyScope.BROADCAST] = ReplayWindow()
        if dedicated_key:
            self.use_dedicated_key(dedicated_key, dedicated_send_counter)

    def use_dedicated_key(self, key: bytes, send_counter: Callable[[], int] | int = 1) -> None:
        """Take the key of this association, as the AARQ brought it; both counters start anew.

        Raises LocalProtocolError for a key of another length than the global ones: a server refuses the AARQ before.
        """
        self._keys[KeyScope.DEDICATED] = EncryptionKeys(key, self._keys[KeyScope.GLOBAL].authentication)
        self._counters[KeyScope.DEDICATED] = _counter(send_counter)
        self.windows[KeyScope.DEDICATED] = ReplayWindow()

    @property
    def has_dedicated_key(self) -> bool:
        return KeyScope.DEDICATED in self._keys

    def __repr__(self) -> str:
        return f"Ciphering({self.system_title.hex()}, {self.style.value}, {self.control!r})"

    # -- sending

    def protect(
        self,
        apdu: bytes,
        *,
        key: KeyScope | None = None,
        style: CipheringStyle | None = None,
        control: SecurityControl | None = None,
    ) -> bytes:
        """`apdu` protected under the next counter.

        key: None is DEDICATED for the style GENERAL_DED and GLOBAL otherwise. style, control: None is this side's own.
        A service without a tag of its own (data-notification) goes as general-glo or general-ded in every style.
        Raises LocalProtocolError when the key is missing or used up.
        """
        style = style or self.style
        scope = key or (KeyScope.DEDICATED if style is CipheringStyle.GENERAL_DED else KeyScope.GLOBAL)
        sealed = self._seal(scope, self.control if control is None else control, apdu)
        pair = PROTECTED_TAGS.get(apdu[0]) if style is CipheringStyle.SERVICE_SPECIFIC else None
        length = axdr.encode_length(len(sealed))
        if pair is not None:
            return bytes((pair[scope is KeyScope.DEDICATED],)) + length + sealed
        return bytes((_GENERAL_TAGS[scope], SYSTEM_TITLE_OCTETS)) + self.system_title + length + sealed

    def protect_initiate(self, initiate: bytes) -> bytes:
        """User information of an AARQ, AARE or RLRQ: tag 21 or 28, always under the global key."""
        return self.protect(initiate, key=KeyScope.GLOBAL, style=CipheringStyle.SERVICE_SPECIFIC)

    def _seal(self, scope: KeyScope, control: SecurityControl, apdu: bytes) -> bytes:
        keys = self._keys.get(scope)
        counter = self._counters.get(scope)
        if keys is None or counter is None:
            raise LocalProtocolError(f"this association has no {scope.value} key to send with")
        if not apdu:
            raise LocalProtocolError("there is no APDU to protect")
        return security.seal(control, keys, self.system_title, counter(), apdu)

    # -- receiving

    def unprotect(self, apdu: Octets) -> Unprotected:
        """Open a protected APDU of any form and check its counter.

        Raises InvocationCounterError for a counter used before, SecurityError when it must not be believed (wrong tag,
        title or key, or another service inside than the tag says), RemoteProtocolError for lengths that do not fit.
        Whether the protection is strong enough is the caller's to say: `result.control.covers(policy)`.
        """
        octets = apdu if isinstance(apdu, bytes) else bytes(apdu)
        specific = _SPECIFIC.get(octets[0]) if octets else None
        if specific is not None:
            scope, plain, style = specific
            sender, sealed = self._sender(b""), _sealed(octets, 1)
        else:
            tag, title, sealed = read_general(octets)
            scope, plain, style = _GENERAL[tag]
            sender = self._sender(title)
        if sealed and sealed[0] & 0x40:
            scope = _broadcast(scope)
        keys = self._keys.get(scope)
        if keys is None:
            raise SecurityError(f"protected with a {scope.value} key, which this association has not")
        control, counter, plaintext = security.unseal(sealed, keys, sender)
        authenticated = control & AUTHENTICATED != 0
        self.windows[scope].accept(counter, authenticated)
        if authenticated and not self.peer_system_title:
            self.peer_system_title = sender
        if not plaintext or (plain is not None and plaintext[0] != plain):
            raise SecurityError(f"tag {octets[0]:02X} does not protect what it says")
        return Unprotected(plaintext, control, counter, scope, style, sender)

    def _sender(self, title: bytes) -> bytes:
        known = self.peer_system_title
        if known and title and known != title:
            raise SecurityError(f"system title {title.hex()} is not the peer's, {known.hex()}")
        sender = title or known
        if not sender:
            raise SecurityError("the peer has not said its system title, so nothing of it can be opened")
        return sender

    def take_counter(self) -> int:
        """The next counter under the global key, for a proof of HLS. Raises LocalProtocolError when it has run out."""
        return self._counters[KeyScope.GLOBAL]()


def _counter(start: Callable[[], int] | int) -> Callable[[], int]:
    return SendCounter(start) if isinstance(start, int) else start


def _broadcast(scope: KeyScope) -> KeyScope:
    if scope is KeyScope.DEDICATED:
        raise SecurityError("a dedicated key is never a broadcast key", octet_offset=0)
    return KeyScope.BROADCAST
