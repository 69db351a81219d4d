"""The scorer `json_task`: is the answer JSON, does it keep to the schema, and is it right.

The whole answer must be one JSON value (white space around it aside): nothing is dug out of prose
or code fences, for the program that reads the answer would not do so either. An answer that is
JSON but violates the schema still counts for intent and entities by what it says; one that is no
JSON has no intent, and all of its entities are missed.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from graftline.canonical import canonical_json
from graftline.domain.strict_json import parse
from graftline_evaluate import statistics
from graftline_evaluate.few_shot import make_few_shot
from graftline_evaluate.measures import Measure, share
from graftline_evaluate.schemas import AnswerSchema
from graftline_evaluate.scorers.entities import entities_of, field_of, spell

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from graftline_evaluate.config import JsonTask
    from graftline_evaluate.dataset import EvalRow
    from graftline_evaluate.few_shot import FewShotPrompt

JSON_WHITE_SPACE = " \t\r\n"


@dataclass(frozen=True)
class RowScore:
    """How one answer did.

    Args:
        json_valid: It is JSON.
        schema_valid: It is JSON that keeps to the schema.
        intent_correct: Its intent is the gold one; nothing if no intent is scored.
        exact_match: It equals the gold value (key order and spelling aside).
        entity_tp: Gold entities that it has.
        entity_fp: Entities that it has and the gold answer has not.
        entity_fn: Gold entities that it has not.
        fields: Equality of each closed field (see `JsonTaskScorer.closed_fields`).
        failure: The first thing that is wrong, by name; empty for an exact match.
        reason: The same in one line for people; empty for an exact match.
    """

    json_valid: bool
    schema_valid: bool
    intent_correct: bool | None
    exact_match: bool
    entity_tp: int
    entity_fp: int
    entity_fn: int
    fields: dict[str, bool] = field(default_factory=dict)
    failure: str = ""
    reason: str = ""

    def as_row(self) -> dict[str, Any]:
        """Give the score as columns of rows.parquet."""
        return {**asdict(self), "fields": canonical_json(self.fields)}


class JsonTaskScorer:
    """Scores answers against gold answers.

    Args:
        config: The scorer's settings.

    Attributes:
        closed_fields: Top-level fields that the schema gives an `enum` or the type boolean, other
            than the intent: each has an accuracy of its own (`needs_clarification_accuracy`).
    """

    forces_gold = False
    gold_advice = "correct `scorer.schema` or reject these rows before (curate)"
    columns: tuple[pa.Field, ...] = (
        pa.field("json_valid", pa.bool_(), nullable=False),
        pa.field("schema_valid", pa.bool_(), nullable=False),
        pa.field("intent_correct", pa.bool_()),
        pa.field("exact_match", pa.bool_(), nullable=False),
        pa.field("entity_tp", pa.int32(), nullable=False),
        pa.field("entity_fp", pa.int32(), nullable=False),
        pa.field("entity_fn", pa.int32(), nullable=False),
        # Equality of each closed field, as canonical JSON: {"needs_clarification":true}.
        pa.field("fields", pa.string(), nullable=False),
    )

    def __init__(self, config: JsonTask) -> None:
        """Prepare the schema."""
        self._config = config
        self._schema = AnswerSchema(config.answer_schema)
        self.closed_fields = _closed_fields(config)

    @property
    def measures(self) -> tuple[Measure, ...]:
        """The metrics, in the order of reports."""
        head = {"json_validity": "json_valid", "schema_compliance": "schema_valid"}
        if self._config.intent_field is not None:
            head["intent_accuracy"] = "intent_correct"
        return (
            *(_flag(name, column) for name, column in head.items()),
            Measure("entity_precision", _entity_counts, statistics.precision),
            Measure("entity_recall", _entity_counts, statistics.recall),
            Measure("entity_f1", _entity_counts, statistics.f1),
            _flag("exact_match", "exact_match"),
            *(_field_accuracy(name) for name in self.closed_fields),
        )

    def gold_problem(self, text: str) -> str:
        """Give why a gold answer cannot be one, or nothing.

        Raises:
            ValueError: The schema cannot be used on it.
        """
        parsed = parse(text.strip(JSON_WHITE_SPACE))
        if parsed.problem is not None:
            return f"not JSON: {parsed.problem}"
        violation = self._schema.problem(parsed.value)
        return f"violates the schema {violation}" if violation else ""

    def few_shot(self, pool: Sequence[EvalRow], rows: int) -> FewShotPrompt:
        """Choose the examples that the base is shown, with the schema.

        Raises:
            DataError: There are not enough rows.
        """
        return make_few_shot(self._config.answer_schema, pool, rows)

    def row(self, output: str, gold: str, finished: bool) -> dict[str, Any]:
        """Score one answer as columns; JSON tells by itself whether it is finished."""
        return self.score(output, gold).as_row()

    def score(self, output: str, gold: str) -> RowScore:
        """Score one answer.

        Args:
            output: What the model wrote, all of it.
            gold: A gold answer without a `gold_problem`.
        """
        right = parse(gold.strip(JSON_WHITE_SPACE)).value
        parsed = parse(output.strip(JSON_WHITE_SPACE))
        wanted = entities_of(right, self._config.entity_fields)
        intent = self._config.intent_field
        if parsed.problem is not None:
            return RowScore(
                json_valid=False,
                schema_valid=False,
                intent_correct=None if intent is None else False,
                exact_match=False,
                entity_tp=0,
                entity_fp=0,
                entity_fn=wanted.total(),
                fields=dict.fromkeys(self.closed_fields, False),
                failure="malformed-json",
                reason=f"malformed JSON: {parsed.problem}",
            )
        said = parsed.value
        violation = self._schema.problem(said)
        found = entities_of(said, self._config.entity_fields)
        intent_correct = None if intent is None else _same(said, right, intent)
        exact = spell(said) == spell(right)
        failure, reason = "", ""
        if violation:
            failure, reason = "schema-violation", f"schema violation {violation}"
        elif intent is not None and not intent_correct:
            failure, reason = "wrong-intent", _tell_field(said, right, intent)
        elif found != wanted:
            failure, reason = "wrong-entities", _tell_entities(found, wanted)
        elif not exact:
            failure, reason = "other-difference", _tell_difference(said, right)
        return RowScore(
            json_valid=True,
            schema_valid=not violation,
            intent_correct=intent_correct,
            exact_match=exact,
            entity_tp=(found & wanted).total(),
            entity_fp=(found - wanted).total(),
            entity_fn=(wanted - found).total(),
            fields={name: _same(said, right, name) for name in self.closed_fields},
            failure=failure,
            reason=reason,
        )


def _flag(name: str, column: str) -> Measure:
    return share(name, lambda row: bool(row[column]))


def _field_accuracy(name: str) -> Measure:
    return share(f"{name}_accuracy", lambda row: bool(json.loads(row["fields"])[name]))


def _entity_counts(row: Mapping[str, Any]) -> tuple[float, ...]:
    return row["entity_tp"], row["entity_fp"], row["entity_fn"]


def _closed_fields(config: JsonTask) -> tuple[str, ...]:
    properties = config.answer_schema.get("properties")
    if not isinstance(properties, dict):
        return ()
    return tuple(
        name
        for name, part in properties.items()
        if isinstance(part, dict)
        and ("enum" in part or part.get("type") == "boolean")
        and "." not in name
        and name not in ("intent", config.intent_field)
    )


def _same(said: Any, right: Any, path: str) -> bool:
    return isinstance(said, dict) and spell(field_of(said, path)) == spell(field_of(right, path))


def _tell_field(said: Any, right: Any, path: str) -> str:
    return f"{path} is {_short(field_of(said, path))}, not {_short(field_of(right, path))}"


def _tell_entities(found: Any, wanted: Any) -> str:
    missed = [f"{path} {_cut(value)}" for path, value in sorted((wanted - found).elements())]
    extra = [f"{path} {_cut(value)}" for path, value in sorted((found - wanted).elements())]
    parts = [f"missed {', '.join(missed)}"] if missed else []
    return "; ".join([*parts, f"invented {', '.join(extra)}"] if extra else parts)


def _tell_difference(said: Any, right: Any) -> str:
    if isinstance(said, dict) and isinstance(right, dict):
        for name in [*right, *said]:
            if (name in said) != (name in right) or not _same(said, right, name):
                return _tell_field(said, right, name)
    return "not the gold value"


def _short(value: Any) -> str:
    return _cut(spell(value))


def _cut(text: str, limit: int = 60) -> str:
    return text if len(text) <= limit else f"{text[:limit]}…"
