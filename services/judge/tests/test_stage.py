"""The stage as a whole: conservation, verdicts, ranks, resuming, failures, summary."""

from __future__ import annotations

import json
import threading
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from graftline.canonical import canonical_json, sha256_text
from graftline.domain.documents import CHUNKS
from graftline.domain.examples import message
from graftline.domain.rows import RowWriter
from graftline.errors import Cancelled, ConfigError, DataError, TransientError
from graftline.testkit.examples import write_examples
from graftline.testkit.llm import Act
from graftline.testkit.local import run_stage
from graftline_judge.descriptor import STAGE


def numbered(say, count):
    return [
        say.pair(question=f"What is the time-out of client {n}?", source=f"Client {n} waits 5 s.")
        for n in range(count)
    ]


def test_a_row_gets_its_judgement_and_keeps_the_rest(court, model, say):
    issue = {"severity": "low", "text": " Terse. "}
    model.says = lambda text: say.judgement(9, 8, 7, issues=[issue], recommendation=" Keep it. ")
    row = say.pair(split="eval")
    done = court.judge([row])
    (judgement,) = done.judgements
    validators = judgement.pop("validators")
    assert judgement == {
        "factual_accuracy": 9,
        "completeness": 8,
        "consistency": 7,
        "overall": 8.3,
        "verdict": "PASS",
        "issues": [{"severity": "low", "text": "Terse."}],
        "recommendation": "Keep it.",
        "reason": None,
        "detail": None,
    }
    assert set(validators) == {"grounding", "answerable", "language", "length", "duplicate"}
    assert all(found["passed"] for found in validators.values())
    assert json.loads(done.rows[0]["meta"])["kept"] == "as it is"
    assert done.result.usd is None
    assert done.result.input_tokens > 0
    assert done.run.events.progress_points[-1] == (1, 1, "rows")


def test_what_the_judge_is_told(court, model, say):
    court.judge([say.pair(question="Braces {answer}?", answer="Yes, {source}.")])
    (text,) = model.asked
    assert "<<<\nBraces {answer}?\n>>>" in text
    assert "<<<\nYes, {source}.\n>>>" in text
    assert "<<<\nRequests wait. The default" in text
    assert text.index("Requests wait") < text.index("Braces")
    (asked,) = model.server.asked
    assert asked.body["temperature"] == 0
    assert "factual_accuracy" in json.dumps(asked.body["response_format"])
    court.judge([say.pair()], prompt="Q {question} A {answer} S {source}")
    text = next(text for text in model.asked if text.startswith("Q "))
    assert text.startswith("Q How long is the default time-out? A The default time-out is 5 sec")
    assert "<<<" not in text


def test_what_the_model_says_of_overall_does_not_count(court, model, say):
    said = say.scores(2)
    model.says = lambda text: Act(json.dumps(said | {"overall": 10}))
    done = court.judge([say.pair()])
    assert done.judgements[0]["verdict"] == "UNJUDGED"  # it does not keep to the form
    assert done.judgements[0]["reason"] == "schema-violation"


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (Act("Very good!"), "not-json"),
        (Act(""), "empty"),
        (Act('{"issues": [], "factual_accuracy": 8, "compl', finish="length"), "truncated"),
        (Act('{"factual_accuracy": 8}'), "schema-violation"),
        (Act("", finish="content_filter"), "content-filter"),
        (Act("out of order", status=500), "server-error"),
    ],
)
def test_what_cannot_be_read_is_unjudged_and_never_a_number(court, model, say, act, reason):
    model.says = lambda text: act if "BAD" in text else say.judgement(7)
    done = court.judge([say.pair(), say.pair(question="BAD?"), say.pair(question="Good?")])
    assert [j["verdict"] for j in done.judgements] == ["NEEDS_REVIEW", "UNJUDGED", "NEEDS_REVIEW"]
    bad = done.judgements[1]
    assert bad["reason"] == reason
    assert bad["detail"]
    scores = ("factual_accuracy", "completeness", "consistency", "overall")
    assert [bad[name] for name in scores] == [None] * 4
    assert set(bad["validators"]) == {
        *("grounding", "answerable", "language", "length", "duplicate")
    }
    assert done.summary["unjudged"] == {reason: 1}
    assert done.summary["judged"] == sum(band["rows"] for band in done.summary["bands"]) == 2


@pytest.mark.parametrize("score", [11, -1, 8.5, "8", None, True])
def test_scores_out_of_range_are_unjudged(court, model, say, score):
    model.says = lambda text: Act(json.dumps(say.scores(8) | {"completeness": score}))
    done = court.judge([say.pair()])
    assert done.judgements[0]["reason"] == "schema-violation"
    assert model.requests == 2  # it was told once what is wrong


def test_a_model_that_corrects_itself_is_heard(court, model, say):
    acts = iter([Act("Well…"), say.judgement(10)])
    model.says = lambda text: next(acts)
    assert court.judge([say.pair()]).judgements[0]["verdict"] == "PASS"


def test_rows_that_no_model_can_judge_ask_nobody(court, model, say):
    rows = [
        say.pair(source=None),
        say.pair(question=" "),
        say.pair(answer=""),
        say.pair(messages=[message("user", "And now?")]),
    ]
    done = court.judge(rows)
    reasons = ["no-source", "no-question", "no-answer", "no-answer"]
    assert [j["reason"] for j in done.judgements] == reasons
    assert model.requests == 0
    assert done.run.events.progress_points[-1] == (4, 4, "rows")
    assert done.summary["judged"] == 0
    assert done.summary["mean"]["overall"] is None
    assert "UNJUDGED: 2 no-answer, 1 no-question, 1 no-source" in done.run.said("error")


def chunk_rows(texts):
    for id_, text in texts.items():
        yield {
            "id": id_,
            "parents": ["d"],
            "source": {"document": "d", "start": 0, "end": len(text)},
            **{"group": "d", "split": "train", "index": 0, "count": 1, "text": text},
            **{"tokens": None, "headings": [], "path": "a.md", "media_type": "", "meta": "{}"},
        }


def test_sources_are_found_among_the_chunks(court, model, say, tmp_path):
    chunks = tmp_path / "chunks"
    chunks.mkdir()
    with RowWriter(chunks, CHUNKS) as writer:
        for row in chunk_rows({"c1": "First source.", "c2": "Second source."}):
            writer.write(row)
    rows = [
        say.pair(source=None, parents=["c2"]),
        say.pair(source=None, parents=["old", "c1", "c2"], question="Two of them?"),
        say.pair(source="Its own.", parents=["c1"], question="Whose?"),
        say.pair(source=None, parents=["c9"], question="None?"),
    ]
    done = court.judge(rows, chunks=chunks)
    verdicts = [j["verdict"] for j in done.judgements]
    assert verdicts == ["PASS", "PASS", "PASS", "UNJUDGED"]
    told = "\n".join(model.asked)
    assert "<<<\nSecond source.\n>>>" in told
    assert "<<<\nFirst source.\n\nSecond source.\n>>>" in told
    assert "<<<\nIts own.\n>>>" in told


def test_an_earlier_judgement_is_replaced(court, say):
    row = say.pair()
    row["meta"] = canonical_json({**json.loads(row["meta"]), "judgement": {"overall": 1}})
    assert court.judge([row]).judgements[0]["overall"] == 9.0


def test_chats_are_judged_by_their_last_turn(court, model, say):
    turns = [("system", "Be kind."), ("user", "Hi"), ("assistant", "Hello")]
    turns += [("user", "How long?"), ("assistant", "5 seconds.")]
    court.judge([say.pair(messages=[message(role, text) for role, text in turns])])
    (text,) = model.asked
    assert "<<<\nHow long?\n>>>" in text
    assert "Hello" not in text


def test_the_same_cache_gives_the_same_bytes_with_one_two_and_three_ranks(court, model, say):
    rows = numbered(say, 64 * 4 + 9)
    rows[100] = say.pair(source=None)
    model.says = lambda text: say.judgement(len(text) % 11, text.count("1") % 11, 7)
    alone = court.judge(rows[:70], rows[70:], vault=court.vault("one"))
    asked = model.requests
    assert asked == len(rows) - 1
    for ranks in (2, 3):
        vault = court.vault(f"of-{ranks}")
        (court.folder / "one" / "cache").rename(vault.folder / "cache")
        parts = [court.judge(rows, vault=vault, rank=r, ranks=ranks) for r in range(ranks)]
        (vault.folder / "cache").rename(court.folder / "one" / "cache")
        assert [part.result is None for part in parts] == [True] * (ranks - 1) + [False]
        assert parts[-1].run.files == alone.run.files
    assert model.requests == asked


def test_a_run_that_was_killed_asks_for_no_judged_row_again(court, model, say):
    rows = numbered(say, 64 * 3)
    vault = court.vault()
    served = threading.Semaphore(100)

    def dies_after_a_hundred(text):
        if served.acquire(blocking=False):
            return say.judgement(9)
        return Act("no key", status=401)

    model.says = dies_after_a_hundred
    with pytest.raises(ConfigError):
        court.judge(rows, vault=vault)
    refused = model.requests - 100
    model.says = lambda text: say.judgement(9)
    before = Counter(model.asked)
    done = court.judge(rows, vault=vault)
    assert model.requests == 192 + refused
    again = [text for text, count in model.asked.items() if count > before[text] > 0]
    assert len(again) <= refused
    requests = model.requests
    (vault.folder / "checkpoints").rename(vault.folder / "aside")
    assert court.judge(rows, vault=vault).run.files == done.run.files
    assert model.requests == requests


def test_a_budget_is_the_steps_and_the_costs_are_those_of_all_attempts(court, model, say):
    rows = numbered(say, 90)
    vault = court.vault()
    model.says = lambda text: say.judgement(9)
    limited = {"llm": {**model.runtime, "max_total_tokens": 9000}}
    bought = []
    for _ in range(2):
        with pytest.raises(ConfigError, match="budget for the language model is spent"):
            court.judge(rows, vault=vault, runtime=limited)
        bought.append(model.requests)
    assert 0 < bought[0] == bought[1] < 90
    done = court.judge(rows, vault=vault)
    assert model.requests == 90
    assert done.result.input_tokens == sum(len(text.split()) for text in model.server.prompts())
    figures = done.result.figures
    assert (figures["llm_requests"], figures["llm_cached"]) == (90, 0)


def test_units_that_are_committed_need_no_model(court, model, say):
    rows = numbered(say, 70)
    vault = court.vault()
    first = court.judge(rows, vault=vault)
    again = court.judge(rows, vault=vault, runtime={"llm": {}})
    assert again.run.files == first.run.files
    assert again.result.input_tokens == first.result.input_tokens
    assert model.requests == 70


def test_a_unit_that_mostly_failed_on_the_way_is_not_kept(court, model, say):
    rows = numbered(say, 10)
    llm = {**model.runtime, "attempts": 1, "wait_s": 60}

    def says(text):
        if any(f"client {n}?" in text for n in range(4)):
            return say.judgement(9)
        # A server that has answered nothing at all is the client's to judge.
        return Act("no", status=500, delay_s=0.3)

    model.says = says
    vault = court.vault()
    with pytest.raises(TransientError, match="of 10 requests of one unit, 6 failed: 6 server"):
        court.judge(rows, vault=vault, runtime={"llm": llm})
    asked = model.requests
    model.says = lambda text: say.judgement(9)
    assert court.judge(rows, vault=vault).summary["verdicts"]["PASS"] == 10
    assert model.requests == asked + 6


def test_the_summary(court, model, say):
    rows = [
        say.pair(
            question=f"What is number {n} of {sha256_text(str(n))}?", split="eval" if n else "train"
        )
        for n in range(11)
    ]
    rows += [say.pair(question=rows[-1]["messages"][0]["content"] + "!?", answer="Never 77.")]
    issues = [{"severity": "high", "text": "Wrong."}, {"severity": "low", "text": "Terse."}]

    def says(text):
        number = int(text.split("What is number ")[1].split(" ")[0])
        if "Never" in text:
            return Act("no idea")
        return say.judgement(number, issues=issues if number < 2 else [])

    model.says = says
    done = court.judge(rows)
    summary = done.summary
    assert summary["rows"] == 12
    assert summary["judged"] == 11
    assert summary["verdicts"] == {"PASS": 3, "NEEDS_REVIEW": 2, "FAIL": 6, "UNJUDGED": 1}
    assert summary["verdicts_by_split"]["train"]["FAIL"] == 1
    assert [band["rows"] for band in summary["bands"]] == [1] * 9 + [2]
    assert summary["bands"][9] == {"from": 9, "to": 10, "rows": 2}
    assert summary["mean"] == {
        **{"overall": 5.0, "factual_accuracy": 5.0, "completeness": 5.0, "consistency": 5.0}
    }
    assert summary["issues"] == {"low": 2, "medium": 0, "high": 2}
    assert summary["rows_with_issues"] == 2
    assert summary["unjudged"] == {"not-json": 1}
    assert summary["validators"]["duplicate"] == {"passed": 11, "failed": 1, "unknown": 0}
    assert summary["validators"]["grounding"]["failed"] == 1
    assert done.judgements[-1]["validators"]["duplicate"]["of"] == rows[-2]["id"]
    assert any("rows that FAIL: 6;" in text for text in summary["recommendations"])
    judge = json.loads((done.run.outputs["metrics"] / "judge.json").read_text())
    assert judge["model"] == "fake"
    assert judge["weights"] == {"factual_accuracy": 0.5, "completeness": 0.3, "consistency": 0.2}
    assert judge["limits"]["pass_overall"] == 8.0
    assert done.result.figures["needs_review"] == 2


def test_weights_and_limits_are_settings(court, model, say):
    model.says = lambda text: say.judgement(4, 10, 10)
    weights = {"factual_accuracy": 0.1, "completeness": 0.1, "consistency": 0.8}
    limits = {"pass_overall": 9, "pass_accuracy": 4, "fail_accuracy": 3}
    (judgement,) = court.judge([say.pair()], weights=weights, limits=limits).judgements
    assert (judgement["overall"], judgement["verdict"]) == (9.4, "PASS")


def listing(say, count):
    """A judgement with so many issues."""
    issues = [{"severity": "low", "text": f"Issue {n}."} for n in range(count)]
    return say.judgement(9, issues=issues)


@pytest.mark.parametrize("most", [0, 1, 4, 20])
def test_a_judgement_lists_so_many_issues_at_most(court, model, say, most):
    listed = iter([most + 1, most])
    model.says = lambda text: listing(say, next(listed))
    (judgement,) = court.judge([say.pair()], max_issues=most).judgements
    assert len(judgement["issues"]) == most
    assert model.requests == 2  # it was told that these were too many


def test_a_remark_has_so_many_characters_at_most(court, model, say):
    model.says = lambda text: say.judgement(9, issues=[{"severity": "low", "text": "Too long."}])
    (judgement,) = court.judge([say.pair()], max_remark=8).judgements
    assert (judgement["verdict"], judgement["reason"]) == ("UNJUDGED", "schema-violation")
    (judgement,) = court.judge([say.pair()], max_remark=1000).judgements
    assert judgement["issues"] == [{"severity": "low", "text": "Too long."}]


def test_the_judge_is_told_of_fewer_issues_and_by_default_asked_as_ever(court, model, say):
    done = court.judge([say.pair()])
    for most in (1, 0):
        court.judge([say.pair()], max_issues=most)
    default, one, none = ("".join(text.splitlines()[-1:]) for text in model.asked)
    assert default == (
        'Answer with JSON and nothing else: an object with the list "issues", each of them with'
        ' "severity" and "text", then the numbers "factual_accuracy", "completeness" and'
        ' "consistency", then "recommendation".'
    )
    assert 'the list "issues" (at most 1), each of them with' in one
    assert 'the list "issues", which must be empty, then' in none
    judge = json.loads((done.run.outputs["metrics"] / "judge.json").read_text())
    assert judge["max_issues"] == judge["form"]["properties"]["issues"]["maxItems"] == 4


def test_settings_that_cannot_be_meant(court, say):
    with pytest.raises(ConfigError, match="max_issues: .* less than or equal to 20"):
        court.judge([say.pair()], max_issues=21)
    with pytest.raises(ConfigError, match=r"question_min \(501\) must not be above question_max"):
        court.judge([say.pair()], length={"question_min": 501})
    with pytest.raises(ConfigError, match=r"answer_min \(5\) must not be above answer_max \(4\)"):
        court.judge([say.pair()], length={"answer_min": 5, "answer_max": 4})
    with pytest.raises(ConfigError, match=r"weights: the weights must add up to 1, .* 1\.5"):
        court.judge([say.pair()], weights={"completeness": 0.8})
    with pytest.raises(ConfigError, match=r"fail_overall \(9\) must not be above pass_overall"):
        court.judge([say.pair()], limits={"fail_overall": 9})
    with pytest.raises(ConfigError, match=r"'\(' is no regular expression"):
        court.judge([say.pair()], answerable={"context_patterns": ["("]})


def test_inputs_that_cannot_be_used(court, say, tmp_path):
    with pytest.raises(DataError, match="no examples to judge"):
        court.judge([])
    folder = tmp_path / "odd"
    folder.mkdir()
    pq.write_table(pa.table({"id": ["a"]}), folder / "part-00000.parquet")
    with pytest.raises(DataError, match="input 'odd' holds other rows: it lacks parents"):
        run_stage(
            STAGE,
            tmp_path / "work",
            config={"request": {"model": "fake"}},
            inputs={"examples": folder},
            runtime={"llm": court.model.runtime},
        )


def test_it_stops_when_asked(court, model, say):
    with pytest.raises(Cancelled):
        run_stage(
            STAGE,
            court.folder / "work",
            config={"request": {"model": "fake"}},
            inputs={"examples": write_examples(court.folder / "x", [say.pair()])},
            runtime={"llm": model.runtime},
            before_run=lambda ctx: ctx.request_stop(),
        )
    assert model.requests == 0
