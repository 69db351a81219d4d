"""`validate`: answers are strict JSON and fit a schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import jsonschema_rs
import numpy as np

from graftline.errors import ConfigError
from graftline_curate.chats import Chats
from graftline_curate.operations.base import Drops, Operation, Outcome, in_splits
from graftline_curate.strict_json import parse

if TYPE_CHECKING:
    import pyarrow as pa

    from graftline_curate.config import Validate


class ValidateOperation(Operation):
    """Judges each distinct answer of a batch once."""

    def __init__(self, settings: Validate) -> None:
        """Compile the schema.

        Raises:
            ConfigError: It is no JSON Schema, or refers to something outside itself.
        """
        self._settings = settings
        schema = settings.answer_schema or {"type": "object"}
        try:
            self._validator: Any = jsonschema_rs.validator_for(schema, retriever=_refuse_to_fetch)
        except (jsonschema_rs.ValidationError, ValueError) as error:
            cause = str(error).splitlines()[0]
            raise ConfigError(f"answer_schema is no valid JSON Schema: {cause}") from error

    def apply(self, batch: pa.RecordBatch) -> Outcome:
        """Judge a batch."""
        answers = Chats(batch).answers.dictionary_encode()
        verdicts = [self._judge(text) for text in answers.dictionary.to_pylist()]
        bad = np.array([bool(reason) for reason, _ in verdicts], np.bool_)
        indices = answers.indices.to_numpy()
        broken = bad[indices] & in_splits(batch, self._settings.in_splits)
        rows = np.flatnonzero(broken).tolist()
        told = [verdicts[indices[row]] for row in rows]
        drops = Drops(rows, [reason for reason, _ in told], [detail for _, detail in told])
        return Outcome.dropping(batch, drops)

    def _judge(self, text: str) -> tuple[str, str]:
        try:
            answer = parse(text)
        except ValueError as error:
            return "answer-not-json", str(error)
        if self._validator.is_valid(answer):
            return "", ""
        problems = []
        for problem in self._validator.iter_errors(answer):
            path = ".".join(str(part) for part in problem.instance_path)
            problems.append(f"{path or 'answer'}: {problem.message}")
        return "answer-not-in-schema", "; ".join(sorted(problems)[:3])


def _refuse_to_fetch(uri: str) -> NoReturn:
    raise ValueError(f"$ref to '{uri}': only references inside the schema are followed")
