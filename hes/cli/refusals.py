"""Why an association could not be opened, in an operator's words: one sentence that names the options to look at.

A refusal seldom says what it was about: wrong keys, an unknown title and too little protection look the same. Then all
likely causes are named, the likeliest first.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from hes.cli.read_plan import KEY_SOURCES, PROTECTIONS, ConnectPlan
from hes.cli.send_counter import SeenCounters
from hes.dlms.client.settings import ClientSecurity, ClientSettings
from hes.dlms.codes import AcseDiagnostic, Mechanism, ServiceError
from hes.dlms.security import INVOCATION_COUNTER_MAX
from hes.dlms.security.ciphering import InvocationCounterError, SecurityError
from hes.dlms.security.forms import KeyScope
from hes.errors import AccessDenied
from hes.protocols.counter_recovery import CounterJumpRefused, expected_counter
from hes.protocols.wrapper_session import ExchangeTimeout

_ANOTHER_WAY: Final = frozenset(
    {
        AcseDiagnostic.AUTHENTICATION_MECHANISM_NAME_NOT_RECOGNISED,
        AcseDiagnostic.AUTHENTICATION_MECHANISM_NAME_REQUIRED,
        AcseDiagnostic.AUTHENTICATION_REQUIRED,
    }
)
_KEY_MATERIAL: Final = {
    KeyScope.WRAPPED: "master_key",
    KeyScope.ONE_PASS: "the key agreement and signing keys",
    KeyScope.STATIC: "the key agreement keys",
}


@contextmanager
def refusals_explained(plan: ConnectPlan, seen: SeenCounters | None = None) -> Iterator[None]:
    """Errors of an opening as sentences that name the option to look at. seen: the counters it began with."""
    settings = plan.settings
    try:
        yield
    except CounterJumpRefused as error:
        raise CounterJumpRefused(_too_far(error, plan, seen), **error.fields) from error
    except AccessDenied as error:
        raise AccessDenied(_why_refused(error, plan), **error.fields) from error
    except InvocationCounterError:
        raise
    except SecurityError as error:
        raise AccessDenied(
            f"the meter's answer cannot be believed ({error.message}); check --key, --auth-key"
            f"{' and --meter-title' if settings.security and settings.security.server_system_title else ''}."
        ) from error
    except ExchangeTimeout as error:
        raise ExchangeTimeout(f"{error.message.rstrip('.')}; {_why_silent(plan)}.", **error.fields) from error


def _too_far(error: CounterJumpRefused, plan: ConnectPlan, seen: SeenCounters | None) -> str:
    expected, ours = error.fields["expected"], error.fields["ours"]
    who = f"client {plan.settings.client_sap}"
    read = f" (the public client reads {seen})" if seen is not None else ""
    fitting = [] if seen is None else [each.name for each in seen.each if each.value in (expected, expected - 1)]
    if expected >= INVOCATION_COUNTER_MAX:
        where = f" (it is that of {fitting[0]})" if fitting else ""
        return f"the meter wants invocation counter {expected} from {who}{where}: the keys are used up, change them."
    refusal = error.__cause__
    if isinstance(refusal, AccessDenied) and expected_counter(refusal) is None and fitting:
        return (
            f"the meter refuses {who} with lower counters{read}, and {fitting[0]} is too far above them to be tried "
            f"unasked: say --counter-object {fitting[0]} if {who} counts there; else {_check(plan)}."
        )
    how = f"--counter {expected}" + (f" or --counter-object {fitting[0]}" if fitting else "")
    return (
        f"the meter wants invocation counter {expected} from {who}, ours is {ours}{read}: too far apart to follow "
        f"unasked; say {how} if you trust it, or change the key."
    )


def _why_refused(error: AccessDenied, plan: ConnectPlan) -> str:
    """The refusal of an association as a sentence with what to do."""
    settings = plan.settings
    refusal = error.fields.get("refusal")
    service_error = getattr(refusal, "service_error", None)
    who = f"client {settings.client_sap}"
    if service_error == ServiceError.INVOCATION_COUNTER_ERROR:
        expected = getattr(refusal, "invocation_counter", None)
        return (
            f"the meter wants a higher invocation counter from {who}: use --counter {expected}, or leave --counter out."
        )
    diagnostic = error.fields.get("diagnostic")
    if service_error == ServiceError.DECIPHERING_ERROR:
        return f"the meter cannot open what {who} sent: {_check(plan)}."
    if diagnostic == AcseDiagnostic.AUTHENTICATION_FAILURE or error.fields.get("hls_result") is not None:
        if settings.password and (settings.security is None or settings.security.keys is None):
            return f"the meter refused the password of {who}: check --password and --client."
        if settings.mechanism is Mechanism.NONE and settings.security is None:
            return f"the meter wants {who} to prove itself: use --auth low or --auth gmac."
        what = "keys or password" if settings.password else "the keys"
        more = " or their use" if settings.security is not None and _asked_for(settings.security) else ""
        return f"the meter refused {what}{more} of {who}: {_check(plan)}."
    if diagnostic in _ANOTHER_WAY:
        return f"{who} authenticates in another way in this meter: try another --auth or another --client."
    if diagnostic == AcseDiagnostic.APPLICATION_CONTEXT_NAME_NOT_SUPPORTED:
        return _other_context(settings, who)
    if diagnostic == AcseDiagnostic.CALLING_AP_TITLE_NOT_RECOGNIZED:
        return f"the meter does not know the --system-title of {who}."
    return f"{error.message.rstrip('.')}; check --client, --server and --auth."


def _other_context(settings: ClientSettings, who: str) -> str:
    if settings.short_names:
        return f"the meter does not take short names from {who}: try without --short-names, or another --client."
    if settings.security is not None and settings.security.ciphered:
        return f"the meter does not take a ciphered association from {who}: try --protection none or another --client."
    return f"the meter wants a ciphered association from {who}: give --key, --auth-key and --system-title."


def _check(plan: ConnectPlan) -> str:
    """ "check A, B, and C": what may be wrong with an association with keys, the likeliest first."""
    settings, security = plan.settings, plan.settings.security
    causes = [*_asked_for(security), "--key and --auth-key"] if security is not None else []
    if settings.password:
        causes.append("--password")
    if plan.counter is not None or plan.counter_object_given:
        causes.append("--counter" if plan.counter is not None else f"the counter object {plan.counter_object}")
    causes += ["--system-title (the meter may not know it)", "--client"]
    if security is not None and security.keys is not None and security.suite in (0, 1):
        other = 1 - security.suite  # keys of suites 0 and 1 are equally long
        causes.append(f"whether this is suite {other} (--suite {other})")
    return f"check {', '.join(causes[:-1])}, and {causes[-1]}"


def _asked_for(security: ClientSecurity) -> list[str]:
    """What is not as usual because an option said so: that is looked at first."""
    causes = []
    protection = _protection(security)
    if protection != "both":
        causes.append(f"whether the meter wants more than --protection {protection}")
    material = _KEY_MATERIAL.get(security.key_scope)
    if material is not None:
        source = next(name for name, scope in KEY_SOURCES.items() if scope is security.key_scope)
        causes.append(f"{material} in the secrets file (--key-source {source})")
    if security.signed:
        causes.append("the signing keys in the secrets file (--sign)")
    return causes


def _protection(security: ClientSecurity) -> str:
    if not security.ciphered:
        return "none"
    return next((name for name, control in PROTECTIONS.items() if control == security.control), "both")


def _why_silent(plan: ConnectPlan) -> str:
    settings = plan.settings
    where = f"client {settings.client_sap} and logical device {settings.server_sap} may not exist in this meter"
    if plan.hdlc is None:
        where += ", or it speaks HDLC here (--hdlc)"
    if settings.security is not None:
        return f"a meter that cannot open a request may stay silent: check the keys and --counter; or {where}"
    return where
