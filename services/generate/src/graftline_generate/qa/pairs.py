"""Which of a model's pairs are of use, and the rows that they become."""

from __future__ import annotations

import json
import unicodedata
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from graftline.canonical import canonical_json, digest_of
from graftline.domain.examples import example, message
from graftline.domain.spelling import letters

if TYPE_CHECKING:
    from graftline_generate.qa.prompts import Prompt

TASK = "qa"

_COPIED_WHOLE = 16
_COPIED_RUN = 48


class CopiedText:
    """Tells text that was copied from the instruction instead of made from the chunk.

    Copied is a text of 16 letters or more that stands in the instruction as a whole, and one that
    shares a run of 48 letters with it; what stands in the chunk as well is not.

    Args:
        instruction: What the model was told, without the chunk.
    """

    def __init__(self, instruction: str) -> None:
        """Take the instruction apart."""
        self._whole = letters(instruction)
        self._runs = set(_runs(self._whole))

    def found_in(self, said: str, chunk: str) -> bool:
        """Whether a text was copied.

        Args:
            said: Its letters.
            chunk: The chunk's letters.
        """
        if len(said) >= _COPIED_WHOLE and said in self._whole:
            return said not in chunk
        runs = self._runs.intersection(_runs(said))
        return bool(runs) and not all(run in chunk for run in runs)


def _runs(text: str) -> list[str]:
    return [text[at : at + _COPIED_RUN] for at in range(len(text) - _COPIED_RUN + 1)]


def pair_problem(
    question: str, answer: str, copied: CopiedText, chunk: str
) -> tuple[str, str] | None:
    """Give reason and detail why a pair is of no use, or nothing.

    Args:
        question: The question.
        answer: The answer.
        copied: Tells what was copied from the instruction.
        chunk: The letters of the chunk that was asked about.
    """
    asked, told = letters(question), letters(answer)
    for part, text, said in (("question", question, asked), ("answer", answer, told)):
        # Punctuation alone says nothing; a sign such as "→" or "5 €" may.
        if not any(unicodedata.category(character)[0] in "LNS" for character in text):
            return f"empty-{part}", f"the {part} has no text"
        if copied.found_in(said, chunk):
            return "copied-prompt", f"the {part} repeats the instruction"
    if asked and asked == told:
        return "answer-is-question", "the answer repeats the question and says no more"
    return None


def pair_example(
    chunk: dict[str, Any], prompt: Prompt, question: str, answer: str
) -> dict[str, Any]:
    """Make the row of EXAMPLES of a pair about a chunk."""
    messages = [message("user", question), message("assistant", answer)]
    if prompt.system_prompt:
        messages.insert(0, message("system", prompt.system_prompt))
    return example(
        messages=messages,
        split=chunk["split"],
        group=chunk["group"],
        task=TASK,
        parents=[chunk["id"]],
        source=chunk["source"],
        meta=pair_fields(chunk, question, answer),
    )


def pair_fields(chunk: dict[str, Any], question: str, answer: str) -> dict[str, Any]:
    """Give a pair's interchange fields.

    The source's text is among them, so that rows are judged and shown without another artifact.
    """
    path = PurePosixPath(chunk["path"])
    return {
        "question": question,
        "answer": answer,
        "source_file": chunk["path"],
        "file_name": path.name,
        "file_type": path.suffix.removeprefix(".").lower(),
        "chunk_id": chunk["id"],
        "chunk_index": chunk["index"],
        "chunk_start": chunk["source"]["start"],
        "chunk_end": chunk["source"]["end"],
        "source_text": chunk["text"],
    }


def pair_reject(
    chunk: dict[str, Any], prompt: int, number: int, pair: dict[str, Any], problem: tuple[str, str]
) -> dict[str, Any]:
    """Make the reject of a pair.

    Args:
        chunk: The chunk that was asked about.
        prompt: Which of the document's prompts it was.
        number: Which pair of the answer.
        pair: The pair as the model gave it.
        problem: Reason and detail.
    """
    row = {"chunk_id": chunk["id"], "source_file": chunk["path"], **pair}
    return _reject([chunk["id"], prompt, number], chunk, row, *problem)


def row_reject(row: dict[str, Any], reason: str, detail: str) -> dict[str, Any]:
    """Make the reject of a pair that was a row already."""
    meta = json.loads(row["meta"])
    chunk = {
        "id": meta["chunk_id"],
        "path": meta["source_file"],
        "source": row["source"],
        "split": row["split"],
    }
    pair = {"question": meta["question"], "answer": meta["answer"]}
    kept = {"chunk_id": chunk["id"], "source_file": chunk["path"], **pair}
    return _reject([chunk["id"], row["id"]], chunk, kept, reason, detail)


def question_of(row: dict[str, Any]) -> str:
    """Give a pair's question from its row."""
    return next((item["content"] for item in row["messages"] if item["role"] == "user"), "")


def chunk_reject(
    chunk: dict[str, Any], prompt: int, reason: str, detail: str, said: str
) -> dict[str, Any]:
    """Make the reject of a chunk that got no usable answer to a prompt."""
    row = {"chunk_id": chunk["id"], "source_file": chunk["path"], "said": said}
    return _reject([chunk["id"], prompt], chunk, row, reason, detail)


def _reject(
    identity: list[Any], chunk: dict[str, Any], row: dict[str, Any], reason: str, detail: str
) -> dict[str, Any]:
    where = f"{chunk['path']} [{chunk['source']['start']}, {chunk['source']['end']})"
    return {
        "id": digest_of(identity)[:32],
        "reason": reason,
        "detail": f"{where}: {detail}",
        "split": chunk["split"],
        "row": canonical_json(row),
    }
