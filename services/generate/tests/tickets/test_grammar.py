from __future__ import annotations

import random

from graftline_generate.tickets.grammar import choose, fill, slots


def test_alternatives_nest():
    seen = {choose("[a|b [c|d]] [|e]", random.Random(seed)) for seed in range(200)}
    assert seen == {"a ", "a e", "b c ", "b c e", "b d ", "b d e"}


def test_brackets_without_a_bar_are_text():
    assert choose("[09:41] {name} {}", random.Random(0)) == "[09:41] {name} {}"


def test_slots_are_filled_once():
    assert fill("{a} and {b} {}", {"a": "{b}", "b": "x"}.__getitem__) == "{b} and x {}"
    assert slots('{a} {"b"} {c_d} {}') == {"a", "c_d"}
