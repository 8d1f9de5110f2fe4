"""Verdicts, and which error means which.

A scenario judges a device. What breaks a promise of the device is FAILED; what kept the scenario from judging (a link
that did not hold, a station that did not come up, a mistake of our own) is INCONCLUSIVE; what this station or this
device cannot do is INAPPLICABLE, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from hes.errors import AccessDenied, RemoteProtocolError


class Verdict(Enum):
    PASSED = "PASSED"
    FAILED = "FAILED"
    INCONCLUSIVE = "INCONCLUSIVE"
    INAPPLICABLE = "INAPPLICABLE"


class Inapplicable(Exception):
    """The station or the device lacks what the scenario needs; the text says what."""


class Inconclusive(Exception):
    """The scenario could not find out; the text says why."""


_FAILURES = (AssertionError, RemoteProtocolError, AccessDenied)
"""A wrong outcome, a broken rule, a refusal where nothing was to be refused."""


def verdict_of(error: BaseException | None) -> Verdict:
    """The verdict of a scenario that ended with `error`, or ended well."""
    if error is None:
        return Verdict.PASSED
    if isinstance(error, Inapplicable):
        return Verdict.INAPPLICABLE
    return Verdict.FAILED if isinstance(error, _FAILURES) else Verdict.INCONCLUSIVE


_WEIGHT = (Verdict.FAILED, Verdict.INCONCLUSIVE, Verdict.PASSED, Verdict.INAPPLICABLE)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict of a whole run: one failure is a failure; INAPPLICABLE when nothing could be tried."""
    found = set(verdicts)
    return next((verdict for verdict in _WEIGHT if verdict in found), Verdict.INCONCLUSIVE)
