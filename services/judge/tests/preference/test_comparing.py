"""Two evaluations compared: what is asked, what is counted, ranks, resuming, mistakes."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from graftline.domain.documents import CHUNKS
from graftline.domain.rows import RowWriter
from graftline.errors import ConfigError, DataError
from graftline.testkit.examples import write_examples
from graftline.testkit.llm import Act
from graftline.testkit.local import run_stage
from graftline_judge.descriptor import STAGE


@pytest.fixture
def rows(tell):
    """Rows 0 to 99: baseline's and adapted's; every tenth answer is the same."""
    before = [tell.answer(n, "same" if n % 10 == 0 else f"bad {n}") for n in range(100)]
    after = [tell.answer(n, "same " if n % 10 == 0 else f"fine {n}") for n in range(100)]
    return before, after


def test_each_row_is_asked_about_in_both_orders(arena, model, tell):
    model.says = tell.prefers("fine")
    done = arena.compare([tell.answer(1, "bad {answer_a}")], [tell.answer(1, "fine {source}")])
    assert model.requests == 2
    orders = {(tell.side(text, "A"), tell.side(text, "B")) for text in model.asked}
    assert orders == {("bad {answer_a}", "fine {source}"), ("fine {source}", "bad {answer_a}")}
    for text in model.asked:
        assert "Source:\n<<<\nAbout thing 1.\n>>>" in text
        assert "Question:\n<<<\nWhat is thing 1?\n>>>" in text
        assert "An answer known to be good:\n<<<\nThing 1 is good.\n>>>" in text
    (asked, _) = model.server.asked
    assert '"enum": ["A", "B", "tie"]' in json.dumps(asked.body["response_format"])
    (row,) = done.rows
    assert row == {
        "id": "id1",
        "split": "eval",
        "question": "What is thing 1?",
        "reference": "Thing 1 is good.",
        "baseline": "bad {answer_a}",
        "adapted": "fine {source}",
        "outcome": "adapted",
        "baseline_first": "adapted",
        "adapted_first": "adapted",
        "score": 1.0,
        "reason": "",
        "detail": "",
    }


def test_what_comes_of_all_rows(arena, model, tell, rows):
    before, after = rows
    for n in (3, 4):
        before[n]["split"] = after[n]["split"] = "ood"

    def says(text):
        if "thing 1?" in text:
            return tell.better("A")  # the first, whichever it is
        if "thing 2?" in text:
            return tell.better("tie")
        if "thing 3?" in text:
            return Act("Both are lovely.")
        if "thing 4?" in text:
            return tell.prefers("bad")(text)
        return tell.prefers("fine")(text)

    model.says = says
    done = arena.compare(before, after)
    found = done.found
    assert (found["adapted"], found["baseline"], found["ties"]) == (86, 1, 11)
    assert (found["inconsistent"], found["unjudged"], found["identical"]) == (1, 1, 10)
    assert found["unjudged_reasons"] == {"not-json": 1}
    assert found["win_rate"] == round((86 + 6) / 99, 4)
    assert found["interval"]["low"] < found["win_rate"] < found["interval"]["high"]
    # Each consistent choice fell once on either place; row 1 twice on the first.
    assert found["position_bias"] == round((87 + 2) / (2 * 87 + 2), 4)
    assert found["by_split"]["ood"]["rows"] == 2
    assert found["by_split"]["ood"]["baseline"] == 1
    assert found["by_split"]["eval"]["adapted"] == 86
    assert (found["model"], found["baseline_variant"]) == ("fake", "plain")
    assert "preferred" in found["text"]
    assert found["text"] in done.run.said("info")
    assert "1 not-json" in done.run.said("warning")
    assert done.judge["model"] == "fake"
    assert done.judge["kind"] == "preference"
    assert done.result.figures["win_rate"] == found["win_rate"]
    # Identical answers: nobody was asked.
    assert not [text for text in model.asked if "\nsame" in text]
    same = [row for row in done.rows if row["reason"] == "identical"]
    assert {row["outcome"] for row in same} == {"tie"}
    assert {row["baseline_first"] for row in same} == {None}


def test_the_baselines_variant_is_a_setting(arena, model, tell):
    before = [tell.answer(n, f"bad {n}", v) for n in range(3) for v in ("plain", "few_shot")]
    for row in before:
        row["output"] += row["variant"]
    model.says = tell.prefers("fine")
    after = [tell.answer(n, f"fine {n}") for n in range(3)]
    done = arena.compare(before, after, preference={"baseline_variant": "few_shot"})
    assert {row["baseline"] for row in done.rows} == {f"bad {n}few_shot" for n in range(3)}
    with pytest.raises(ConfigError, match="no rows of the variant 'shots'.*few_shot, plain"):
        arena.compare(before, after, preference={"baseline_variant": "shots"})


def test_what_is_not_known_is_not_shown(arena, model, tell, tmp_path):
    bare = {"meta": "{}", "parents": [], "gold": " "}
    model.says = tell.prefers("fine")
    arena.compare([tell.answer(1, "", **bare)], [tell.answer(1, "fine", **bare)])
    for text in model.asked:
        assert "Source:" not in text
        assert "known to be good" not in text
        assert "(no answer)" in text


def test_sources_are_found_among_the_chunks(arena, model, tell, tmp_path):
    chunks = tmp_path / "chunks"
    chunks.mkdir()
    with RowWriter(chunks, CHUNKS) as writer:
        writer.write(
            {
                **{"id": "chunk1", "parents": ["d"], "group": "d", "split": "eval"},
                "source": {"document": "d", "start": 0, "end": 4},
                **{"index": 0, "count": 1, "text": "From the chunk.", "tokens": None},
                **{"headings": [], "path": "a.md", "media_type": "", "meta": "{}"},
            }
        )
    model.says = tell.prefers("fine")
    before, after = [tell.answer(1, "bad", meta="{}")], [tell.answer(1, "fine", meta="{}")]
    arena.compare(before, after, chunks=chunks)
    assert all("<<<\nFrom the chunk.\n>>>" in text for text in model.asked)


def test_a_prompt_of_ones_own(arena, model, tell):
    model.says = lambda text: tell.better("tie")
    prompt = "{question} 1: {answer_a} 2: {answer_b} ({reference}; {source})"
    arena.compare([tell.answer(1, "x")], [tell.answer(1, "y")], preference={"prompt": prompt})
    first = {text.split("\n")[0] for text in model.asked}
    end = "(Thing 1 is good.; About thing 1.)"
    assert first == {f"What is thing 1? 1: {a} 2: {b} {end}" for a, b in ("xy", "yx")}


def test_ranks_share_it_and_the_same_cache_gives_the_same_bytes(arena, model, tell, rows):
    model.says = tell.prefers("fine")
    alone = arena.compare(*rows, vault=arena.vault("one"))
    assert model.requests == 180
    vault = arena.vault("two")
    (arena.folder / "one" / "cache").rename(vault.folder / "cache")
    parts = [arena.compare(*rows, vault=vault, rank=r, ranks=2) for r in range(2)]
    assert [part.result is None for part in parts] == [True, False]
    assert parts[-1].run.files == alone.run.files
    assert model.requests == 180
    # Kept units need no model at all.
    again = arena.compare(*rows, vault=vault, runtime={"llm": {}})
    assert again.run.files == alone.run.files


def test_a_run_that_was_killed_asks_nothing_again(arena, model, tell, rows):
    vault = arena.vault()
    model.says = lambda text: (
        Act("no key", status=401) if model.requests > 50 else tell.prefers("fine")(text)
    )
    with pytest.raises(ConfigError):
        arena.compare(*rows, vault=vault)
    before = Counter(model.asked)
    refused = model.requests - 50
    model.says = tell.prefers("fine")
    done = arena.compare(*rows, vault=vault)
    assert done.found["adapted"] == 90
    assert model.requests == 180 + refused
    assert sum(count > before[text] > 0 for text, count in model.asked.items()) <= refused
    figures = done.result.figures
    assert (figures["llm_requests"], figures["llm_cached"]) == (180, 0)


def test_evaluations_that_cannot_be_compared(arena, tell):
    two = [tell.answer(n, "x") for n in range(2)]
    three = [tell.answer(n, "y") for n in range(3)]
    with pytest.raises(DataError, match=r"not of the same rows: 2 and 3, 1 in one.*\(id2\)"):
        arena.compare(two, three)
    with pytest.raises(ConfigError, match=r"adapted model's evaluation first"):
        arena.compare(two, two, roles=("adapted", "baseline"))
    bare = [{name: value for name, value in row.items() if name != "gold"} for row in two]
    with pytest.raises(DataError, match="the baseline's evaluation holds other rows: it lacks go"):
        arena.compare(bare, two)
    # Two adapters are compared as well.
    arena.model.says = tell.prefers("y")
    assert arena.compare(two, three[:2], roles=("adapted", "adapted")).found["adapted"] == 2


def test_inputs_and_settings_that_do_not_fit_the_kind(arena, court, say, tmp_path):
    examples = write_examples(tmp_path / "x", [say.pair()])

    def run(config, inputs):
        config = {"request": {"model": "fake"}, **config}
        run_stage(STAGE, tmp_path / "work", config=config, inputs=inputs)

    with pytest.raises(ConfigError, match=r"compares two evaluations, and has 0.*\[baseline, ad"):
        run({"kind": "preference"}, {})
    with pytest.raises(ConfigError, match="'preference' does not read the input 'examples'"):
        run({"kind": "preference"}, {"examples": examples, "answers": [tmp_path, tmp_path]})
    with pytest.raises(ConfigError, match="'scores' does not read the input 'answers'"):
        run({}, {"examples": examples, "answers": [tmp_path]})
    with pytest.raises(ConfigError, match="'scores' needs examples"):
        run({}, {})
    weights = {"factual_accuracy": 0.4, "completeness": 0.4}
    with pytest.raises(ConfigError, match="'preference' has no use for weights, calibration"):
        run({"kind": "preference", "weights": weights, "calibration": {"rows": 3}}, {})
    with pytest.raises(ConfigError, match="'scores' has no use for preference"):
        run({"preference": {"prompt": "Better?"}}, {})
