from __future__ import annotations

import itertools
import json
import re
from dataclasses import replace

import jsonschema
import pytest

from graftline.errors import ConfigError
from graftline_generate.config import SupportTickets
from graftline_generate.tickets.facts import INTENTS
from graftline_generate.tickets.sampling import ticket_examples
from graftline_generate.tickets.voices import VOICES

PAIRS = list(itertools.combinations(VOICES, 2))


def text_of(row) -> str:
    return row["messages"][-2]["content"]


def ticket_of(row) -> dict:
    return json.loads(row["messages"][-1]["content"])


def share(rows, holds) -> float:
    return sum(map(bool, map(holds, rows))) / len(rows)


def test_as_many_rows_as_asked_all_different(by_split):
    assert {split: len(rows) for split, rows in by_split.items()} == {
        "train": 6000,
        "eval": 800,
        "ood": 400,
    }
    everything = [row for rows in by_split.values() for row in rows]
    loose = {re.sub(r"\W+", " ", text_of(row)).lower() for row in everything}
    assert len(loose) == len({row["id"] for row in everything}) == 7200


def test_labels_meet_the_schema_and_stand_in_the_text(default_rows, schema):
    validator = jsonschema.Draft202012Validator(schema)
    for row in default_rows:
        ticket = ticket_of(row)
        assert not list(validator.iter_errors(ticket))
        order, product = ticket["entities"]["order_id"], ticket["entities"]["product"]
        assert set(re.findall(r"ORD-\d+", text_of(row))) == ({order} if order else set())
        assert product is None or product in text_of(row)


def test_a_message_without_a_product_names_none(by_split):
    names = {
        split: {ticket_of(row)["entities"]["product"] for row in rows} - {None}
        for split, rows in by_split.items()
    }
    for split, rows in by_split.items():
        brands = re.compile("|".join(rf"\b{voice_brand}\b" for voice_brand in brands_of(split)))
        for row in rows:
            if ticket_of(row)["entities"]["product"] is None:
                assert not brands.search(text_of(row))
    assert all(names.values())


def brands_of(split):
    return {brand for voice in VOICES[split] for brand in voice.brands}


def test_priority_has_its_cue_in_the_text(by_split):
    """A careful reader finds the words that make a message high or low, and none else."""
    for split, rows in by_split.items():
        cues = {
            "high": [cue for voice in VOICES[split] for cue in voice.urgent],
            "low": [cue for voice in VOICES[split] for cue in voice.relaxed],
        }
        patterns = {name: cue_pattern(texts) for name, texts in cues.items()}
        clean = [row for row in rows if not json.loads(row["meta"])["noises"]]
        assert len(clean) > 100
        for row in clean:
            said = {name for name, pattern in patterns.items() if pattern.search(text_of(row))}
            priority = ticket_of(row)["priority"]
            assert said == ({priority} - {"medium"}), text_of(row)


def cue_pattern(cues) -> re.Pattern:
    escaped = "|".join(map(re.escape, cues))
    return re.compile(escaped.replace(r"\[", "(?:").replace(r"\]", ")").replace(r"\|", "|"))


def test_shares_are_those_of_the_settings(by_split):
    for split, expected in {
        "train": {"messy": 0.35, "order": 0.8, "tech": 0.6, "multi": 0.1, "injected": 0.05},
        "eval": {"messy": 0.6, "order": 0.55, "tech": 0.55, "multi": 0.25, "injected": 0.15},
    }.items():
        rows = by_split[split]
        metas = [json.loads(row["meta"]) for row in rows]
        tickets = [ticket_of(row) for row in rows]
        tech = [t for t in tickets if t["intent"] == "tech_support"]
        rest = [t for t in tickets if t["intent"] != "tech_support"]
        found = {
            "messy": share(metas, lambda meta: set(meta["noises"]) - {"injected"}),
            "order": share(rest, lambda ticket: ticket["entities"]["order_id"]),
            "tech": share(tech, lambda ticket: ticket["entities"]["order_id"]),
            "multi": share(metas, lambda meta: meta["second_intent"]),
            "injected": share(metas, lambda meta: "injected" in meta["noises"]),
        }
        assert found == pytest.approx(expected, abs=0.1 if split == "eval" else 0.05)


def test_every_intent_and_noise_occurs(by_split):
    for split, rows in by_split.items():
        assert {ticket_of(row)["intent"] for row in rows} == set(INTENTS)
        wanted = {name for voice in VOICES[split] for name in (*voice.noises, *voice.styles)}
        found = {name for row in rows for name in json.loads(row["meta"])["noises"]}
        assert found == wanted | {"injected"}


def test_most_messages_are_short(by_split):
    words = sorted(len(text_of(row).split()) for row in by_split["train"])
    assert words[len(words) // 2] < 45
    assert words[-1] < 120


def test_rows_do_not_look_alike(by_split):
    """No template, filled in with the same words but for ids and names, rules a split."""
    heads = [" ".join(text_of(row).split()[:4]).lower() for row in by_split["train"]]
    most = max(heads.count(head) for head in set(heads))
    assert most < 0.02 * len(heads)
    assert len(set(heads)) > 0.25 * len(heads)


def test_groups_are_templates_and_belong_to_one_split(by_split):
    groups = {split: {row["group"] for row in rows} for split, rows in by_split.items()}
    for one, other in itertools.combinations(groups.values(), 2):
        assert not one & other
    assert len(groups["train"]) == sum(map(len, VOICES["train"][0].bodies.values()))


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_products_and_people_of_two_splits_are_disjoint(by_split, one, other):
    def products(split):
        return {ticket_of(row)["entities"]["product"] for row in by_split[split]} - {None}

    def people(split):
        return {json.loads(row["meta"])["person"] for row in by_split[split]} - {""}

    assert products(one)
    assert people(one)
    assert not products(one) & products(other)
    assert not people(one) & people(other)
    for field in ("brands", "nouns", "first_names", "last_names", "cities", "injections"):
        assert not material(one, field) & material(other, field), field


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_templates_of_two_splits_are_disjoint(one, other):
    """Not only is no template shared: no six words in a row are."""
    for field in ("order_clauses", "urgent", "relaxed", "connectors"):
        assert not material(one, field) & material(other, field), field
    assert wording(one)
    assert not wording(one) & wording(other)


def material(split, field) -> set[str]:
    return {item for voice in VOICES[split] for item in getattr(voice, field)} - {""}


def wording(split) -> set[tuple[str, ...]]:
    """All runs of six words in the templates of a split."""
    templates: list[str] = []
    for voice in VOICES[split]:
        for group in (voice.bodies, voice.second_requests, voice.noises):
            templates += itertools.chain.from_iterable(group.values())
        templates += [*voice.order_clauses, *voice.urgent, *voice.relaxed, *voice.injections]
    runs = set()
    for template in templates:
        words = re.findall(r"[a-z']+", re.sub(r"\{\w+\}", " ", template.lower()))
        runs |= {tuple(words[at : at + 6]) for at in range(len(words) - 5)}
    return runs


def test_too_small_a_space_is_an_error(seeded):
    voice = VOICES["train"][0]
    poor = replace(
        voice,
        bodies={intent: ("Help me.",) for intent in INTENTS},
        order_clauses=("Order.",),
        urgent=("Now.",),
        relaxed=("Later.",),
        layouts=("{text}",),
    )
    none = dict.fromkeys(
        ("messy", "order_id", "order_id_tech", "product", "multi_intent", "injected"), 0.0
    )
    task = SupportTickets(kind="support-tickets", train={"rows": 50, **none})
    with pytest.raises(ConfigError, match=r"train\.rows: 50 distinct .* after 5, 200 in a row"):
        list(ticket_examples(task, {**VOICES, "train": (poor,)}, seeded))


def test_nothing_is_asked_behind_praise(by_split):
    for rows in by_split.values():
        second = [row for row in rows if json.loads(row["meta"])["second_intent"]]
        others = [row for row in second if ticket_of(row)["intent"] == "other"]
        assert others
        assert not [row for row in others if re.search(r"Kudos|wanted to|is fire", text_of(row))]
