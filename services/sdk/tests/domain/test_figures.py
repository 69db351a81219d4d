"""Which metrics are told in per cent."""

import pytest

from graftline.domain.figures import are_shares

SHARE = {"value": 0.4, "low": 0.3, "high": 0.5}


@pytest.mark.parametrize(
    ("figures", "wanted"),
    [
        ([SHARE, {"value": 1.0, "low": 1.0, "high": 1.0}], True),
        ([{"value": 0.2, "low": None}], True),
        ([SHARE, {"value": 1.2}], False),
        ([{"value": 0.9, "low": -0.1, "high": 1.0}], False),
        ([SHARE, {**SHARE, "lower_is_better": True}], False),
    ],
)
def test_a_share_lies_within_0_and_1_and_more_of_it_is_better(figures, wanted):
    assert are_shares(figures) is wanted
