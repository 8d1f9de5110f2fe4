"""The associations that the reference meter offers: one for every way to prove oneself, and who they are for.

Client SAPs stay below 128, so that an HDLC address of one octet holds them. A client may cipher or not, authenticate,
encrypt or both, under global or dedicated keys, as long as its setup has no policy against it; and it may refer to
objects by logical or by short names.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from hes.dlms.codes import ApplicationContext, Conformance, Mechanism
from hes.dlms.cosem.access import (
    CLIENT_MANAGEMENT,
    CLIENT_PUBLIC,
    METER_CONFORMANCE,
    SHORT_NAME_CONFORMANCE,
    ClientAccess,
    Role,
    SecurityPolicy,
    public_client,
)

SUITE_0: Final = 0
SETUP_OPEN, SETUP_STRICT = 0, 1
"""Security setups: one that leaves protection to the client, one whose policy demands authentication and encryption."""
STRICT_POLICY: Final = (
    SecurityPolicy.AUTHENTICATED_REQUEST
    | SecurityPolicy.ENCRYPTED_REQUEST
    | SecurityPolicy.AUTHENTICATED_RESPONSE
    | SecurityPolicy.ENCRYPTED_RESPONSE
)
FIRST_BY_MECHANISM: Final = 32
"""Client SAP of the client without security; the others follow by the number of their mechanism [A]."""

_BOTH: Final = frozenset(ApplicationContext)
_CIPHERED: Final = frozenset(context for context in ApplicationContext if context.ciphered)
_CONFORMANCE: Final = METER_CONFORMANCE | SHORT_NAME_CONFORMANCE


_WRITING: Final = Conformance.WRITE | Conformance.UNCONFIRMED_WRITE


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One association. name: for people. setup: E of its security setup, None where nothing is ever ciphered."""

    name: str
    client_sap: int
    mechanism: Mechanism
    role: Role = Role.MANAGEMENT
    setup: int | None = SETUP_OPEN
    contexts: frozenset[ApplicationContext] = _BOTH

    def access(self) -> ClientAccess:
        if self.setup is None:
            public = public_client(self.client_sap)
            short = SHORT_NAME_CONFORMANCE & ~_WRITING
            contexts = frozenset({ApplicationContext.LN, ApplicationContext.SN})
            return replace(public, contexts=contexts, conformance=public.conformance | short)
        return ClientAccess(
            client_sap=self.client_sap,
            role=self.role,
            mechanism=self.mechanism,
            contexts=self.contexts,
            conformance=_CONFORMANCE,
            security_setup=self.setup,
        )


def name_of(mechanism: Mechanism) -> str:
    """hls-gmac for HLS_GMAC."""
    return mechanism.name.lower().replace("_", "-")


MECHANISMS: Final = (Mechanism.NONE, Mechanism.LLS, Mechanism.HLS_GMAC)

OFFERS: Final = (
    Offer(name="public", client_sap=CLIENT_PUBLIC, mechanism=Mechanism.NONE, role=Role.PUBLIC, setup=None),
    Offer(
        name="management",
        client_sap=CLIENT_MANAGEMENT,
        mechanism=Mechanism.HLS_GMAC,
        setup=SETUP_STRICT,
        contexts=_CIPHERED,
    ),
    Offer(name="reader", client_sap=2, mechanism=Mechanism.LLS, role=Role.READER),
    *(
        Offer(
            name=f"by-{mechanism.name.lower().replace('_', '-')}",
            client_sap=FIRST_BY_MECHANISM + mechanism,
            mechanism=mechanism,
        )
        for mechanism in MECHANISMS
    ),
)
