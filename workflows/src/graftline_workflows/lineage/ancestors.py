"""The rows that some rows were made from, through every step, and the paragraphs they stand on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from graftline_workflows.lineage.stored_rows import StoredRows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from graftline.store import Store
    from graftline_workflows.lineage.steps import Place

ROW_KINDS = ("metrics", "examples", "preferences", "sessions", "chunks", "documents")
"""Kinds of artifacts whose rows have ids, each of which is a row's or that of what it came from."""

_DATA = (
    *("id", "split", "group", "parents", "source", "path", "headings"),
    *("text", "messages", "meta"),
)
_SCORES = ("exact_match", "token_f1", "rouge_l", "gold_nll", "gold_tokens")
_ANSWERS = (
    *("id", "split", "group", "parents", "source", "meta"),
    *("variant", "prompt", "gold", "output", "finished", "failure", "reason"),
    *_SCORES,
)


@dataclass(frozen=True)
class Found:
    """A row, and the artifact that it stands in."""

    place: Place
    row: Mapping[str, Any]

    @property
    def id(self) -> str:
        """The row's id."""
        return str(self.row["id"])

    @property
    def is_answer(self) -> bool:
        """Whether it is what a model answered in an evaluation."""
        return self.place.kind == "metrics" and "output" in self.row

    @property
    def made_from(self) -> set[str]:
        """Ids of the rows that it was made from, its document among them."""
        source = self.row.get("source") or {}
        return {*(self.row.get("parents") or ()), *filter(None, [source.get("document")])}

    @property
    def meta(self) -> dict[str, Any]:
        """What else is known of it."""
        found: dict[str, Any] = json.loads(self.row.get("meta") or "{}")
        return found

    @property
    def question(self) -> str:
        """What is asked in it; empty if nothing is."""
        return self.row.get("prompt") or self._said_by("user")

    @property
    def expected(self) -> str:
        """The answer that is wanted; empty if there is none."""
        return self.row.get("gold") or self._said_by("assistant")

    def _said_by(self, role: str) -> str:
        messages = self.row.get("messages") or ()
        said = [item["content"] or "" for item in messages if item["role"] == role]
        return said[-1] if said else ""

    def as_json(self) -> dict[str, Any]:
        """Give it as one ancestor among others."""
        source = self.row.get("source") or {}
        judgement = self.meta.get("judgement") or {}
        return {
            "id": self.id,
            "kind": self.place.kind,
            "step": self.place.manifest.step,
            "output": self.place.port,
            "key": self.place.manifest.key,
            "split": self.row.get("split"),
            "path": self.row.get("path") or self.meta.get("source_file"),
            "start": source.get("start"),
            "end": source.get("end"),
            "overall": judgement.get("overall"),
            "verdict": judgement.get("verdict"),
        }

    def answer_json(self) -> dict[str, Any]:
        """Give it as a model's answer."""
        names = ("variant", "output", "finished", "failure", "reason")
        return {
            "step": self.place.manifest.step,
            **{name: self.row.get(name) for name in names},
            "scores": {name: self.row[name] for name in _SCORES if self.row.get(name) is not None},
        }


@dataclass(frozen=True)
class Paragraph:
    """Characters [start, end) of a document; the document's own text where it is still stored."""

    document: str
    path: str
    start: int | None
    end: int | None
    headings: tuple[str, ...]
    text: str


def rows_of(store: Store, place: Place, ids: Iterable[str]) -> list[Found]:
    """Give the rows of one artifact that have these ids."""
    columns = _ANSWERS if place.kind == "metrics" else _DATA
    return [Found(place, row) for row in StoredRows(store, place).find(set(ids), columns)]


def trace(store: Store, places: Sequence[Place], ids: Iterable[str]) -> list[Found]:
    """Find rows by their ids, and all that they were made from, nearest first.

    Args:
        store: The store.
        places: Artifacts, each before what it was made from (`places_read`).
        ids: Of the rows, and of what they were made from as far as it is known.
    """
    wanted = set(ids)
    found: list[Found] = []
    for place in places:
        if place.kind in ROW_KINDS:
            here = rows_of(store, place, wanted)
            found += here
            wanted.update(*(item.made_from for item in here))
    return found


def paragraphs_of(row: Found, ancestors: Sequence[Found]) -> list[Paragraph]:
    """Give the paragraphs that a row stands on: its chunks', else its own source's.

    Args:
        row: The row.
        ancestors: What `trace` found for it, and perhaps for others.
    """
    by_id: dict[str, list[Found]] = {}
    for item in ancestors:
        by_id.setdefault(item.id, []).append(item)
    reached, waiting = {row.id}, [row, *by_id.get(row.id, ())]
    chunks: dict[str, Found] = {}
    spans: dict[tuple[Any, ...], Found] = {}
    while waiting:
        item = waiting.pop(0)
        if item.place.kind == "chunks":
            chunks[item.id] = item
        elif item.row.get("source"):
            spans.setdefault(tuple(item.row["source"].values()), item)
        for parent in sorted(item.made_from - reached):
            reached.add(parent)
            waiting += by_id.get(parent, ())
    stand_on = chunks or spans
    found = [_paragraph(item, by_id) for item in stand_on.values()]
    return [item for item in found if item.text]


def _paragraph(item: Found, by_id: Mapping[str, Sequence[Found]]) -> Paragraph:
    source = item.row.get("source") or {}
    document = str(source.get("document") or "")
    start, end = source.get("start"), source.get("end")
    whole = next((f for f in by_id.get(document, ()) if f.place.kind == "documents"), None)
    if whole is not None and start is not None and end is not None:
        text, path = whole.row["text"][start:end], whole.row["path"]
    else:
        text = item.row.get("text") or item.meta.get("source_text") or ""
        path = item.row.get("path") or item.meta.get("source_file") or ""
    return Paragraph(document, path, start, end, tuple(item.row.get("headings") or ()), text)
