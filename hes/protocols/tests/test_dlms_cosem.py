"""A DLMS session with the bench meter behind an exchange that is a function call."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest

from hes.dlms import axdr, data
from hes.dlms.apdu import AccessKind, AccessSpecification, AttributeDescriptor, DataNotification, MethodDescriptor
from hes.dlms.association import State
from hes.dlms.client import Client
from hes.dlms.client.settings import CLIENT_CONFORMANCE, ClientSettings
from hes.dlms.codes import Conformance, DataAccessResult
from hes.dlms.general_blocks import ABORT
from hes.dlms.selective_access import by_entry
from hes.dlms.server import Server
from hes.dlms.tests import bench_meter, published
from hes.dlms.tests.bench_meter import CLOCK, DEVICE, ENERGY, LOAD_PROFILE, MESSAGE, RELAY, ROWS, SECRET_TEXT
from hes.errors import AccessDenied, LinkError, LocalProtocolError, RemoteProtocolError
from hes.protocols.dlms_cosem import PASSED_OVER_MAX, REPEATS_MAX, DlmsSession
from hes.protocols.wrapper_session import ExchangeTimeout


class FixedEntropy:
    def octets(self, count: int) -> bytes:
        return (published.CLIENT_CHALLENGE * 8)[:count]

    def uniform(self, low: float, high: float) -> float:
        return low


class Bench:
    """A session and its meter. `before`: APDUs that come ahead of the next answer; `fail`: raised at the next send."""

    def __init__(
        self, settings: ClientSettings, *, with_next_answer: bool = True, with_send: bool = False, at_once: int = 1
    ) -> None:
        self.at_once = at_once
        self.meter = bench_meter.BenchMeter()
        self.server = Server(DEVICE, self.meter, entropy=bench_meter.challenge, challenge_octets=8)
        self.sent: list[bytes] = []
        self.before: list[bytes] = []
        self.waiting: list[bytes] = []
        self.fail: Exception | None = None
        self.notified: list[Any] = []
        self.session = DlmsSession(
            Client(settings, send_counter=1),
            self.exchange,
            FixedEntropy(),
            next_answer=self.next_answer if with_next_answer else None,
            send=self.send if with_send else None,
            on_notification=self.notified.append,
        )

    async def exchange(self, apdu: bytes) -> bytes:
        if self.fail is not None:
            error, self.fail = self.fail, None
            raise error
        self.sent.append(apdu)
        self.waiting, self.before = [*self.before, *self.answers(apdu)], []
        return await self.next_answer()

    def answers(self, apdu: bytes) -> list[bytes]:
        client_sap = self.session.client.settings.client_sap
        answer = self.server.receive(client_sap, apdu, bench_meter.NOW_S, at_once=self.at_once)
        return [] if answer is None else [answer, *self.server.take_further()]

    def send(self, apdu: bytes) -> None:
        self.sent.append(apdu)
        assert self.answers(apdu) == []

    async def next_answer(self) -> bytes:
        if not self.waiting:
            raise ExchangeTimeout("no answer")
        return self.waiting.pop(0)


def run(main: Awaitable[Any]) -> Any:
    async def bounded() -> Any:
        return await main

    return asyncio.run(bounded())


@pytest.mark.parametrize("settings", [bench_meter.lls(), bench_meter.hls(), bench_meter.hls(dedicated=True)])
def test_an_association_is_opened_used_and_released(settings: ClientSettings) -> None:
    bench = Bench(settings)

    async def talk() -> bytes:
        associated = await bench.session.open()
        assert associated.server_max_receive_pdu_size == DEVICE.max_receive_pdu_size
        encoded = await bench.session.get(8, CLOCK, 2)
        await bench.session.release()
        return encoded

    assert axdr.decode_all(run(talk())).value.hex() == "07e80c0f070d000000ffc400"
    assert bench.session.client.state is State.IDLE
    assert bench.server.idle


def test_blocks_lists_and_selections_need_nothing_from_the_caller() -> None:
    bench = Bench(bench_meter.lls())

    async def talk() -> None:
        await bench.session.open()
        profile = await bench.session.get(7, LOAD_PROFILE, 2)
        assert len(axdr.decode_all(profile).value) == ROWS
        rows = await bench.session.get(7, LOAD_PROFILE, 2, by_entry(1, 2))
        assert len(axdr.decode_all(rows).value) == 2
        wanted = [AttributeDescriptor(3, ENERGY, 3), AttributeDescriptor(3, bytes(6), 2)]
        scaler, missing = await bench.session.get_list(wanted)
        assert scaler[0] == DataAccessResult.SUCCESS
        assert missing == (DataAccessResult.OBJECT_UNDEFINED, b"")

    run(talk())


def test_writing_and_acting_change_the_meter() -> None:
    bench = Bench(bench_meter.hls())

    async def talk() -> None:
        await bench.session.open()
        await bench.session.set(1, MESSAGE, 2, axdr.encode(data.octets(b"hello " * 400)))
        assert await bench.session.act(70, RELAY, 1, axdr.encode(data.i8(0))) is None

    run(talk())
    assert bench.meter.message == b"hello " * 400
    assert int(bench.meter.relay) == 0


def test_a_refusal_names_object_and_result() -> None:
    bench = Bench(bench_meter.lls())

    async def talk() -> None:
        await bench.session.open()
        with pytest.raises(AccessDenied, match=r"reading 1/0\.0\.96\.13\.1\.255/2: the meter refused") as caught:
            await bench.session.get(1, SECRET_TEXT, 2)
        assert caught.value.fields["obis"] == "0.0.96.13.1.255"
        assert caught.value.fields["result"] == DataAccessResult.READ_WRITE_DENIED
        with pytest.raises(AccessDenied, match="writing 8/"):
            await bench.session.set(8, CLOCK, 2, axdr.encode(data.octets(bytes(12))))
        with pytest.raises(AccessDenied, match="invoking 70/"):
            await bench.session.act(70, RELAY, 1, axdr.encode(data.i8(0)))

    run(talk())


def test_a_refused_association_raises_what_the_meter_said() -> None:
    bench = Bench(bench_meter.lls(password=b"wrong"))
    with pytest.raises(AccessDenied, match="AUTHENTICATION_FAILURE"):
        run(bench.session.open())
    assert bench.session.client.state is State.IDLE


def test_a_late_answer_is_passed_over() -> None:
    bench = Bench(bench_meter.lls())

    async def talk() -> bytes:
        await bench.session.open()
        bench.before = [bytes.fromhex("C401CF000600000001")]
        return await bench.session.get(8, CLOCK, 2)

    assert axdr.decode_all(run(talk())).value.startswith(b"\x07\xe8")


def test_a_notification_before_the_answer_goes_to_its_handler() -> None:
    bench = Bench(bench_meter.lls())

    async def talk() -> None:
        await bench.session.open()
        bench.before = [DataNotification(1, b"", b"\x11\x05").encode()]
        await bench.session.get(8, CLOCK, 2)

    run(talk())
    assert [notification.data for notification in bench.notified] == [b"\x11\x05"]


def test_a_way_that_cannot_wait_again_gives_up_at_a_late_answer() -> None:
    bench = Bench(bench_meter.lls(), with_next_answer=False)

    async def talk() -> None:
        await bench.session.open()
        bench.before = [bytes.fromhex("C401CF000600000001")]
        with pytest.raises(LinkError, match="does not belong to the request"):
            await bench.session.get(8, CLOCK, 2)

    run(talk())


def test_endless_late_answers_end() -> None:
    bench = Bench(bench_meter.lls())

    async def talk() -> None:
        await bench.session.open()
        bench.before = [bytes.fromhex("C401CF000600000001")] * (PASSED_OVER_MAX + 1)
        with pytest.raises(LinkError):
            await bench.session.get(8, CLOCK, 2)

    run(talk())


def test_after_a_lost_answer_the_association_can_go_on() -> None:
    bench = Bench(bench_meter.lls())

    async def talk() -> bytes:
        await bench.session.open()
        bench.fail = LinkError("no answer")
        with pytest.raises(LinkError):
            await bench.session.get(8, CLOCK, 2)
        return await bench.session.get(8, CLOCK, 2)

    assert run(talk())


def test_an_answer_that_breaks_a_rule_is_raised_and_the_request_given_up() -> None:
    bench = Bench(bench_meter.lls())

    async def talk() -> None:
        await bench.session.open()
        bench.before = [b"\x61\x00", b""]
        with pytest.raises(RemoteProtocolError):
            await bench.session.get(8, CLOCK, 2)
        assert not bench.session.client.busy

    run(talk())


def test_a_meter_that_hangs_up_at_release_has_released() -> None:
    bench = Bench(bench_meter.lls())

    async def talk() -> None:
        await bench.session.open()
        bench.fail = LinkError("the meter closed the connection")
        await bench.session.release()
        await bench.session.release()

    run(talk())
    assert bench.session.client.state is State.IDLE


# -- lists, ACCESS and general blocks


def in_general_blocks(**changes: Any) -> ClientSettings:
    own = Conformance.BLOCK_TRANSFER_GET | Conformance.BLOCK_TRANSFER_SET
    return ClientSettings(
        client_sap=bench_meter.PLAIN_HLS,
        mechanism=bench_meter.hls().mechanism,
        security=bench_meter.client_security(ciphered=False),
        conformance=CLIENT_CONFORMANCE & ~own,
        max_receive_pdu_size=200,
        **changes,
    )


def test_lists_and_access_say_how_each_went() -> None:
    bench = Bench(bench_meter.hls())
    message, energy = AttributeDescriptor(1, MESSAGE, 2), AttributeDescriptor(3, ENERGY, 2)
    text = axdr.encode(data.octets(b"x"))

    async def talk() -> tuple[Any, Any, Any]:
        await bench.session.open()
        written = await bench.session.set_list([(message, text), (energy, text)])
        invoked = await bench.session.act_list(
            [(MethodDescriptor(70, RELAY, 9), None), (MethodDescriptor(70, RELAY, 2), b"\x0f\x00")]
        )
        everything = [
            (AccessSpecification(AccessKind.GET, message), None),
            (AccessSpecification(AccessKind.GET, energy), None),
        ]
        return written, invoked, await bench.session.access(everything)

    written, invoked, accessed = run(talk())
    assert written == (DataAccessResult.SUCCESS, DataAccessResult.READ_WRITE_DENIED)
    assert [done.succeeded for done in invoked] == [False, True]
    assert [outcome.result for outcome in accessed] == [0, 0]
    assert accessed[0].data == text


@pytest.mark.parametrize("window", [1, 5, 63])
def test_general_blocks_come_in_windows_and_what_is_lost_is_asked_for(window: int) -> None:
    bench = Bench(in_general_blocks(general_block_window=window), at_once=63)

    async def lossy() -> bytes:
        await bench.session.open()
        answers = bench.answers

        def losing(apdu: bytes) -> list[bytes]:
            given = answers(apdu)
            return given[1:] if len(bench.sent) % 3 == 0 and apdu[0] == 0xE0 else given

        bench.answers = losing  # type: ignore[method-assign]
        return await bench.session.get(7, LOAD_PROFILE, 2)

    value, _ = axdr.decode_value(run(lossy()))
    assert len(value) == ROWS


def test_several_blocks_are_sent_at_once_where_there_is_a_way_to() -> None:
    text = bytes(range(256)) * 30
    bench = Bench(in_general_blocks(general_blocks_at_once=8), with_send=True)

    async def talk() -> None:
        await bench.session.open()
        await bench.session.set(1, MESSAGE, 2, axdr.encode(data.octets(text)))

    run(talk())
    assert bench.meter.message == text
    without = Bench(in_general_blocks(general_blocks_at_once=8))

    async def talk_without() -> None:
        await without.session.open()
        await without.session.set(1, MESSAGE, 2, axdr.encode(data.octets(text)))

    with pytest.raises(LocalProtocolError, match="a way to send"):
        run(talk_without())


def test_a_transfer_that_is_broken_off_is_an_error() -> None:
    bench = Bench(in_general_blocks())

    async def talk() -> None:
        await bench.session.open()
        bench.before = [ABORT]
        await bench.session.set(1, MESSAGE, 2, axdr.encode(data.octets(bytes(2000))))

    with pytest.raises(RemoteProtocolError, match="broken off"):
        run(talk())


def test_silence_in_a_transfer_ends_after_a_few_repetitions() -> None:
    bench = Bench(in_general_blocks())

    async def talk() -> None:
        await bench.session.open()
        bench.answers = lambda _apdu: []  # type: ignore[method-assign]
        bench.sent.clear()
        await bench.session.set(1, MESSAGE, 2, axdr.encode(data.octets(bytes(2000))))

    with pytest.raises(ExchangeTimeout):
        run(talk())
    assert len(bench.sent) == 1 + REPEATS_MAX
    assert len(set(bench.sent)) == 1
