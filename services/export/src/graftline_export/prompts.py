"""Which prompts every exported form has to answer, and as which tokens."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from graftline.domain.examples import compact
from graftline.domain.rows import read_rows
from graftline.domain.template import TemplateRefusal
from graftline.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

BUILT_IN = (
    "What is the capital of France?",
    "Write one sentence about the sea.",
    "List three fruits.",
    "How many days has a week?",
    "Translate 'good morning' into German.",
    "Name a colour.",
    "What does a thermometer measure?",
    "Complete: the quick brown fox",
)


@dataclass(frozen=True)
class Prompt:
    """A conversation that waits for an answer, and as the model sees it."""

    id: str
    messages: tuple[dict[str, Any], ...]
    text: str
    tokens: tuple[int, ...]


def choose_examples(folder: Path, split: str, count: int) -> tuple[list[dict[str, Any]], str]:
    """Take the `count` rows with the smallest ids (which are digests: a fair, fixed sample).

    Gives:
        The rows and the split they are from: the wanted one, or the first that the examples have.
    """
    rows = _smallest(folder, split, count)
    if rows:
        return rows, split
    splits = sorted({str(row["split"]) for row in read_rows(folder, ["split"])})
    if not splits:
        return [], split
    return _smallest(folder, splits[0], count), splits[0]


def _smallest(folder: Path, split: str, count: int) -> list[dict[str, Any]]:
    columns = ["id", "split", "messages"]
    wanted = (row for row in read_rows(folder, columns) if row["split"] == split)
    return heapq.nsmallest(count, wanted, key=lambda row: str(row["id"]))


def shared_system(rows: Iterable[dict[str, Any]]) -> str:
    """Give the system prompt that all training rows share; empty if they do not."""
    found = ""
    for row in rows:
        if row["split"] != "train":
            continue
        first = row["messages"][0] if row["messages"] else {}
        system = first.get("content") if first.get("role") == "system" else ""
        if not system or (found and system != found):
            return ""
        found = system
    return found


def question(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Drop the answer, which the forms are to give themselves."""
    asked = compact(messages)
    while asked and asked[-1]["role"] == "assistant":
        asked.pop()
    return asked


def make_prompts(
    conversations: Iterable[tuple[str, list[dict[str, Any]]]],
    render_chat: Callable[[list[dict[str, Any]]], str],
    tokenize: Callable[[str], list[int]],
    longest: int,
) -> list[Prompt]:
    """Render and tokenize questions; those longer than `longest` tokens are left out.

    Raises:
        DataError: None is left, or the chat template refuses one.
    """
    prompts, too_long = [], 0
    for name, messages in conversations:
        try:
            text = render_chat(messages)
        except TemplateRefusal as error:
            raise DataError(
                f"prompt {name}: the model's chat template refuses it: {error}"
            ) from error
        tokens = tuple(tokenize(text))
        if len(tokens) > longest:
            too_long += 1
        else:
            prompts.append(Prompt(name, tuple(messages), text, tokens))
    if not prompts:
        raise DataError(
            f"no prompt for the parity check: {too_long} are longer than {longest} tokens"
        )
    return prompts
