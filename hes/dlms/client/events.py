"""What `Client.receive` gives: one of these for every APDU."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from hes.dlms.acse import Diagnostic
from hes.dlms.apdu import (
    AccessKind,
    ConfirmedServiceError,
    DataNotification,
    EventNotification,
    ExceptionResponse,
    InformationReport,
)
from hes.dlms.codes import (
    ActionResult,
    AssociationResult,
    AttributeResult,
    Conformance,
    DataAccessResult,
    MethodResult,
    ReleaseReason,
    UnknownCode,
)
from hes.dlms.findings import Finding
from hes.errors import AccessDenied

Refusal: TypeAlias = ExceptionResponse | ConfirmedServiceError


@dataclass(frozen=True, slots=True, kw_only=True)
class SendNext:
    """The exchange goes on: send these octets (HLS pass 3, the next block, a request for it).

    further: APDUs to send right behind it, before anything is awaited; only where the settings allow more than one.
    """

    octets: bytes
    further: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitMore:
    """A block of the answer is here and more of them are on their way: send nothing, wait for the next APDU."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferEnded:
    """A general block transfer was broken off, and the request with it. octets: to send, b"" when the server did."""

    reason: str
    octets: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Associated:
    """The association is open, and with HLS the server has proved itself. server_system_title: b"" when not said."""

    conformance: Conformance
    server_max_receive_pdu_size: int
    server_system_title: bytes
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AssociationRefused:
    """No association. Either the AARE says why (with the xDLMS error in it), or an exception came, or HLS failed."""

    result: AssociationResult | UnknownCode | None = None
    diagnostic: Diagnostic | None = None
    refusal: Refusal | None = None
    hls_result: MethodResult | None = None

    @property
    def expected_invocation_counter(self) -> int | None:
        """The counter that the server wants next, when that is why it refused."""
        return self.refusal.invocation_counter if isinstance(self.refusal, ExceptionResponse) else None

    def error(self) -> AccessDenied:
        """The same as an exception to raise."""
        said = [value for value in (self.diagnostic, self.refusal, self.hls_result) if value is not None]
        return AccessDenied(
            f"the association was refused: {', '.join(map(_name, said))}",
            result=self.result,
            diagnostic=self.diagnostic,
            refusal=self.refusal,
            hls_result=self.hls_result,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Got:
    """data: the encoded attribute; a short answer is not walked, so whoever decodes it refuses left-over octets."""

    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class GotList:
    """results: (SUCCESS, encoded attribute) or (result, b""), in the order asked."""

    results: tuple[tuple[AttributeResult, bytes], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SetDone:
    """results: one for each attribute, in the order asked."""

    results: tuple[AttributeResult, ...]

    @property
    def succeeded(self) -> bool:
        return all(result == DataAccessResult.SUCCESS for result in self.results)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActDone:
    """data: encoded Data that the method returned, or None; data_result: what was said in place of it."""

    result: MethodResult
    data: bytes | None = None
    data_result: AttributeResult | None = None

    @property
    def succeeded(self) -> bool:
        return self.result == ActionResult.SUCCESS


@dataclass(frozen=True, slots=True, kw_only=True)
class ActListDone:
    """outcomes: one for each method, in the order asked."""

    outcomes: tuple[ActDone, ...]

    @property
    def succeeded(self) -> bool:
        return all(outcome.succeeded for outcome in self.outcomes)


class AccessOutcome(NamedTuple):
    """One of the things asked by ACCESS. data: encoded Data that was read or returned, else null-data."""

    kind: AccessKind
    result: AttributeResult | MethodResult
    data: bytes

    @property
    def succeeded(self) -> bool:
        return self.result == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessDone:
    """outcomes: in the order asked. time: the server's, b"" or 12 octets."""

    outcomes: tuple[AccessOutcome, ...]
    time: bytes = b""

    @property
    def succeeded(self) -> bool:
        return all(outcome.succeeded for outcome in self.outcomes)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRefused:
    """The request was not carried out. result: of a GET, or of a transfer that was aborted; refusal: of any service."""

    result: AttributeResult | None = None
    refusal: Refusal | None = None

    @property
    def expected_invocation_counter(self) -> int | None:
        """The counter that the server wants next, when that is why it refused."""
        return self.refusal.invocation_counter if isinstance(self.refusal, ExceptionResponse) else None

    def error(self) -> AccessDenied:
        """The same as an exception to raise."""
        said = self.result if self.refusal is None else self.refusal
        return AccessDenied(f"the meter refused: {_name(said)}", result=self.result, refusal=self.refusal)


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    reason: ReleaseReason | UnknownCode | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseRefused:
    """The association stays open."""

    reason: ReleaseReason | UnknownCode | None = None
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notified:
    """The server spoke without being asked. protected: the APDU was authenticated."""

    notification: DataNotification | EventNotification | InformationReport
    protected: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored:
    """An APDU that answers nothing now pending, such as one that comes too late. It changed nothing."""

    reason: str
    apdu: bytes = field(repr=False, default=b"")


ClientEvent: TypeAlias = (
    SendNext
    | AwaitMore
    | TransferEnded
    | Associated
    | AssociationRefused
    | Got
    | GotList
    | SetDone
    | ActDone
    | ActListDone
    | AccessDone
    | ServiceRefused
    | Released
    | ReleaseRefused
    | Notified
    | Ignored
)


def _name(value: object) -> str:
    """DIAGNOSTIC_NAME of a code, the fields of anything else."""
    return str(getattr(value, "name", value))
