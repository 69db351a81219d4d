from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graftline_workflows.engine.meter import Meter, duration, quantity


def test_rate_and_time_left_follow_the_points() -> None:
    meter = Meter()
    meter.add(0.0, 0, 100, "rows")
    assert meter.rate is None
    assert meter.seconds_left is None
    meter.add(2.0, 20, 100, "rows")
    assert meter.rate == pytest.approx(10.0)
    assert meter.seconds_left == pytest.approx(8.0)


def test_rate_forgets_what_is_older_than_the_window() -> None:
    meter = Meter()
    for second in range(100):
        meter.add(
            float(second), second * (1 if second < 50 else 0) + max(0, second - 50) * 10, None, ""
        )
    assert meter.rate == pytest.approx(10.0)


def test_a_new_phase_begins_anew() -> None:
    meter = Meter()
    meter.add(0.0, 0, 10, "steps")
    meter.add(1.0, 10, 10, "steps")
    meter.add(2.0, 0, 50, "rows")
    assert meter.rate is None
    assert (meter.done, meter.total, meter.unit) == (0, 50, "rows")


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=30))
def test_no_sequence_of_points_gives_a_negative_rate(points: list[int]) -> None:
    meter = Meter()
    for index, done in enumerate(points):
        meter.add(index / 2, done, 10**9, "rows")
        assert meter.rate is None or meter.rate > 0
        assert meter.seconds_left is None or meter.seconds_left >= 0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (0.44, "0.4 s"),
        (12.4, "12 s"),
        (184, "3:04"),
        (3723, "1:02:03"),
        (59.7, "60 s"),
    ],
)
def test_duration(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.423, "0.42"), (3.14, "3.1"), (3.0, "3"), (118.4, "118"), (12400, "12,400")],
)
def test_quantity(value: float, text: str) -> None:
    assert quantity(value) == text
