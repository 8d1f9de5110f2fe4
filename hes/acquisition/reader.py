"""Reads one meter once: lease, association, bundle, release; and says in one word why it did not work.

Foreign errors are translated here, once, into the cause tree. The association's parameters come from the device's
profile, its secrets from the key provider, its counters from blocks reserved in the store.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from hes.acquisition.bundle import Bundle, BundleSink, Want
from hes.acquisition.causes import RETRIABLE, Cause
from hes.acquisition.counters import Counters
from hes.acquisition.dcu_session import DcuSession
from hes.acquisition.exchanges import MeterQuarantined
from hes.acquisition.leases import Lease, LeaseHeld, LeaseLost, Leases
from hes.acquisition.needed_secrets import check_secrets
from hes.clock import Clock
from hes.devices.archive import KeyProvider, Meter, MeterSecrets
from hes.dlms.client import Client
from hes.dlms.client.settings import ClientSecurity, ClientSettings
from hes.dlms.codes import Mechanism
from hes.dlms.findings import Finding
from hes.dlms.security import EncryptionKeys, SecurityError
from hes.dlms.security.hls import SECRET, TITLED
from hes.entropy import Entropy
from hes.errors import (
    AccessDenied,
    ConfigError,
    HesError,
    LinkError,
    RemoteProtocolError,
    StoreError,
)
from hes.protocols.counter_recovery import CounterRecovery, open_recovering, read_counter_object
from hes.protocols.dlms_cosem import DlmsSession
from hes.protocols.gateway_route import MeterBusy, MeterSilent, MeterUnknown
from hes.protocols.wrapper_session import ExchangeTimeout
from hes.trace.tap import Direction, Tap

log = structlog.get_logger()

LEASE_WAIT_S = 30.0
"""How long a meter that somebody else holds is left alone."""


class AssociationDenied(AccessDenied):
    """The meter refused the association itself."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt failed. wait_s: how long at least to leave the meter alone.

    asked: False when nothing was sent to the meter, so that it was no attempt at all.
    """

    cause: Cause
    detail: str
    wait_s: float = 0.0
    asked: bool = True

    @property
    def retriable(self) -> bool:
        return self.cause in RETRIABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class AssociationChoice:
    """name: which association of the device profile is opened. dedicated_key: bring a fresh key for each.

    system_title: the head-end's own eight octets.
    """

    name: str = "management"
    dedicated_key: bool = False
    system_title: bytes = b"AMLHES\x00\x01"


class DeviceReader:
    """Reads meters through concentrators' sessions."""

    def __init__(
        self,
        *,
        association: AssociationChoice,
        keys: KeyProvider,
        counters: Counters,
        leases: Leases,
        entropy: Entropy,
        clock: Clock,
        tap: Tap,
        repeats: int,
        bundle_s: float,
    ) -> None:
        """repeats: how often a request that the meter did not answer is sent again. bundle_s: longest reading."""
        self._association = association
        self._keys = keys
        self._counters = counters
        self._leases = leases
        self._entropy = entropy
        self._clock = clock
        self._tap = tap
        self._repeats = repeats
        self._bundle_s = bundle_s

    async def read(self, session: DcuSession, meter: Meter, wants: Sequence[Want], sink: BundleSink) -> Failure | None:
        """Read all `wants` of `meter`; None when it all worked. What was read before a failure has been delivered."""
        try:
            lease = self._leases.acquire(meter.device_id, session.name)
        except LeaseHeld as held:
            return Failure(Cause.DCU_BUSY, held.message, wait_s=LEASE_WAIT_S, asked=False)
        failure = None
        try:
            async with asyncio.timeout(self._bundle_s):
                await self._read(session, meter, lease, wants, sink)
        except TimeoutError:
            failure = Failure(Cause.LINK_LOST, f"the reading took longer than {self._bundle_s:.0f} s")
        except StoreError:
            raise  # a head-end that cannot write must not go on reading
        except Exception as error:  # the edge of a task: what one meter sets off must not end the reading of all others
            failure = failure_of(error)
            if failure.cause is Cause.INTERNAL_ERROR:
                # without the local variables that a renderer may add: keys are among them
                where = "".join(traceback.format_exception(error))
                log.error("reading_crashed", meter=meter.number, traceback=where)
        finally:
            self._leases.release(lease)
        if failure is not None:
            log.debug("reading_failed", meter=meter.number, cause=failure.cause.value, detail=failure.detail)
        return failure

    async def _read(
        self, session: DcuSession, meter: Meter, lease: Lease, wants: Sequence[Want], sink: BundleSink
    ) -> None:
        settings = client_settings(meter, self._association, self._keys.secrets(meter.key_ref))
        address = meter.profile.gateway.address(meter.number)

        async def exchange(apdu: bytes) -> bytes:
            await self._counters.prepare(meter.key_ref)  # for what answers the answer: the next block, the next request
            self._leases.check(lease)
            return await session.exchange(address, settings.client_sap, settings.server_sap, apdu)

        def reveal(outgoing: bool, apdu: bytes) -> None:
            direction = Direction.TO_DEVICE if outgoing else Direction.FROM_DEVICE
            self._tap.deciphered(self._clock.epoch_s(), session.name, direction, apdu)

        counters = await self._counters.prepare(meter.key_ref)

        def make() -> DlmsSession:
            return DlmsSession(Client(settings, send_counter=counters, on_plain=reveal), exchange, self._entropy)

        async def read_expected() -> int:
            public = ClientSettings(client_sap=meter.profile.counter_client or 0, server_sap=settings.server_sap)

            async def in_the_clear(apdu: bytes) -> bytes:
                self._leases.check(lease)
                return await session.exchange(address, public.client_sap, public.server_sap, apdu)

            asking = DlmsSession(Client(public), in_the_clear, self._entropy)
            return await read_counter_object(asking, meter.profile.counter_object(settings.client_sap))

        keyed = settings.security is not None and settings.security.keys is not None
        try:
            dlms = await self._open(make, read_expected, meter, keyed=keyed)
        except AccessDenied as refusal:
            raise AssociationDenied(refusal.message, **refusal.fields) from refusal
        tell_findings(() if dlms.associated is None else dlms.associated.findings, meter.number)
        try:
            await Bundle(dlms, meter, sink, self._clock, self._repeats).read(wants)
        except AccessDenied:
            await self._release(dlms, meter)
            raise
        await self._release(dlms, meter)

    async def _open(
        self,
        make: Callable[[], DlmsSession],
        read_expected: Callable[[], Awaitable[int]],
        meter: Meter,
        *,
        keyed: bool,
    ) -> DlmsSession:
        """An open association; where the meter expects a higher invocation counter, by going on from there.

        keyed: counters are used at all.
        """

        async def move_up(lowest: int) -> None:
            before = self._counters.next_counter(meter.key_ref)
            await self._counters.move_up(meter.key_ref, lowest)
            log.warning("invocation_counter_moved_up", meter=meter.number, expected=lowest, ours=before)

        if not keyed:
            dlms = make()
            await dlms.open()
            return dlms
        recovery = CounterRecovery(
            next_counter=lambda: self._counters.next_counter(meter.key_ref),
            move_up=move_up,
            read_expected=None if meter.profile.counter_client is None else read_expected,
        )
        return await open_recovering(make, recovery)

    async def _release(self, dlms: DlmsSession, meter: Meter) -> None:
        """Close the association. What has been read is read, whatever the meter says to that."""
        try:
            await dlms.release()
        except (AccessDenied, RemoteProtocolError) as error:
            log.debug("release_failed", meter=meter.number, detail=error.message)


def tell_findings(findings: Iterable[Finding], meter: str) -> None:
    """What a meter did oddly while its association was opened, in the log: one or two things at most."""
    for finding in findings:
        kind, clause, client = finding.kind.value, finding.clause, finding.client_sap
        log.warning("peer_broke_a_rule", kind=kind, clause=clause, client=client, text=finding.text, meter=meter)


def client_settings(meter: Meter, choice: AssociationChoice, secrets: MeterSecrets) -> ClientSettings:
    """How the head-end associates with a meter: its profile's offer, its secrets, our system title.

    Raises ConfigError when the profile offers no such association, or the secrets are not enough for it.
    """
    try:
        offer = meter.profile.association(choice.name)
    except KeyError as error:
        raise ConfigError(
            f"profile {meter.profile.name} offers no association {choice.name!r}", profile=meter.profile.name
        ) from error
    check_secrets(meter, offer, secrets, choice.system_title)
    mechanism = _MECHANISMS[offer.mechanism]
    keys = None
    if offer.ciphered or mechanism is Mechanism.HLS_GMAC:
        keys = EncryptionKeys(secrets.encryption_key, secrets.authentication_key)
    security = None
    if offer.ciphered or mechanism in TITLED:
        security = ClientSecurity(
            system_title=choice.system_title,
            keys=keys,
            dedicated=choice.dedicated_key and offer.ciphered,
            ciphered=offer.ciphered,
            server_system_title=meter.system_title or None,
            suite=meter.profile.security_suite,
            pairs=secrets.pairs,
            authorities=secrets.authorities,
        )
    return ClientSettings(
        client_sap=offer.client_sap,
        server_sap=meter.profile.server_sap,
        mechanism=mechanism,
        password=secrets.password if mechanism is Mechanism.LLS or mechanism in SECRET else b"",
        security=security,
    )


_MECHANISMS: Mapping[str, Mechanism] = {
    "none": Mechanism.NONE,
    "lls": Mechanism.LLS,
    "hls": Mechanism.HLS,
    "hls-md5": Mechanism.HLS_MD5,
    "hls-sha1": Mechanism.HLS_SHA1,
    "hls-gmac": Mechanism.HLS_GMAC,
    "hls-sha256": Mechanism.HLS_SHA256,
    "hls-ecdsa": Mechanism.HLS_ECDSA,
}

_CAUSES: Sequence[tuple[type[HesError], Cause]] = (
    (MeterBusy, Cause.DCU_BUSY),
    (MeterSilent, Cause.METER_SILENT),
    (MeterUnknown, Cause.METER_UNKNOWN),
    (MeterQuarantined, Cause.METER_SILENT),
    (ExchangeTimeout, Cause.METER_SILENT),
    (LeaseLost, Cause.LINK_LOST),
    (ConfigError, Cause.NOT_CONFIGURED),
    (LinkError, Cause.LINK_LOST),
    (SecurityError, Cause.SECURITY_FAILED),
    (AssociationDenied, Cause.ASSOCIATION_REFUSED),
    (AccessDenied, Cause.ACCESS_DENIED),
    (RemoteProtocolError, Cause.PROTOCOL_ERROR),
)
"""The first row that fits names the cause."""


def failure_of(error: Exception) -> Failure:
    """The one cause of a failed reading; what is no error of the meter's or the way to it is our own defect."""
    if not isinstance(error, HesError):
        return Failure(Cause.INTERNAL_ERROR, f"{type(error).__name__}: {error}")
    cause = next((cause for kind, cause in _CAUSES if isinstance(error, kind)), Cause.INTERNAL_ERROR)
    quarantined = isinstance(error, MeterQuarantined)
    detail = error.sentence if isinstance(error, RemoteProtocolError) else error.message
    return Failure(cause, detail, wait_s=error.fields.get("wait_s", 0.0), asked=not quarantined)
