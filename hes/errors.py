"""Errors, named for who must act on them. Text aimed at people is never parsed: fields carry what a program needs."""

from __future__ import annotations

from typing import Any


class HesError(Exception):
    """Root of everything amiloop raises on purpose.

    message: one sentence that says what is wrong, where, and what to do.
    fields: machine-readable facts (meter, obis, clause, octet_offset, ...), never keys or passwords.
    """

    def __init__(self, message: str, **fields: Any) -> None:
        super().__init__(message)
        self.message = message
        self.fields = fields


class LocalProtocolError(HesError):
    """Our own side misused a protocol machine: a bug of the caller."""


class RemoteProtocolError(HesError):
    """The peer broke a rule. The one error that decoders raise; `octet_offset` says where in the input."""

    def __init__(self, message: str, *, octet_offset: int | None = None, clause: str | None = None, **fields: Any):
        super().__init__(message, octet_offset=octet_offset, clause=clause, **fields)
        self.octet_offset = octet_offset
        self.clause = clause

    def against(self, clause: str) -> None:
        """Name the rule that was broken, for whoever knows it better than the decoder; what was named before stays."""
        if self.clause is None:
            self.clause = self.fields["clause"] = clause

    @property
    def sentence(self) -> str:
        """The message, and the rule where it is known."""
        return self.message if self.clause is None else f"{self.message} [{self.clause}]"


class LinkError(HesError):
    """A way to a device was lost, refused or timed out."""


class AccessDenied(HesError):
    """The device said no: not authenticated, not authorised, or the object does not allow it."""


class ConfigError(HesError):
    """A person must change a file or an option."""


class StoreError(HesError):
    """The database could not do its work."""


def spokesman(error: BaseException) -> BaseException:
    """Who speaks for `error`: of a group, as a TaskGroup raises, the first HesError inside, else its first error."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    inner = [spokesman(each) for each in error.exceptions]
    return next((each for each in inner if isinstance(each, HesError)), inner[0])
