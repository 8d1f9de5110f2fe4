"""Frame durations against the published symbol counts and the table in docs/protocols/plc-and-wan.md §1."""

import pytest

from sim.media.g3 import CENELEC_A, FCC, Band, FrameOverhead, Modulation, frame_s, frames_of, payload_symbols

ROBO, DBPSK, DQPSK, D8PSK = Modulation


@pytest.mark.parametrize(
    ("modulation", "psdu_octets", "symbols"), [(ROBO, 133, 252), (DBPSK, 235, 112), (DQPSK, 235, 56)]
)
def test_the_longest_frames_have_the_published_number_of_symbols(
    modulation: Modulation, psdu_octets: int, symbols: int
) -> None:
    assert payload_symbols(CENELEC_A, modulation, psdu_octets) == symbols
    assert modulation.psdu_octets_max == psdu_octets


@pytest.mark.parametrize(
    ("band", "modulation", "durations_ms"),
    [
        (CENELEC_A, ROBO, (76.3, 151.3, 190.3)),
        (CENELEC_A, DBPSK, (34.6, 51.3, 62.4, 93.0)),
        (CENELEC_A, DQPSK, (26.2, 34.6, 40.1, 54.0)),
        (CENELEC_A, D8PSK, (23.5, 29.0, 31.8, 42.9)),
        (FCC, ROBO, (15.0, 28.0, 34.5, 55.8)),
        (FCC, DBPSK, (8.5, 11.3, 13.1, 17.8)),
    ],
)
def test_durations_are_those_of_the_table(band: Band, modulation: Modulation, durations_ms: tuple[float, ...]) -> None:
    for psdu_octets, duration_ms in zip((40, 100, 133, 235), durations_ms, strict=False):
        assert frame_s(band, modulation, psdu_octets) * 1000 == pytest.approx(duration_ms, abs=0.06)


@pytest.mark.parametrize("modulation", Modulation)
@pytest.mark.parametrize("datagram_octets", [0, 1, 88, 89, 90, 190, 191, 192, 1024])
def test_a_datagram_is_cut_into_frames_that_fit_and_lose_nothing(modulation: Modulation, datagram_octets: int) -> None:
    overhead = FrameOverhead(per_frame_octets=24, per_datagram_octets=20)
    frames = frames_of(CENELEC_A, modulation, overhead, datagram_octets)
    carried = [psdu_octets - 24 for psdu_octets, _ in frames]
    assert sum(carried) == datagram_octets + 20
    assert all(octets == modulation.psdu_octets_max - 24 for octets in carried[:-1])
    assert 0 < carried[-1] <= modulation.psdu_octets_max - 24
    assert [duration for _, duration in frames] == [frame_s(CENELEC_A, modulation, octets + 24) for octets in carried]


def test_an_acknowledgement_is_a_preamble_and_a_header() -> None:
    assert CENELEC_A.acknowledgement_s == pytest.approx(0.006080 + 13 * 0.000695)
    assert CENELEC_A.slot_s == pytest.approx(2 * 0.000695)
