"""What peers did wrong, in the log: one line each with the rule that was broken, and never more than a log can bear.

A line looks like this, whichever layer noticed it:

    peer_broke_a_rule kind=not_negotiated clause='IEC 62056-5-3, ...' client=16 meter=1 text='...'
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import structlog

from hes.dlms.findings import OWN_LIMITS, Finding
from hes.dlms.hdlc.link_events import LinkFinding

log = structlog.get_logger()

PEER_BROKE: Final = "peer_broke_a_rule"
OWN_LIMIT: Final = "own_limit_reached"
"""The meter could not do what it was asked for, and nobody broke a rule."""
LINES_PER_SECOND: Final = 10
"""From one connection, or from one world; ours [A]: a person reads no more, and a broken client sends thousands."""


class FindingLog:
    """Lines of one connection, at most LINES_PER_SECOND. Those left out are counted, and the next line says so.

    quiet: as information, not as warnings: for worlds, where meters and lines misbehave on purpose.
    """

    __slots__ = ("_left", "_left_out", "_quiet", "_until_s")

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._until_s = float("-inf")
        self._left = 0
        self._left_out = 0

    def tell(self, findings: Iterable[Finding], *, meter: str, now_s: float) -> None:
        """Findings of a meter's server. now_s: seconds."""
        for finding in findings:
            client, event = finding.client_sap, OWN_LIMIT if finding.kind in OWN_LIMITS else PEER_BROKE
            self._line(finding.kind.value, finding.clause, client, finding.text, meter=meter, now_s=now_s, event=event)

    def tell_link(self, finding: LinkFinding, *, client: int, meter: str, now_s: float) -> None:
        """What an HDLC link noticed."""
        self._line(finding.kind.name.lower(), finding.clause, client, finding.sentence, meter=meter, now_s=now_s)

    def tell_frame(self, kind: str, text: str, *, clause: str, client: int, meter: str, now_s: float) -> None:
        """What is wrong with a frame that no server has seen."""
        self._line(kind, clause, client, text, meter=meter, now_s=now_s)

    def over(self) -> None:
        """The connection is: what was left out until now is said."""
        if self._left_out:
            self._say("rules_broken_more_often", left_out=self._left_out)
            self._left_out = 0

    def _say(self, event: str, **fields: object) -> None:
        """The logger is asked now and not once for all: most connections never need one."""
        say = log.info if self._quiet else log.warning
        say(event, **fields)

    def _line(
        self, kind: str, clause: str, client: int, text: str, *, meter: str, now_s: float, event: str = PEER_BROKE
    ) -> None:
        if not self._until_s - 1.0 <= now_s < self._until_s:  # a clock that was set back begins a second too
            self._until_s, self._left = now_s + 1.0, LINES_PER_SECOND
            self.over()
        if self._left == 0:
            self._left_out += 1
            return
        self._left -= 1
        self._say(event, kind=kind, clause=clause, client=client, text=text, meter=meter)
