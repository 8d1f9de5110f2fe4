"""How a command reaches and opens a device: the options that `amiloop read` and `amiloop scan` have in common.

Options come before the device profile, the profile before defaults.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, Final, TypeVar

import click
from click.core import ParameterSource

from hes.cli.read_link import HDLC_TIMEOUT_S, WRAPPER_TIMEOUT_S, check_addresses, hdlc_address, is_serial
from hes.cli.read_options import SAP, Counter, Mechanisms, MeterAddress, ObisCode, Server, password_octets
from hes.cli.read_plan import (
    COUNTER_OBJECT,
    KEY_SOURCES,
    MECHANISMS,
    PROTECTIONS,
    PUBLIC_CLIENT,
    STYLES,
    ConnectPlan,
    Credentials,
    Protecting,
    client_settings,
)
from hes.cli.read_profile import choose_association, secrets_for
from hes.cli.secrets import TITLE, key_option, secrets_option
from hes.devices import profiles
from hes.devices.key_files import read_key_files
from hes.devices.profiles import DeviceProfile
from hes.devices.secrets_file import DeviceSecrets, Secrets
from hes.dlms.client.settings import ClientSettings
from hes.dlms.codes import Mechanism
from hes.dlms.hdlc.address import ServerAddress
from hes.dlms.inspect.node import render_text
from hes.dlms.inspect.sealed_nodes import InspectorKeys
from hes.dlms.obis import Obis
from hes.protocols.frame_inspector import FrameInspector
from hes.protocols.wrapper_session import FrameTap

CommandT = TypeVar("CommandT", bound=Callable[..., Any])

TRACE_ITEMS: Final = 3
_SECRET_NAMES: Final = ("password", "key", "auth_key", "system_title", "meter_title")

_OPTIONS: Final[tuple[Callable[[Any], Any], ...]] = (
    click.option("--client", type=SAP, help="Client SAP; without it 16 (public), with --auth or keys 1 (management)."),
    click.option(
        "--server",
        type=Server(),
        metavar="SAP[/LOWER]",
        help="Logical device, with HDLC also upper/lower such as 1/17; without it 1.",
    ),
    click.option(
        "--hdlc/--wrapper",
        "hdlc",
        default=None,
        help="What is spoken on the link; without it HDLC on serial:// and pty://, the DLMS wrapper elsewhere.",
    ),
    click.option(
        "--address-octets",
        type=click.Choice(["1", "2", "4"]),
        help="Length of the HDLC server address; without it 1 for --server 1, 2 or 4 for --server 1/17.",
    ),
    click.option(
        "--profile",
        metavar="NAME|FILE",
        help="Device profile: gives client, authentication, server, counter object and the sense of clock deviations.",
    ),
    click.option(
        "--association", metavar="NAME", help="Which of the profile's; without it the safest the secrets allow."
    ),
    click.option(
        "--auth",
        "--mechanism",
        "auth",
        type=Mechanisms(list(MECHANISMS)),
        help="Authentication; without it none, with --password low, with both keys gmac. lls is low, hls-... is the "
        "same without hls-.",
    ),
    click.option(
        "--password",
        envvar="AMILOOP_PASSWORD",
        metavar="TEXT",
        help="For --auth low, md5, sha1, sha256; hex:31.. in hex. [AMILOOP_PASSWORD]",
    ),
    key_option("--key", "AMILOOP_KEY", "Global unicast encryption key (GUEK)."),
    key_option("--auth-key", "AMILOOP_AUTH_KEY", "Authentication key (GAK)."),
    click.option(
        "--system-title",
        type=TITLE,
        envvar="AMILOOP_SYSTEM_TITLE",
        metavar="HEX",
        help="System title of this client. [AMILOOP_SYSTEM_TITLE]",
    ),
    click.option(
        "--meter-title",
        type=TITLE,
        metavar="HEX",
        help="System title that the meter must have; picks its keys in --secrets.",
    ),
    secrets_option,
    click.option(
        "--protection",
        type=click.Choice(list(PROTECTIONS)),
        default="both",
        show_default=True,
        help="What keys are for.",
    ),
    click.option(
        "--style", type=click.Choice(list(STYLES)), default="service-specific", help="Form of ciphered APDUs."
    ),
    click.option(
        "--suite",
        type=click.IntRange(0, 2),
        help="Security suite; without it the profile's, or as keys and key files are.",
    ),
    click.option(
        "--key-source",
        type=click.Choice(list(KEY_SOURCES)),
        default="global",
        help="With --style general-ciphering, how the key of each APDU is given.",
    ),
    click.option("--sign", is_flag=True, help="Sign every request (suites 1 and 2)."),
    click.option(
        "--short-names", is_flag=True, help="Refer to objects by short names, found in the meter's own object list."
    ),
    click.option("--dedicated", is_flag=True, help="Bring a dedicated key for this association."),
    click.option(
        "--counter", type=Counter(), default="read", show_default=True, help="First invocation counter, or 'read'."
    ),
    click.option(
        "--counter-object",
        type=ObisCode(),
        metavar="OBIS",
        help="Where the public client reads the counter; without it the profile's, or found among 0.0.43.1.x.255.",
    ),
    click.option("--public-client", type=SAP, help=f"Client SAP that reads the counter; without it {PUBLIC_CLIENT}."),
    click.option(
        "--timeout",
        type=click.FloatRange(0.1, 3600),
        help="Seconds for one exchange, 10; on HDLC seconds of silence or until an association is open, 20.",
    ),
    click.option("--trace", is_flag=True, help="Show every frame on standard error."),
)


def connect_options(command: CommandT) -> CommandT:
    """Every option of this module on a command, which gets them by name; `secrets` among them."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectOptions:
    """The options as they were given, secrets apart; None where nobody said."""

    client: int | None
    server: MeterAddress | None
    hdlc: bool | None
    address_octets: str | None
    profile: str | None
    association: str | None
    auth: str | None
    protection: str
    style: str
    suite: int | None
    key_source: str
    sign: bool
    dedicated: bool
    short_names: bool
    counter: int | None
    counter_object: Obis | None
    public_client: int | None
    timeout: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Connecting:
    """How to connect, the profile that was named or None, and where to show frames when that was asked."""

    plan: ConnectPlan
    profile: DeviceProfile | None
    tap: FrameTap | None


def connecting(url: str, given: dict[str, Any]) -> Connecting:
    """What the options of `connect_options` come to; they are taken out of `given`. Raises UsageError."""
    check_url(url)
    secrets, trace = given.pop("secrets"), given.pop("trace")
    context = click.get_current_context(silent=True)
    typed = context is not None and context.get_parameter_source("password") is ParameterSource.COMMANDLINE
    credentials = _credentials(secrets, **{name: given.pop(name) for name in _SECRET_NAMES})
    options = ConnectOptions(**{each.name: given.pop(each.name) for each in fields(ConnectOptions)})
    profile = None if options.profile is None else profiles.load(options.profile)
    if typed and options.auth is None and profile is None:
        options = replace(options, auth=_auth_of_password(credentials))
    try:
        plan = _plan(url, profile, credentials, options)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    return Connecting(plan=plan, profile=profile, tap=_tracer(credentials) if trace else None)


def check_url(url: str) -> None:
    """Raises UsageError for what has no scheme, with the URL that may be meant."""
    if "://" in url:
        return
    meant = f"serial://{url}" if url.startswith("/") else f"tcp://{url}" if ":" in url else f"tcp://{url}:4059"
    raise click.UsageError(f"{url!r} is no URL of a link: say {meant}, or udp://, serial:// or pty://.")


def _auth_of_password(credentials: Credentials) -> str:
    """What a password is for where nobody said. Raises UsageError where it could be for several."""
    if credentials.key or credentials.auth_key:
        raise click.UsageError("With --key, --password needs --auth to say what it is for: low, md5, sha1 or sha256.")
    return "low"


def _plan(url: str, profile: DeviceProfile | None, credentials: Credentials, options: ConnectOptions) -> ConnectPlan:
    """Raises ValueError for wrong usage."""
    settings = _settings(profile, credentials, options)
    counter_object, public = options.counter_object, options.public_client
    if profile is not None:
        counter_object = counter_object or profile.counter_object(settings.client_sap)
        public = profile.counter_client if public is None else public
    hdlc = is_serial(url) if options.hdlc is None else options.hdlc
    plan = ConnectPlan(
        url=url,
        settings=settings,
        timeout_s=options.timeout or (HDLC_TIMEOUT_S if hdlc else WRAPPER_TIMEOUT_S),
        counter=options.counter,
        counter_object=counter_object or COUNTER_OBJECT,
        counter_object_given=counter_object is not None,
        public_client=PUBLIC_CLIENT if public is None else public,
        hdlc=_hdlc_address(options, settings.server_sap, hdlc=hdlc),
        deviation_sign=1 if profile is None else profile.deviation_sign,
    )
    check_addresses(plan)
    return plan


def _settings(profile: DeviceProfile | None, credentials: Credentials, options: ConnectOptions) -> ClientSettings:
    auth, client, server, suite = options.auth, options.client, options.server, options.suite
    offer = None
    if profile is not None:
        suite = profile.security_suite if suite is None else suite
        offer = choose_association(profile, options.association, auth=auth, client=client, credentials=credentials)
        auth = auth or offer.mechanism
        if auth not in MECHANISMS:
            raise ValueError(
                f"association {offer.name} of {profile.name} authenticates by {auth}, which is not built here."
            )
        if MECHANISMS[auth] is not Mechanism.HLS_GMAC:
            credentials = secrets_for(offer, credentials)
        client = offer.client_sap if client is None else client
        server = server or MeterAddress(profile.server_sap)
    elif options.association is not None:
        raise ValueError("--association needs --profile: it is a profile that names associations.")
    return client_settings(
        auth=auth,
        credentials=credentials,
        client=client,
        server=1 if server is None else server.upper,
        protecting=Protecting(
            protection=options.protection,
            style=options.style,
            dedicated=options.dedicated,
            suite=suite,
            key_source=options.key_source,
            sign=options.sign,
        ),
        short_names=options.short_names or (offer is not None and offer.short_names),
    )


def _hdlc_address(options: ConnectOptions, server_sap: int, *, hdlc: bool) -> ServerAddress | None:
    """None on the wrapper, which has neither lower addresses nor lengths of them. Raises ValueError."""
    server = options.server or MeterAddress(server_sap)
    octets = None if options.address_octets is None else int(options.address_octets)
    if hdlc:
        return hdlc_address(server, octets)
    if octets is not None:
        raise ValueError("--address-octets is for HDLC: add --hdlc.")
    if server.lower is not None:
        raise ValueError(f"the wrapper has no lower address: say --server {server.upper}, or add --hdlc.")
    return None


def _credentials(
    secrets: Secrets,
    *,
    password: str | None,
    key: bytes | None,
    auth_key: bytes | None,
    system_title: bytes | None,
    meter_title: bytes | None,
) -> Credentials:
    """Options and environment before the file; in the file the device's own entries before those for any."""
    title = meter_title or secrets.get("meter_title")
    device = secrets.device(title) or DeviceSecrets(system_title=title)
    return Credentials(
        password=password_octets(password) if password is not None else device.password or secrets.get("password"),
        key=key or device.encryption_key or secrets.get("key"),
        auth_key=auth_key or device.authentication_key or secrets.get("auth_key"),
        system_title=system_title or secrets.get("system_title"),
        meter_title=device.system_title,
        master_key=device.master_key or secrets.get("master_key"),
        key_files=read_key_files(secrets, device),
    )


def _tracer(credentials: Credentials) -> FrameTap:
    """Says each frame on standard error: what goes out with an arrow to the meter, what comes in with one from it."""
    keys = InspectorKeys(
        encryption=credentials.key,
        authentication=credentials.auth_key,
        titles=tuple(title for title in (credentials.system_title, credentials.meter_title) if title),
    )
    inspector = FrameInspector(keys)

    def tap(outgoing: bool, frame: bytes) -> None:
        tree = render_text(inspector.inspect(frame), items_max=TRACE_ITEMS)
        shown = "".join(f"  {line}\n" for line in tree.splitlines())
        click.echo(f"{'-> meter' if outgoing else '<- meter'}\n{shown}", err=True)

    return tap
