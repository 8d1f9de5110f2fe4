"""Read any DLMS meter over TCP: registers with units, profiles as tables."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta
from typing import Any, Final

import click

from hes.cli.exit_status import ExitStatus
from hes.cli.object_reference import ObjectReference
from hes.cli.read_meter import frame_printer, read_meter
from hes.cli.read_output import outcome_json, outcome_lines
from hes.cli.read_plan import COUNTER_OBJECT, MECHANISMS, PROTECTIONS, STYLES, Credentials, ReadPlan, client_settings
from hes.cli.secrets import TITLE, DeviceSecrets, Secrets, key_option, secrets_option
from hes.dlms.cosem_time import CosemDateTime, epoch_s
from hes.dlms.inspect.node import render_text
from hes.dlms.inspect.sealed_nodes import InspectorKeys
from hes.dlms.obis import Obis
from hes.dlms.security import INVOCATION_COUNTER_MAX
from hes.entropy import SystemEntropy
from hes.errors import LocalProtocolError
from hes.links.registry import Links
from hes.protocols.frame_inspector import FrameInspector

DEFAULT_OBJECTS: Final = ("clock", "ldn")
SAP: Final = click.IntRange(0, 0xFFFF)
TRACE_ITEMS: Final = 3
NO_ZONE: Final = b"\x80\x00"  # the deviation of a date-time that does not say one


class Counter(click.ParamType):  # type: ignore[type-arg] # generic from click 8.4 on
    """An invocation counter, or `read` for None."""

    name = "counter"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | None:
        if value is None or isinstance(value, int):
            return value
        if value == "read":
            return None
        text = str(value)
        if not (text.isascii() and text.isdigit() and int(text) < INVOCATION_COUNTER_MAX):
            self.fail(f"{text!r} is neither 'read' nor a number from 0 to {INVOCATION_COUNTER_MAX - 1}", param, ctx)
        return int(text)


class Moment(click.ParamType):  # type: ignore[type-arg] # generic from click 8.4 on
    """An ISO 8601 date or date and time, as the octets of a date-time; without a zone it is the meter's own time."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> bytes:
        if isinstance(value, bytes):
            return value
        try:
            moment = datetime.fromisoformat(str(value).strip())
        except ValueError:
            self.fail(f"{value!r} is no date or time such as 2024-12-15 or 2024-12-15T12:30", param, ctx)
        offset = moment.utcoffset()
        return CosemDateTime(
            year=moment.year,
            month=moment.month,
            day=moment.day,
            weekday=moment.isoweekday(),
            hour=moment.hour,
            minute=moment.minute,
            second=moment.second,
            deviation_min=None if offset is None else -(offset // timedelta(minutes=1)),
            status=0,
        ).to_octets()


class Reference(click.ParamType):  # type: ignore[type-arg] # generic from click 8.4 on
    """An object, see hes.cli.object_reference."""

    name = "object"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> ObjectReference:
        if isinstance(value, ObjectReference):
            return value
        try:
            return ObjectReference.parse(str(value))
        except LocalProtocolError as error:
            self.fail(error.message, param, ctx)


def _counter_object(_context: click.Context, _parameter: click.Parameter, value: str) -> Obis:
    try:
        return Obis.parse(value)
    except LocalProtocolError as error:
        raise click.BadParameter(error.message) from error


@click.command()
@click.argument("url")
@click.argument("objects", type=Reference(), nargs=-1, metavar="[OBJECT]...")
@click.option("--client", type=SAP, help="Client SAP; without it 16 (public), with --auth or keys 1 (management).")
@click.option("--server", type=SAP, default=1, show_default=True, help="Logical device (server SAP).")
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
    default=str(COUNTER_OBJECT),
    show_default=True,
    callback=_counter_object,
    help="Where the public client reads the counter.",
)
@click.option("--public-client", type=SAP, default=16, show_default=True, help="Client SAP that reads the counter.")
@click.option(
    "--from", "first", type=Moment(), help="Of profiles: rows from this time on (meter's time, or with zone)."
)
@click.option("--to", "last", type=Moment(), help="Of profiles: rows up to this time.")
@click.option(
    "--timeout", type=click.FloatRange(0.1, 3600), default=10.0, show_default=True, help="Seconds for one exchange."
)
@click.option("--trace", is_flag=True, help="Show every frame on standard error.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def read(
    url: str,
    objects: tuple[ObjectReference, ...],
    *,
    client: int | None,
    server: int,
    auth: str | None,
    protection: str,
    style: str,
    dedicated: bool,
    counter: int | None,
    counter_object: Obis,
    public_client: int,
    first: bytes | None,
    last: bytes | None,
    timeout: float,
    trace: bool,
    as_json: bool,
    secrets: Secrets,
    **given: Any,
) -> int:
    """Read objects of the meter at URL, such as tcp://192.0.2.7:4059.

    OBJECT is a name (clock, ldn, energy-import, load-profile, ...), an OBIS code (1.0.1.8.0.255, 1-0:1.8.0) or both
    with class and attribute (3/1.0.1.8.0.255/2). Without a class the meter's object list is read to find it. Registers
    are shown with scaler and unit, profiles as tables. Without OBJECT: clock and logical device name.

    Ends with status 1 when an object could not be read, 3 when the meter refused the association.
    """
    _check_range(first, last)
    credentials = _credentials(secrets, **given)
    try:
        settings = client_settings(
            auth=auth,
            credentials=credentials,
            client=client,
            server=server,
            protection=protection,
            style=style,
            dedicated=dedicated,
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    plan = ReadPlan(
        url=url,
        objects=objects or tuple(map(ObjectReference.parse, DEFAULT_OBJECTS)),
        settings=settings,
        timeout_s=timeout,
        counter=counter,
        counter_object=counter_object,
        public_client=public_client,
        first=first,
        last=last,
    )
    tap = _tracer(credentials) if trace else None
    outcome = asyncio.run(read_meter(plan, Links(), SystemEntropy(), tap))
    for finding in outcome.findings:
        click.echo(f"note: {finding}", err=True)
    if as_json:
        click.echo(json.dumps(outcome_json(plan, outcome), ensure_ascii=False, indent=2))
    else:
        click.echo("\n".join(outcome_lines(outcome)))
    return ExitStatus.OK if outcome.complete else ExitStatus.VERDICT_FAILED


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
        password=_password_octets(password) if password is not None else device.password or secrets.get("password"),
        key=key or device.encryption_key or secrets.get("key"),
        auth_key=auth_key or device.authentication_key or secrets.get("auth_key"),
        system_title=system_title or secrets.get("system_title"),
        meter_title=device.system_title,
    )


def _check_range(first: bytes | None, last: bytes | None) -> None:
    """Raises UsageError when the range ends before it begins; times with and without a zone cannot be compared."""
    if first is None or last is None or (first[9:11] == NO_ZONE) != (last[9:11] == NO_ZONE):
        return
    if epoch_s(first) > epoch_s(last):
        raise click.UsageError("--from is later than --to: no row can be in that range.")


def _password_octets(text: str) -> bytes:
    prefix, _, digits = text.partition(":")
    if prefix != "hex":
        return text.encode("utf-8")
    try:
        return bytes.fromhex(digits)
    except ValueError:
        raise click.UsageError("--password starts with 'hex:' but what follows is not hex.") from None


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
