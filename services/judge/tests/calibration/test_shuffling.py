"""Whose answer a row gets: never its own, another group's where there is one, each once."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from graftline_judge.calibration.shuffling import choose_shuffled
from graftline_judge.pairs import Pair

GROUPS = st.lists(st.sampled_from("aaabcd"), min_size=2, max_size=40)


def row(number, group="g", answer=None, source=None):
    answer = f"Answer {number}" if answer is None else answer
    return (
        {"id": f"id{number}", "group": group},
        Pair(f"Question {number}?", answer, source or f"Source {number}"),
    )


@given(GROUPS, st.integers(2, 50))
def test_every_answer_is_used_once_and_never_at_its_own_row(groups, count):
    rows = [row(n, group) for n, group in enumerate(groups)]
    found = choose_shuffled(rows, count)
    assert len(found) == min(count, len(rows))
    by_id = {given["id"]: (given["group"], pair) for given, pair in rows}
    chosen = {item.id for item in found}
    assert chosen == {item.answer_of for item in found}
    assert len(chosen) == len(found)
    for item in found:
        own, other = by_id[item.id][1], by_id[item.answer_of][1]
        assert item.id != item.answer_of
        assert item.pair == Pair(own.question, other.answer, own.source)
    sizes = Counter(by_id[id_][0] for id_ in chosen)
    largest = max(sizes.values())
    inside = sum(by_id[item.id][0] == by_id[item.answer_of][0] for item in found)
    # A group that holds more than half cannot give all its answers away.
    assert inside == (len(found) if len(sizes) == 1 else max(0, 2 * largest - len(found)))


@given(st.permutations(range(30)), st.integers(2, 30))
def test_the_choice_is_by_id_whatever_the_order(order, count):
    rows = [row(n, str(n % 4)) for n in range(30)]
    assert choose_shuffled([rows[n] for n in order], count) == choose_shuffled(rows, count)


def test_a_larger_choice_holds_the_smaller_one():
    rows = [row(n) for n in range(200)]
    few, many = ({item.id for item in choose_shuffled(rows, n)} for n in (20, 100))
    assert few < many


def test_within_one_group_sources_are_kept_apart():
    rows = [row(n, source=f"Source {n % 5}") for n in range(20)]
    sources = {given["id"]: pair.source for given, pair in rows}
    for item in choose_shuffled(rows, 20):
        assert sources[item.id] != sources[item.answer_of]


def test_rows_that_cannot_be_judged_are_passed_over():
    rows = [row(1), (row(2)[0], Pair("", "A", "S")), (row(3)[0], Pair("Q", "A", "")), row(4)]
    assert {item.id for item in choose_shuffled(rows, 10)} == {"id1", "id4"}
    assert choose_shuffled(rows[:3], 10) == []


def test_answers_that_say_the_same_are_no_wrong_answers():
    rows = [row(n, str(n), answer="Yes!" if n % 2 else "yes") for n in range(10)]
    rows.append(row(10, "10", answer="No."))
    found = choose_shuffled(rows, 20)
    assert len(found) == 2
    assert "id10" in {item.id for item in found} & {item.answer_of for item in found}


def test_a_row_that_comes_twice_is_chosen_once():
    rows = [row(1, "a"), row(1, "a"), row(2, "b"), row(1, "c")]
    assert [item.id for item in choose_shuffled(rows, 4)] in (["id1", "id2"], ["id2", "id1"])
