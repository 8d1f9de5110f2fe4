"""The associations that the reference meter offers: one for every way to prove oneself, and who they are for.

Client SAPs stay below 128, so that an HDLC address of one octet holds them. A client may cipher or not, authenticate,
encrypt or both, under global or dedicated keys, with logical or short names, as long as its setup has no policy against
it.
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
from sim.reference.known_keys import manufacturer_proof

SETUP_OPEN, SETUP_STRICT, SETUP_SUITE_1, SETUP_SUITE_2 = 0, 1, 2, 3
"""Security setups: three that leave protection to the client, and one whose policy demands authentication and
encryption."""
SUITE_OF: Final = {SETUP_OPEN: 0, SETUP_STRICT: 0, SETUP_SUITE_1: 1, SETUP_SUITE_2: 2}
STRICT_POLICY: Final = (
    SecurityPolicy.AUTHENTICATED_REQUEST
    | SecurityPolicy.ENCRYPTED_REQUEST
    | SecurityPolicy.AUTHENTICATED_RESPONSE
    | SecurityPolicy.ENCRYPTED_RESPONSE
)
FIRST_BY_MECHANISM: Final = {SETUP_OPEN: 32, SETUP_SUITE_1: 48, SETUP_SUITE_2: 64}
"""Client SAP of a setup's client without authentication; the others follow by the number of their mechanism [A]."""
CONFORMANCE: Final = (
    METER_CONFORMANCE | SHORT_NAME_CONFORMANCE | Conformance.ACCESS | Conformance.GENERAL_BLOCK_TRANSFER
)
PUBLIC_SHORT_NAMES: Final = SHORT_NAME_CONFORMANCE & ~(Conformance.WRITE | Conformance.UNCONFIRMED_WRITE)

_EVERY: Final = frozenset(ApplicationContext)
_CIPHERED: Final = frozenset(context for context in ApplicationContext if context.ciphered)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One association. name: for people. setup: E of its security setup, None where nothing is ever ciphered."""

    name: str
    client_sap: int
    mechanism: Mechanism
    role: Role = Role.MANAGEMENT
    setup: int | None = SETUP_OPEN
    contexts: frozenset[ApplicationContext] = _EVERY

    def access(self) -> ClientAccess:
        if self.setup is None:
            public = public_client(self.client_sap)
            contexts = frozenset({ApplicationContext.LN, ApplicationContext.SN})
            return replace(public, contexts=contexts, conformance=public.conformance | PUBLIC_SHORT_NAMES)
        return ClientAccess(
            client_sap=self.client_sap,
            role=self.role,
            mechanism=self.mechanism,
            contexts=self.contexts,
            conformance=CONFORMANCE,
            security_setup=self.setup,
            manufacturer_hls=manufacturer_proof if self.mechanism is Mechanism.HLS else None,
        )


def name_of(mechanism: Mechanism) -> str:
    """hls-gmac for HLS_GMAC."""
    return mechanism.name.lower().replace("_", "-")


def _by_mechanism(setup: int) -> list[Offer]:
    """One for every mechanism; ECDSA needs suite 1 or 2."""
    suite = SUITE_OF[setup]
    suffix = f"-suite-{suite}" if suite else ""
    return [
        Offer(
            name=f"by-{name_of(mechanism)}{suffix}",
            client_sap=FIRST_BY_MECHANISM[setup] + mechanism,
            mechanism=mechanism,
            setup=setup,
        )
        for mechanism in Mechanism
        if suite or mechanism is not Mechanism.HLS_ECDSA
    ]


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
    *(offer for setup in FIRST_BY_MECHANISM for offer in _by_mechanism(setup)),
)
