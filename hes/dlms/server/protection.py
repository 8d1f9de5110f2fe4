"""The ciphering of one association as its device wants it: keys and counters that live there, policy, answers in kind.

Source: docs/protocols/dlms-application.md §5; docs/protocols/dlms-roles.md §4.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from hmac import compare_digest
from typing import Final

from hes.dlms import axdr
from hes.dlms.cosem.access import SecurityPolicy
from hes.dlms.cosem.security_state import SecurityState
from hes.dlms.security import (
    AUTHENTICATED_ENCRYPTED,
    INVOCATION_COUNTER_MAX,
    SYSTEM_TITLE_OCTETS,
    TAG_OCTETS,
    EncryptionKeys,
    SecurityControl,
)
from hes.dlms.security.asymmetric import AsymmetricKeys
from hes.dlms.security.ciphering import Ciphering, CipheringStyle, KeyScope, ReplayWindow, SendCounter, Unprotected
from hes.dlms.security.forms import PROTECTED_TAGS
from hes.dlms.security.fresh_keys import FreshKeys
from hes.dlms.security.gcm import counter_octets

_AUTHENTICATED, _ENCRYPTED = 0x10, 0x20
_PROTECTING: Final = _AUTHENTICATED | _ENCRYPTED
_UNICAST: Final = 0xFF ^ 0x40  # an answer is never under the broadcast key
IN_KIND: Final = frozenset({CipheringStyle.SERVICE_SPECIFIC, CipheringStyle.GENERAL_GLO, CipheringStyle.GENERAL_DED})


def _control(policy: int, authenticated: SecurityPolicy, encrypted: SecurityPolicy) -> SecurityControl:
    wanted = _AUTHENTICATED if policy & int(authenticated) else 0
    return SecurityControl(wanted | (_ENCRYPTED if policy & int(encrypted) else 0))


# by policy, as plain numbers: these are asked for every APDU
_REQUIRED: Final = tuple(
    [_control(bits, SecurityPolicy.AUTHENTICATED_REQUEST, SecurityPolicy.ENCRYPTED_REQUEST) for bits in range(256)]
)
_ANSWERING: Final = tuple(
    [_control(bits, SecurityPolicy.AUTHENTICATED_RESPONSE, SecurityPolicy.ENCRYPTED_RESPONSE) for bits in range(256)]
)
_SIGNED_REQUEST: Final = tuple([bits & int(SecurityPolicy.SIGNED_REQUEST) != 0 for bits in range(256)])
_SIGNED_RESPONSE: Final = tuple([bits & int(SecurityPolicy.SIGNED_RESPONSE) != 0 for bits in range(256)])
_PLAIN_REQUEST: Final = tuple([not (_REQUIRED[bits] or _SIGNED_REQUEST[bits]) for bits in range(256)])


def required_control(policy: SecurityPolicy) -> SecurityControl:
    """What a request must be protected with."""
    return _REQUIRED[policy]


class StoredWindow(ReplayWindow):
    """A replay window whose counter lives in the device, shared by all associations under one security setup.

    read, keep: get and set the lowest acceptable counter there.
    """

    __slots__ = ("_keep", "_read")

    def __init__(self, read: Callable[[], int], keep: Callable[[int], None]) -> None:
        super().__init__(read())
        self._read, self._keep = read, keep

    def accept(self, counter: int, authenticated: bool = True) -> None:
        self.expected = self._read()
        super().accept(counter, authenticated=authenticated)
        if authenticated:
            self._keep(self.expected)


# an APDU in the usual form: tag | length | SC | IC | ciphertext | tag of GCM
_USUAL_PLAIN: Final = {pair[0]: plain for plain, pair in PROTECTED_TAGS.items()}  # under the global key
_USUAL_HEAD_OCTETS: Final = 7
_USUAL_OCTETS: Final = range(_USUAL_HEAD_OCTETS + 1 + TAG_OCTETS, 2 + 0x80)  # the length is one octet
_GCM_TAG_OCTETS: Final = 16  # of which TAG_OCTETS travel
_TAG_END: Final = TAG_OCTETS - _GCM_TAG_OCTETS
_unprotected = tuple.__new__  # Unprotected(...) costs as much as opening it


class Protection:
    """The ciphering of one association, made again when the device's keys change.

    Nearly all APDUs come in the usual form: service-specific, under the global key, authenticated and encrypted, and
    short. Those are opened and answered here; `ciphering` does all others, and every one that is refused.
    pairs: key pairs of the device and public keys of the client, for suites 1 and 2.
    """

    __slots__ = (
        "_associated",
        "_broadcast_keys",
        "_ciphering",
        "_dedicated_counter",
        "_dedicated_key",
        "_encrypt",
        "_entropy",
        "_keys",
        "_own_title",
        "_pairs",
        "_peer_title",
        "_usual",
        "setup",
        "state",
    )

    def __init__(
        self,
        state: SecurityState,
        setup: int,
        peer_system_title: bytes,
        pairs: AsymmetricKeys | None = None,
        entropy: Callable[[int], bytes] | None = None,
    ) -> None:
        """entropy: for keys that answers bring along, where the setup has no key store with its own.

        Raises LookupError when the setup has no keys.
        """
        self.state, self.setup, self._pairs, self._entropy = state, setup, pairs, entropy
        self._dedicated_key = b""
        self._dedicated_counter = SendCounter(1)
        self._take_keys(peer_system_title)

    def _take_keys(self, peer_system_title: bytes) -> None:
        state, setup = self.state, self.setup
        keys = state.keys(setup)
        if keys is None:
            raise LookupError(f"security setup {setup} has no keys")
        self._keys, self._broadcast_keys = keys, state.broadcast_keys(setup)
        self._own_title, self._peer_title = state.system_title, peer_system_title
        self._ciphering: Ciphering | None = None
        context = keys.context(state.suite(setup) | int(AUTHENTICATED_ENCRYPTED))
        self._usual: SecurityControl | None = None
        if len(peer_system_title) == SYSTEM_TITLE_OCTETS == len(self._own_title) and not isinstance(context, str):
            self._usual, self._encrypt, self._associated = context

    @property
    def ciphering(self) -> Ciphering:
        """Made when something comes that is not in the usual form."""
        if self._ciphering is None:
            self._ciphering = self._make()
        return self._ciphering

    def _make(self) -> Ciphering:
        state, setup, keys = self.state, self.setup, self._keys
        ciphering = Ciphering(
            system_title=self._own_title,
            global_keys=keys,
            send_counter=partial(state.take_send_counter, setup),
            peer_system_title=self._peer_title or None,
            broadcast_keys=self._broadcast_keys,
            control=SecurityControl(state.suite(setup) | int(AUTHENTICATED_ENCRYPTED)),
            fresh=self._fresh(keys),
        )
        ciphering.windows[KeyScope.GLOBAL] = StoredWindow(
            partial(state.receive_counter, setup), partial(state.advance_receive_counter, setup)
        )
        if KeyScope.BROADCAST in ciphering.windows:
            ciphering.windows[KeyScope.BROADCAST] = StoredWindow(
                partial(state.broadcast_counter, setup), partial(state.advance_broadcast_counter, setup)
            )
        return ciphering

    def _fresh(self, keys: EncryptionKeys) -> FreshKeys | None:
        """For keys that come with their APDUs, and signatures; None where the device has neither key store nor master
        key with entropy. In suite 0 keys come wrapped alone: there are no pairs to agree on others."""
        store, master_key = self.state.key_store(self.setup), self.state.master_key(self.setup)
        entropy = self._entropy if store is None else store.entropy
        if store is None and (entropy is None or not master_key):
            return None
        return FreshKeys(
            suite=self.state.suite(self.setup),
            authentication_key=keys.authentication,
            master_key=master_key,
            pairs=self._pairs or AsymmetricKeys(),
            entropy=entropy,
        )

    def use_dedicated_key(self, key: bytes) -> None:
        self._dedicated_key = key
        self.ciphering.use_dedicated_key(key, self._dedicated_counter)

    def take_new_keys(self) -> None:
        """Global keys have changed; the dedicated key and its counters go on."""
        before = self._ciphering
        self._take_keys(self._peer_title if before is None else before.peer_system_title or b"")
        if self._dedicated_key and before is not None:
            self.ciphering.use_dedicated_key(self._dedicated_key, self._dedicated_counter)
            self.ciphering.windows[KeyScope.DEDICATED] = before.windows[KeyScope.DEDICATED]

    @property
    def suite(self) -> int:
        return self.state.suite(self.setup)

    @property
    def lowest_counter(self) -> int:
        """The lowest counter still acceptable under the global key."""
        return self.state.receive_counter(self.setup)

    @property
    def policy(self) -> SecurityPolicy:
        return self.state.policy(self.setup)

    def sufficient(self, opened: Unprotected | None) -> bool:
        """Whether a request is protected as the policy demands. opened: None for one in the clear."""
        policy = self.state.policy(self.setup)
        if opened is None:
            return _PLAIN_REQUEST[policy]
        required = _REQUIRED[policy]
        return opened.control & required == required and (opened.signed or not _SIGNED_REQUEST[policy])

    def open(self, octets: bytes) -> Unprotected:
        """Open a protected request and check its counter. Raises what `Ciphering.unprotect` raises."""
        opened = self.open_usual(octets)
        return self.ciphering.unprotect(octets) if opened is None else opened

    def open_usual(self, octets: bytes) -> Unprotected | None:
        """Open a request in the usual form, which then is `sufficient`; None for everything else.

        It has all checks of the long way: length, suite, tag of GCM (see `gcm`), counter, service inside. Whatever
        fails one of them is left for `open`, which knows why, and nothing has happened.
        """
        count = len(octets)
        plain_tag = _USUAL_PLAIN.get(octets[0]) if count in _USUAL_OCTETS else None
        if plain_tag is None or octets[1] != count - 2 or octets[2] != self._usual:
            return None
        if _SIGNED_REQUEST[self.state.policy(self.setup)]:
            return None
        title, encrypt = self._peer_title, self._encrypt
        counter = octets[3:_USUAL_HEAD_OCTETS]
        nonce = title + counter
        plain = encrypt(nonce, octets[_USUAL_HEAD_OCTETS:-TAG_OCTETS], None)[:-_GCM_TAG_OCTETS]
        tag = encrypt(nonce, plain, self._associated)[-_GCM_TAG_OCTETS:_TAG_END]
        number = int.from_bytes(counter, "big")
        if (
            not compare_digest(tag, octets[-TAG_OCTETS:])
            or plain[0] != plain_tag
            or not self.state.receive_counter(self.setup) <= number < INVOCATION_COUNTER_MAX
        ):
            return None
        self.state.advance_receive_counter(self.setup, number + 1)
        opened = (plain, self._usual, number, KeyScope.GLOBAL, CipheringStyle.SERVICE_SPECIFIC, title, False, b"")
        return _unprotected(Unprotected, opened)

    def protect_like(self, answer: bytes, request: Unprotected, access_bits: int = 0) -> bytes:
        """An answer in kind: same key and form as the request, as strong at least, and as policy and access rights
        want. access_bits: of the rights concerned, as those of a policy."""
        policy = self.state.policy(self.setup) | access_bits if access_bits else self.state.policy(self.setup)
        signed = request.signed or _SIGNED_RESPONSE[policy]
        usual = request.control is self._usual and request.style is CipheringStyle.SERVICE_SPECIFIC
        if usual and request.scope is KeyScope.GLOBAL and not signed and answer[0] in PROTECTED_TAGS:
            return self._protect_usually(answer)
        control = SecurityControl(request.control & _UNICAST | _ANSWERING[policy])
        if signed or request.style not in IN_KIND:
            return self._protect_with_head(answer, request, control, signed=signed)
        scope = KeyScope.GLOBAL if request.scope is KeyScope.BROADCAST else request.scope
        return self.ciphering.protect(answer, key=scope, style=request.style, control=control)

    def _protect_usually(self, answer: bytes) -> bytes:
        """The answer to a request in the usual form, which no policy wants stronger, in the same form."""
        counter = counter_octets(self.state.take_send_counter(self.setup))
        sealed = self._encrypt(self._own_title + counter, answer, self._associated)[:_TAG_END]
        count = 1 + len(counter) + len(sealed)
        length = bytes((count,)) if count < 0x80 else axdr.encode_length(count)
        return b"%c%b%c%b%b" % (PROTECTED_TAGS[answer[0]][0], length, self._associated[0], counter, sealed)

    def _protect_with_head(
        self, answer: bytes, request: Unprotected, control: SecurityControl, *, signed: bool
    ) -> bytes:
        """An answer that is signed or goes as general-ciphering. A signed request that was not ciphered is answered
        alike, unless the policy wants more."""
        style, scope = request.style, request.scope
        if scope is KeyScope.BROADCAST:
            scope = KeyScope.GLOBAL
        if style is CipheringStyle.GENERAL_SIGNING and control & _PROTECTING:
            style = CipheringStyle.GENERAL_GLO
        return self.ciphering.protect(
            answer, key=scope, style=style, control=control, signed=signed, transaction_id=request.transaction_id
        )
