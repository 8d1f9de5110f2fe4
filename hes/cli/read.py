"""Read any DLMS meter over any link: registers with units, profiles as tables."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any, Final

import click

from hes.cli.exit_status import ExitStatus
from hes.cli.meter_times import turned
from hes.cli.object_reference import ObjectReference
from hes.cli.read_link import HDLC_TIMEOUT_S, WRAPPER_TIMEOUT_S, check_addresses, hdlc_address, is_serial
from hes.cli.read_meter import frame_printer, read_meter
from hes.cli.read_options import (
    SAP,
    Counter,
    MeterAddress,
    Moment,
    ObisCode,
    Reference,
    Server,
    check_range,
    password_octets,
)
from hes.cli.read_output import outcome_json, outcome_lines
from hes.cli.read_plan import (
    COUNTER_OBJECT,
    MECHANISMS,
    PROTECTIONS,
    PUBLIC_CLIENT,
    STYLES,
    Credentials,
    ReadPlan,
    client_settings,
)
from hes.cli.read_profile import choose_association, public_client, secrets_for
from hes.cli.secrets import TITLE, DeviceSecrets, Secrets, key_option, secrets_option
from hes.devices import profiles
from hes.devices.profiles import DeviceProfile
from hes.dlms.client.settings import ClientSettings
from hes.dlms.codes import Mechanism
from hes.dlms.hdlc.address import ServerAddress
from hes.dlms.inspect.node import render_text
from hes.dlms.inspect.sealed_nodes import InspectorKeys
from hes.dlms.obis import Obis
from hes.entropy import SystemEntropy
from hes.links.registry import Links
from hes.protocols.frame_inspector import FrameInspector

DEFAULT_OBJECTS: Final = ("clock", "ldn")
TRACE_ITEMS: Final = 3


@click.command()
@click.argument("url")
@click.argument("objects", type=Reference(), nargs=-1, metavar="[OBJECT]...")
@click.option("--client", type=SAP, help="Client SAP; without it 16 (public), with --auth or keys 1 (management).")
@click.option(
    "--server",
    type=Server(),
    metavar="SAP[/LOWER]",
    help="Logical device, with HDLC also upper/lower such as 1/17; without it 1.",
)
@click.option(
    "--hdlc/--wrapper",
    "hdlc",
    default=None,
    help="What is spoken on the link; without it HDLC on serial:// and pty://, the DLMS wrapper elsewhere.",
)
@click.option(
    "--address-octets",
    type=click.Choice(["1", "2", "4"]),
    help="Length of the HDLC server address; without it 1 for --server 1, 2 or 4 for --server 1/17.",
)
@click.option(
    "--profile",
    metavar="NAME|FILE",
    help="Device profile: gives client, authentication, server, counter object and the sense of clock deviations.",
)
@click.option("--association", metavar="NAME", help="Which of the profile's; without it the safest the secrets allow.")
@click.option(
    "--auth",
    type=click.Choice(list(MECHANISMS)),
    help="Authentication; without it none, with both keys gmac. lls is low, hls-gmac is gmac.",
)
@click.option(
    "--password", envvar="AMILOOP_PASSWORD", metavar="TEXT", help="For --auth low; hex:31.. in hex. [AMILOOP_PASSWORD]"
)
@key_option("--key", "AMILOOP_KEY", "Global unicast encryption key (GUEK).")
@key_option("--auth-key", "AMILOOP_AUTH_KEY", "Authentication key (GAK).")
@click.option(
    "--system-title",
    type=TITLE,
    envvar="AMILOOP_SYSTEM_TITLE",
    metavar="HEX",
    help="System title of this client. [AMILOOP_SYSTEM_TITLE]",
)
@click.option(
    "--meter-title",
    type=TITLE,
    metavar="HEX",
    help="System title that the meter must have; picks its keys in --secrets.",
)
@secrets_option
@click.option(
    "--protection", type=click.Choice(list(PROTECTIONS)), default="both", show_default=True, help="What keys are for."
)
@click.option("--style", type=click.Choice(list(STYLES)), default="service-specific", help="Form of ciphered APDUs.")
@click.option("--dedicated", is_flag=True, help="Bring a dedicated key for this association.")
@click.option(
    "--counter", type=Counter(), default="read", show_default=True, help="First invocation counter, or 'read'."
)
@click.option(
    "--counter-object",
    type=ObisCode(),
    metavar="OBIS",
    help=f"Where the public client reads the counter; without it {COUNTER_OBJECT}.",
)
@click.option("--public-client", type=SAP, help=f"Client SAP that reads the counter; without it {PUBLIC_CLIENT}.")
@click.option(
    "--from", "first", type=Moment(), help="Of profiles: rows from this time on (meter's time, or with zone)."
)
@click.option("--to", "last", type=Moment(), help="Of profiles: rows up to this time.")
@click.option(
    "--timeout",
    type=click.FloatRange(0.1, 3600),
    help="Seconds for one exchange, 10; on HDLC seconds of silence, 20.",
)
@click.option("--trace", is_flag=True, help="Show every frame on standard error.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def read(
    url: str, objects: tuple[ObjectReference, ...], *, trace: bool, as_json: bool, secrets: Secrets, **given: Any
) -> int:
    """Read objects of the meter at URL: tcp://192.0.2.7:4059, udp://, serial:///dev/ttyUSB0?baud=9600, pty://.

    OBJECT is a name (clock, ldn, energy-import, load-profile, ...), an OBIS code (1.0.1.8.0.255, 1-0:1.8.0) or both
    with class and attribute (3/1.0.1.8.0.255/2). Without a class the meter's object list is read to find it. Registers
    are shown with scaler and unit, profiles as tables. Without OBJECT: clock and logical device name.

    Ends with status 1 when an object could not be read, 3 when the meter refused the association, 4 when it could not
    be reached.
    """
    names = ("password", "key", "auth_key", "system_title", "meter_title")
    credentials = _credentials(secrets, **{name: given.pop(name) for name in names})
    try:
        plan = _plan(url, objects, credentials, _Options(**given))
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    tap = _tracer(credentials) if trace else None
    outcome = asyncio.run(read_meter(plan, Links(), SystemEntropy(), tap))
    for finding in outcome.findings:
        click.echo(f"note: {finding}", err=True)
    if as_json:
        click.echo(json.dumps(outcome_json(plan, outcome), ensure_ascii=False, indent=2))
    else:
        click.echo("\n".join(outcome_lines(outcome)))
    return ExitStatus.OK if outcome.complete else ExitStatus.VERDICT_FAILED


@dataclass(frozen=True, slots=True, kw_only=True)
class _Options:
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
    dedicated: bool
    counter: int | None
    counter_object: Obis | None
    public_client: int | None
    first: bytes | None
    last: bytes | None
    timeout: float | None


def _plan(url: str, objects: tuple[ObjectReference, ...], credentials: Credentials, options: _Options) -> ReadPlan:
    """What to do, options before the profile and the profile before defaults. Raises ValueError for wrong usage."""
    check_range(options.first, options.last)
    profile = None if options.profile is None else profiles.load(options.profile)
    settings = _settings(profile, credentials, options)
    counter_object, public, sign = options.counter_object, options.public_client, 1
    if profile is not None:
        sign = profile.deviation_sign
        counter_object = counter_object or profile.invocation_counter
        public = public_client(profile) if public is None else public
    hdlc = is_serial(url) if options.hdlc is None else options.hdlc
    plan = ReadPlan(
        url=url,
        objects=objects or tuple(map(ObjectReference.parse, DEFAULT_OBJECTS)),
        settings=settings,
        timeout_s=options.timeout or (HDLC_TIMEOUT_S if hdlc else WRAPPER_TIMEOUT_S),
        counter=options.counter,
        counter_object=counter_object or COUNTER_OBJECT,
        public_client=PUBLIC_CLIENT if public is None else public,
        first=_in_meter_sense(options.first, sign),
        last=_in_meter_sense(options.last, sign),
        hdlc=_hdlc_address(options, settings.server_sap, hdlc=hdlc),
        deviation_sign=1 if profile is None else profile.deviation_sign,
    )
    check_addresses(plan)
    return plan


def _settings(profile: DeviceProfile | None, credentials: Credentials, options: _Options) -> ClientSettings:
    auth, client, server = options.auth, options.client, options.server
    if profile is not None:
        offer = choose_association(profile, options.association, auth=auth, client=client, credentials=credentials)
        auth = auth or offer.mechanism
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
        protection=options.protection,
        style=options.style,
        dedicated=options.dedicated,
    )


def _hdlc_address(options: _Options, server_sap: int, *, hdlc: bool) -> ServerAddress | None:
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


def _in_meter_sense(moment: bytes | None, sign: int) -> bytes | None:
    return moment if moment is None or sign == 1 else turned(moment)


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
    )


def _tracer(credentials: Credentials) -> Any:
    keys = InspectorKeys(
        encryption=credentials.key,
        authentication=credentials.auth_key,
        titles=tuple(title for title in (credentials.system_title, credentials.meter_title) if title),
    )
    inspector = FrameInspector(keys)

    def shown(frame: bytes) -> str:
        tree = render_text(inspector.inspect(frame), items_max=TRACE_ITEMS)
        return "".join(f"  {line}\n" for line in tree.splitlines())

    return frame_printer(lambda text: click.echo(text, err=True), shown)
