"""What `amiloop read` and `amiloop scan` were asked to do, checked before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypedDict

from hes.cli.object_reference import ObjectReference
from hes.devices.key_files import KeyFiles
from hes.dlms.client.settings import ClientSecurity, ClientSettings
from hes.dlms.codes import Mechanism
from hes.dlms.hdlc.address import ServerAddress
from hes.dlms.obis import Obis
from hes.dlms.security import SUITES, EncryptionKeys, SecurityControl
from hes.dlms.security.asymmetric import AsymmetricKeys
from hes.dlms.security.curves import curve_of
from hes.dlms.security.forms import CipheringStyle, KeyScope
from hes.dlms.security.hls import SECRET, TITLED

PUBLIC_CLIENT: Final = 16
MANAGEMENT_CLIENT: Final = 1
COUNTER_OBJECT: Final = Obis.parse("0.0.43.1.0.255")
MECHANISMS: Final = {
    "none": Mechanism.NONE,
    "low": Mechanism.LLS,
    "lls": Mechanism.LLS,
    "md5": Mechanism.HLS_MD5,
    "sha1": Mechanism.HLS_SHA1,
    "gmac": Mechanism.HLS_GMAC,
    "sha256": Mechanism.HLS_SHA256,
    "ecdsa": Mechanism.HLS_ECDSA,
    "hls-md5": Mechanism.HLS_MD5,
    "hls-sha1": Mechanism.HLS_SHA1,
    "hls-gmac": Mechanism.HLS_GMAC,
    "hls-sha256": Mechanism.HLS_SHA256,
    "hls-ecdsa": Mechanism.HLS_ECDSA,
}
"""What the command line can authenticate with. Not here: a manufacturer's own way."""
WITH_PASSWORD: Final = frozenset({Mechanism.LLS}) | SECRET
STYLES: Final = {  # what is only signed is not ciphered, and --sign goes with any of the others
    style.value: style for style in CipheringStyle if style is not CipheringStyle.GENERAL_SIGNING
}
KEY_SOURCES: Final = {
    "global": KeyScope.GLOBAL,
    "wrapped": KeyScope.WRAPPED,
    "one-pass": KeyScope.ONE_PASS,
    "static": KeyScope.STATIC,
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

    counter: the first invocation counter to send, None to read it. counter_object: where it is read from;
    counter_object_given: whether somebody asked for that one, so that no other is looked for.
    hdlc: the meter's address on HDLC, None to speak the wrapper. deviation_sign: -1 for meters that send minutes from
    UTC to local time.
    """

    url: str
    settings: ClientSettings
    timeout_s: float
    counter: int | None = None
    counter_object: Obis = COUNTER_OBJECT
    counter_object_given: bool = False
    public_client: int = PUBLIC_CLIENT
    hdlc: ServerAddress | None = None
    deviation_sign: Literal[1, -1] = 1

    @property
    def reads_counter(self) -> bool:
        """Whether the public client has to ask for the counter first."""
        security = self.settings.security
        return security is not None and security.keys is not None and self.counter is None

    @property
    def searches_counter(self) -> bool:
        """Whether another counter object may be looked for; with short names there is no telling what one holds."""
        return not (self.counter_object_given or self.settings.short_names)

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
    master_key: bytes = field(default=b"", repr=False)
    key_files: KeyFiles = field(default_factory=KeyFiles)


@dataclass(frozen=True, slots=True, kw_only=True)
class Protecting:
    """How APDUs are to be protected. suite: None to find it from the keys. key_source: a name of KEY_SOURCES."""

    protection: str = "both"
    style: str = CipheringStyle.SERVICE_SPECIFIC.value
    dedicated: bool = False
    suite: int | None = None
    key_source: str = "global"
    sign: bool = False


def client_settings(
    *,
    auth: str | None,
    credentials: Credentials,
    client: int | None,
    server: int,
    protecting: Protecting,
    short_names: bool = False,
) -> ClientSettings:
    """The settings of the association. Raises ValueError with a sentence that names the option that is missing.

    auth: None where nobody said: then two keys mean GMAC.
    """
    if auth is None:
        auth = "gmac" if credentials.key and credentials.auth_key and protecting.protection != "none" else "none"
    mechanism = MECHANISMS[auth]
    if mechanism in WITH_PASSWORD and not credentials.password:
        raise ValueError(f"--auth {auth} needs --password (or AMILOOP_PASSWORD, or an entry of the secrets file).")
    security = _security(mechanism, auth, credentials, protecting)
    default = PUBLIC_CLIENT if mechanism is Mechanism.NONE and security is None else MANAGEMENT_CLIENT
    return ClientSettings(
        client_sap=default if client is None else client,
        server_sap=server,
        mechanism=mechanism,
        password=credentials.password if mechanism in WITH_PASSWORD else b"",
        security=security,
        short_names=short_names,
    )


def _security(
    mechanism: Mechanism, auth: str, credentials: Credentials, protecting: Protecting
) -> ClientSecurity | None:
    """Keys are used when they are given; GMAC cannot do without."""
    suite = _suite(mechanism, credentials, protecting)
    needs_keys = mechanism is Mechanism.HLS_GMAC
    if not needs_keys and not credentials.key and not credentials.auth_key:
        _without_keys(protecting)
        if mechanism not in TITLED:
            return None
        return ClientSecurity(
            system_title=credentials.system_title or SYSTEM_TITLE,
            ciphered=False,
            server_system_title=credentials.meter_title or None,
            suite=suite,
            **_key_files(mechanism, credentials),
        )
    given = {"--key": credentials.key, "--auth-key": credentials.auth_key}
    missing = [option for option, value in given.items() if not value]
    if missing:
        why = f"--auth {auth.removeprefix('hls-')}" if needs_keys else "a ciphered association"
        raise ValueError(f"{why} needs {', '.join(missing)} (or its environment variable, or the secrets file).")
    control = PROTECTIONS[protecting.protection]
    if control is None and mechanism not in TITLED:
        raise ValueError("--protection none leaves no use for keys without --auth gmac.")
    _check_sources(protecting, credentials, ciphered=control is not None)
    return ClientSecurity(
        system_title=credentials.system_title or SYSTEM_TITLE,
        keys=EncryptionKeys(credentials.key, credentials.auth_key),
        control=SecurityControl.of() if control is None else control,
        style=STYLES[protecting.style],
        dedicated=protecting.dedicated,
        ciphered=control is not None,
        server_system_title=credentials.meter_title or None,
        suite=suite,
        key_scope=KEY_SOURCES[protecting.key_source],
        signed=protecting.sign,
        master_key=credentials.master_key,
        **_key_files(mechanism, credentials),
    )


def _without_keys(protecting: Protecting) -> None:
    for option, asked in (("--dedicated", protecting.dedicated), ("--sign", protecting.sign)):
        if asked:
            raise ValueError(f"{option} needs --key and --auth-key.")


def _suite(mechanism: Mechanism, credentials: Credentials, protecting: Protecting) -> int:
    """As it was said, else by the length of the key or the curve of the signing key. Raises ValueError."""
    signing = credentials.key_files.pairs.signing_key
    of_curve = {curve.name: suite for suite, row in SUITES.items() if (curve := row.curve) is not None}
    suite = protecting.suite
    if suite is None and signing is not None and (mechanism is Mechanism.HLS_ECDSA or protecting.sign):
        suite = of_curve[curve_of(signing).name]
    if suite is None:
        suite = 2 if len(credentials.key) == SUITES[2].key_octets else 0
    if credentials.key and credentials.auth_key and len(credentials.key) != len(credentials.auth_key):
        raise ValueError("--key and --auth-key must be equally long: 32 hex digits each, in suite 2 64.")
    wanted = SUITES[suite].key_octets
    for key in (credentials.key, credentials.auth_key):
        if key and len(key) != wanted:
            raise ValueError(f"suite {suite} takes keys of {2 * wanted} hex digits, these have {2 * len(key)}.")
    if suite == 0 and (mechanism is Mechanism.HLS_ECDSA or protecting.sign or protecting.key_source in AGREED):
        raise ValueError("signatures and key agreement need --suite 1 or 2, and keys named in the secrets file.")
    return suite


AGREED: Final = ("one-pass", "static")


def _check_sources(protecting: Protecting, credentials: Credentials, *, ciphered: bool) -> None:
    pairs, source = credentials.key_files.pairs, protecting.key_source
    if source != "global" and STYLES[protecting.style] is not CipheringStyle.GENERAL_CIPHERING:
        raise ValueError(f"--key-source {source} needs --style general-ciphering.")
    if source == "wrapped" and not credentials.master_key:
        raise ValueError("--key-source wrapped needs master_key in the secrets file.")
    if source in AGREED and (pairs.agreement_key is None or pairs.peer_agreement_key is None):
        raise ValueError(
            f"--key-source {source} needs agreement_key_file, and agreement_certificate_file or agreement_public_key "
            "of the meter, in the secrets file."
        )
    if (protecting.sign or source == "one-pass") and (pairs.signing_key is None or pairs.peer_signing_key is None):
        raise ValueError(
            "signatures need signing_key_file, and signing_certificate_file or signing_public_key of the meter, in the "
            "secrets file."
        )
    if protecting.sign and not ciphered:
        raise ValueError("--sign is for ciphered associations: it cannot go with --protection none.")


class _KeyFileSettings(TypedDict):
    pairs: AsymmetricKeys
    authorities: tuple[bytes, ...]


def _key_files(mechanism: Mechanism, credentials: Credentials) -> _KeyFileSettings:
    """Raises ValueError where HLS-ECDSA lacks something."""
    files = credentials.key_files
    if mechanism is Mechanism.HLS_ECDSA:
        if files.pairs.signing_key is None:
            raise ValueError("--auth ecdsa needs signing_key_file in the secrets file.")
        if files.pairs.peer_signing_key is None and not files.authorities:
            raise ValueError(
                "--auth ecdsa needs to know the meter's key: signing_certificate_file or signing_public_key of the "
                "meter, or authorities_file, in the secrets file."
            )
    return {"pairs": files.pairs, "authorities": files.authorities}
