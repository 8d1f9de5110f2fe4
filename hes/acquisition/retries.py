"""How often and how soon the head-end asks again."""

from __future__ import annotations

from dataclasses import dataclass

DOUBLINGS_MAX = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """attempts_max: associations tried per device and opening; exchange_repeats: an unanswered GET is asked again that
    often inside its association; back-off doubles from first_s to at most limit_s, with jitter so that devices that
    failed together do not come back together; recovery_s: how far back gaps are looked for besides what a plan covers.
    """

    attempts_max: int = 8
    exchange_repeats: int = 1
    first_s: float = 60.0
    limit_s: float = 900.0
    jitter: float = 0.25
    recovery_s: float = 86_400.0

    def backoff_s(self, failures: int, draw: float) -> float:
        """Seconds to wait after `failures` (1 or more) attempts failed; draw: a number in [0, 1)."""
        base: float = min(self.limit_s, self.first_s * 2.0 ** min(failures - 1, DOUBLINGS_MAX))
        return base * (1.0 + self.jitter * (2.0 * draw - 1.0))


NO_RETRIES = RetryPolicy(attempts_max=1, exchange_repeats=0, recovery_s=0.0)
"""Everything is asked once, at its own plan's opening, and never again."""
