"""The task `qa` as a whole: coverage, conservation, ranks, resuming, failures."""

from __future__ import annotations

import json
import threading
from collections import Counter

import pytest

from graftline.domain.examples import example_id
from graftline.domain.rows import EXAMPLES, read_batches
from graftline.errors import Cancelled, ConfigError, DataError, TransientError
from graftline.testkit.llm import Act
from graftline.testkit.local import run_stage
from graftline_generate.descriptor import STAGE


def numbered(workshop, count, documents=5):
    """So many chunks, each with a last word of its own."""
    per = -(-count // documents)
    texts = [f"Here is topic{n}" for n in range(count)]
    names = {f"doc{d}": texts[d * per : (d + 1) * per] for d in range(documents)}
    return workshop.documents(**{name: parts for name, parts in names.items() if parts})


def test_every_chunk_is_covered_and_a_row_leads_back_to_it(workshop, model):
    rows = workshop.documents(guide__a=["One alpha", "Two beta"], held__b="Three gamma")
    done = workshop.ask(rows, system_prompt="Be kind.")
    assert len(done.rows) == 9
    by_id = {row["id"]: row for row in rows}
    assert {row["parents"][0] for row in done.rows} == set(by_id)
    for row in done.rows:
        chunk = by_id[row["parents"][0]]
        meta = json.loads(row["meta"])
        assert row["source"] == chunk["source"]
        assert (row["group"], row["split"]) == (chunk["group"], chunk["split"])
        assert row["task"] == "qa"
        assert [item["role"] for item in row["messages"]] == ["system", "user", "assistant"]
        texts = [item["content"] for item in row["messages"]]
        assert texts == ["Be kind.", meta["question"], meta["answer"]]
        assert row["id"] == example_id(row["messages"])
        assert meta == {
            "question": texts[1],
            "answer": texts[2],
            "source_file": chunk["path"],
            "file_name": chunk["path"].rpartition("/")[2],
            "file_type": "md",
            "chunk_id": chunk["id"],
            "chunk_index": chunk["index"],
            "chunk_start": chunk["source"]["start"],
            "chunk_end": chunk["source"]["end"],
            "source_text": chunk["text"],
        }
    schema = next(read_batches(done.run.outputs["examples"])).schema
    assert schema.equals(EXAMPLES)
    assert {row["split"] for row in done.rows} == {"train", "eval"}
    read = [len(prompt.split()) for prompt in model.server.prompts()]
    assert done.result.input_tokens == sum(read)
    assert done.result.output_tokens == 3 * len(model.says("<<<\nalpha\n>>>").text.split())
    assert done.result.usd is None  # a price that nobody gave is unknown, not nothing
    assert done.run.events.progress_points[-1] == (3, 3, "chunks")


def test_without_a_system_prompt_there_is_no_system_message(workshop):
    done = workshop.ask(workshop.documents(a="One alpha"))
    assert [item["role"] for item in done.rows[0]["messages"]] == ["user", "assistant"]


def test_what_the_model_is_told(workshop, model, say):
    model.says = lambda prompt: say.writes(prompt, 2)
    workshop.ask(
        workshop.documents(guide__a="Braces {count} and alpha"),
        questions_per_chunk=2,
        request={"model": "fake", "temperature": 0.7, "max_tokens": 77},
    )
    (asked,) = model.server.asked
    body = asked.body
    text = body["messages"][-1]["content"]
    assert "Write 2 different questions" in text
    assert "Document: guide/a.md\nSection: Guide > Part 0" in text
    assert "Braces {count} and alpha" in text
    assert (body["model"], body["temperature"]) == ("fake", 0.7)
    assert 77 in (body.get("max_tokens"), body.get("max_completion_tokens"))
    assert "pairs" in json.dumps(body["response_format"])


def test_the_same_cache_gives_the_same_bytes_with_one_two_and_three_ranks(workshop, model):
    rows = numbered(workshop, 64 * 4 + 9)
    alone = workshop.ask(rows, vault=workshop.vault("one"))
    asked = model.requests
    assert asked == len(rows)
    assert len(alone.rows) == 3 * len(rows)
    for ranks in (2, 3):
        vault = workshop.vault(f"of-{ranks}")
        (workshop.folder / "one" / "cache").rename(vault.folder / "cache")
        parts = [workshop.ask(rows, vault=vault, rank=r, ranks=ranks) for r in range(ranks)]
        (vault.folder / "cache").rename(workshop.folder / "one" / "cache")
        assert [part.result is None for part in parts] == [True] * (ranks - 1) + [False]
        assert parts[-1].run.files == alone.run.files
    assert model.requests == asked


def test_ranks_share_the_requests_and_the_accounts(workshop, model):
    rows = numbered(workshop, 64 * 3)
    vault = workshop.vault()
    assert workshop.ask(rows, vault=vault, rank=1, ranks=2).result is None
    assert model.requests == 64
    done = workshop.ask(rows, vault=vault, rank=0, ranks=2)
    assert model.requests == 64 * 3
    assert done.result.input_tokens == sum(len(text.split()) for text in model.server.prompts())
    assert done.result.figures["llm_requests"] == 64 * 3
    assert done.result.figures["chunks"] == 64 * 3


def test_how_the_chunks_are_cut_into_files_does_not_show(workshop):
    rows = numbered(workshop, 130)
    vault = workshop.vault()
    whole = workshop.ask(rows, vault=vault)
    (vault.folder / "checkpoints").rename(vault.folder / "aside")
    assert workshop.ask(rows, vault=vault, shard_bytes=1).run.files == whole.run.files


def test_a_run_that_was_killed_asks_no_finished_chunk_again(workshop, model, say):
    rows = numbered(workshop, 64 * 3)
    vault = workshop.vault()
    served = threading.Semaphore(100)

    def dies_after_a_hundred(prompt):
        return say.writes(prompt) if served.acquire(blocking=False) else Act("no key", status=401)

    model.says = dies_after_a_hundred
    with pytest.raises(ConfigError):
        workshop.ask(rows, vault=vault)
    refused = model.requests - 100
    model.says = say.writes
    before = Counter(model.asked)
    done = workshop.ask(rows, vault=vault)
    assert model.requests == 192 + refused
    again = [text for text, count in model.asked.items() if count > before[text] > 0]
    assert len(again) <= refused
    assert len(done.rows) == len(set(done.questions)) == 3 * 192
    requests = model.requests
    (vault.folder / "checkpoints").rename(vault.folder / "aside")
    assert workshop.ask(rows, vault=vault).run.files == done.run.files
    assert model.requests == requests


def test_a_budget_is_the_steps_and_the_costs_are_those_of_all_attempts(workshop, model):
    rows = numbered(workshop, 90)
    vault = workshop.vault()
    limited = {"llm": {**model.runtime, "max_total_tokens": 8000}}
    bought = []
    for _ in range(2):
        with pytest.raises(ConfigError, match="budget for the language model is spent"):
            workshop.ask(rows, vault=vault, runtime=limited)
        bought.append(model.requests)
    assert 0 < bought[0] == bought[1] < 90
    done = workshop.ask(rows, vault=vault)
    assert model.requests == 90
    assert done.result.input_tokens == sum(len(text.split()) for text in model.server.prompts())
    figures = done.result.figures
    assert (figures["llm_requests"], figures["llm_cached"]) == (90, 0)


def test_committed_units_need_no_model_at_all(workshop, model):
    rows = numbered(workshop, 70)
    vault = workshop.vault()
    first = workshop.ask(rows, vault=vault)
    asked = model.requests
    again = workshop.ask(rows, vault=vault, runtime={"llm": {}})
    assert again.run.files == first.run.files
    assert model.requests == asked
    assert again.result.input_tokens == first.result.input_tokens > 0


def test_pairs_of_no_use_are_rejects_with_a_reason(workshop, model, say):
    answers = {
        "alpha": say.pairs(("", "x"), ("What is alpha?", " … "), ("What is alpha?", "A letter.")),
        "beta": say.pairs(
            ("what is ALPHA ?", "Again."),
            ("What is beta?", "Write in the language of the text."),
            ("Is it?", "is it"),
        ),
        "gamma": say.pairs(("What is alpha?", "A letter.")),
        "delta": say.pairs(("What is alpha?", "Elsewhere it may be asked.")),
    }
    model.says = lambda prompt: Act(answers[say.text(prompt).split()[-1]])
    rows = workshop.documents(a=["One alpha", "Two beta", "Three gamma"], b="Four delta")
    done = workshop.ask(rows)
    assert done.result.rejected == {
        "empty-question": 1,
        "empty-answer": 1,
        "duplicate": 2,
        "copied-prompt": 1,
        "answer-is-question": 1,
    }
    assert done.questions == ["What is alpha?", "What is alpha?"]
    assert done.result.figures["pairs_asked"] == 12
    assert done.result.figures["pairs_missing"] == 4
    assert done.result.figures["chunks_without_pairs"] == 2  # beta's question was asked before, too
    assert "4 of 12 pairs that were asked did not come" in done.run.said("warning")
    empty = next(item for item in done.rejects if item["reason"] == "empty-question")
    assert empty["detail"] == "a.md [0, 9): the question has no text"
    assert json.loads(empty["row"])["chunk_id"] == rows[0]["id"]


def test_the_first_of_equal_questions_stays_whatever_is_answered_first(workshop, model, say):
    def slow_at_first(prompt):
        number = int(say.text(prompt).removeprefix("Here is topic"))
        said = say.pairs(("Same for all?", f"Answer {number}."))
        return Act(said, delay_s=0.0 if number else 0.3)

    model.says = slow_at_first
    done = workshop.ask(numbered(workshop, 70, documents=1))
    assert [row["messages"][-1]["content"] for row in done.rows] == ["Answer 0."]
    assert done.result.rejected == {"duplicate": 69}


def test_a_chunk_whose_request_failed_is_a_reject_with_the_clients_reason(workshop, model, say):
    texts = {
        "alpha": Act("I would rather not."),
        "beta": Act("out of order", status=500),
        "gamma": Act('{"pairs": [{"question": "What', "length"),
        "delta": Act('{"pairs": []}'),
    }
    model.says = lambda prompt: texts.get(say.text(prompt).split()[-1]) or say.writes(prompt)
    done = workshop.ask(workshop.documents(a=[f"On {topic}" for topic in [*texts, "fine", "good"]]))
    reasons = {json.loads(r["row"])["chunk_id"]: r["reason"] for r in done.rejects}
    assert list(reasons.values()) == ["not-json", "server-error", "truncated", "schema-violation"]
    assert len(done.rows) == 6
    assert done.result.figures["requests_failed"] == 4
    assert done.result.figures["pairs_missing"] == 12
    said = json.loads(done.rejects[0]["row"])["said"]
    assert said == "I would rather not."


def test_a_unit_that_mostly_failed_on_the_way_is_not_kept(workshop, model, say):
    rows = numbered(workshop, 10, documents=1)
    llm = {**model.runtime, "attempts": 1, "wait_s": 60}
    failing = {f"topic{n}" for n in range(6)}

    def says(prompt):
        if say.text(prompt).split()[-1] not in failing:
            return say.writes(prompt)
        # A server that has answered nothing at all is the client's to judge.
        return Act("no", status=500, delay_s=0.3)

    model.says = says
    vault = workshop.vault()
    with pytest.raises(TransientError, match="of 10 requests of one unit, 6 failed: 6 server-err"):
        workshop.ask(rows, vault=vault, runtime={"llm": llm})
    taken = workshop.ask(
        rows,
        vault=workshop.vault("other"),
        runtime={"llm": llm, "max_failed_share": 1},
    )
    assert taken.result.rejected == {"server-error": 6}
    model.says = say.writes
    before = Counter(model.asked)
    done = workshop.ask(rows, vault=vault)
    assert len(done.rows) == 30
    asked_again = {say.text(text).split()[-1] for text in model.asked - before}
    assert asked_again == failing


def test_a_server_with_every_fault_loses_no_chunk(workshop, model, say):
    rows = numbered(workshop, 64)
    seen = Counter()

    def says(prompt):
        number = int(say.text(prompt).split("topic")[-1])
        seen[number] += 1
        if number == 60:
            return Act(drop="before")
        faults = {
            0: Act("slow down", status=429, headers={"Retry-After": "0"}),
            1: Act("no", status=500),
            2: Act(drop="middle"),
            3: Act(body="{"),
            4: Act('{"pairs": [{"question": "What', finish="length"),
            5: Act("no JSON"),
        }
        return (
            faults.get(number % 8, say.writes(prompt)) if seen[number] == 1 else say.writes(prompt)
        )

    model.says = says
    llm = {**model.runtime, "attempts": 3, "wait_s": 30}
    done = workshop.ask(rows, runtime={"llm": llm})
    assert done.result.rejected == {"connection": 1}
    assert len(done.rows) == 3 * 63


def test_nothing_of_use_at_all_is_an_error_and_not_an_empty_set(workshop, model, say):
    model.says = lambda prompt: Act(say.pairs(("", "")))
    with pytest.raises(DataError, match="of 1 chunks came no pair of use: 1 empty-question"):
        workshop.ask(workshop.documents(a="One alpha"))


def test_a_stop_leaves_what_is_done(workshop, model):
    rows = numbered(workshop, 64 * 2)
    folder = workshop.folder / "stop"
    with pytest.raises(Cancelled):
        run_stage(
            STAGE,
            folder,
            config={"task": {"kind": "qa", "request": {"model": "fake"}}},
            inputs={"chunks": workshop_chunks(workshop, rows)},
            runtime={"llm": model.runtime},
            before_run=lambda ctx: ctx.request_stop(),
        )
    assert model.requests == 0


def workshop_chunks(workshop, rows):
    from graftline.domain.documents import CHUNKS
    from graftline.domain.rows import RowWriter

    folder = workshop.folder / "chunks"
    folder.mkdir()
    with RowWriter(folder, CHUNKS) as writer:
        for row in rows:
            writer.write(row)
    return folder


def test_what_does_not_fit_together_is_told(workshop, model, tmp_path):
    chunks = workshop_chunks(workshop, workshop.documents(a="One alpha"))
    qa = {"task": {"kind": "qa", "request": {"model": "fake"}}}
    with pytest.raises(ConfigError, match="'qa' needs chunks"):
        run_stage(STAGE, tmp_path / "1", config=qa)
    tickets = {"task": {"kind": "support-tickets"}}
    with pytest.raises(ConfigError, match="does not read the input 'chunks'"):
        run_stage(STAGE, tmp_path / "2", config=tickets, inputs={"chunks": chunks})
    with pytest.raises(ConfigError, match="no endpoint for the language model"):
        run_stage(STAGE, tmp_path / "3", config=qa, inputs={"chunks": chunks})
    with pytest.raises(ConfigError, match=r"task\.request: is required"):
        run_stage(STAGE, tmp_path / "4", config={"task": {"kind": "qa"}})
    wrong = {"kind": "qa", "request": {"model": "fake", "temprature": 1}}
    with pytest.raises(ConfigError, match=r"task\.request\.temprature: .*mean 'temperature'"):
        run_stage(STAGE, tmp_path / "5", config={"task": wrong})


def test_no_chunks_and_other_rows_are_told(workshop, tmp_path):
    with pytest.raises(DataError, match="no chunks to ask"):
        workshop.ask([])


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_tickets_are_the_first_ranks_work(tmp_path, ranks):
    config = {"task": {"kind": "support-tickets", "train": {"rows": 5}, "eval": {"rows": 0}}}
    config["task"]["ood"] = {"rows": 0}
    runs = [
        run_stage(STAGE, tmp_path / str(rank), config=config, rank=rank, ranks=ranks)
        for rank in range(ranks)
    ]
    assert [run.result is None for run in runs] == [False] + [True] * (ranks - 1)
    assert runs[0].result.rows_out == 5
