"""What counts as an entity."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graftline_evaluate.scorers.entities import entities_of, field_of, spell


def test_a_scalar_is_one_pair():
    value = {"entities": {"order_id": "ORD-1", "product": None}, "priority": "low"}
    assert entities_of(value, ["entities.order_id"]) == {("entities.order_id", '"ORD-1"'): 1}
    assert entities_of(value, ["entities.product"]) == Counter()
    assert entities_of(value, ["entities.absent", "absent.too", "priority.deeper"]) == Counter()


def test_an_object_gives_all_leaves():
    value = {"slots": {"city": "Rome", "time": {"from": 9, "to": 10.5}, "none": None}}
    expected = {
        ("slots.city", '"Rome"'): 1,
        ("slots.time.from", "9"): 1,
        ("slots.time.to", "10.5"): 1,
    }
    assert entities_of(value, ["slots"]) == expected
    assert entities_of(value, ["slots.*"]) == expected
    assert entities_of(value, ["slots", "slots.*", "slots.city"]) == expected


def test_lists_count_items_under_the_list():
    value = {"slots": {"artist": ["A", "B", "A", None]}, "spans": [{"t": "x"}, {"t": "y"}]}
    assert entities_of(value, ["slots"]) == {
        ("slots.artist", '"A"'): 2,
        ("slots.artist", '"B"'): 1,
    }
    assert entities_of(value, ["spans"]) == {("spans.t", '"x"'): 1, ("spans.t", '"y"'): 1}


def test_a_wildcard_in_the_middle():
    value = {"a": {"x": {"id": 1}, "y": {"id": 2, "other": 3}, "z": 4}}
    assert entities_of(value, ["a.*.id"]) == {("a.x.id", "1"): 1, ("a.y.id", "2"): 1}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [(1, 1.0, True), (1, True, False), (1, "1", False), ("a", "A", False), ("é", "e\u0301", False),
     (0, -0.0, True), ("", None, False), ([1, 2], [2, 1], False),
     ({"a": 1, "b": 2}, {"b": 2.0, "a": 1}, True)],
)  # fmt: skip
def test_equality_is_that_of_json(one, other, same):
    assert (spell(one) == spell(other)) is same


@pytest.mark.parametrize("value", [None, 5, "text", [], ["entities"]])
def test_what_is_no_object_has_no_fields(value):
    assert entities_of(value, ["entities", "*"]) == Counter()
    assert field_of(value, "entities.order_id") is None


SLOTS = st.dictionaries(
    st.sampled_from("abc"), st.none() | st.integers(0, 2) | st.lists(st.integers(0, 2), max_size=3)
)


@given(SLOTS, SLOTS)
def test_true_false_and_missed_add_up(said, right):
    found = entities_of({"slots": said}, ["slots"])
    wanted = entities_of({"slots": right}, ["slots"])
    assert (found & wanted).total() + (found - wanted).total() == found.total()
    assert (found & wanted).total() + (wanted - found).total() == wanted.total()
