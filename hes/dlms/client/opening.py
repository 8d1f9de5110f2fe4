"""Opening an association on the client: the AARQ, what is believed of the AARE, and the passes of HLS.

`Opening` lives for one attempt. It holds what was proposed, so that the answers can be held against it; states and
requests are the `Client`'s.

Source: docs/protocols/dlms-application.md §2, §5; docs/protocols/dlms-roles.md §1, §5.
"""

from __future__ import annotations

from typing import Final

from hes.dlms import apdu, axdr, ber, initiate
from hes.dlms.acse import Aare, Aarq
from hes.dlms.acse_form import form_of
from hes.dlms.apdu import MethodDescriptor
from hes.dlms.client.channel import Channel
from hes.dlms.client.clauses import AUTHENTICATION, OPENING, PROTECTION_TOO_WEAK, REFLECTED
from hes.dlms.client.kept import Accepted
from hes.dlms.client.settings import NO_PAIRS, ClientSettings
from hes.dlms.codes import AcseDiagnostic, ApduTag, Mechanism
from hes.dlms.cosem.association_ln import CURRENT_ASSOCIATION, REPLY_TO_HLS
from hes.dlms.data import Tag
from hes.dlms.initiate import VAA_NAME_LN, VAA_NAME_SN, InitiateRequest, InitiateResponse
from hes.dlms.security import CHALLENGE_OCTETS_MAX, CHALLENGE_OCTETS_MIN, SecurityError
from hes.dlms.security.asymmetric import check_signer
from hes.dlms.security.certificates import read_certificate
from hes.dlms.security.ciphering import is_protected
from hes.dlms.security.curves import PublicKey
from hes.dlms.security.hls import TITLED, HlsSide, challenge_octets_min
from hes.dlms.xdlms.common import encode_octets
from hes.errors import LocalProtocolError, RemoteProtocolError

CALLING_AE_QUALIFIER: Final = 0xA7
RESPONDING_AE_QUALIFIER: Final = 0xA5
_OCTET_STRING: Final = bytes((Tag.OCTET_STRING,))
HLS_REPLY: Final = MethodDescriptor(15, CURRENT_ASSOCIATION, REPLY_TO_HLS)


class Opening:
    """One attempt. initiate: what was proposed, as it stands in a protected release."""

    def __init__(self, settings: ClientSettings, channel: Channel, challenge: bytes, dedicated_key: bytes) -> None:
        """Raises LocalProtocolError when challenge or key do not fit the settings."""
        wants_key = settings.security is not None and settings.security.dedicated
        shortest = challenge_octets_min(settings.mechanism)
        if settings.mechanism.high_level and not shortest <= len(challenge) <= CHALLENGE_OCTETS_MAX:
            raise LocalProtocolError(f"this mechanism needs a challenge of {shortest} to {CHALLENGE_OCTETS_MAX} octets")
        if wants_key != bool(dedicated_key):
            raise LocalProtocolError("a dedicated key is given exactly when the settings ask for one")
        if settings.security is not None and wants_key and len(dedicated_key) != settings.security.key_octets:
            raise LocalProtocolError(f"a dedicated key of this suite has {settings.security.key_octets} octets")
        self._settings, self._channel, self._challenge = settings, channel, challenge
        self._hls: HlsSide | None = None
        self._dedicated_key = dedicated_key
        if not settings.kept.initiate:
            settings.kept.initiate = self._proposal(b"")
        self.initiate = settings.kept.initiate

    def _proposal(self, dedicated_key: bytes) -> bytes:
        settings = self._settings
        if not dedicated_key:
            return initiate.encode_proposal(settings.proposed, settings.max_receive_pdu_size)
        return InitiateRequest(settings.proposed, settings.max_receive_pdu_size, dedicated_key).encode()

    def aarq(self) -> bytes:
        settings, ciphering = self._settings, self._channel.ciphering
        if settings.kept.aarq:
            return settings.kept.aarq
        user_information = self.initiate
        if ciphering is not None:
            ciphering.peer_system_title = settings.security.server_system_title if settings.security else None
            if self._dedicated_key:
                ciphering.use_dedicated_key(self._dedicated_key)
                user_information = self._proposal(self._dedicated_key)
        if ciphering is not None and self._channel.ciphered:
            user_information = ciphering.protect_initiate(user_information)
        challenge, form = self._challenge, settings.kept.aarq_form
        if form is not None:
            known = form.write(challenge, user_information)
            if known is not None:
                return known
        authenticating = settings.mechanism is not Mechanism.NONE
        pairs = NO_PAIRS if settings.security is None else settings.security.pairs
        brought = pairs.certificate if settings.mechanism is Mechanism.HLS_ECDSA else b""
        aarq = Aarq(
            context=settings.context,
            calling_ae_invocation_id=settings.user_id,
            calling_ap_title=b"" if settings.security is None else settings.security.system_title,
            authentication=authenticating,
            mechanism=settings.mechanism if authenticating else None,
            authentication_value=self._authentication_value(),
            user_information=user_information,
            other=((CALLING_AE_QUALIFIER, ber.encode(ber.OCTET_STRING, brought)),) if brought else (),
        )
        octets = aarq.encode()
        if ciphering is None and not settings.mechanism.high_level:
            settings.kept.aarq = octets
        elif ciphering is not None and settings.mechanism.high_level:
            settings.kept.aarq_form = form_of(aarq, octets)
        return octets

    def _authentication_value(self) -> bytes:
        """What stands in AC: the challenge or, with LLS alone, the password; nothing where nobody authenticates."""
        if self._settings.mechanism.high_level:
            return self._challenge
        return self._settings.password if self._settings.mechanism is Mechanism.LLS else b""

    def accept(self, aare: Aare) -> tuple[InitiateResponse, bytes | None]:
        """What an accepting AARE grants, and the encoded parameter of pass 3, None without HLS.

        Raises RemoteProtocolError (SecurityError) for one that must not be believed; nothing has changed then.
        """
        ciphering = self._channel.ciphering
        known_title = ciphering.peer_system_title if ciphering else None
        try:
            self._check_accepted(aare)
            granted = self._granted(aare)
            return granted, self._hls_proof(aare) if self._settings.mechanism.high_level else None
        except RemoteProtocolError:
            if ciphering is not None:
                ciphering.peer_system_title = known_title
            raise

    def accept_known(self, octets: bytes) -> tuple[InitiateResponse, bytes] | None:
        """The same for an AARE of which all but challenge and ciphered user information was believed before.

        None: `accept` has to look, and nothing has changed. Raises RemoteProtocolError as that does.
        """
        known, open_usual, ciphering = self._settings.kept.accepted, self._channel.open_usual, self._channel.ciphering
        fresh = None if known is None or open_usual is None else known.form.read(octets)
        if fresh is None or known is None or open_usual is None or ciphering is None or fresh[0] == self._challenge:
            return None
        title_before = ciphering.peer_system_title
        ciphering.peer_system_title = known.title
        try:
            plain = open_usual(fresh[1])
            if plain is not None:
                granted = known.granted if plain == known.initiate else self._read_granted(plain)
                return granted, self._prove(fresh[0], known.title, None)
        except RemoteProtocolError:
            ciphering.peer_system_title = title_before
            raise
        ciphering.peer_system_title = title_before
        return None

    def keep(self, octets: bytes, aare: Aare, granted: InitiateResponse) -> None:
        """Keep what of an AARE that was believed will come again."""
        kept, mechanism, title = self._settings.kept, self._settings.mechanism, aare.responding_ap_title
        if self._channel.ciphering is None and not mechanism.high_level:
            kept.aare, kept.granted = octets, granted
        if self._channel.open_usual is None or not title or not mechanism.high_level:
            return
        if mechanism is not Mechanism.HLS_ECDSA and kept.accepted is None:  # the first one stays: devices may differ
            form = form_of(aare, octets)
            kept.accepted = form and Accepted(form, title, granted.encode(), granted)

    def _check_accepted(self, aare: Aare) -> None:
        """The AARE fits the AARQ: same context, and HLS exactly when it was asked for."""
        if aare.context != self._settings.context:
            raise RemoteProtocolError(
                f"the server accepted another application context: {aare.context!r}", clause=OPENING
            )
        pending = aare.diagnostic == AcseDiagnostic.AUTHENTICATION_REQUIRED
        if pending != self._settings.mechanism.high_level:
            raise SecurityError(
                f"mechanism {self._settings.mechanism.name} and diagnostic {aare.diagnostic!r} disagree", clause=OPENING
            )
        if self._channel.ciphering is not None and aare.responding_ap_title:
            known = self._channel.ciphering.peer_system_title
            if known and known != aare.responding_ap_title:
                raise SecurityError(
                    f"the server's system title is {aare.responding_ap_title.hex()}, not {known.hex()}", clause=OPENING
                )
            self._channel.ciphering.peer_system_title = aare.responding_ap_title

    def _granted(self, aare: Aare) -> InitiateResponse:
        user_information = aare.user_information
        if self._channel.ciphered and self._channel.ciphering is not None:
            if not is_protected(user_information):
                raise SecurityError("the server answered a ciphered proposal in the clear", clause=PROTECTION_TOO_WEAK)
            opened = self._channel.ciphering.unprotect(user_information)
            if not self._channel.covers_initiate(opened):
                raise SecurityError(
                    "the AARE is protected less than this association requires", clause=PROTECTION_TOO_WEAK
                )
            user_information = opened.apdu
        return self._read_granted(user_information)

    def _read_granted(self, user_information: bytes) -> InitiateResponse:
        """What an InitiateResponse in the clear grants."""
        granted = initiate.decode(user_information)
        if not isinstance(granted, InitiateResponse):
            raise RemoteProtocolError("an accepted association without an initiate response", clause=OPENING)
        short_names = self._settings.short_names
        if granted.vaa_name != (VAA_NAME_SN if short_names else VAA_NAME_LN):
            kind = "short" if short_names else "logical"
            raise RemoteProtocolError(f"VAA name {granted.vaa_name:04X} is not that of {kind} names", clause=OPENING)
        return granted

    def _hls_proof(self, aare: Aare) -> bytes:
        """Encoded parameter of pass 3."""
        settings, challenge = self._settings, aare.authentication_value
        if aare.mechanism not in (None, settings.mechanism):
            raise RemoteProtocolError(f"the server wants mechanism {aare.mechanism!r}", clause=OPENING)
        if not CHALLENGE_OCTETS_MIN <= len(challenge) <= CHALLENGE_OCTETS_MAX:
            raise RemoteProtocolError(f"a challenge of {len(challenge)} octets", clause=AUTHENTICATION)
        if challenge == self._challenge:
            raise SecurityError("the server's challenge is the client's own, sent back", clause=REFLECTED)
        title = self._server_title(aare)
        if settings.mechanism in TITLED and not title:
            raise RemoteProtocolError(
                f"{settings.mechanism.name} without the server's system title", clause=AUTHENTICATION
            )
        return self._prove(challenge, title, self._server_key(aare, title))

    def _prove(self, challenge: bytes, title: bytes, key: PublicKey | None) -> bytes:
        """The parameter of pass 3. challenge, title, key: of the server."""
        settings, security, ciphering = self._settings, self._settings.security, self._channel.ciphering
        self._hls = HlsSide(
            mechanism=settings.mechanism,
            challenge=self._challenge,
            peer_challenge=challenge,
            system_title=b"" if security is None else security.system_title,
            peer_system_title=title,
            secret=settings.password,
            keys=None if security is None else security.keys,
            suite=0 if security is None else security.suite,
            take_counter=None if ciphering is None else ciphering.take_counter,
            signing_key=None if security is None else security.pairs.signing_key,
            peer_public_key=key,
            manufacturer=settings.manufacturer_hls,
        )
        return _OCTET_STRING + encode_octets(self._hls.proof())

    def _server_title(self, aare: Aare) -> bytes:
        """As the AARE says, or as it was known before."""
        known = self._settings.security.server_system_title if self._settings.security else None
        if known and aare.responding_ap_title not in (b"", known):
            raise SecurityError(
                f"the server's system title is {aare.responding_ap_title.hex()}, not {known.hex()}", clause=OPENING
            )
        return aare.responding_ap_title or known or b""

    def _server_key(self, aare: Aare, title: bytes) -> PublicKey | None:
        """The key that the server proves itself with: known before, or certified by whom the client trusts."""
        security = self._settings.security
        if security is None or self._settings.mechanism is not Mechanism.HLS_ECDSA:
            return None
        if security.pairs.peer_signing_key is not None:
            return security.pairs.peer_signing_key
        for tag, contents in aare.other:
            if tag == RESPONDING_AE_QUALIFIER:
                start, end = ber.read_only(contents, 0, len(contents), ber.OCTET_STRING, "responding AE qualifier")
                trusted = [read_certificate(octets) for octets in security.authorities]
                return check_signer(read_certificate(contents[start:end]), title, trusted)
        raise SecurityError("the server sent no certificate, and its signing key is not known", clause=AUTHENTICATION)

    def check_pass_4(self, returned: bytes) -> int | None:
        """The counter in the server's proof for our challenge. returned: encoded data of pass 4.

        Raises RemoteProtocolError for anything but the right proof.
        """
        assert self._hls is not None
        count = len(returned) - 2
        if 0 <= count < 0x80 and returned[0] == Tag.OCTET_STRING and returned[1] == count:  # short, as nearly all are
            return self._hls.check(returned[2:])
        proof, _end = axdr.decode_value(returned)
        if not isinstance(proof, bytes):
            raise SecurityError("the server's proof is not an octet-string", clause=AUTHENTICATION)
        return self._hls.check(proof)


def error_in(user_information: bytes) -> apdu.ConfirmedServiceError | None:
    """The error that a refusing AARE may carry; None when it carries something else or nothing."""
    if not user_information or user_information[0] != ApduTag.CONFIRMED_SERVICE_ERROR:
        return None
    found = initiate.decode(user_information)
    return found if isinstance(found, apdu.ConfirmedServiceError) else None
