"""The way of `amiloop read` to the meter: any link, the DLMS wrapper or HDLC on it.

Time-outs. On the wrapper `timeout_s` is the time of one exchange. On HDLC it is how long the meter may be silent, all
repetitions included: as long as frames come, a slow line is no failure, but an exchange ends after ten times as long
and an AARQ, which a meter does not answer to a client that it does not know, after once. The time that a frame needs
on a serial line at the speed of the URL is added. Source: docs/protocols/hdlc.md §7; the shares are ours [A].
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Final, TypeAlias

from hes.cli.read_options import MeterAddress
from hes.cli.read_plan import ConnectPlan
from hes.dlms.client.settings import ClientSettings
from hes.dlms.hdlc.address import CLIENT_ALL_STATIONS, ServerAddress
from hes.dlms.hdlc.link_events import DownReason
from hes.dlms.hdlc.link_settings import ClientLinkSettings
from hes.dlms.hdlc.parameters import INFORMATION_OCTETS_DEFAULT
from hes.errors import HesError, LinkError, LocalProtocolError
from hes.links.registry import Links, LinkUrl
from hes.protocols.hdlc_session import HdlcSession, LinkIsDown
from hes.protocols.wrapper_session import ExchangeTimeout, FrameTap, SessionLost, WrapperSession

Session: TypeAlias = WrapperSession | HdlcSession

SERIAL_SCHEMES: Final = frozenset({"serial", "pty"})
WRAPPER_TIMEOUT_S: Final = 10.0
HDLC_TIMEOUT_S: Final = 20.0  # 5 s of silence, four times
EXCHANGE_TIMES: Final = 10  # one exchange on HDLC ends after so many times-out, whatever comes [A]
ONE_OCTET_MAX: Final = 0x7F
BAUD_DEFAULT: Final = 9600  # of hes.links
CHARACTER_BITS: Final = 11  # start, 8 data, parity, stop: the longest in use
FRAME_OCTETS: Final = INFORMATION_OCTETS_DEFAULT + 16  # with flags, format, addresses, check sequences


def is_serial(url: str) -> bool:
    return url.partition("://")[0].lower() in SERIAL_SCHEMES


def hdlc_address(server: MeterAddress, octets: int | None) -> ServerAddress:
    """The address as HDLC sends it: without `octets` as short as it fits. Raises ValueError with what to give."""
    if octets is None:
        long = max(server.upper, server.lower or 0) > ONE_OCTET_MAX
        octets = 1 if server.lower is None else 4 if long else 2
    if octets == 1 and server.lower is not None:
        raise ValueError(f"--address-octets 1 has no lower part: say --server {server.upper}.")
    if octets > 1 and server.lower is None:
        raise ValueError(f"--address-octets {octets} needs both parts, such as --server {server.upper}/17.")
    try:
        address = ServerAddress(server.upper, server.lower, octets)
    except LocalProtocolError as error:
        more = "; give upper and lower, such as --server 1/17" if octets == 1 else ""
        raise ValueError(f"--server: {error.message}{more}.") from error
    if address.is_broadcast:
        raise ValueError(f"--server {address} means every meter on the line, and none of them would answer.")
    return address


def check_addresses(plan: ConnectPlan) -> None:
    """Raises ValueError when a client does not fit HDLC."""
    clients = {"--client": plan.settings.client_sap}
    if plan.reads_counter:
        clients["--public-client"] = plan.public_client
    for option, client in clients.items():
        if plan.hdlc is not None and not 0 < client < CLIENT_ALL_STATIONS:
            raise ValueError(f"{option} {client} is no HDLC client address: those are 1..{CLIENT_ALL_STATIONS - 1}.")


def link_settings(url: str, timeout_s: float) -> ClientLinkSettings:
    """How long an HDLC link waits when `timeout_s` is how long a meter may be silent in all."""
    settings = ClientLinkSettings()
    patience_s = timeout_s / (settings.retries_max + 1)
    return replace(settings, response_s=patience_s + _frames_s(url))


def _frames_s(url: str) -> float:
    """A frame there and one back on a serial line; a speed that is none is the link's to refuse."""
    if not is_serial(url):
        return 0.0
    said = dict(LinkUrl.parse(url).options).get("baud", "")
    baud = int(said) if said.isascii() and said.isdigit() and int(said) else BAUD_DEFAULT
    return 2 * FRAME_OCTETS * CHARACTER_BITS / baud


def exchange_timeout_s(plan: ConnectPlan) -> float:
    """Of one exchange on HDLC, however busy the meter says it is."""
    return plan.timeout_s * EXCHANGE_TIMES


def opening_timeout_s(plan: ConnectPlan) -> float:
    """Of an AARQ on HDLC, which may be several frames: a meter answers none of a client that it does not know."""
    return plan.timeout_s + EXCHANGE_TIMES * _frames_s(plan.url)


async def open_session(plan: ConnectPlan, links: Links, tap: FrameTap | None) -> Session:
    """The connection; on HDLC without a link yet. Raises LinkError and ConfigError, one sentence each."""

    def make() -> Session:
        client, server, peer = plan.settings.client_sap, plan.settings.server_sap, plan.url
        if plan.hdlc is None:
            return WrapperSession(client_sap=client, server_sap=server, timeout_s=plan.timeout_s, peer=peer, tap=tap)
        return HdlcSession(
            client_sap=client,
            server=plan.hdlc,
            timeout_s=exchange_timeout_s(plan),
            settings=link_settings(plan.url, plan.timeout_s),
            peer=peer,
            tap=tap,
        )

    try:
        async with asyncio.timeout(plan.timeout_s):
            _, session = await links.connect(plan.url, make)
    except TimeoutError:
        raise LinkError(
            f"{plan.url} did not answer within {plan.timeout_s:g} s: check the address, the route and the meter.",
            url=plan.url,
        ) from None
    return session


async def set_link_up(session: Session, plan: ConnectPlan, settings: ClientSettings) -> None:
    """On HDLC a link for this client; its failures as sentences that name the options. Nothing on the wrapper."""
    if not isinstance(session, HdlcSession):
        return
    session.client_sap = settings.client_sap
    try:
        await session.connect()
    except ExchangeTimeout as error:
        raise ExchangeTimeout(_no_answer(plan, settings), **error.fields) from error
    except LinkIsDown as error:
        if error.fields.get("reason") not in (DownReason.REFUSED, DownReason.DISCONNECTED_MODE):
            raise
        raise LinkIsDown(
            f"the meter at {plan.url} refuses an HDLC link (DM) from client {settings.client_sap}: another client may "
            "be connected, or it does not know this one; try again later or another --client.",
            **error.fields,
        ) from error


def _no_answer(plan: ConnectPlan, settings: ClientSettings) -> str:
    address = plan.hdlc
    octets = address.octets if address is not None else 0
    asked = f"client {settings.client_sap}, server {address}, address of {octets} octet{'s' if octets > 1 else ''}"
    client = "--client" if settings.client_sap == plan.settings.client_sap else "--public-client (or give --counter)"
    if is_serial(plan.url):
        where = "the cable, ?baud= and &format= of the URL"
        if "sign_on" not in dict(LinkUrl.parse(plan.url).options):
            where += " (?sign_on=mode-e for an optical head whose meter wants to be signed on to)"
        where += ", or whether the meter speaks the wrapper here (--wrapper)"
    else:
        where = "whether the meter speaks the wrapper here (--wrapper)"
    return f"no answer to SNRM from {plan.url} ({asked}): check --server, --address-octets, {client}, {where}."


async def hang_up(session: Session) -> None:
    """Release the HDLC link, so that the meter is free for the next caller; what goes wrong now is nobody's loss."""
    if isinstance(session, HdlcSession) and session.link_up:
        with suppress(HesError):
            await session.disconnect()
    session.close()


@contextmanager
def explained(session: Session, plan: ConnectPlan) -> Iterator[None]:
    """Errors of a session, a lost connection above all, in the words of the link where it was never one."""
    try:
        yield
    except HesError as error:
        told = _explanation(error, session, plan)
        if told is None:
            raise
        raise told from error


def _explanation(error: HesError, session: Session, plan: ConnectPlan) -> LinkError | None:
    """None where the error says best what happened."""
    if isinstance(session, WrapperSession) and session.never_framed:
        return LinkError(
            f"{plan.url} does not speak the DLMS wrapper: check the port, or say --hdlc if it speaks HDLC.",
            url=plan.url,
        )
    if not isinstance(error, SessionLost):
        return None
    if isinstance(error.__cause__, ConnectionRefusedError):
        return LinkError(
            f"{plan.url} could not be reached: nothing listens on that port (port unreachable).", url=plan.url
        )
    if isinstance(error.__cause__, LinkError):
        return error.__cause__
    at_once = f"{error.message.rstrip('.')} at our first frame"
    if isinstance(session, HdlcSession) and session.counters.links == 0 and not is_serial(plan.url):
        return SessionLost(
            f"{error.message.rstrip('.')} at our first frame: say --wrapper if the meter speaks that there."
        )
    if isinstance(session, WrapperSession) and session.counters.exchanges == 1:
        return SessionLost(f"{at_once}: check the port and --client, or say --hdlc if the meter speaks that there.")
    return None
