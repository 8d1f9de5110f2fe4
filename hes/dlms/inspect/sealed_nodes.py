"""Protected APDUs as nodes: the open head of each, and the tag that it ends with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from hes.dlms import axdr, security
from hes.dlms.codes import ApduTag
from hes.dlms.inspect import general_nodes
from hes.dlms.inspect.node import Node, fault
from hes.dlms.security import HEADER_OCTETS, TAG_OCTETS, EncryptionKeys, SecurityControl
from hes.dlms.security.ciphering import PROTECTED_TAGS, KeyScope, read_general
from hes.dlms.security.general import (
    KEY_BROADCAST,
    STATIC_UNIFIED,
    AgreedKey,
    KeyInfo,
    WrappedKey,
    read_general_ciphering,
)
from hes.errors import LocalProtocolError, RemoteProtocolError

_GENERAL: Final = {ApduTag.GENERAL_GLO_CIPHERING: KeyScope.GLOBAL, ApduTag.GENERAL_DED_CIPHERING: KeyScope.DEDICATED}
SCOPES: Final[dict[int, KeyScope]] = {
    tag: scope
    for pair in PROTECTED_TAGS.values()
    for tag, scope in zip(pair, (KeyScope.GLOBAL, KeyScope.DEDICATED), strict=True)
} | {int(tag): scope for tag, scope in _GENERAL.items()}
# the plain services that a client sends: their protected forms carry the client's system title in the nonce
_FROM_CLIENT: Final = {
    ApduTag.INITIATE_REQUEST, ApduTag.READ_REQUEST, ApduTag.WRITE_REQUEST, ApduTag.UNCONFIRMED_WRITE_REQUEST,
    ApduTag.GET_REQUEST, ApduTag.SET_REQUEST, ApduTag.ACTION_REQUEST,
}  # fmt: skip
CLIENT_TAGS: Final = frozenset(tag for plain in _FROM_CLIENT for tag in PROTECTED_TAGS[plain])


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectorKeys:
    """What sealed APDUs may be opened with. Its repr shows no key.

    encryption, authentication: global keys (GUEK and GAK), b"" when not known. dedicated: keys given for dedicated
    ciphering; those that an opened AARQ carries are found without. broadcast: GBEK. master: KEK, for keys that come
    wrapped with their APDU. titles: system titles to try where the octets do not say whose they are. devices: keys of
    one meter each, by its system title; for that meter they stand before the others, which are tried on every device.
    """

    encryption: bytes = field(default=b"", repr=False)
    authentication: bytes = field(default=b"", repr=False)
    dedicated: bytes = field(default=b"", repr=False)
    broadcast: bytes = field(default=b"", repr=False)
    master: bytes = field(default=b"", repr=False)
    titles: tuple[bytes, ...] = ()
    devices: Mapping[bytes, InspectorKeys] = field(default_factory=dict, repr=False)

    def bunches(self, titles: Sequence[bytes], sealed: Sealed) -> tuple[Bunch, ...]:
        """The keys to try. titles: of both ends as far as they are known; the first that has keys of its own decides.

        Where none has, the keys of any device are tried too: a tag that fits proves whose they are.
        """
        own = next((title for title in titles if title in self.devices), b"")
        if own:
            return (Bunch(self.devices[own], own, is_bound=True),)
        general = Bunch(self, is_bound=any(title in self.titles for title in titles if title))
        if not sealed.control.authenticated:
            return (general,)
        return (general, *(Bunch(keys, title) for title, keys in self.devices.items()))

    def key(self, sealed: Sealed, dedicated: bytes) -> bytes:
        """The block cipher key of a protected APDU, b"" when it is not known. dedicated: the one seen on the wire."""
        if sealed.scope is KeyScope.DEDICATED:
            return dedicated or self.dedicated
        if isinstance(sealed.key_info, WrappedKey):
            return _unwrapped(self.master, sealed.key_info.wrapped)
        if isinstance(sealed.key_info, AgreedKey):
            return b""
        return self.broadcast if sealed.scope is KeyScope.BROADCAST else self.encryption


def _unwrapped(master: bytes, wrapped: bytes) -> bytes:
    """The key in a wrapped one; b"" without the master key, or with another."""
    if not master:
        return b""
    try:
        return security.unwrap_key(master, wrapped)
    except (LocalProtocolError, RemoteProtocolError):
        return b""


@dataclass(frozen=True, slots=True)
class Bunch:
    """Keys to try. device: whose they are, b"" when nobody said. is_bound: they must open what is tried."""

    keys: InspectorKeys
    device: bytes = b""
    is_bound: bool = False


@dataclass(frozen=True, slots=True)
class Sealed:
    """A protected APDU taken apart. title: the sender's system title, b"" where the APDU does not carry it.

    offset: where the sealed octets (SC | IC | ..) start. header: authenticated besides, of general-ciphering, whose
    key_info says how the key comes and stands at key_offset.
    """

    tag: int
    scope: KeyScope
    title: bytes
    offset: int
    octets: bytes
    header: bytes = b""
    key_info: KeyInfo | None = None
    key_offset: int = 0

    @property
    def control(self) -> SecurityControl:
        return SecurityControl(self.octets[0])

    @property
    def content(self) -> bytes:
        """What stands between the head and the authentication tag."""
        tag_octets = TAG_OCTETS if self.control.authenticated and len(self.octets) >= HEADER_OCTETS + TAG_OCTETS else 0
        return self.octets[HEADER_OCTETS : len(self.octets) - tag_octets]

    @property
    def from_client(self) -> bool:
        return self.tag in CLIENT_TAGS


SEALED: Final = "sealed"
"""Label of the note that stands in an APDU that no key opened."""
CONTENT: Final = "content"
"""Label of what is authenticated and not encrypted."""


def is_sealed(tag: int) -> bool:
    return tag in SCOPES or tag == ApduTag.GENERAL_CIPHERING


def take_apart(octets: bytes) -> Sealed:
    """The parts of a protected APDU. Raises RemoteProtocolError when its lengths do not fit."""
    tag = octets[0]
    if tag == ApduTag.GENERAL_CIPHERING:
        return _general_ciphering(octets)
    if tag in _GENERAL:
        general = read_general(octets)
        title, sealed = general.system_title, general.sealed
    else:
        count, start = axdr.decode_length(octets, 1)
        title, sealed = b"", octets[start:]
        if len(sealed) != count:
            raise RemoteProtocolError(f"{count} octets announced, {len(sealed)} are there", octet_offset=1)
    if len(sealed) < HEADER_OCTETS:
        raise RemoteProtocolError(
            f"a protected APDU has a head of {HEADER_OCTETS} octets, this has {len(sealed)}", octet_offset=len(octets)
        )
    scope = SCOPES[tag]
    if scope is KeyScope.GLOBAL and SecurityControl(sealed[0]).broadcast:
        scope = KeyScope.BROADCAST
    return Sealed(tag, scope, title, len(octets) - len(sealed), sealed)


def _general_ciphering(octets: bytes) -> Sealed:
    found = read_general_ciphering(octets)
    if len(found.sealed) < HEADER_OCTETS:
        raise RemoteProtocolError(
            f"a protected APDU has a head of {HEADER_OCTETS} octets, this has {len(found.sealed)}",
            octet_offset=len(octets),
        )
    info = found.key_info
    if isinstance(info, WrappedKey):
        scope = KeyScope.WRAPPED
    elif isinstance(info, AgreedKey):
        scope = KeyScope.STATIC if info.parameters == STATIC_UNIFIED else KeyScope.ONE_PASS
    else:
        scope = KeyScope.BROADCAST if info is not None and info.key_id == KEY_BROADCAST else KeyScope.GLOBAL
    start, key_at = len(octets) - len(found.sealed), 1 + len(found.associated)
    return Sealed(
        ApduTag.GENERAL_CIPHERING, scope, found.head.originator, start, found.sealed, found.associated, info, key_at
    )


def head_nodes(sealed: Sealed, base: int) -> Iterator[Node]:
    """Title, security control, invocation counter, content and tag, as they stand."""
    if sealed.header:
        yield from general_nodes.head_nodes(bytes((sealed.tag,)) + sealed.header, base)
        yield general_nodes.key_info_node(sealed.key_info, base + sealed.key_offset)
    elif sealed.title:
        place = base + sealed.offset - len(sealed.title) - 1
        yield Node(label="system title", value=sealed.title.hex(), plain=sealed.title.hex(), offset=place, length=8)
    control, place = sealed.control, base + sealed.offset
    yield Node(label="security control", value=control_text(control), plain=int(control), offset=place, length=1)
    counter = int.from_bytes(sealed.octets[1:HEADER_OCTETS], "big")
    yield Node(label="invocation counter", value=str(counter), plain=counter, offset=place + 1, length=4)
    content = sealed.content
    tag_octets = len(sealed.octets) - HEADER_OCTETS - len(content)
    label = "ciphertext" if control.encrypted else CONTENT
    yield Node(
        label=label,
        value=f"{len(content)} octets",
        plain=content.hex(),
        offset=place + HEADER_OCTETS,
        length=len(content),
    )
    if tag_octets:
        tag = sealed.octets[-tag_octets:]
        end = place + len(sealed.octets)
        yield Node(label="authentication tag", value=tag.hex(), plain=tag.hex(), offset=end - tag_octets, length=12)


def control_text(control: SecurityControl) -> str:
    """ "30: suite 0, authenticated, encrypted"."""
    words = [f"suite {control.suite}"]
    for word, is_so in (
        ("authenticated", control.authenticated),
        ("encrypted", control.encrypted),
        ("broadcast key", control.broadcast),
        ("compressed", control.compressed),
    ):
        words += [word] if is_so else []
    return f"{int(control):02X}: {', '.join(words)}"


@dataclass(frozen=True, slots=True)
class Opened:
    """What came of it: the plaintext, or the node that says why there is none.

    device: whose keys fitted. is_proof: a tag was checked.
    """

    plaintext: bytes = b""
    reason: Node | None = None
    device: bytes = b""
    is_proof: bool = False


def open_sealed(
    sealed: Sealed, bunches: Sequence[Bunch], known: bytes, *, dedicated: bytes, base: int, is_proven: bool = False
) -> Opened:
    """The plaintext of a protected APDU.

    known: the sender's system title as the association has it, b"" where it was not seen: then those given with the
    keys are tried. is_proven: these keys opened others of this association. Without a key the reason is a note; with
    one that does not fit it is a fault where the key was given for that system title or has proven itself, else the
    APDU stays sealed. What is encrypted only proves nothing: then the plaintext must start with an APDU tag.
    """
    reason = ""
    is_bound = is_proven
    for bunch in bunches:
        key = bunch.keys.key(sealed, dedicated)
        if not key or (sealed.control.authenticated and not bunch.keys.authentication):
            continue
        candidates = _titles(sealed, bunch, known)
        if not candidates:
            reason = reason or "the sender's system title is not known"
            continue
        found = _try(sealed, key, bunch.keys.authentication, candidates)
        if isinstance(found, bytes):
            return Opened(found, device=bunch.device, is_proof=sealed.control.authenticated)
        reason = found
        is_guess = bool(sealed.title or known or bunch.device)
        is_bound = is_bound or bunch.is_bound or not is_guess  # else its titles were given for this
    return _unopened(sealed, reason, base, is_bound=is_bound)


def _titles(sealed: Sealed, bunch: Bunch, known: bytes) -> list[bytes]:
    if sealed.title or known:
        return [sealed.title or known]
    if bunch.device and not sealed.from_client:
        return [bunch.device]
    return [title for title in bunch.keys.titles if title]


def _try(sealed: Sealed, key: bytes, authentication: bytes, titles: Sequence[bytes]) -> bytes | str:
    """The plaintext, or why these keys do not open it."""
    try:
        pair = EncryptionKeys(key, authentication or bytes(len(key)))
    except LocalProtocolError as error:
        return error.message
    reason = ""
    for title in titles:
        try:
            _, _, plaintext = security.unseal(sealed.octets, pair, title, sealed.header)
        except RemoteProtocolError as error:
            reason = error.message
            continue
        if sealed.control.authenticated or (plaintext and plaintext[0] in ApduTag._value2member_map_):
            return plaintext
        reason = "what comes out is no APDU: another key or another system title"
    return reason


_MISSING: Final = {
    KeyScope.WRAPPED: "the key is wrapped, and the master key is not given or another",
    KeyScope.ONE_PASS: "the key was agreed on, private keys are not taken here",
    KeyScope.STATIC: "the key was agreed on, private keys are not taken here",
}


def _unopened(sealed: Sealed, reason: str, base: int, *, is_bound: bool) -> Opened:
    """What is said where no key fits. What is not encrypted is read without."""
    is_unknown = not reason or reason.startswith("the sender's")
    if is_bound and not is_unknown:
        return Opened(reason=fault(reason, base + sealed.offset))
    if not sealed.control.encrypted:
        end = len(sealed.octets) - (TAG_OCTETS if sealed.control.authenticated else 0)
        if sealed.octets[HEADER_OCTETS:end]:
            return Opened(sealed.octets[HEADER_OCTETS:end])
    if is_unknown:
        text = reason or _MISSING.get(sealed.scope, f"no {sealed.scope.value} keys are given")
    else:
        text = "the keys that are given do not open it"
    return Opened(reason=Node(label=SEALED, value=text))
