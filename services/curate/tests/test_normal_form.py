"""The columnar forms and n-grams are what plain Python makes of the same texts."""

from __future__ import annotations

import re
import unicodedata

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from graftline_curate.ngrams import NGramHasher, NGramIndex
from graftline_curate.normal_form import normal_form

WORDS = st.sampled_from(
    ["a", "B", "tea", "é", "x1", "!", " ", "\t\n", "\u00a0", "-", "İ", "ß", "\u200b"]
)
TEXTS = st.lists(st.lists(WORDS, max_size=12).map("".join), max_size=8)
ANY_TEXTS = st.lists(st.text(st.characters(exclude_categories=("Cs",)), max_size=20), max_size=8)


def spans_of(texts: list[str], form) -> list[str]:
    spans = normal_form(pa.array(texts, pa.string()), form)
    return [spans.text(index) for index in range(len(texts))]


@given(texts=st.lists(st.text(st.characters(max_codepoint=127), max_size=30), max_size=8))
def test_ascii_texts_are_lowered_and_their_spaces_collapsed(texts):
    assert spans_of(texts, "text") == [" ".join(text.lower().split()) for text in texts]
    words = [" ".join(re.findall(r"[a-z0-9]+", text.lower())) for text in texts]
    assert spans_of(texts, "words") == words


@given(texts=ANY_TEXTS | TEXTS)
def test_a_form_is_stable_and_tidy(texts):
    for form in ("text", "words"):
        once = spans_of(texts, form)
        # Lower-casing after NFKC may leave what NFKC would compose again: twice is stable enough.
        twice = spans_of(once, form)
        assert spans_of(twice, form) == twice
        for text in once:
            assert text == text.strip(" ")
            assert "  " not in text


@given(texts=TEXTS)
def test_a_form_does_not_depend_on_the_other_texts(texts):
    alone = [spans_of([text], "text")[0] for text in texts]
    assert spans_of(texts, "text") == alone


def test_variants_of_one_prompt_are_one():
    variants = [
        "Caf\u00e9 au lait",
        "cafe\u0301  AU\tlait ",
        "\ufeffCAF\u00c9\u00a0au lait",
        "ｃａｆé au\r\nlait",
        "ca\u200bfé au lait",
    ]
    assert len(set(spans_of(variants, "text"))) == 1
    assert len({tuple(d) for d in normal_form(pa.array(variants), "text").digests().tolist()}) == 1


def test_digests_can_leave_end_marks_out():
    spans = normal_form(pa.array(["play it", "Play it!", "play it ...", "play. it"]), "text")
    first, *others = spans.digests(strip=b" .!?").tolist()
    assert [other == first for other in others] == [True, True, False]


def test_a_sliced_array_gives_its_own_texts():
    texts = pa.array(["zero", "One", " two ", "THREE"]).slice(1, 2)
    spans = normal_form(texts, "text")
    assert [spans.text(0), spans.text(1)] == ["one", "two"]


def grams_of(texts: list[str], n: int) -> list[tuple[int, str, int]]:
    spans = normal_form(pa.array(texts, pa.string()), "words")
    hasher = NGramHasher(n)
    found = []
    for chosen in hasher.slices(spans):
        grams = hasher.hash(spans, chosen)
        for index in range(len(grams.hashes)):
            piece = spans.data[grams.starts[index] : grams.ends[index]].tobytes().decode()
            found.append((int(grams.rows[index]), piece, int(grams.hashes[index])))
    return found


@given(texts=TEXTS, n=st.integers(1, 4))
def test_ngrams_are_all_runs_of_words_and_hash_by_content(texts, n):
    expected = []
    for number, text in enumerate(spans_of(texts, "words")):
        words = text.split()
        expected += [(number, " ".join(words[i : i + n])) for i in range(len(words) - n + 1)]
    found = grams_of(texts, n)
    assert [(row, piece) for row, piece, _ in found] == expected
    by_piece: dict[str, set[int]] = {}
    for _, piece, value in found:
        by_piece.setdefault(piece, set()).add(value)
    assert all(len(values) == 1 for values in by_piece.values())
    assert len({next(iter(v)) for v in by_piece.values()}) == len(by_piece)


def test_long_texts_are_cut_into_slices_without_loss():
    texts = ["word " * 300_000, "", "one two three", "x " * 700_000, "end of all"]
    found = grams_of(texts, 3)
    assert len(found) == 300_000 - 2 + 1 + 700_000 - 2 + 1
    assert found[-1][:2] == (4, "end of all")


def test_the_index_finds_what_is_in_it_and_leaves_the_common_out():
    hashes = np.array([5, 9, 9, 9, 7, 7], np.uint64) << np.uint64(40)
    index = NGramIndex(hashes, np.array([0, 0, 1, 2, 3, 3]), common_above=2)
    assert index.common == 1
    asked = np.array([9, 7, 1, 5], np.uint64) << np.uint64(40)
    hits, texts = index.find(asked)
    assert (hits.tolist(), texts.tolist()) == ([1, 3], [3, 0])
    empty = NGramIndex(hashes[:0], np.zeros(0, np.int64), 2)
    assert empty.find(asked)[0].tolist() == []


def test_python_agrees_on_compatibility_forms():
    text = "ﬁne ² ½ K"
    assert spans_of([text], "text") == [unicodedata.normalize("NFKC", text).lower()]
