"""A meter as a scenario knows it: a role, ways to open it, and what may go wrong on the way to it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from hes.acquisition.reader import AssociationChoice, client_settings
from hes.devices.archive import MeterSecrets
from hes.devices.profiles import AssociationOffer, DeviceProfile
from hes.dlms.client import Client
from hes.dlms.client.settings import ClientSettings
from hes.dlms.codes import ApduTag
from hes.dlms.security.ciphering import is_protected
from hes.entropy import Entropy
from hes.errors import LinkError
from hes.protocols.dlms_cosem import DlmsSession
from scenarios.association import Association
from scenarios.bench import BenchMeter, Part, Way
from scenarios.evidence import Recorder
from scenarios.verdicts import Inapplicable, Inconclusive
from sim.meter.capture import TrueRow

NONE = "none"
LLS = "lls"
HLS = "hls-gmac"
GET_BLOCK = bytes((ApduTag.GET_RESPONSE, 2))
SPOILT = 0x5A
"""What one octet of a key or password is changed by."""


@dataclass(frozen=True, slots=True)
class _Present:
    """What a meter has while its bench is open."""

    meter: BenchMeter
    entropy: Entropy
    system_title: bytes


class Meter:
    """One meter of the station. name: how the field calls it. It comes to life when the station's bench is there."""

    def __init__(self, name: str, recorder: Recorder) -> None:
        self.name = name
        self._recorder = recorder
        self._present: _Present | None = None
        self._counters = itertools.count(1)
        self._answers_until_cut: int | None = None

    def __repr__(self) -> str:
        return f"<meter {self.name}>"

    def bind(self, bench_meter: BenchMeter, entropy: Entropy, system_title: bytes) -> None:
        """The bench is open. entropy, system_title: the head-end's own."""
        self._present = _Present(bench_meter, entropy, system_title)

    @property
    def _here(self) -> _Present:
        assert self._present is not None, "meters can be asked inside a scenario, while its station runs"
        return self._present

    @property
    def _bench(self) -> BenchMeter:
        return self._here.meter

    @property
    def _way(self) -> Way:
        return self._here.meter.way

    @property
    def profile(self) -> DeviceProfile:
        return self._bench.archived.profile

    @property
    def secrets(self) -> MeterSecrets:
        """The right ones."""
        return self._bench.secrets

    @property
    def wrong_password(self) -> MeterSecrets:
        """Secrets whose password differs in one octet."""
        return replace(self.secrets, password=_spoilt(self.secrets.password))

    @property
    def wrong_key(self) -> MeterSecrets:
        """Secrets whose encryption key differs in one octet."""
        return replace(self.secrets, encryption_key=_spoilt(self.secrets.encryption_key))

    def true_rows(self, profile: str, from_s: int, to_s: int) -> list[TrueRow] | None:
        """What the meter really captured, where the station can know; None where nobody does."""
        return self._bench.true_rows(profile, from_s, to_s)

    @property
    def blocks_received(self) -> int:
        """How many blocks of long answers have come from it in this scenario."""
        answers = self._recorder.evidence.apdus(self.name)
        return sum(not entry.to_device and entry.octets[:2] == GET_BLOCK for entry in answers)

    # -- the way to it

    @property
    def repeats_lost_frames(self) -> bool:
        """Whether the link itself sends lost frames again, as HDLC does."""
        return self._way.repeats_lost_frames

    async def reachable(self) -> None:
        """Wait until the meter can be spoken to, such as after its link was lost. Raises Inconclusive."""
        try:
            async with asyncio.timeout(self._way.return_s):
                await self._way.ready()
        except TimeoutError:
            raise Inconclusive(f"{self.name} was not reachable within {self._way.return_s:.0f} s") from None

    @property
    def late_answer_s(self) -> float:
        """How long after a time-out an answer may still come."""
        return self._way.late_answer_s

    def lose_next_frame(self, part: Part = "answer") -> None:
        """The next request never arrives ("request"), or it is carried out and its answer never arrives."""
        self._recorder.event(self.name, f"the next {part} will be lost")
        self._way.lose_next_frame(part)

    def delay_next_answer(self) -> None:
        """The next answer will come, but later than the head-end waits for it."""
        self._recorder.event(self.name, "the next answer will come too late")
        self._way.delay_next_answer()

    def cut_link(self, *, after_answers: int = 0) -> None:
        """The link to the meter is lost, now or when so many more answers have come. It returns by itself."""
        if after_answers:
            self._answers_until_cut = after_answers
        else:
            self._cut()

    def _cut(self) -> None:
        self._recorder.event(self.name, "the link is cut")
        self._answers_until_cut = None
        self._way.cut()

    # -- opening it

    def offer(self, mechanism: str) -> AssociationOffer:
        """What its profile offers for a mechanism. Raises Inapplicable when that is nothing."""
        found = next((offer for offer in self.profile.associations if offer.mechanism == mechanism), None)
        if found is None:
            raise Inapplicable(f"profile {self.profile.name} offers no association with mechanism {mechanism}")
        return found

    @asynccontextmanager
    async def association(
        self, mechanism: str, *, secrets: MeterSecrets | None = None, dedicated_key: bool = False
    ) -> AsyncIterator[Association]:
        """An open association by the mechanism NONE, LLS or HLS; released at the end.

        secrets: other ones than the right ones. Raises AccessDenied when the meter refuses, LinkError when it is gone.
        """
        settings = self._settings(self.offer(mechanism), secrets or self.secrets, dedicated_key=dedicated_key)
        wire = _Wire(self, settings)
        client = Client(settings, send_counter=lambda: next(self._counters), on_plain=wire.plain)
        session = DlmsSession(client, wire.exchange, self._here.entropy, next_answer=self._way.next_answer)
        try:
            self._recorder.implied(f"associate with {self.name} by {mechanism}")
            info = await session.open()
            yield Association(session, self.profile, info, wire.replay)
            self._recorder.implied(f"release {self.name}")
            await session.release()
        finally:
            await self._way.closed()

    def _settings(self, offer: AssociationOffer, secrets: MeterSecrets, *, dedicated_key: bool) -> ClientSettings:
        choice = AssociationChoice(name=offer.name, dedicated_key=dedicated_key, system_title=self._here.system_title)
        return client_settings(self._bench.archived, choice, secrets)


class _Wire:
    """Between a client and the way to its meter: tells the recorder what is said, and spoils what is to be spoilt."""

    def __init__(self, meter: Meter, settings: ClientSettings) -> None:
        self._meter = meter
        self._settings = settings
        self._last = b""

    def plain(self, outgoing: bool, apdu: bytes) -> None:
        self._meter._recorder.apdu(self._meter.name, bytes(apdu), to_device=outgoing)

    async def exchange(self, apdu: bytes) -> bytes:
        self._last = apdu
        if not is_protected(apdu):  # of a protected one the client has told what is inside
            self.plain(True, apdu)  # noqa: FBT003 - the observer's own signature
        answer = await self._carry(apdu)
        if not is_protected(answer):
            self.plain(False, answer)  # noqa: FBT003 - the observer's own signature
        return answer

    async def replay(self) -> bytes:
        self._meter._recorder.event(self._meter.name, "the last request is replayed")
        self.plain(True, self._last)  # noqa: FBT003 - the observer's own signature
        answer = await self._carry(self._last)
        self.plain(False, answer)  # noqa: FBT003 - the observer's own signature
        return answer

    async def _carry(self, apdu: bytes) -> bytes:
        meter, settings = self._meter, self._settings
        try:
            answer = await meter._way.exchange(settings.client_sap, settings.server_sap, apdu)
        except LinkError as error:
            meter._recorder.event(meter.name, f"no answer: {type(error).__name__}")
            raise
        if meter._answers_until_cut is not None:
            meter._answers_until_cut -= 1
            if meter._answers_until_cut <= 0:
                meter._cut()
        return answer


def _spoilt(octets: bytes) -> bytes:
    """The same with another last octet; printable stays printable where it can."""
    return octets[:-1] + bytes((octets[-1] ^ SPOILT if octets[-1] ^ SPOILT else 1,))
