from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from graftline_format.statistics import TokenStatistics


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=200))
def test_summary_is_that_of_the_sorted_list(lengths):
    statistics = TokenStatistics()
    for length in lengths:
        statistics.add("train", length, length // 2)
    summary = statistics.summary()
    ordered = sorted(lengths)
    tokens = summary["tokens"]
    assert (tokens["min"], tokens["max"]) == (ordered[0], ordered[-1])
    assert tokens["total"] == sum(ordered)
    assert tokens["learned"] == sum(length // 2 for length in lengths)
    for percent in (50, 95, 99):
        assert tokens[f"p{percent}"] == ordered[math.ceil(len(ordered) * percent / 100) - 1]
    bars = summary["histogram"]
    assert sum(bar["rows"] for bar in bars) == len(lengths) == summary["rows"]["train"]
    assert len(bars) <= 32
    for bar in bars:
        assert bar["rows"] == sum(bar["from"] <= length < bar["to"] for length in lengths)
