"""Wilson's interval against published figures and its laws."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graftline.domain.intervals import wilson


@pytest.mark.parametrize(
    ("successes", "rows", "low", "high"),
    [  # Newcombe 1998, Statistics in Medicine 17, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (29, 29, 0.8830, 1.0),
    ],
)
def test_wilson_as_published(successes, rows, low, high):
    found = wilson(successes, rows, 0.95)
    assert found.value == successes / rows
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


@given(st.integers(1, 500), st.data(), st.sampled_from([0.8, 0.95, 0.99]))
def test_wilson_holds_its_share_and_is_symmetric(rows, data, confidence):
    successes = data.draw(st.integers(0, rows))
    found = wilson(successes, rows, confidence)
    mirrored = wilson(rows - successes, rows, confidence)
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.low == pytest.approx(1 - mirrored.high)


def test_wilson_of_nothing():
    with pytest.raises(ValueError, match="no rows"):
        wilson(0, 0, 0.95)


def test_a_row_may_count_half():
    fewer, between, more = (wilson(count, 50, 0.95) for count in (34, 34.5, 35))
    assert fewer.low < between.low < more.low
    assert fewer.high < between.high < more.high
    assert between.value == 0.69
