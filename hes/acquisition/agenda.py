"""The agenda: which windows open and close next. Arithmetic over plans; the planner says what time it is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hes.acquisition.plans import Occurrence, Plan, occurrences

HORIZON_S = 2 * 86_400
"""How far ahead openings are worked out."""
NEVER_S = float("inf")


class Agenda:
    """Openings and closings in their order; each is handed out once."""

    def __init__(self, plans: Sequence[Plan], from_s: float, open_before: Iterable[Occurrence] = ()) -> None:
        """open_before: occurrences that opened before `from_s` and have not closed; they are opened first."""
        self._plans = plans
        self._planned_to_s = from_s
        self._to_open = sorted(open_before)
        self._to_close: list[Occurrence] = []

    def opening(self, now_s: float) -> list[Occurrence]:
        """What has opened by now. From here on it is on the list of what will close."""
        if self._planned_to_s < now_s + HORIZON_S / 2:
            self._plan_to(now_s + HORIZON_S)
        count = sum(occurrence.opens_s <= now_s for occurrence in self._to_open)
        opening, self._to_open = self._to_open[:count], self._to_open[count:]
        self._to_close = sorted([*self._to_close, *opening], key=lambda occurrence: occurrence.closes_s)
        return opening

    def closing(self, now_s: float) -> list[Occurrence]:
        """What has closed by now, of what has opened."""
        count = sum(occurrence.closes_s <= now_s for occurrence in self._to_close)
        closing, self._to_close = self._to_close[:count], self._to_close[count:]
        return closing

    @property
    def next_s(self) -> float:
        """When something opens or closes next; NEVER_S when nothing does within the horizon."""
        ahead = [occurrence.opens_s for occurrence in self._to_open[:1]]
        return min(ahead + [occurrence.closes_s for occurrence in self._to_close[:1]], default=NEVER_S)

    def _plan_to(self, upto_s: float) -> None:
        for plan in self._plans:
            self._to_open += occurrences(plan, self._planned_to_s, upto_s)
        self._to_open.sort()
        self._planned_to_s = upto_s
