"""What comes sealed: heads of general-ciphering and general-signing, certificates, and opening them with keys."""

from __future__ import annotations

from functools import cache

from fuzz import repair
from fuzz.target import Feed, Target, decoder
from hes.dlms.cosem.tests.test_security_setup import Bench as CertifiedBench
from hes.dlms.security.certificates import read_certificate
from hes.dlms.security.ciphering import CipheringStyle, KeyScope
from hes.dlms.security.general import read_general_ciphering, read_general_signing
from hes.dlms.security.tests.test_general import private, side
from hes.dlms.tests import published

SCOPES = (KeyScope.GLOBAL, KeyScope.WRAPPED, KeyScope.ONE_PASS, KeyScope.STATIC)


@cache
def ciphered() -> list[bytes]:
    """An APDU in general-ciphering under every way of giving a key, for suites 1 and 2, and the published ones."""
    made = [
        side(suite).protect(published.GET_CLOCK, style=CipheringStyle.GENERAL_CIPHERING, key=scope)  # type: ignore[no-untyped-call]
        for suite in (1, 2)
        for scope in SCOPES
    ]
    return [*made, published.GENERAL_CIPHERING_ONE_PASS, published.GENERAL_CIPHERING_IDENTIFIED]


@cache
def signed() -> list[bytes]:
    """Signed, and signed around what is ciphered."""
    styles = (CipheringStyle.GENERAL_SIGNING, CipheringStyle.GENERAL_CIPHERING, CipheringStyle.GENERAL_GLO)
    return [
        side(suite).protect(published.GET_CLOCK, style=style, signed=True)  # type: ignore[no-untyped-call]
        for suite in (1, 2)
        for style in styles
    ]


@cache
def certificates() -> list[bytes]:
    bench = CertifiedBench(suite=1)  # type: ignore[no-untyped-call]
    return [bench.root.own_certificate(), bench.certify(published.CLIENT_TITLE, private(1, 2))]


def _opening() -> Feed:
    """The other side of the association: what it opens, it has checked signatures and counters of."""
    return side(1, client=False).unprotect  # type: ignore[no-untyped-call, no-any-return]


def targets() -> list[Target]:
    ciphering = ("hes.dlms.security.ciphering", "hes.dlms.security.general", "hes.dlms.security.fresh_keys")
    return [
        Target(name="general_ciphering", session=decoder(read_general_ciphering), examples=ciphered,
               decoders=("hes.dlms.security.general",)),
        Target(name="general_signing", session=decoder(read_general_signing), examples=signed,
               decoders=("hes.dlms.security.general",)),
        Target(name="certificate", session=decoder(read_certificate), examples=certificates, weight=0.3,
               decoders=("hes.dlms.security.certificates",)),
        Target(name="unprotect", session=_opening, examples=lambda: ciphered() + signed(), weight=0.2, stateful=True,
               repair=repair.outer_length, machines=ciphering),
    ]  # fmt: skip
