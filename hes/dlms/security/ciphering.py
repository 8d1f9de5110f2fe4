"""Protection of one association, or of one stream of pushes: which key, which tag, which counter.

Three forms exist on the wire, and an association may use any:

- service-specific, one tag for each service: 21 28 2E C8..CF (global key), 41 48 4E D0..D7 (dedicated key);
- general-glo DB and general-ded DC, which carry the sender's system title;
- general-ciphering DD, which says the key in one of several ways, and general-signing DF around an APDU; what is both
  is signed first.

Counters: one per key and direction. The sender takes the next one for every APDU and never twice; the receiver takes
only what lies above the last one *verified*. An APDU that is encrypted but not authenticated proves nothing, so its
counter must rise within this object but does not move the verified one. The counter inside an HLS-GMAC proof is
authenticated, yet it moves no window: the APDU around it carries its own.

Source: docs/protocols/dlms-application.md §5.
"""

from __future__ import annotations

from collections.abc import Callable
from hmac import compare_digest
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
from hes.dlms.security.control import HEADER_OCTETS, SUITE_MASK, TAG_OCTETS
from hes.dlms.security.counters import ReplayWindow, SendCounter
from hes.dlms.security.forms import (
    GENERAL,
    GENERAL_TAGS,
    PROTECTED_TAGS,
    SPECIFIC,
    WITH_HEAD,
    CipheringStyle,
    KeyScope,
    is_protected,
)
from hes.dlms.security.fresh_keys import FreshKeys
from hes.dlms.security.gcm import counter_octets
from hes.dlms.security.general import (
    KEY_BROADCAST,
    KEY_UNICAST,
    Head,
    IdentifiedKey,
    KeyInfo,
    encode_general_ciphering,
    encode_general_signing,
    read_general_ciphering,
    read_general_signing,
    signed_octets,
)
from hes.dlms.security.signatures import sign, verify
from hes.dlms.xdlms.common import Octets
from hes.errors import LocalProtocolError

__all__ = [
    "PROTECTED_TAGS",
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


TRANSACTION_OCTETS: Final = 8  # of those that we make [A]
GENERAL_SIGNING: Final = int(ApduTag.GENERAL_SIGNING)

# the usual form: a service's own tag under the global key, authenticated and encrypted, with a length of one octet
_USUAL_OVERHEAD: Final = HEADER_OCTETS + TAG_OCTETS
_USUAL_PLAIN_MAX: Final = 0x7F - _USUAL_OVERHEAD
_USUAL_CONTENT: Final = 2 + HEADER_OCTETS
_USUAL_TAGS: Final = bytes([PROTECTED_TAGS.get(plain, (0, 0))[0] for plain in range(256)])
_USUAL_PLAIN: Final = bytes([_USUAL_TAGS.find(tag) if tag and tag in _USUAL_TAGS else 0 for tag in range(256)])
_GCM_KEY_STREAM: Final = -16  # where the one-shot's tag starts
_GCM_TAG_END: Final = TAG_OCTETS - 16


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
    if not octets or octets[0] not in GENERAL:
        raise SecurityError(f"not a general-glo or general-ded APDU: {octets[:1].hex()}", octet_offset=0)
    title_octets, offset = axdr.decode_length(octets, 1)
    if title_octets not in (0, SYSTEM_TITLE_OCTETS):
        raise SecurityError(f"a system title of {title_octets} octets", octet_offset=1)
    title = octets[offset : offset + title_octets]
    return GeneralApdu(octets[0], title, _sealed(octets, offset + title_octets))


def _sealed(octets: bytes, offset: int) -> bytes:
    """The octets behind the length at `offset`, which must be as many as it says."""
    left = len(octets) - offset - 1
    if 0 <= left < 0x80 and octets[offset] == left:  # most APDUs are short
        return octets[offset + 1 :]
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
    signed: bool = False
    transaction_id: bytes = b""


class Ciphering:
    """One side's protection of one association.

    system_title, peer_system_title: 8 octets; the peer's may be learnt later (set the attribute) or from the first
    authenticated general APDU. dedicated_key: shares the authentication key of `global_keys`. send_counter: for the
    global key, a callable that gives a fresh counter for each call, or the first one. dedicated_send_counter: the same
    for the dedicated key. receive_counter: the lowest counter taken from the peer under the global key; keep
    `windows[KeyScope.GLOBAL].expected` across associations. control, style: what this side sends; the suite in control
    is the only one that is taken from the peer. fresh: for keys that come with their APDU, and for signatures; or what
    makes it when it is needed.
    date_time, other_information: of the head of general-ciphering and general-signing; set them as attributes.
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
        fresh: FreshKeys | Callable[[], FreshKeys] | None = None,
    ) -> None:
        if len(system_title) != SYSTEM_TITLE_OCTETS:
            raise LocalProtocolError(f"a system title has {SYSTEM_TITLE_OCTETS} octets, this has {len(system_title)}")
        self.system_title = system_title
        self.peer_system_title = peer_system_title
        self.control = control
        self.style = style
        self.date_time = self.other_information = b""
        self._suite = control.suite
        self._fresh: FreshKeys | Callable[[], FreshKeys] | None = fresh
        self._keys: dict[KeyScope, EncryptionKeys] = {KeyScope.GLOBAL: global_keys}
        self._counters: dict[KeyScope, Callable[[], int]] = {KeyScope.GLOBAL: _counter(send_counter)}
        self.windows: dict[KeyScope, ReplayWindow] = {KeyScope.GLOBAL: ReplayWindow(receive_counter)}
        self._take = self._counters[KeyScope.GLOBAL]
        context = global_keys.context(control) if control ^ self._suite == AUTHENTICATED_ENCRYPTED else ""
        self._usual = None if isinstance(context, str) else context
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
        signed: bool = False,
        transaction_id: bytes = b"",
    ) -> bytes:
        """`apdu` protected under the next counter.

        key: None is DEDICATED for the style GENERAL_DED and GLOBAL otherwise. style, control: None is this side's own.
        A service without a tag of its own (data-notification) goes as general-glo or general-ded in every style.
        signed: sign it first, within the ciphering. transaction_id: of the head, where there is one; b"" makes one.
        Raises LocalProtocolError when the key is missing or used up.
        """
        style = style or self.style
        if signed or style is CipheringStyle.GENERAL_SIGNING:
            apdu = self._sign(apdu, transaction_id)
            if style is CipheringStyle.GENERAL_SIGNING:
                return apdu
        if style is CipheringStyle.GENERAL_CIPHERING:
            return self._protect_with_head(apdu, key or KeyScope.GLOBAL, control or self.control, transaction_id)
        scope = key or (KeyScope.DEDICATED if style is CipheringStyle.GENERAL_DED else KeyScope.GLOBAL)
        sealed = self._seal(scope, self.control if control is None else control, apdu)
        pair = PROTECTED_TAGS.get(apdu[0]) if style is CipheringStyle.SERVICE_SPECIFIC else None
        if pair is not None and len(sealed) < 0x80:
            return bytes((pair[scope is KeyScope.DEDICATED], len(sealed))) + sealed
        length = axdr.encode_length(len(sealed))
        if pair is not None:
            return bytes((pair[scope is KeyScope.DEDICATED],)) + length + sealed
        return bytes((GENERAL_TAGS[scope], SYSTEM_TITLE_OCTETS)) + self.system_title + length + sealed

    def protect_initiate(self, initiate: bytes) -> bytes:
        """User information of an AARQ, AARE or RLRQ: tag 21 or 28, always under the global key."""
        return self.protect_usual(initiate)

    def protect_usual(self, apdu: bytes) -> bytes:
        """`apdu` with the tag of its service, under the global key and this side's own control.

        Nearly every APDU of nearly every association goes so: what never changes is not looked up again for each.
        `protect` does the same, and what has another form.
        """
        usual = self._usual
        if usual is None or not 0 < len(apdu) <= _USUAL_PLAIN_MAX or not _USUAL_TAGS[apdu[0]]:
            return self.protect(apdu, key=KeyScope.GLOBAL, style=CipheringStyle.SERVICE_SPECIFIC)
        control, encrypt, associated = usual
        counter = counter_octets(self._take())
        sealed = encrypt(self.system_title + counter, apdu, associated)
        return bytes((_USUAL_TAGS[apdu[0]], len(apdu) + _USUAL_OVERHEAD, control)) + counter + sealed[:_GCM_TAG_END]

    def _seal(self, scope: KeyScope, control: SecurityControl, apdu: bytes) -> bytes:
        keys, counter = self._sending(scope)
        if not apdu:
            raise LocalProtocolError("there is no APDU to protect")
        return security.seal(control, keys, self.system_title, counter(), apdu)

    def _sending(self, scope: KeyScope) -> tuple[EncryptionKeys, Callable[[], int]]:
        keys = self._keys.get(scope)
        counter = self._counters.get(scope)
        if keys is None or counter is None:
            raise LocalProtocolError(f"this association has no {scope.value} key to send with")
        return keys, counter

    def _protect_with_head(
        self, apdu: bytes, scope: KeyScope, control: SecurityControl, transaction_id: bytes
    ) -> bytes:
        """A fresh key starts at counter 0. The static scheme gives the same key for the same transaction, which a peer
        may choose, so there the counter is one of the global key's and never comes again [A]."""
        counter, keys = 0, None
        if scope in (KeyScope.GLOBAL, KeyScope.BROADCAST):
            keys, take = self._sending(scope)
            counter = take()
        elif scope is KeyScope.STATIC:
            counter = self.take_counter()
        else:
            transaction_id = transaction_id or self._with_fresh_keys().octets(TRANSACTION_OCTETS)
        head = self._head(transaction_id or counter.to_bytes(TRANSACTION_OCTETS, "big"))
        key_info: KeyInfo
        if keys is None:
            key_info, keys = self._with_fresh_keys().make(scope, head)
        else:
            key_info = IdentifiedKey(KEY_BROADCAST if scope is KeyScope.BROADCAST else KEY_UNICAST)
        associated = head.encode()
        sealed = security.seal(control, keys, self.system_title, counter, apdu, associated)
        return encode_general_ciphering(associated, key_info, sealed)

    def _sign(self, apdu: bytes, transaction_id: bytes) -> bytes:
        key = self._with_fresh_keys().pairs.signing_key
        if key is None:
            raise LocalProtocolError("this association has no key to sign with")
        transaction_id = transaction_id or self._with_fresh_keys().octets(TRANSACTION_OCTETS)
        signed = signed_octets(self._head(transaction_id).encode(), apdu)
        return encode_general_signing(signed, sign(key, signed))

    def _head(self, transaction_id: bytes) -> Head:
        if not self.peer_system_title:
            raise LocalProtocolError("the peer's system title is not known, so no head can be addressed to it")
        return Head(transaction_id, self.system_title, self.peer_system_title, self.date_time, self.other_information)

    def _with_fresh_keys(self) -> FreshKeys:
        if self._fresh is None:
            raise LocalProtocolError("this association was given nothing to make keys, transactions or signatures with")
        return self._made_fresh(self._fresh)

    def _made_fresh(self, fresh: FreshKeys | Callable[[], FreshKeys]) -> FreshKeys:
        self._fresh = made = fresh if isinstance(fresh, FreshKeys) else fresh()
        return made

    # -- receiving

    def open_usual(self, octets: bytes) -> bytes | None:
        """The plain APDU in `octets` when they are as `protect_usual` of the other side makes them, and all is right.

        None is for everything else: nothing has changed, and `unprotect` opens it or says what is wrong. Raises
        InvocationCounterError as that does. How it is opened: see hes.dlms.security.gcm.
        """
        usual, title = self._usual, self.peer_system_title
        count = len(octets)
        if usual is None or not title or not _USUAL_CONTENT + TAG_OCTETS < count < 0x82 or octets[1] != count - 2:
            return None
        control, encrypt, associated = usual
        plain_tag = _USUAL_PLAIN[octets[0]]
        if not plain_tag or octets[2] != control:
            return None
        nonce = title + octets[3:_USUAL_CONTENT]
        plain = encrypt(nonce, octets[_USUAL_CONTENT:-TAG_OCTETS], None)[:_GCM_KEY_STREAM]
        if not compare_digest(encrypt(nonce, plain, associated)[_GCM_KEY_STREAM:_GCM_TAG_END], octets[-TAG_OCTETS:]):
            return None
        if plain[0] != plain_tag:
            return None
        self.windows[KeyScope.GLOBAL].accept(int.from_bytes(octets[3:_USUAL_CONTENT], "big"))
        return plain

    def as_usual(self, octets: bytes, plain: bytes) -> Unprotected:
        """What `unprotect` would have said of `octets`, which `open_usual` has opened."""
        counter, style = int.from_bytes(octets[3:_USUAL_CONTENT], "big"), CipheringStyle.SERVICE_SPECIFIC
        return Unprotected(plain, self.control, counter, KeyScope.GLOBAL, style, self.peer_system_title or b"")

    def unprotect(self, apdu: Octets) -> Unprotected:
        """Open a protected APDU of any form and check its counter.

        Raises InvocationCounterError for a counter used before, SecurityError when it must not be believed (wrong tag,
        title or key, or another service inside than the tag says), RemoteProtocolError for lengths that do not fit.
        Whether the protection is strong enough is the caller's to say: `result.control.covers(policy)`.
        """
        octets = apdu if isinstance(apdu, bytes) else bytes(apdu)
        specific = SPECIFIC.get(octets[0]) if octets else None
        if specific is not None:
            scope, plain, style = specific
            sender, sealed = self._sender(b""), _sealed(octets, 1)
        elif octets and octets[0] in WITH_HEAD:
            return self._open_signed(octets) if octets[0] == GENERAL_SIGNING else self._open_with_head(octets)
        else:
            tag, title, sealed = read_general(octets)
            scope, plain, style = GENERAL[tag]
            sender = self._sender(title)
        if sealed and sealed[0] & 0x4F != self._suite:
            scope = self._broadcast(scope, sealed[0])
        keys = self._receiving(scope)
        control, counter, plaintext = security.unseal(sealed, keys, sender)
        authenticated = control & AUTHENTICATED != 0
        self.windows[scope].accept(counter, authenticated)
        if authenticated and not self.peer_system_title:
            self.peer_system_title = sender
        if not plaintext or (plain is not None and plaintext[0] != plain):
            raise SecurityError(f"tag {octets[0]:02X} does not protect what it says")
        opened = Unprotected(plaintext, control, counter, scope, style, sender)
        return self._verified(opened) if plaintext[0] == GENERAL_SIGNING else opened

    def _receiving(self, scope: KeyScope) -> EncryptionKeys:
        keys = self._keys.get(scope)
        if keys is None:
            raise SecurityError(f"protected with a {scope.value} key, which this association has not")
        return keys

    def _broadcast(self, scope: KeyScope, control: int) -> KeyScope:
        """The scope of an APDU whose control octet is not the usual one: under the broadcast key, or refused."""
        if control & SUITE_MASK != self._suite:
            raise SecurityError(
                f"an APDU of security suite {control & SUITE_MASK} where suite {self._suite} is in use", octet_offset=0
            )
        if scope is KeyScope.DEDICATED:
            raise SecurityError("a dedicated key is never a broadcast key", octet_offset=0)
        return KeyScope.BROADCAST

    def _open_with_head(self, octets: bytes) -> Unprotected:
        """general-ciphering. Its control octet never names the broadcast key: the key-info does."""
        head, associated, key_info, sealed = read_general_ciphering(octets)
        sender = self._addressed(head)
        if not sealed or sealed[0] & 0x4F != self._suite:
            raise SecurityError(f"a security control octet {sealed[:1].hex()} that may not be in general-ciphering")
        if key_info is None or isinstance(key_info, IdentifiedKey):
            scope = _identified(key_info)
            keys = self._receiving(scope)
        else:
            scope, keys = self._receiving_fresh().find(key_info, head)
        control, counter, plaintext = security.unseal(sealed, keys, sender, associated)
        if scope in self.windows:
            self.windows[scope].accept(counter, control.authenticated)
        else:
            self._receiving_fresh().accept(keys.encryption, counter)
        if control.authenticated and not self.peer_system_title:
            self.peer_system_title = sender
        if not plaintext:
            raise SecurityError("general-ciphering with nothing in it")
        style = CipheringStyle.GENERAL_CIPHERING
        opened = Unprotected(plaintext, control, counter, scope, style, sender, transaction_id=head.transaction_id)
        return self._verified(opened) if plaintext[0] == GENERAL_SIGNING else opened

    def _open_signed(self, octets: bytes) -> Unprotected:
        """general-signing that is not within ciphering. What is signed may itself be ciphered."""
        content, transaction_id, sender = self._check_signature(octets)
        if is_protected(content):
            if content[0] == GENERAL_SIGNING:
                raise SecurityError("signed twice")
            return self.unprotect(content)._replace(signed=True)
        unciphered = SecurityControl(self._suite)
        style = CipheringStyle.GENERAL_SIGNING
        return Unprotected(
            content, unciphered, 0, KeyScope.GLOBAL, style, sender, signed=True, transaction_id=transaction_id
        )

    def _verified(self, opened: Unprotected) -> Unprotected:
        """The APDU inside a signed one that was ciphered."""
        content, transaction_id, _sender = self._check_signature(opened.apdu)
        if is_protected(content):
            raise SecurityError("protected more than once by one party")
        known = opened.transaction_id or transaction_id
        return opened._replace(apdu=content, signed=True, transaction_id=known)

    def _check_signature(self, octets: bytes) -> tuple[bytes, bytes, bytes]:
        """Content, transaction id and sender. The same signature is not taken twice."""
        head, content, signed, signature = read_general_signing(octets)
        sender, fresh = self._addressed(head), self._receiving_fresh()
        if fresh.pairs.peer_signing_key is None:
            raise SecurityError("the signing key of the peer is not known")
        verify(fresh.pairs.peer_signing_key, signed, signature)
        if not content:
            raise SecurityError("general-signing with nothing in it")
        try:
            fresh.accept(signature, 0)
        except InvocationCounterError:
            raise SecurityError("this signed APDU has come before") from None
        return content, head.transaction_id, sender

    def _addressed(self, head: Head) -> bytes:
        """The sender of an APDU with a head, which must be for us: an empty recipient is taken for us [A]."""
        if head.recipient not in (b"", self.system_title):
            raise SecurityError(f"the APDU is for {head.recipient.hex()}, not for {self.system_title.hex()}")
        return self._sender(head.originator)

    def _receiving_fresh(self) -> FreshKeys:
        if self._fresh is None:
            raise SecurityError("keys that come with an APDU, and signatures, are not taken in this association")
        return self._made_fresh(self._fresh)

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


def _identified(key_info: IdentifiedKey | None) -> KeyScope:
    """Without key-info it is the global unicast key [A]."""
    if key_info is None or key_info.key_id == KEY_UNICAST:
        return KeyScope.GLOBAL
    if key_info.key_id == KEY_BROADCAST:
        return KeyScope.BROADCAST
    raise SecurityError(f"key id {key_info.key_id} is not known")
