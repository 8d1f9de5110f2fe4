"""What `amiloop read` and `amiloop scan` were asked to do, checked before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from hes.cli.object_reference import ObjectReference
from hes.dlms.client.settings import ClientSecurity, ClientSettings
from hes.dlms.codes import Mechanism
from hes.dlms.hdlc.address import ServerAddress
from hes.dlms.obis import Obis
from hes.dlms.security import EncryptionKeys, SecurityControl
from hes.dlms.security.ciphering import CipheringStyle
from hes.dlms.security.hls import SECRET, TITLED

PUBLIC_CLIENT: Final = 16
KEY_OCTETS: Final = 16  # of suites 0 and 1
SUITE_OF_LONG_KEYS: Final = 2
MANAGEMENT_CLIENT: Final = 1
COUNTER_OBJECT: Final = Obis.parse("0.0.43.1.0.255")
MECHANISMS: Final = {
    "none": Mechanism.NONE,
    "low": Mechanism.LLS,
    "lls": Mechanism.LLS,
    "gmac": Mechanism.HLS_GMAC,
    "hls-gmac": Mechanism.HLS_GMAC,
    "md5": Mechanism.HLS_MD5,
    "hls-md5": Mechanism.HLS_MD5,
    "sha1": Mechanism.HLS_SHA1,
    "hls-sha1": Mechanism.HLS_SHA1,
    "sha256": Mechanism.HLS_SHA256,
    "hls-sha256": Mechanism.HLS_SHA256,
}
"""What the command line can authenticate with. Not here: a manufacturer's own way, and ECDSA, which wants key pairs."""
STYLES: Final = {  # signing and keys of one APDU want key pairs or a master key
    style.value: style for style in CipheringStyle if style is not CipheringStyle.GENERAL_SIGNING
}
PROTECTIONS: Final = {
    "none": None,
    "auth": SecurityControl.of(encrypted=False),
    "encrypt": SecurityControl.of(authenticated=False),
    "both": SecurityControl.of(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectPlan:
    """How to reach a device and open it.

    counter: the first invocation counter to send, None to read it. counter_object: where it is read from.
    hdlc: the meter's address on HDLC, None to speak the wrapper. deviation_sign: -1 for meters that send minutes from
    UTC to local time.
    """

    url: str
    settings: ClientSettings
    timeout_s: float
    counter: int | None = None
    counter_object: Obis = COUNTER_OBJECT
    public_client: int = PUBLIC_CLIENT
    hdlc: ServerAddress | None = None
    deviation_sign: Literal[1, -1] = 1

    @property
    def reads_counter(self) -> bool:
        """Whether the public client has to ask for the counter first."""
        security = self.settings.security
        return security is not None and security.keys is not None and self.counter is None

    @property
    def public_settings(self) -> ClientSettings:
        return ClientSettings(
            client_sap=self.public_client,
            server_sap=self.settings.server_sap,
            short_names=self.settings.short_names,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPlan:
    """What to read, in that order. first, last: ends of the range of a profile as octets of a date-time as this meter
    writes it, None for an open end. classes: of objects that are known beforehand, by logical name.
    """

    connect: ConnectPlan
    objects: tuple[ObjectReference, ...]
    first: bytes | None = None
    last: bytes | None = None
    classes: Mapping[bytes, int] = field(default_factory=dict)


SYSTEM_TITLE = b"AMLREAD1"
"""Ours where none is given; a meter that knows its clients by title wants its own [A]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What the options and the secrets file gave; b"" where they gave nothing. Its repr shows no secret."""

    password: bytes = field(default=b"", repr=False)
    system_title: bytes = b""
    meter_title: bytes = b""
    key: bytes = field(default=b"", repr=False)
    auth_key: bytes = field(default=b"", repr=False)


def client_settings(
    *,
    auth: str | None,
    credentials: Credentials,
    client: int | None,
    server: int,
    protection: str,
    style: str,
    dedicated: bool,
    short_names: bool = False,
) -> ClientSettings:
    """The settings of the association. Raises ValueError with a sentence that names the option that is missing.

    auth: None where nobody said: then two keys mean GMAC.
    """
    if auth is None:
        auth = "gmac" if credentials.key and credentials.auth_key and protection != "none" else "none"
    mechanism = MECHANISMS[auth]
    by_secret = mechanism is Mechanism.LLS or mechanism in SECRET
    if by_secret and not credentials.password:
        raise ValueError(f"--auth {auth} needs --password (or AMILOOP_PASSWORD, or an entry of the secrets file).")
    security = _security(mechanism, credentials, protection=protection, style=style, dedicated=dedicated)
    default = PUBLIC_CLIENT if mechanism is Mechanism.NONE and security is None else MANAGEMENT_CLIENT
    return ClientSettings(
        client_sap=default if client is None else client,
        server_sap=server,
        mechanism=mechanism,
        password=credentials.password if by_secret else b"",
        security=security,
        short_names=short_names,
    )


def _titles(credentials: Credentials) -> ClientSecurity:
    """For a mechanism whose proofs hold the titles, where nothing is ciphered."""
    return ClientSecurity(
        system_title=credentials.system_title or SYSTEM_TITLE,
        ciphered=False,
        server_system_title=credentials.meter_title or None,
    )


def _security(
    mechanism: Mechanism, credentials: Credentials, *, protection: str, style: str, dedicated: bool
) -> ClientSecurity | None:
    """Keys are used when they are given; GMAC cannot do without."""
    given = {
        "--key": credentials.key,
        "--auth-key": credentials.auth_key,
    }
    if mechanism is not Mechanism.HLS_GMAC and not credentials.key and not credentials.auth_key:
        if dedicated:
            raise ValueError("--dedicated needs --key and --auth-key.")
        return _titles(credentials) if mechanism in TITLED else None
    missing = [option for option, value in given.items() if not value]
    if missing:
        why = "--auth gmac" if mechanism is Mechanism.HLS_GMAC else "a ciphered association"
        raise ValueError(f"{why} needs {', '.join(missing)} (or its environment variable, or the secrets file).")
    control = PROTECTIONS[protection]
    if control is None and mechanism is not Mechanism.HLS_GMAC:
        raise ValueError("--protection none leaves no use for keys without --auth gmac.")
    if len(credentials.key) != len(credentials.auth_key):
        raise ValueError("--key and --auth-key must be equally long: 32 hex digits each, in suite 2 64.")
    return ClientSecurity(
        system_title=credentials.system_title or SYSTEM_TITLE,
        keys=EncryptionKeys(credentials.key, credentials.auth_key),
        suite=SUITE_OF_LONG_KEYS if len(credentials.key) > KEY_OCTETS else 0,
        control=SecurityControl.of() if control is None else control,
        style=STYLES[style],
        dedicated=dedicated,
        ciphered=control is not None,
        server_system_title=credentials.meter_title or None,
    )
