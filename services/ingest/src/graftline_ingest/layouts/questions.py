"""The layouts `qa` and `instructlab`: a question, its answer, and the text that they came from."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from graftline_ingest.drafts import Draft, chat, text_of

TASK = "qa"

_FIELDS = ("source_file", "file_name", "file_type", "chunk_id", "source_text")
_NUMBERS = ("chunk_index", "chunk_start", "chunk_end")
_SCORES = ("factual_accuracy", "completeness", "consistency", "overall")
_VERDICTS = ("PASS", "NEEDS_REVIEW", "FAIL", "UNJUDGED")
_HIGHEST_SCORE = 10


def from_qa(record: dict[str, Any]) -> Draft:
    """Read `{"question", "answer"}` with what is known of the chunk that it came from.

    That is `source_file`, `file_name`, `file_type`, `chunk_id`, `chunk_index`, `chunk_start`,
    `chunk_end` and `source_text`: the fields that `generate` writes, kept in `meta`. The chunk is
    the row's parent, its characters the row's source, and the file the group. What a judge said
    becomes `meta.judgement`.

    Raises:
        Refused: Question or answer are missing or empty.
    """
    question, answer = text_of(record, "question"), text_of(record, "answer")
    known = {name: record[name] for name in _FIELDS if record.get(name) not in (None, "")}
    known |= {name: number for name in _NUMBERS if (number := _whole(record.get(name))) is not None}
    file = str(known.get("source_file", ""))
    start, end = known.get("chunk_start"), known.get("chunk_end")
    has_span = bool(file) and start is not None and end is not None and start <= end
    return Draft(
        chat(question, answer),
        task=TASK,
        group=file or str(known.get("file_name", "")),
        parents=[str(known["chunk_id"])] if "chunk_id" in known else [],
        source={"document": file, "start": start, "end": end} if has_span else None,
        meta={"question": question, "answer": answer, **known, **_judgement(record)},
    )


def from_instructlab(record: dict[str, Any]) -> Draft:
    """Read a pair of a taxonomy's `qna.yaml`, as `reading.taxonomy` gives it.

    Its context becomes `meta.source_text`; the file is the group.

    Raises:
        Refused: Question or answer are missing or empty.
    """
    question, answer = (text_of(record, name).strip() for name in ("question", "answer"))
    path = PurePosixPath(record["source_file"])
    known = {
        "question": question,
        "answer": answer,
        "source_file": str(path),
        "file_name": path.name,
        "file_type": path.suffix.removeprefix(".").lower(),
    }
    context = record.get("context")
    if isinstance(context, str) and context.strip():
        known["source_text"] = context.strip()
    for name in ("domain", "task_description"):
        if isinstance(record.get(name), str) and record[name].strip():
            known[name] = record[name].strip()
    return Draft(chat(question, answer), task=TASK, group=str(path), meta=known)


def _judgement(record: dict[str, Any]) -> dict[str, Any]:
    """Give `factual_accuracy`, `completeness`, `consistency`, `overall` and `verdict` of a judge.

    It is one only with a verdict: each of the scores may mean something else in others' files.
    """
    if record.get("verdict") not in _VERDICTS:
        return {}
    scores = {name: _score(record.get(name)) for name in _SCORES}
    return {"judgement": {**scores, "verdict": record["verdict"]}}


def _score(value: Any) -> int | float | None:
    """Give a number from 0 to 10, also where a table holds it as text; else nothing."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if 0 <= value <= _HIGHEST_SCORE else None


def _whole(value: Any) -> int | None:
    """Give a whole number from 0 on, also where a table holds it as text or with a point."""
    if isinstance(value, str) and value.strip().isdecimal():
        return int(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0:
        return int(value) if value == int(value) else None
    return None
