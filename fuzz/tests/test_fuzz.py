"""The fuzzer itself: it finds what is wrong, and gives the same inputs for the same seed."""

import itertools
import time

from fuzz import lines
from fuzz.campaign import FAILURES_MAX, run_part
from fuzz.mutate import INPUT_OCTETS_MAX, Mutator
from fuzz.target import Target, decoder
from hes.errors import RemoteProtocolError

EXAMPLES = [bytes(range(20)), b"\x09\x03abc"]


def picky(octets: bytes) -> None:
    if len(octets) > 40:
        raise IndexError("a mistake")
    if octets[:1] == b"\x09":
        raise RemoteProtocolError("refused", octet_offset=0)


def test_another_exception_is_a_failure_with_its_input() -> None:
    part = run_part(Target(name="picky", session=decoder(picky), examples=lambda: EXAMPLES), 1, 0, 5000)
    assert len(part.failures) == FAILURES_MAX
    assert part.refused_count > 0
    for failure in part.failures:
        assert len(failure.inputs[-1]) > 40
        assert "IndexError: a mistake" in failure.reason


def test_an_input_that_takes_too_long_is_a_failure() -> None:
    def loop(octets: bytes) -> None:
        while octets:
            pass

    start_s = time.process_time()
    part = run_part(Target(name="loop", session=decoder(loop), examples=lambda: EXAMPLES), 1, 0, 1)
    assert "took longer than" in part.failures[0].reason or time.process_time() - start_s < 1.0


def test_the_same_seed_gives_the_same_inputs_and_another_one_others() -> None:
    def inputs(seed: int) -> list[bytes]:
        mutator = Mutator(seed, "x", EXAMPLES, bytes)
        return [mutator.next_input() for _ in range(500)]

    assert inputs(1) == inputs(1) != inputs(2)
    assert max(map(len, itertools.chain(inputs(1), inputs(2)))) <= INPUT_OCTETS_MAX


def test_lines_that_no_input_reached_are_named() -> None:
    reached = lines.Reached()
    reached.add_module("hes.dlms.hdlc.frame_reject")
    from hes.dlms.hdlc import frame_reject

    with lines.watching(reached) as fresh:
        frame_reject.decode(b"")
    assert fresh[0] > 0
    seen, there = reached.share()
    assert 0 < seen < there
    assert any(row.startswith("hes.dlms.hdlc.frame_reject.decode: ") for row in reached.missing)
