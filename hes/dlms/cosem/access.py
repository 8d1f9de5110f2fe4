"""Who may associate with a logical device, and what each may do there.

Objects are shared by all devices of a profile, so they do not list client SAPs: they grant rights to roles, and the
device says which client SAP plays which role and how it has to prove itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Final

from hes.dlms.codes import ApplicationContext, Conformance, Mechanism
from hes.dlms.security.hls import ManufacturerHls
from hes.errors import LocalProtocolError


class Role(IntFlag):
    """Sets of clients that share their rights. A profile may use further bits of its own: `Role(8)`."""

    NOBODY = 0
    PUBLIC = 1
    READER = 2
    MANAGEMENT = 4


EVERYONE: Final = Role.PUBLIC | Role.READER | Role.MANAGEMENT
READERS: Final = Role.READER | Role.MANAGEMENT

CLIENT_MANAGEMENT: Final = 1  # client SAPs with a fixed meaning; docs/protocols/wrapper-and-gateway.md
CLIENT_PUBLIC: Final = 16


class AttributeMode(IntEnum):
    """Access mode of an attribute in an object list. Source: docs/protocols/cosem-objects.md §1 (class 15 v0-2)."""

    NO_ACCESS = 0
    READ_ONLY = 1
    WRITE_ONLY = 2
    READ_AND_WRITE = 3
    AUTHENTICATED_READ_ONLY = 4
    AUTHENTICATED_WRITE_ONLY = 5
    AUTHENTICATED_READ_AND_WRITE = 6


class MethodMode(IntEnum):
    """Access mode of a method in an object list. Source: docs/protocols/cosem-objects.md §1 (class 15 v1, v2)."""

    NO_ACCESS = 0
    ACCESS = 1
    AUTHENTICATED_ACCESS = 2


class AssociationStatus(IntEnum):
    """Class 15 attribute 8."""

    NON_ASSOCIATED = 0
    PENDING = 1
    ASSOCIATED = 2


class SecurityPolicy(IntFlag):
    """What every APDU must carry; the bits of security setup version 1, which version 0 maps its numbers to.

    Source: docs/protocols/cosem-objects.md §1 (security policy).
    """

    NONE = 0
    AUTHENTICATED_REQUEST = 0x04
    ENCRYPTED_REQUEST = 0x08
    SIGNED_REQUEST = 0x10
    AUTHENTICATED_RESPONSE = 0x20
    ENCRYPTED_RESPONSE = 0x40
    SIGNED_RESPONSE = 0x80


POLICY_OF_NUMBER: Final = {
    0: SecurityPolicy.NONE,
    1: SecurityPolicy.AUTHENTICATED_REQUEST | SecurityPolicy.AUTHENTICATED_RESPONSE,
    2: SecurityPolicy.ENCRYPTED_REQUEST | SecurityPolicy.ENCRYPTED_RESPONSE,
    3: SecurityPolicy.AUTHENTICATED_REQUEST
    | SecurityPolicy.AUTHENTICATED_RESPONSE
    | SecurityPolicy.ENCRYPTED_REQUEST
    | SecurityPolicy.ENCRYPTED_RESPONSE,
}
NUMBER_OF_POLICY: Final = {policy: number for number, policy in POLICY_OF_NUMBER.items()}

METER_CONFORMANCE: Final = (  # what a complete meter offers [A]; a profile may declare less
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
    | Conformance.ACTION
)
SHORT_NAME_CONFORMANCE: Final = (  # the same for an association with short names [A]
    Conformance.GENERAL_PROTECTION
    | Conformance.READ
    | Conformance.WRITE
    | Conformance.UNCONFIRMED_WRITE
    | Conformance.BLOCK_TRANSFER_GET
    | Conformance.BLOCK_TRANSFER_SET
    | Conformance.MULTIPLE_REFERENCES
    | Conformance.INFORMATION_REPORT
    | Conformance.PARAMETERIZED_ACCESS
)
PUBLIC_CONFORMANCE: Final = Conformance.GET | Conformance.BLOCK_TRANSFER_GET | Conformance.MULTIPLE_REFERENCES


@dataclass(frozen=True, slots=True, kw_only=True)
class PreEstablished:
    """What an AARQ would have said. client_max_receive_pdu_size: octets of the longest answer, 0 for no limit."""

    client_max_receive_pdu_size: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientAccess:
    """One association that a logical device offers.

    client_sap: who may open it. role: what it may do. mechanism: how the client proves itself.
    contexts: application contexts that are accepted.
    security_setup: E of the security setup 0.0.43.0.E whose keys protect it; None where nothing is ever ciphered.
    client_system_title: a title known in advance, for clients that send none; b"" when it comes with the AARQ.
    challenge_octets_min: of the client's HLS challenge; None is what the mechanism demands.
    manufacturer_hls: makes the proofs of mechanism 2.
    pre_established: the association is there without AARQ, with the one context and the conformance declared here; it
    has no mechanism, and a client title known in advance where it is ciphered. None where it has to be opened.
    """

    client_sap: int
    role: Role
    mechanism: Mechanism = Mechanism.NONE
    contexts: frozenset[ApplicationContext] = frozenset({ApplicationContext.LN})
    conformance: Conformance = METER_CONFORMANCE
    security_setup: int | None = None
    client_system_title: bytes = b""
    challenge_octets_min: int | None = None
    manufacturer_hls: ManufacturerHls | None = None
    pre_established: PreEstablished | None = None

    def __post_init__(self) -> None:
        if self.pre_established is None:
            return
        if len(self.contexts) != 1 or self.mechanism is not Mechanism.NONE:
            raise LocalProtocolError("a pre-established association has one context and no authentication")
        ciphered = any(context.ciphered for context in self.contexts)
        if ciphered and (self.security_setup is None or not self.client_system_title):
            raise LocalProtocolError("a ciphered pre-established association needs a setup and the client's title")


def public_client(client_sap: int = CLIENT_PUBLIC) -> ClientAccess:
    """The association without security that every meter has: clock, name, invocation counters."""
    return ClientAccess(client_sap=client_sap, role=Role.PUBLIC, conformance=PUBLIC_CONFORMANCE)
