"""What a client's plain APDUs go through on their way: protection, and how long they may be.

    send:    plain APDU -> protect -> octets          receive: octets -> unprotect -> plain APDU

Source: docs/protocols/dlms-application.md §5; docs/protocols/dlms-roles.md §5.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from hes.dlms.block_transfer import plain_limit
from hes.dlms.client.settings import ClientSecurity
from hes.dlms.security import SUITES, SecurityError
from hes.dlms.security.ciphering import Ciphering, CipheringStyle, KeyScope, Unprotected, is_protected
from hes.dlms.security.forms import protection_octets
from hes.dlms.security.fresh_keys import FreshKeys

PlainObserver = Callable[[bool, bytes], None]
"""Called with True for what the client sends and False for what it receives, and the APDU in the clear."""


class Channel:
    """The protection of one association. ciphering: None without keys. ciphered: whether APDUs go protected.

    protect_usual, open_usual: those of `ciphering` where `protect` and `unprotect` would do no more than they do.
    """

    def __init__(
        self,
        security: ClientSecurity | None,
        send_counter: Callable[[], int] | int,
        on_plain: PlainObserver | None,
        entropy: Callable[[int], bytes] | None = None,
    ) -> None:
        self.security = security
        self.ciphering = _ciphering_of(security, send_counter, entropy)
        self.ciphered = security is not None and security.ciphered
        self._on_plain = on_plain
        self.protect_usual: Callable[[bytes], bytes] | None = None
        self.open_usual: Callable[[bytes], bytes | None] | None = None
        if self.ciphering is not None and security is not None and security.is_usual and on_plain is None:
            self.protect_usual, self.open_usual = self.ciphering.protect_usual, self.ciphering.open_usual

    def protect(self, plain: bytes, *, dedicated: bool) -> bytes:
        """`plain` as it goes out. dedicated: under the association's own key, if it has one."""
        ciphering, security = self.ciphering, self.security
        if ciphering is None or security is None or not self.ciphered:
            return plain
        if self._on_plain is not None:
            self._on_plain(True, plain)  # noqa: FBT003 - the observer's own signature
        style, scope = ciphering.style, KeyScope.GLOBAL
        if dedicated and ciphering.has_dedicated_key:
            scope = KeyScope.DEDICATED
            if style is not CipheringStyle.SERVICE_SPECIFIC:
                style = CipheringStyle.GENERAL_DED
        elif style is CipheringStyle.GENERAL_DED:
            style = CipheringStyle.GENERAL_GLO
        elif style is CipheringStyle.GENERAL_CIPHERING:
            scope = security.key_scope
        return ciphering.protect(plain, key=scope, style=style, signed=security.signed)

    def unprotect(self, octets: bytes) -> tuple[bytes, Unprotected | None]:
        """The plain APDU, and how it was protected. Raises SecurityError for what cannot be opened."""
        if not is_protected(octets):
            return octets, None
        if self.ciphering is None:
            raise SecurityError("a ciphered APDU, and no keys are set for this association")
        opened = self.ciphering.unprotect(octets)
        if self._on_plain is not None:
            self._on_plain(False, opened.apdu)  # noqa: FBT003 - the observer's own signature
        return opened.apdu, opened

    def as_usual(self, octets: bytes, plain: bytes) -> Unprotected:
        """How the `octets` were protected that `open_usual` has opened."""
        assert self.ciphering is not None
        return self.ciphering.as_usual(octets, plain)

    def covers(self, opened: Unprotected | None) -> bool:
        """Whether what came is protected as this association requires."""
        security = self.security
        if not self.ciphered or security is None:
            return True
        if opened is None or (security.response_signed and not opened.signed):
            return False
        return opened.control.covers(security.required_control)

    def covers_initiate(self, opened: Unprotected) -> bool:
        """The same for the user information of an AARE, which is never signed."""
        return self.security is None or opened.control.covers(self.security.required_control)

    def plain_limit(self, pdu_octets_max: int) -> int:
        """Octets that a plain APDU may have to be no longer than `pdu_octets_max` (0: no limit) once protected."""
        security, ciphering = self.security, self.ciphering
        if security is None or ciphering is None or not self.ciphered:
            return plain_limit(pdu_octets_max, ciphered=False)
        if not security.signed and security.style in _WITHOUT_HEAD:
            return plain_limit(pdu_octets_max, ciphered=True, style=security.style)
        curve = SUITES[security.suite].curve
        overhead = protection_octets(
            security.style,
            scope=security.key_scope,
            curve_octets=0 if curve is None else curve.coordinate_octets,
            signed=security.signed,
        )
        overhead += 2 * (len(ciphering.date_time) + len(ciphering.other_information))
        return max(plain_limit(pdu_octets_max, ciphered=False) - overhead, 0)


_WITHOUT_HEAD: Final = (CipheringStyle.SERVICE_SPECIFIC, CipheringStyle.GENERAL_GLO, CipheringStyle.GENERAL_DED)


def _ciphering_of(
    security: ClientSecurity | None, send_counter: Callable[[], int] | int, entropy: Callable[[int], bytes] | None
) -> Ciphering | None:
    if security is None or security.keys is None:
        return None
    ciphering = Ciphering(
        system_title=security.system_title,
        global_keys=security.keys,
        send_counter=send_counter,
        peer_system_title=security.server_system_title,
        broadcast_keys=security.broadcast_keys,
        receive_counter=security.receive_counter,
        control=security.sent_control,
        style=security.style,
        fresh=partial(_fresh_keys, security, entropy),
    )
    ciphering.other_information = security.other_information
    return ciphering


def _fresh_keys(security: ClientSecurity, entropy: Callable[[int], bytes] | None) -> FreshKeys:
    assert security.keys is not None
    return FreshKeys(
        suite=security.suite,
        authentication_key=security.keys.authentication,
        master_key=security.master_key,
        pairs=security.pairs,
        entropy=entropy,
    )
