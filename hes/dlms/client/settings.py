"""How a client associates: addresses, authentication, what it offers, and its keys."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from hes.dlms.client.kept import Kept
from hes.dlms.codes import SHORT_NAMES_ONLY, ApplicationContext, Conformance, Mechanism, conformance_in
from hes.dlms.security import AUTHENTICATED_ENCRYPTED, SUITES, EncryptionKeys, SecurityControl
from hes.dlms.security.asymmetric import AsymmetricKeys
from hes.dlms.security.ciphering import CipheringStyle, KeyScope
from hes.dlms.security.hls import SECRET, TITLED, ManufacturerHls
from hes.errors import LocalProtocolError

CLIENT_CONFORMANCE: Final = (  # what this client can do, and no more
    Conformance.GENERAL_PROTECTION
    | Conformance.GENERAL_BLOCK_TRANSFER
    | Conformance.ATTRIBUTE0_SET
    | Conformance.PRIORITY_MANAGEMENT
    | Conformance.ATTRIBUTE0_GET
    | Conformance.BLOCK_TRANSFER_GET
    | Conformance.BLOCK_TRANSFER_SET
    | Conformance.BLOCK_TRANSFER_ACTION
    | Conformance.MULTIPLE_REFERENCES
    | Conformance.DATA_NOTIFICATION
    | Conformance.ACCESS
    | Conformance.GET
    | Conformance.SET
    | Conformance.SELECTIVE_ACCESS
    | Conformance.EVENT_NOTIFICATION
    | Conformance.ACTION
    | SHORT_NAMES_ONLY
)
NO_PAIRS: Final = AsymmetricKeys()
MAX_RECEIVE_PDU_SIZE: Final = 0xFFFF  # octets; the wrapper carries no more


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSecurity:
    """Titles and keys of one association, and how they are used.

    system_title: the client's own, 8 octets. keys: None where nothing is ciphered and the mechanism needs none; then
    `ciphered` must be False. suite: 0, 1 or 2. control, style: of what the client sends; the suite is added to control.
    response_control: what answers must carry at least, None for the same as `control`. dedicated: bring a key of its
    own for the association. ciphered: False leaves APDUs in the clear and uses titles and keys for HLS alone.
    server_system_title: expected one; None takes what the AARE says. receive_counter: the lowest counter taken from
    the server.
    key_scope: with style GENERAL_CIPHERING, how the key of each APDU is given; master_key wraps it. signed: sign every
    request; response_signed: take no answer that is not. other_information: in front of what is signed or goes as
    general-ciphering. broadcast_keys: for what the server sends to many.
    pairs: key pairs for HLS-ECDSA, signatures and key agreement. authorities: certificates (DER) of those who may
    certify a server's signing key; without any, only the key in `pairs` is believed.
    sent_control: control and suite. is_usual: whether requests go as `Ciphering.protect_usual` makes them, and answers
    of that form are good enough; both follow from the rest.
    """

    system_title: bytes
    keys: EncryptionKeys | None = None
    control: SecurityControl = AUTHENTICATED_ENCRYPTED
    response_control: SecurityControl | None = None
    style: CipheringStyle = CipheringStyle.SERVICE_SPECIFIC
    dedicated: bool = False
    ciphered: bool = True
    server_system_title: bytes | None = None
    receive_counter: int = 0
    suite: int = 0
    key_scope: KeyScope = KeyScope.GLOBAL
    signed: bool = False
    response_signed: bool = False
    master_key: bytes = field(default=b"", repr=False)
    broadcast_keys: EncryptionKeys | None = None
    other_information: bytes = b""
    pairs: AsymmetricKeys = NO_PAIRS
    authorities: tuple[bytes, ...] = field(default=(), repr=False)
    sent_control: SecurityControl = field(init=False, repr=False, compare=False)
    is_usual: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        suite = SUITES.get(self.suite)
        if suite is None:
            raise LocalProtocolError(f"security suite {self.suite} does not exist; 0, 1 and 2 do")
        if self.keys is None:
            if self.ciphered:
                raise LocalProtocolError("ciphering needs keys: give them, or say ciphered=False")
        elif len(self.keys.encryption) != suite.key_octets:
            raise LocalProtocolError(f"security suite {self.suite} takes keys of {suite.key_octets} octets")
        if self.key_scope is not KeyScope.GLOBAL and self.style is not CipheringStyle.GENERAL_CIPHERING:
            raise LocalProtocolError(f"a {self.key_scope.value} key needs the style general-ciphering")
        if (self.signed or self.response_signed) and not self.ciphered:
            raise LocalProtocolError("signatures stand in the ciphered contexts only")
        if self.dedicated and not self.ciphered:
            raise LocalProtocolError("a dedicated key is of no use where nothing is ciphered")
        object.__setattr__(self, "sent_control", SecurityControl(self.control | self.suite))
        object.__setattr__(self, "is_usual", self._is_usual())

    def _is_usual(self) -> bool:
        if not self.ciphered or self.dedicated or self.signed or self.response_signed:
            return False
        return self.style is CipheringStyle.SERVICE_SPECIFIC and self.control.covers(self.required_control)

    @property
    def required_control(self) -> SecurityControl:
        return self.control if self.response_control is None else self.response_control

    @property
    def key_octets(self) -> int:
        """Of a dedicated key."""
        return SUITES[self.suite].key_octets


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSettings:
    """Everything a `Client` needs to know before it starts.

    password: LLS password, or the secret of HLS with MD5, SHA-1 or SHA-256. manufacturer_hls: makes the proofs of
    mechanism 2. user_id: who uses this client, for servers that keep a list of users. max_receive_pdu_size: octets of
    the longest APDU the client takes, 0 for no limit.
    pre_established: the association is there without an AARQ, see `Client.begin`; server_max_receive_pdu_size: octets
    of the longest APDU that its server takes, which an AARE would have said, 0 for no limit.
    short_names: refer to objects by short names; of `conformance`, only what belongs to the kind of names is proposed.
    checked: False lets a conformance test propose anything, and ask for what was not negotiated.
    general_block_window: general blocks that the client takes at once (1..63); more than 1 only where the caller can
    take several APDUs for one that it sent. general_blocks_at_once: how many it can send before it listens.
    prefers_general_blocks: long requests go in general blocks even where the services' own were agreed.
    """

    client_sap: int = 16
    server_sap: int = 1
    mechanism: Mechanism = Mechanism.NONE
    password: bytes = field(default=b"", repr=False)
    conformance: Conformance = CLIENT_CONFORMANCE
    max_receive_pdu_size: int = MAX_RECEIVE_PDU_SIZE
    security: ClientSecurity | None = None
    high_priority: bool = True
    checked: bool = True
    manufacturer_hls: ManufacturerHls | None = None
    user_id: int | None = None
    short_names: bool = False
    general_block_window: int = 1
    general_blocks_at_once: int = 1
    prefers_general_blocks: bool = False
    pre_established: bool = False
    server_max_receive_pdu_size: int = 0
    kept: Kept = field(default_factory=Kept, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        mechanism, security = self.mechanism, self.security
        if self.pre_established:
            self._check_pre_established()
        if mechanism in TITLED and security is None:
            raise LocalProtocolError(f"{mechanism.name} needs `security` with a system title")
        if mechanism is Mechanism.HLS_GMAC and (security is None or security.keys is None):
            raise LocalProtocolError("HLS-GMAC needs `security`: a system title and keys")
        if mechanism in SECRET and not self.password:
            raise LocalProtocolError(f"{mechanism.name} needs `password`, the HLS secret")
        if mechanism is Mechanism.HLS and self.manufacturer_hls is None:
            raise LocalProtocolError("mechanism 2 needs `manufacturer_hls`, the function that makes its proofs")
        if mechanism is Mechanism.HLS_ECDSA and security is not None:
            if security.suite == 0 or security.pairs.signing_key is None:
                raise LocalProtocolError("HLS-ECDSA needs suite 1 or 2 and a signing key")
            if security.pairs.peer_signing_key is None and not security.authorities:
                raise LocalProtocolError("HLS-ECDSA needs the server's signing key, or an authority that certifies it")

    def _check_pre_established(self) -> None:
        """What only an AARQ could bring is not there."""
        security = self.security
        if self.mechanism is not Mechanism.NONE:
            raise LocalProtocolError("a pre-established association has no authentication")
        if security is not None and (security.dedicated or security.server_system_title is None):
            raise LocalProtocolError("a pre-established association has no dedicated key, and needs the server's title")

    @property
    def context(self) -> ApplicationContext:
        ciphered = self.security is not None and self.security.ciphered
        if self.short_names:
            return ApplicationContext.SN_CIPHERED if ciphered else ApplicationContext.SN
        return ApplicationContext.LN_CIPHERED if ciphered else ApplicationContext.LN

    @property
    def proposed(self) -> Conformance:
        """What the client offers in its context."""
        if not self.checked:
            return self.conformance
        return conformance_in(self.conformance, short_names=self.short_names)
