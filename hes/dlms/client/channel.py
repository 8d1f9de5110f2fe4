"""What a client's plain APDUs go through on their way: protection, and how long they may be.

    send:    plain APDU -> protect -> octets          receive: octets -> unprotect -> plain APDU

Source: docs/protocols/dlms-application.md §5; docs/protocols/dlms-roles.md §5.
"""

from __future__ import annotations

from collections.abc import Callable

from hes.dlms.block_transfer import plain_limit
from hes.dlms.client.settings import ClientSecurity
from hes.dlms.security import SecurityControl, SecurityError
from hes.dlms.security.ciphering import Ciphering, CipheringStyle, KeyScope, Unprotected, is_protected

PlainObserver = Callable[[bool, bytes], None]
"""Called with True for what the client sends and False for what it receives, and the APDU in the clear."""


class Channel:
    """The protection of one association. ciphering: None without keys. ciphered: whether APDUs go protected."""

    def __init__(
        self, security: ClientSecurity | None, send_counter: Callable[[], int] | int, on_plain: PlainObserver | None
    ) -> None:
        self.security = security
        self.ciphering = _ciphering_of(security, send_counter)
        self.ciphered = security is not None and security.ciphered
        self._on_plain = on_plain

    def protect(self, plain: bytes, *, dedicated: bool) -> bytes:
        """`plain` as it goes out. dedicated: under the association's own key, if it has one."""
        ciphering = self.ciphering
        if ciphering is None or not self.ciphered:
            return plain
        if self._on_plain is not None:
            self._on_plain(True, plain)  # noqa: FBT003 - the observer's own signature
        dedicated = dedicated and ciphering.has_dedicated_key
        style = ciphering.style
        if style is not CipheringStyle.SERVICE_SPECIFIC:
            style = CipheringStyle.GENERAL_DED if dedicated else CipheringStyle.GENERAL_GLO
        return ciphering.protect(plain, key=KeyScope.DEDICATED if dedicated else KeyScope.GLOBAL, style=style)

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

    def covers(self, opened: Unprotected | None) -> bool:
        """Whether what came is protected as this association requires."""
        if not self.ciphered:
            return True
        return (
            opened is not None and self.security is not None and opened.control.covers(self.security.required_control)
        )

    def plain_limit(self, pdu_octets_max: int) -> int:
        """Octets that a plain APDU may have to be no longer than `pdu_octets_max` (0: no limit) once protected."""
        style = self.security.style if self.security else CipheringStyle.SERVICE_SPECIFIC
        return plain_limit(pdu_octets_max, ciphered=self.ciphered, style=style)


def _ciphering_of(security: ClientSecurity | None, send_counter: Callable[[], int] | int) -> Ciphering | None:
    if security is None or security.keys is None:
        return None
    return Ciphering(
        system_title=security.system_title,
        global_keys=security.keys,
        send_counter=send_counter,
        peer_system_title=security.server_system_title,
        receive_counter=security.receive_counter,
        control=SecurityControl(security.control | security.suite),
        style=security.style,
    )
