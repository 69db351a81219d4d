"""What a model learned of the paragraph that a row stands on, or of others like it."""

from __future__ import annotations

import heapq
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from graftline_workflows.lineage.ancestors import Found, Paragraph, paragraphs_of, trace
from graftline_workflows.lineage.stored_rows import StoredRows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from graftline.store import Store
    from graftline_workflows.lineage.steps import Place

RELATIONS = ("same-chunk", "same-source", "alike")
"""From one chunk; from one document, session or template; with most words in common."""

_LEARNED = "train"
_COLUMNS = ("id", "group", "parents", "messages")
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Learned:
    """A row that was learned.

    Args:
        id: Its id.
        relation: One of `RELATIONS`.
        alike: Words in common, as a share of all words of both (Jaccard's index).
        question: What is asked in it.
        expected: What was learned.
        paragraphs: What it stands on.
    """

    id: str
    relation: str
    alike: float
    question: str
    expected: str
    paragraphs: list[Paragraph]


@dataclass(frozen=True)
class Training:
    """What was learned of a row's kin.

    Args:
        place: The training set.
        rows: How many rows were learned.
        holds_row: Whether the row itself was: it should not have been evaluated then.
        counts: How many rows of one chunk, and of one source, with it.
        shown: The nearest few of each relation.
    """

    place: Place
    rows: int
    holds_row: bool
    counts: dict[str, int]
    shown: list[Learned]


def training_of(
    store: Store, places: Sequence[Place], row: Found, ancestors: Sequence[Found], few: int
) -> Training | None:
    """Find the learned rows that are nearest to a row; nothing if nothing was learned.

    Memory: the ids of the training set (some 100 bytes each), and a few rows.

    Args:
        store: The store.
        places: The artifacts of the lineage, each before what it was made from.
        row: The row.
        ancestors: What it was made from.
        few: How many rows to show of each relation.
    """
    place = next((item for item in places if item.kind == "training_set"), None)
    if place is None:
        return None
    made_of = {(item.key, item.output) for item in place.manifest.inputs}
    examples = [
        item
        for item in places
        if item.kind == "examples" and (item.manifest.key, item.port) in made_of
    ]
    learned = {
        item["id"]
        for item in StoredRows(store, place).stream(["id", "split"])
        if item["split"] == _LEARNED
    }
    rows, holds_row = len(learned), row.id in learned
    learned.discard(row.id)
    kin = _Kin(row, ancestors, few)
    for item in examples:
        for found in StoredRows(store, item).stream(_COLUMNS):
            if found["id"] in learned:
                learned.discard(found["id"])  # an id may stand in another split too
                kin.add(Found(item, found))
    chosen = kin.chosen()
    above = trace(store, places[places.index(place) + 1 :], {found.id for _, _, found in chosen})
    return Training(
        place,
        rows,
        holds_row,
        {name: kin.counts[name] for name in RELATIONS[:2]},
        [
            Learned(
                found.id,
                relation,
                round(alike, 4),
                found.question,
                found.expected,
                paragraphs_of(found, above),
            )
            for relation, alike, found in chosen
        ],
    )


@dataclass
class _Best:
    """The few with the highest scores; of equals, those with the smaller ids."""

    few: int
    heap: list[tuple[float, list[int], Found]] = field(default_factory=list)

    def add(self, score: float, found: Found) -> None:
        if len(self.heap) == self.few and (not self.heap or score < self.heap[0][0]):
            return
        item = (score, [-ord(letter) for letter in found.id], found)
        if len(self.heap) < self.few:
            heapq.heappush(self.heap, item)
        elif item[:2] > self.heap[0][:2]:
            heapq.heapreplace(self.heap, item)

    def ordered(self) -> list[tuple[float, Found]]:
        return [(score, found) for score, _, found in sorted(self.heap, key=_first, reverse=True)]


class _Kin:
    """Sorts learned rows by how they are related to one row."""

    def __init__(self, row: Found, ancestors: Sequence[Found], few: int) -> None:
        family = [row, *ancestors]
        self._chunks = {item.id for item in family if item.place.kind == "chunks"}
        self._sources = {str(item.row["group"]) for item in family if item.row.get("group")}
        self._words = _words(row)
        self._best = {name: _Best(few) for name in RELATIONS}
        self.counts = dict.fromkeys(RELATIONS, 0)

    def add(self, found: Found) -> None:
        relation = self._relation(found)
        self.counts[relation] += 1
        words = _words(found)
        common = len(words & self._words)
        alike = common / max(len(words) + len(self._words) - common, 1)
        if alike > 0 or relation != RELATIONS[2]:
            self._best[relation].add(alike, found)

    def chosen(self) -> list[tuple[str, float, Found]]:
        return [
            (name, alike, found)
            for name, best in self._best.items()
            for alike, found in best.ordered()
        ]

    def _relation(self, found: Found) -> str:
        if not self._chunks.isdisjoint(found.row["parents"]):
            return RELATIONS[0]
        return RELATIONS[1 if found.row["group"] in self._sources else 2]


def _words(row: Found) -> set[str]:
    return set(_WORD.findall(f"{row.question} {row.expected}".casefold()))


def _first(item: tuple[float, list[int], Any]) -> tuple[float, list[int]]:
    return item[:2]
