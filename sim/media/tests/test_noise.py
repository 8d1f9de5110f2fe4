"""Hours of the day, and episodes that make a link as good as dead."""

import math
import random

import pytest

from sim.media.noise import BAD_EVENING, NOISE_SHAPES, QUIET, Fading, FadingParameters

HOUR = 3600.0


@pytest.mark.parametrize(
    ("hour", "factor", "holds_h"),
    [(0.0, 1.0, 18.0), (17.5, 1.0, 0.5), (18.0, 4.0, 4.0), (21.99, 4.0, 0.01), (23.0, 1.0, 1.0)],
)
def test_a_bad_evening_has_four_times_the_errors_from_18_to_22(hour: float, factor: float, holds_h: float) -> None:
    assert BAD_EVENING.at(hour * HOUR) == pytest.approx((factor, holds_h * HOUR))
    assert BAD_EVENING.at((hour + 240) * HOUR) == pytest.approx((factor, holds_h * HOUR))


@pytest.mark.parametrize("name", NOISE_SHAPES)
def test_every_shape_covers_the_day_and_says_how_long_it_holds(name: str) -> None:
    shape, second = NOISE_SHAPES[name], 0.0
    factors = []
    while second < 24 * HOUR:
        factor, holds_s = shape.at(second)
        assert factor > 0
        assert holds_s > 0
        factors.append(factor)
        second += holds_s
    assert second == 24 * HOUR
    assert len(factors) == len(shape.steps)


def _share_in_episode(parameters: FadingParameters, factor: float, links: int = 300, hours: int = 24) -> float:
    bad = looks = 0
    for link in range(links):
        fading = Fading(random.Random(link), parameters, lambda _: (factor, math.inf), 1000.0)
        for minute in range(0, hours * 60, 7):
            now_s = 1000.0 + 60.0 * minute
            if fading.changes_s <= now_s:
                fading.advance(now_s)
            looks += 1
            bad += fading.frame_error_ratio > 0
    return bad / looks


def test_a_link_is_in_an_episode_for_the_expected_share_of_time() -> None:
    parameters = FadingParameters(gap_s=3600.0, episode_s=400.0)
    assert _share_in_episode(parameters, 1.0) == pytest.approx(400 / 4000, rel=0.1)
    assert _share_in_episode(parameters, 4.0) == pytest.approx(400 / (1800 + 400), rel=0.1)


def test_no_episodes_when_the_gap_is_infinite() -> None:
    assert _share_in_episode(FadingParameters(gap_s=math.inf), 1.0, links=20) == 0.0


def test_episodes_do_not_depend_on_when_somebody_looks() -> None:
    def episodes(looks: list[float]) -> list[tuple[float, float]]:
        fading = Fading(random.Random(5), FadingParameters(), lambda now_s: QUIET.at(now_s), 1000.0)
        for now_s in looks:
            if fading.changes_s <= now_s:
                fading.advance(now_s)
        return [(fading.changes_s, fading.frame_error_ratio)]

    assert episodes([1e6]) == episodes([1e3 + 17.0 * look for look in range(58_765)] + [1e6])
