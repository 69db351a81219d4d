from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graftline_generate.tickets.noise import STYLES, write_carelessly

TEXT = "Hello there, where is my Aurora Kettle? Order ORD-12345, thanks."


@given(st.sampled_from(sorted(STYLES)), st.integers(0, 10_000))
def test_protected_strings_stay(style, seed):
    written = write_carelessly(style, TEXT, ["Aurora Kettle", "ORD-12345"], random.Random(seed))
    assert written.count("Aurora Kettle") == 1
    assert written.count("ORD-12345") == 1


@pytest.mark.parametrize("style", sorted(STYLES))
def test_every_style_changes_something(style):
    assert any(write_carelessly(style, TEXT, [], random.Random(n)) != TEXT for n in range(5))


def test_unpunctuated_keeps_numbers():
    assert write_carelessly("unpunctuated", "I paid 12.50, why?", [], random.Random(0)) == (
        "I paid 12.50 why"
    )
