"""Protected APDUs as nodes: the open head of each, and the tag that it ends with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from hes.dlms import axdr, security
from hes.dlms.ciphering import PROTECTED_TAGS, KeyScope, read_general
from hes.dlms.codes import ApduTag
from hes.dlms.inspect.node import Node, fault
from hes.dlms.security import HEADER_OCTETS, TAG_OCTETS, EncryptionKeys, SecurityControl
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
    ciphering; those that an opened AARQ carries are found without. broadcast: GBEK. titles: system titles to try where
    the octets do not say whose they are.
    """

    encryption: bytes = field(default=b"", repr=False)
    authentication: bytes = field(default=b"", repr=False)
    dedicated: bytes = field(default=b"", repr=False)
    broadcast: bytes = field(default=b"", repr=False)
    titles: tuple[bytes, ...] = ()

    def key(self, scope: KeyScope, dedicated: bytes) -> bytes:
        """The block cipher key of that scope, b"" when it is not known. dedicated: the one seen on the wire."""
        if scope is KeyScope.DEDICATED:
            return dedicated or self.dedicated
        return self.broadcast if scope is KeyScope.BROADCAST else self.encryption


@dataclass(frozen=True, slots=True)
class Sealed:
    """A protected APDU taken apart. title: the sender's system title, b"" where the APDU does not carry it.

    offset: where the sealed octets (SC | IC | ..) start.
    """

    tag: int
    scope: KeyScope
    title: bytes
    offset: int
    octets: bytes

    @property
    def control(self) -> SecurityControl:
        return SecurityControl(self.octets[0])

    @property
    def from_client(self) -> bool:
        return self.tag in CLIENT_TAGS


def is_sealed(tag: int) -> bool:
    return tag in SCOPES


def take_apart(octets: bytes) -> Sealed:
    """The parts of a protected APDU. Raises RemoteProtocolError when its lengths do not fit."""
    tag = octets[0]
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


def head_nodes(sealed: Sealed, base: int) -> Iterator[Node]:
    """Title, security control, invocation counter, content and tag, as they stand."""
    if sealed.title:
        place = base + sealed.offset - len(sealed.title) - 1
        yield Node(label="system title", value=sealed.title.hex(), plain=sealed.title.hex(), offset=place, length=8)
    control, place = sealed.control, base + sealed.offset
    yield Node(label="security control", value=control_text(control), plain=int(control), offset=place, length=1)
    counter = int.from_bytes(sealed.octets[1:HEADER_OCTETS], "big")
    yield Node(label="invocation counter", value=str(counter), plain=counter, offset=place + 1, length=4)
    tag_octets = TAG_OCTETS if control.authenticated and len(sealed.octets) >= HEADER_OCTETS + TAG_OCTETS else 0
    content = sealed.octets[HEADER_OCTETS : len(sealed.octets) - tag_octets]
    label = "ciphertext" if control.encrypted else "content"
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


def open_sealed(
    sealed: Sealed, keys: InspectorKeys, titles: Sequence[bytes], dedicated: bytes, base: int
) -> bytes | Node:
    """The plaintext, or a node that says why there is none.

    titles: whose octets it may be, tried in order where the APDU does not say. Without a key that is a note, with one
    that does not fit it is a fault. What is encrypted only proves nothing: then the plaintext must start with a
    plausible APDU tag.
    """
    if not sealed.control.encrypted:
        end = len(sealed.octets) - (TAG_OCTETS if sealed.control.authenticated else 0)
        unchecked = sealed.octets[HEADER_OCTETS:end]
    else:
        unchecked = b""
    key = keys.key(sealed.scope, dedicated)
    if not key or (sealed.control.authenticated and not keys.authentication):
        return unchecked or Node(label="sealed", value=f"no {sealed.scope.value} keys are given")
    candidates = [sealed.title] if sealed.title else [title for title in titles if title]
    if not candidates:
        return unchecked or Node(label="sealed", value="the sender's system title is not known")
    try:
        pair = EncryptionKeys(key, keys.authentication or bytes(len(key)))
    except LocalProtocolError as error:
        return Node(label="sealed", value=error.message)
    reason = ""
    for title in candidates:
        try:
            _, _, plaintext = security.unseal(sealed.octets, pair, title)
        except RemoteProtocolError as error:
            reason = error.message
            continue
        if sealed.control.authenticated or (plaintext and plaintext[0] in ApduTag._value2member_map_):
            return plaintext
        reason = "what comes out is no APDU: another key or another system title"
    return fault(reason, base + sealed.offset)
