"""The published sets that issue and recipes name, as they are."""

from __future__ import annotations

import json
from collections import Counter


def test_snips(ingest, real_data):
    done = ingest(real_data / "c-snips", layout="snips")
    assert Counter(done.splits) == {"train": 2100, "eval": 700}
    assert {answer["intent"] for answer in done.answers} == {
        "AddToPlaylist",
        "BookRestaurant",
        "GetWeather",
        "PlayMusic",
        "RateBook",
        "SearchCreativeWork",
        "SearchScreeningEvent",
    }
    for row, answer in zip(done.examples, done.answers, strict=True):
        for value in answer["slots"].values():
            for text in value if isinstance(value, list) else [value]:
                assert text in row["messages"][0]["content"]


def test_clinc(ingest, real_data):
    done = ingest(real_data / "c-clinc150", include=["data_small.json"])
    assert Counter(done.splits) == {"train": 7500, "eval": 7500, "ood": 1200}
    assert len({answer["intent"] for answer in done.answers}) == 151


def test_llama_factory(ingest, real_data):
    folder = real_data / "g-llama-factory"
    counts = {
        name: len(ingest(folder / name).examples)
        for name in (
            "alpaca_en_demo.json",
            "identity.json",
            "glaive_toolcall_en_demo.json",
            "v1_sft_demo.jsonl",
            "kto_en_demo.json",
        )
    }
    assert list(counts.values()) == [999, 91, 300, 500, 300]


def test_axolotl(ingest, real_data):
    assert len(ingest(real_data / "g-axolotl" / "conversation.json").examples) == 1
    assert len(ingest(real_data / "g-axolotl" / "alpaca").examples) == 2


def test_moralchoice_by_a_field_map(ingest, real_data):
    done = ingest(
        real_data / "e-moralchoice",
        fields={"text": "context", "answer": {"rule": "generation_rule", "kill": "a1_death"}},
        id_field="scenario_id",
        meta_fields=["ambiguity"],
        split={"fractions": {"eval": 0.2}},
    )
    assert done.result.rows_in == 1367
    assert done.answers[0] == {"kill": "No", "rule": "Do not kill"}
    assert set(done.splits) == {"train", "eval"}


def test_instructlab_taxonomy(ingest, real_data):
    done = ingest(real_data / "a-taxonomy-qna", layout="instructlab")
    assert not done.rejects
    assert len(done.examples) == 97
    assert len({row["group"] for row in done.examples}) == 16
    sources = [json.loads(row["meta"]).get("source_text", "") for row in done.examples]
    assert sum(map(bool, sources)) == 41
    knowledge = ingest(
        real_data / "a-taxonomy-qna", layout="instructlab", include=["knowledge/*", "*/grounded/*"]
    )
    assert [row["id"] for row in knowledge.examples] == [
        row["id"] for row, source in zip(done.examples, sources, strict=True) if source
    ]
