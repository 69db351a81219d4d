"""Which rows are judged with a wrong answer, and whose answer each of them gets."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from graftline.canonical import sha256_text
from graftline.domain.spelling import letters
from graftline_judge.pairs import Pair

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class Shuffled:
    """A row with the answer of another.

    Args:
        id: The row.
        answer_of: The row whose answer it is.
        pair: The row's question and source, and that answer.
    """

    id: str
    answer_of: str
    pair: Pair


@dataclass(frozen=True)
class _Chosen:
    digest: str
    id: str
    group: str
    pair: Pair


def choose_shuffled(rows: Iterable[tuple[dict[str, Any], Pair]], count: int) -> list[Shuffled]:
    """Choose rows by their ids, and give each the answer of another of them.

    The choice depends on the ids alone, not on the rows' order. No answer is used twice: the wrong
    pairs hold the very answers of the true ones, so that a judge that looks at the answer alone
    cannot tell them apart. A row whose new answer says the same as its own is left out.

    Args:
        rows: All rows as the judge sees them; those that it cannot judge are passed over.
        count: How many are chosen, if there are so many; all of them are held in memory.

    Returns:
        In an order of their own; empty if fewer than two rows can be judged.
    """
    chosen = _choose(rows, count)
    if len(chosen) < 2:
        return []
    shuffled = [
        Shuffled(own.id, other.id, Pair(own.pair.question, other.pair.answer, own.pair.source))
        for own, other in _derange(chosen)
        if letters(own.pair.answer) != letters(other.pair.answer)
    ]
    return sorted(shuffled, key=lambda item: _digest(item.id))


def _choose(rows: Iterable[tuple[dict[str, Any], Pair]], count: int) -> list[_Chosen]:
    """Keep the rows with the smallest digests of their ids; of equal ids the first."""
    held: dict[str, _Chosen] = {}
    worst: list[tuple[int, str]] = []
    for row, pair in rows:
        digest = _digest(row["id"])
        if pair.lack is not None or digest in held:
            continue
        rank = -int(digest, 16)
        if len(held) == count:
            if rank < worst[0][0]:
                continue
            del held[heapq.heappop(worst)[1]]
        heapq.heappush(worst, (rank, digest))
        held[digest] = _Chosen(digest, row["id"], row["group"], pair)
    return list(held.values())


def _derange(chosen: list[_Chosen]) -> list[tuple[_Chosen, _Chosen]]:
    """Pair each row with another one, of another group as far as there are others.

    The rows stand group by group, and each gets the answer that stands as many places on as the
    largest group has rows: out of its own group, unless that holds more than half of all. Where
    all are of one group, those of one source are kept apart in the same way.
    """
    groups = {item.group for item in chosen}
    apart = {item.id: item.group if len(groups) > 1 else item.pair.source for item in chosen}
    ordered = sorted(chosen, key=lambda item: (apart[item.id], item.digest))
    sizes = [len(list(items)) for _, items in groupby(ordered, lambda item: apart[item.id])]
    step = max(sizes) if len(sizes) > 1 else 1
    return [(own, ordered[(at + step) % len(ordered)]) for at, own in enumerate(ordered)]


def _digest(id_: str) -> str:
    return sha256_text(f"calibration:{id_}")
