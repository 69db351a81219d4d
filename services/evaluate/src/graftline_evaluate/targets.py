"""Texts whose probability is asked, as tokens: such as prompts with their gold answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from graftline_evaluate.prompts import common_length, refuse_long

if TYPE_CHECKING:
    from collections.abc import Sequence

    from graftline_evaluate.dataset import EvalRow
    from graftline_evaluate.prompts import Prompts


@dataclass(frozen=True)
class Targets:
    """Texts, and from where on each one's probability counts.

    Args:
        prefix: Tokens that every text begins with; none of them counts.
        rests: What follows, for each text.
        starts: The first token of each rest that counts. At least one token stands before it,
            and at least one counts.
    """

    prefix: tuple[int, ...]
    rests: tuple[tuple[int, ...], ...]
    starts: tuple[int, ...]

    def count(self, row: int) -> int:
        """Give the tokens that count."""
        return len(self.rests[row]) - self.starts[row]


def gold_targets(rows: Sequence[EvalRow], prompts: Prompts, longest: int) -> Targets:
    """Put the gold answers, which count, behind their prompts.

    Args:
        rows: Whose they are.
        prompts: Theirs, with gold answers.
        longest: Tokens that a text may have at most.

    Raises:
        DataError: Texts are too long.
    """
    pairs = list(zip(prompts.rests, prompts.golds, strict=True))
    lengths = (len(prompts.prefix) + len(rest) + len(gold) for rest, gold in pairs)
    refuse_long(
        "prompts with their gold answers",
        ((row.name, length) for row, length in zip(rows, lengths, strict=True)),
        longest,
        "of the model's context",
        "reject rows with such answers before (curate), or show fewer examples (few_shot.rows)",
    )
    return Targets(
        prompts.prefix,
        tuple(rest + gold for rest, gold in pairs),
        tuple(len(rest) for rest, _ in pairs),
    )


def share_prefix(texts: Sequence[tuple[list[int], int]]) -> Targets:
    """Take off what texts have in common, so that it is read once.

    Args:
        texts: Tokens, and the first of them that counts: not the very first.
    """
    shared = min(common_length([tokens for tokens, _ in texts]), *(at - 1 for _, at in texts))
    return Targets(
        tuple(texts[0][0][:shared]),
        tuple(tuple(tokens[shared:]) for tokens, _ in texts),
        tuple(start - shared for _, start in texts),
    )
