"""The forgetting probe: does the model still predict texts that have nothing to do with the task?

An adapter can win its task and lose the language. Its loss on general texts shows it before any
benchmark does. The stage's own texts (`general.json`, written for it) are paragraphs, every token
but the first of which counts, and questions through the chat template, of which the answer counts.
They are few and easy: the figure tells a change of one model, and ranks no models.
"""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING, Any

from graftline.canonical import canonical_json, digest_of
from graftline.errors import DataError
from graftline_evaluate.chat import Chat, prompt_tokens
from graftline_evaluate.config import FORGETTING
from graftline_evaluate.dataset import EvalRow
from graftline_evaluate.measures import perplexity
from graftline_evaluate.prompts import refuse_long
from graftline_evaluate.targets import Targets, share_prefix

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from graftline_evaluate.config import Forgetting

# Not Parquet: all Parquet files of an artifact are shards of its rows.
PROBE_FILE = "forgetting.json"
MEASURES = (perplexity("forgetting_perplexity", "nats", "tokens"),)

Passage = dict[str, str]
"""{"text"}, or {"question", "answer"}."""


def probe_passages(config: Forgetting) -> list[Passage]:
    """Give the texts of the probe; none if it is off."""
    if not config.use:
        return []
    if config.texts:
        return [{"text": text} for text in config.texts]
    own = resources.files("graftline_evaluate").joinpath("general.json")
    passages: list[Passage] = json.loads(own.read_text(encoding="utf-8"))
    return passages


def probe_targets(chat: Chat, passages: Sequence[Passage], longest: int) -> Targets:
    """Tokenise the probe.

    Args:
        chat: The model's tokenizer and chat template.
        passages: At least one.
        longest: Tokens that a text may have at most.

    Raises:
        DataError: A text is too short or too long, or the chat template refuses a question.
    """
    names = [f"text {number}" for number in range(1, len(passages) + 1)]
    texts = [_tokens(chat, name, passage) for name, passage in zip(names, passages, strict=True)]
    refuse_long(
        "texts of the forgetting probe",
        ((name, len(tokens)) for name, (tokens, _) in zip(names, texts, strict=True)),
        longest,
        "of the model's context",
        "give shorter ones as forgetting.texts, or set forgetting.use to false, in baseline and "
        "adapted alike",
    )
    return share_prefix(texts)


def probe_rows(
    passages: Sequence[Passage], targets: Targets, nats: Sequence[float]
) -> list[dict[str, Any]]:
    """Give the rows of forgetting.json.

    `text` is a plain text, or the answer to `question`; `nats` its negative log probability, and
    `tokens` how many that sums over.
    """
    return [
        {
            "question": passage.get("question", ""),
            "text": passage.get("answer", passage.get("text", "")),
            "nats": value,
            "tokens": targets.count(row),
        }
        for row, (passage, value) in enumerate(zip(passages, nats, strict=True))
    ]


def describe_probe(passages: Sequence[Passage]) -> dict[str, Any]:
    """Say for metrics.json which texts they were."""
    return {"texts": len(passages), "digest": digest_of(list(passages))}


def write_probe(folder: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write forgetting.json."""
    (folder / PROBE_FILE).write_text(canonical_json(list(rows)) + "\n", encoding="utf-8")


def read_probe(folder: Path) -> list[dict[str, Any]]:
    """Read a baseline's forgetting.json.

    Raises:
        DataError: It is not there or cannot be read.
    """
    try:
        rows: list[dict[str, Any]] = json.loads((folder / PROBE_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"baseline: its {PROBE_FILE} cannot be read: {error}") from error
    return rows


def _tokens(chat: Chat, name: str, passage: Passage) -> tuple[list[int], int]:
    if "question" in passage:
        messages = ({"role": "user", "content": passage["question"]},)
        row = EvalRow(name, FORGETTING, "", messages, passage["answer"], None)
        asked, gold = prompt_tokens(chat, list(messages), row, with_gold=True)
        return [*asked, *gold], len(asked)
    tokens: list[int] = chat.tokenizer(passage["text"])["input_ids"]
    if len(tokens) < 2:
        raise DataError(
            f"{name} of the forgetting probe has a single token: there is nothing to predict",
            "give longer forgetting.texts",
        )
    return tokens, 1
