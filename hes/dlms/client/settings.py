"""How a client associates: addresses, authentication, what it offers, and its keys."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from hes.dlms.codes import ApplicationContext, Conformance, Mechanism
from hes.dlms.security import AUTHENTICATED_ENCRYPTED, EncryptionKeys, SecurityControl
from hes.dlms.security.ciphering import CipheringStyle
from hes.errors import LocalProtocolError

CLIENT_CONFORMANCE: Final = (  # what this client can do, and no more
    Conformance.GENERAL_PROTECTION
    | Conformance.PRIORITY_MANAGEMENT
    | Conformance.BLOCK_TRANSFER_GET
    | Conformance.BLOCK_TRANSFER_SET
    | Conformance.BLOCK_TRANSFER_ACTION
    | Conformance.MULTIPLE_REFERENCES
    | Conformance.DATA_NOTIFICATION
    | Conformance.GET
    | Conformance.SET
    | Conformance.SELECTIVE_ACCESS
    | Conformance.EVENT_NOTIFICATION
    | Conformance.ACTION
)
MAX_RECEIVE_PDU_SIZE: Final = 0xFFFF  # octets; the wrapper carries no more

_BUILT: Final = (Mechanism.NONE, Mechanism.LLS, Mechanism.HLS_GMAC)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSecurity:
    """Keys of one association, and how they are used.

    system_title: the client's own, 8 octets. control, style: of what the client sends. response_control: what answers
    must carry at least, None for the same as `control`. dedicated: bring a key of its own for the association.
    ciphered: False leaves APDUs in the clear and uses the keys for HLS-GMAC alone.
    server_system_title: expected one; None takes what the AARE says. receive_counter: the lowest counter taken from
    the server. suite: 0.
    """

    system_title: bytes
    keys: EncryptionKeys
    control: SecurityControl = AUTHENTICATED_ENCRYPTED
    response_control: SecurityControl | None = None
    style: CipheringStyle = CipheringStyle.SERVICE_SPECIFIC
    dedicated: bool = False
    ciphered: bool = True
    server_system_title: bytes | None = None
    receive_counter: int = 0
    suite: int = 0

    @property
    def required_control(self) -> SecurityControl:
        return self.control if self.response_control is None else self.response_control


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSettings:
    """Everything a `Client` needs to know before it starts.

    password: LLS secret. max_receive_pdu_size: octets of the longest APDU the client takes, 0 for no limit.
    checked: False lets a conformance test ask for what was not negotiated.
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

    def __post_init__(self) -> None:
        if self.mechanism not in _BUILT:
            raise LocalProtocolError(f"authentication mechanism {self.mechanism.name} is not supported")
        if self.mechanism is Mechanism.HLS_GMAC and self.security is None:
            raise LocalProtocolError("HLS-GMAC needs `security`: a system title and keys")
        if self.security is not None and self.security.dedicated and not self.security.ciphered:
            raise LocalProtocolError("a dedicated key is of no use where nothing is ciphered")

    @property
    def context(self) -> ApplicationContext:
        ciphered = self.security is not None and self.security.ciphered
        return ApplicationContext.LN_CIPHERED if ciphered else ApplicationContext.LN
