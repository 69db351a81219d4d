"""How rows of different lengths lie in one flat run of tokens, and which tokens see which.

The rows of a pass lie one after another without padding. Rows that begin alike (the same
instruction, say) keep that beginning once: in a causal model its hidden states are the same for
all of them, and gradients add up, so the result is that of separate rows. Rows of the same
beginning and of similar length form a group, which attends in one batched product.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from graftline_train.rows import Row

MIN_SHARED = 8
MIN_FILL = 0.75


@dataclass(frozen=True)
class Group:
    """Segments that attend together, padded only inside attention.

    Args:
        tokens: How many tokens of the flat run they are; groups lie in order.
        size: How many segments.
        length: The longest one's tokens.
        padded: Which of the group's tokens lies at each padded place (pads repeat token 0),
            [size × length]; nothing if all have the same length.
        real: Which padded place each of the group's tokens has, [tokens]; nothing likewise.
        prefix: The group whose only segment comes before all of these segments, if any.
    """

    tokens: int
    size: int
    length: int
    padded: Tensor | None
    real: Tensor | None
    prefix: int | None


@dataclass(frozen=True)
class Layout:
    """One pass: flat tokens, their positions, their groups, and what is to be predicted.

    Args:
        ids: [tokens].
        positions: [tokens], each counted from the beginning of its row.
        groups: In the order of the tokens.
        wanted: Flat places whose next token is learned, ascending.
        targets: Those next tokens.
    """

    ids: Tensor
    positions: Tensor
    groups: tuple[Group, ...]
    wanted: Tensor
    targets: Tensor


@dataclass(frozen=True)
class _Segment:
    row: Row
    start: int

    @property
    def length(self) -> int:
        return len(self.row.ids) - self.start


def lay_out(rows: Sequence[Row], share: bool, device: torch.device) -> Layout:
    """Lay rows out for one pass.

    Args:
        rows: At least one, each with at least one token.
        share: Whether common beginnings are kept once.
        device: Where the tensors go.
    """
    ids: list[np.ndarray] = []
    positions: list[np.ndarray] = []
    groups: list[Group] = []
    wanted: list[np.ndarray] = []
    targets: list[np.ndarray] = []
    place = 0

    def add(segments: Sequence[_Segment], stop: int | None, prefix: int | None) -> None:
        nonlocal place
        lengths = [(stop or len(item.row.ids)) - item.start for item in segments]
        groups.append(_group(lengths, prefix, device))
        for item, length in zip(segments, lengths, strict=True):
            end = item.start + length
            ids.append(item.row.ids[item.start : end])
            positions.append(np.arange(item.start, end))
            # A shared beginning is never learned, so only what follows it has targets.
            if stop is None:
                learned = np.flatnonzero(item.row.learned[item.start + 1 :])
                wanted.append(place + learned)
                targets.append(item.row.ids[item.start + 1 :][learned])
            place += length

    for shared, members in _families(rows, share):
        prefix = None
        if shared:
            prefix = len(groups)
            add([_Segment(members[0], 0)], shared, None)
        segments = sorted((_Segment(row, shared) for row in members), key=lambda item: -item.length)
        for alike in _alike(segments):
            add(alike, None, prefix)

    def tensor(parts: list[np.ndarray]) -> Tensor:
        return torch.from_numpy(np.concatenate(parts).astype(np.int64)).to(device)

    return Layout(tensor(ids), tensor(positions), tuple(groups), tensor(wanted), tensor(targets))


def _families(rows: Sequence[Row], share: bool) -> list[tuple[int, list[Row]]]:
    """Group rows by their first tokens; give each family's shared length and rows, in order."""
    if not share:
        return [(0, list(rows))]
    families: dict[bytes, list[Row]] = {}
    for row in rows:
        families.setdefault(row.ids[:MIN_SHARED].tobytes(), []).append(row)
    found: list[tuple[int, list[Row]]] = []
    alone: list[Row] = []
    for members in families.values():
        shared = _shared_length(members) if len(members) > 1 else 0
        if shared >= MIN_SHARED:
            found.append((shared, members))
        else:
            alone.extend(members)
    return [*found, (0, alone)] if alone else found


def _shared_length(members: Sequence[Row]) -> int:
    """Count the tokens that all begin with and that predict nothing to be learned."""
    first = members[0].ids
    shared = min(row.prompt_tokens - 1 for row in members)
    for row in members[1:]:
        shared = min(shared, len(row.ids))
        different = np.flatnonzero(first[:shared] != row.ids[:shared])
        if len(different):
            shared = int(different[0])
    return shared


def _alike(segments: Sequence[_Segment]) -> list[list[_Segment]]:
    """Cut segments, longest first, where padding would waste more than a quarter of a row."""
    groups: list[list[_Segment]] = []
    for segment in segments:
        if groups and segment.length >= MIN_FILL * groups[-1][0].length:
            groups[-1].append(segment)
        else:
            groups.append([segment])
    return groups


def _group(lengths: Sequence[int], prefix: int | None, device: torch.device) -> Group:
    longest, tokens = max(lengths), sum(lengths)
    if longest * len(lengths) == tokens:
        return Group(tokens, len(lengths), longest, None, None, prefix)
    padded = np.zeros((len(lengths), longest), dtype=np.int64)
    real: list[np.ndarray] = []
    place = 0
    for index, length in enumerate(lengths):
        padded[index, :length] = np.arange(place, place + length)
        real.append(index * longest + np.arange(length))
        place += length
    return Group(
        tokens,
        len(lengths),
        longest,
        torch.from_numpy(padded.reshape(-1)).to(device),
        torch.from_numpy(np.concatenate(real)).to(device),
        prefix,
    )
