"""The laws of cutting, for any text, any structure, any sizes, in characters and in tokens."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from graftline.domain.documents import Block
from graftline_chunk.boundaries import Boundaries, Separators
from graftline_chunk.cutting import Sizes, cut
from graftline_chunk.measure import Characters
from graftline_chunk.tokenising import Tokeniser

UNICODE = st.text(st.characters(exclude_categories=("Cs",)), max_size=60)
WORDS = st.lists(
    st.sampled_from(["word", "a", "Satz.", "Why?", "日本語。", "e\u0301", "👩\u200d👧", "x" * 30]),
    max_size=12,
).map(" ".join)
PROSE = st.one_of(UNICODE, WORDS, st.lists(WORDS, max_size=4).map("\n".join))
LINES = st.lists(WORDS, min_size=1, max_size=6)
PARTS = st.one_of(
    st.tuples(st.just("heading"), st.integers(1, 6), WORDS.map("# {}".format)),
    st.tuples(st.just("paragraph"), st.just(0), PROSE),
    st.tuples(st.just("list"), st.just(1), WORDS.map("- {}".format)),
    st.tuples(st.just("code"), st.just(0), LINES.map(lambda x: "\n".join(["```", *x, "```"]))),
    st.tuples(st.just("table"), st.just(0), LINES.map(lambda x: "\n".join(f"|{w}|" for w in x))),
    st.tuples(st.just("space"), st.just(0), st.sampled_from(["\n\n", "\r\n", " ", "\n    ", ""])),
    st.tuples(st.just("page"), st.integers(1, 9), st.just("")),
)


@st.composite
def documents(draw):
    text, blocks = "", []
    for kind, level, words in draw(st.lists(PARTS, max_size=14)):
        if kind != "space":
            blocks.append(Block(kind, level, len(text), len(text) + len(words)))
        text += words
    return text, blocks


@st.composite
def wanted(draw):
    most = draw(st.sampled_from([1, 2, 3, 8, 25, 100]))
    half = st.integers(0, most // 2)
    return Sizes(most, draw(half), draw(half))


def places_of(strategy, text, blocks, measure, sizes):
    if strategy == "character":
        return Separators(text, "\n\n")

    def fits(start, end):
        return measure.count(start, end) <= sizes.most

    return Boundaries(text, blocks, fits, headings=strategy == "markdown")


def check_code(text, blocks, spans, measure, sizes):
    """Code that fits into a chunk is in one as a whole; so is every row of a table."""
    for kind, _, start, end in blocks:
        parts = [(start, end)] if kind == "code" else []
        if kind == "table":
            at = start
            for row in text[start:end].split("\n"):
                parts.append((at, at + len(row)))
                at += len(row) + 1
        for begin, stop in parts:
            stop = begin + len(text[begin:stop].rstrip())
            begin = stop - len(text[begin:stop].lstrip())
            if measure.count(begin, stop) <= sizes.most:
                assert any(span.start <= begin and stop <= span.end for span in spans), kind


def check(text, spans, measure, sizes):
    """Hold spans against the laws that `cut` promises."""
    covered = before = 0
    for number, (start, end) in enumerate(spans):
        assert 0 <= start < end <= len(text)
        assert text[start:end].strip()
        assert not text[end - 1].isspace()
        assert not text[covered:start].strip(), "something is in no chunk"
        if number:
            assert start > before
            assert text[covered:end].strip(), "nothing new"
        length = measure.count(start, end)
        single = not text[start : end - 1].strip()
        assert length <= sizes.most or single
        if start < covered:
            assert measure.count(start, covered) <= sizes.overlap
        before, covered = start, end
    assert not text[covered:].strip()


@given(documents(), wanted(), st.sampled_from(["markdown", "recursive", "character"]))
@example(("a" + " " * 300 + "b", [Block("paragraph", 0, 0, 302)]), Sizes(8, 4, 4), "markdown")
@example((" " * 300 + "b", [Block("code", 0, 300, 301)]), Sizes(8, 4, 4), "markdown")
def test_chunks_hold_the_document_within_the_sizes(document, sizes, strategy):
    text, blocks = document
    measure = Characters(len(text))
    spans = list(cut(text, places_of(strategy, text, blocks, measure, sizes), measure, sizes))
    check(text, spans, measure, sizes)
    if strategy != "character":
        check_code(text, blocks, spans, measure, sizes)
    assert spans == list(
        cut(text, places_of(strategy, text, blocks, measure, sizes), measure, sizes)
    )


@cache
def tokeniser(folder):
    return Tokeniser(folder)


# Code at the end that fits alone, and not beside what would be repeated.
LAST_CODE = "# # ```\n" + "word " * 8 + "a a " + "x" * 30 + " " + "x" * 30 + "\n```"
LAST_BLOCKS = [Block("heading", 1, 0, 2), Block("heading", 1, 2, 4), Block("code", 0, 4, 117)]


@given(documents(), wanted(), st.sampled_from(["markdown", "recursive", "character"]))
@example((LAST_CODE, LAST_BLOCKS), Sizes(100, 1, 0), "recursive")
def test_and_in_tokens(model, document, sizes, strategy):
    text, blocks = document
    measure = tokeniser(model).tokenise(text)
    spans = list(cut(text, places_of(strategy, text, blocks, measure, sizes), measure, sizes))
    check(text, spans, measure, sizes)
    if strategy != "character":
        check_code(text, blocks, spans, measure, sizes)


@given(UNICODE, st.data())
def test_what_a_measure_reaches_is_what_it_counts(model, text, data):
    measure = tokeniser(model).tokenise(text)
    units = data.draw(st.integers(1, 9))
    place = data.draw(st.integers(0, len(text)))
    end = measure.reach(place, units)
    if end > place:
        assert measure.count(place, end) <= units
    start = measure.reach_back(place, units)
    if start < place:
        assert measure.count(start, place) <= units
    if end < len(text) and end > place:
        assert measure.count(place, end + 1) >= units


def test_cutting_is_linear():
    """Ten times the text takes about ten times as many looks at it."""

    class Counting(Characters):
        looks = 0

        def count(self, start: int, end: int) -> int:
            Counting.looks += 1
            return super().count(start, end)

    sizes = Sizes(1000, 200, 50)
    looks = []
    for words in (20_000, 200_000):
        text = "word and more. " * words
        Counting.looks = 0
        blocks = [Block("paragraph", 0, 0, len(text) - 1)]
        places = places_of("markdown", text, blocks, Characters(len(text)), sizes)
        chunks = list(cut(text, places, Counting(len(text)), sizes))
        assert len(chunks) == pytest.approx(len(text) / 800, rel=0.1)
        looks.append(Counting.looks)
    assert looks[1] < 11 * looks[0]
