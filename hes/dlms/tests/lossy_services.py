"""A client and a server whose line may lose and repeat APDUs, with several of them under way at once."""

from collections.abc import Iterator

from hes.dlms.client import Client
from hes.dlms.client.events import AwaitMore, Ignored, SendNext
from hes.dlms.server import Server
from hes.dlms.tests import bench_meter as bm

REPEATS_MAX = 400


class Conversation:
    """fates: of each APDU in turn: 0 is lost, 1 arrives, 2 arrives twice; afterwards everything arrives.

    at_once: APDUs that the server's side carries back for one. longest: octets of the longest APDU, per side.
    """

    def __init__(self, settings, *, device=bm.DEVICE, fates=(), at_once=1):
        self.meter = bm.BenchMeter()
        self.server = Server(device, self.meter, entropy=bm.challenge, challenge_octets=8)
        self.client = Client(settings, send_counter=1)
        self.fates = iter(())
        self.at_once = at_once
        self.longest = {"C": 0, "S": 0}
        self.sent: list[tuple[str, bytes]] = []
        high = settings.mechanism.high_level
        self.associated = self.run(self.client.associate(challenge=b"K56iVagY" if high else b""))
        self.longest = {"C": 0, "S": 0}
        self.fates = iter(fates)

    def run(self, *octets):
        """The event that ends what was asked."""
        to_server = octets
        for _ in range(REPEATS_MAX):
            to_server = list(self._carried("C", to_server))
            answers = self._carried("S", [answer for each in to_server for answer in self._answers(each)])
            to_server = []
            for answer in answers:
                event = self.client.receive(answer)
                if isinstance(event, SendNext):
                    to_server += [event.octets, *event.further]
                elif not isinstance(event, AwaitMore | Ignored):
                    return event
            to_server = to_server or [self.client.repeat()]
        raise AssertionError("no outcome")

    def _answers(self, octets):
        first = self.server.receive(self.client.settings.client_sap, octets, bm.NOW_S, at_once=self.at_once)
        return [] if first is None else [first, *self.server.take_further()]

    def _carried(self, side, apdus) -> Iterator[bytes]:
        for octets in apdus:
            self.sent.append((side, octets))
            self.longest[side] = max(self.longest[side], len(octets))
            for _ in range(next(self.fates, 1)):
                yield octets
