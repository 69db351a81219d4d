"""Do the exported forms answer as base + adapter does? Compared token by token.

The reference is the greedy answer of base + adapter. Every other form is asked for its own choice
at each position *given the reference's tokens before it*, so that one difference does not hide
what comes after. A different choice is a near-tie when the reference's own logits put it within
`near_tie` of the reference's choice: rounding decides there. Anything else is a disagreement.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from graftline.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True)
class Difference:
    """A position where a form chose another token than the reference.

    Args:
        prompt: The prompt's id.
        position: Which token of the answer, from 0.
        expected: The reference's token.
        got: The form's token.
        gap: How much higher the reference's logit of `expected` is than that of `got`.
    """

    prompt: str
    position: int
    expected: int
    got: int
    gap: float


@dataclass
class Comparison:
    """How one form compared, over all prompts."""

    form: str
    near_tie: float
    prompts: int = 0
    tokens: int = 0
    same_answers: int = 0
    not_asked: int = 0
    differences: list[Difference] = field(default_factory=list)

    def add(
        self,
        prompt: str,
        expected: Sequence[int],
        choices: Sequence[int | None],
        gap: Callable[[int, int], float],
    ) -> None:
        """Compare one answer.

        Args:
            prompt: The prompt's id.
            expected: The reference's tokens.
            choices: The form's choice at each of these positions; `None` where it could not be
                asked.
            gap: For a position and the form's token: how far below the reference's choice it is.
        """
        found = [
            Difference(prompt, at, one, other, gap(at, other))
            for at, (one, other) in enumerate(zip(expected, choices, strict=True))
            if other is not None and one != other
        ]
        left_out = sum(choice is None for choice in choices)
        self.prompts += 1
        self.tokens += len(expected) - left_out
        self.not_asked += left_out
        self.same_answers += not found
        self.differences += found

    @property
    def near_ties(self) -> list[Difference]:
        """Differences that rounding decides."""
        return [item for item in self.differences if item.gap <= self.near_tie]

    @property
    def disagreements(self) -> list[Difference]:
        """Differences that it does not."""
        return [item for item in self.differences if item.gap > self.near_tie]

    def summary(self) -> dict[str, Any]:
        """Give the counts, for parity.json."""
        return {
            "prompts": self.prompts,
            "identical_answers": self.same_answers,
            "tokens": self.tokens,
            "same_tokens": self.tokens - len(self.differences),
            "near_ties": len(self.near_ties),
            "disagreements": len(self.disagreements),
            "not_asked": self.not_asked,
        }

    def check(self, max_near_tie_share: float, show: Callable[[int], str]) -> None:
        """Refuse a form that answers otherwise.

        Args:
            max_near_tie_share: The largest share of tokens that may be near-ties.
            show: Gives a token's text.

        Raises:
            DataError: There is a disagreement, or there are too many near-ties.
        """
        if self.disagreements:
            worst = max(self.disagreements, key=lambda item: item.gap)
            raise DataError(
                f"parity: {self.form} differs from base + adapter at {len(self.disagreements)} of "
                f"{self.tokens} tokens; prompt {worst.prompt}, position {worst.position}: "
                f"{show(worst.got)!r} instead of {show(worst.expected)!r}, whose logit is "
                f"{worst.gap:.2f} higher (near-ties: up to {self.near_tie})",
                "the exported form is wrong, or too coarse: see `gguf_type` and `parity.near_tie`",
            )
        if self.tokens and len(self.near_ties) > max_near_tie_share * self.tokens:
            first = self.near_ties[0]
            raise DataError(
                f"parity: {self.form} decides {len(self.near_ties)} of {self.tokens} tokens "
                f"otherwise than base + adapter, all near-ties, but more than "
                f"{max_near_tie_share:.0%}; the first: prompt {first.prompt}, position "
                f"{first.position}",
                "see `gguf_type` and `parity.max_near_tie_share`",
            )


def follow(
    expected: Sequence[int], go_on: Callable[[Sequence[int], int], Sequence[int]]
) -> list[int]:
    """Find a form's choice at every position, for a form that can only continue a text greedily.

    Args:
        expected: The reference's tokens.
        go_on: Continues after these tokens of the answer by at most so many; it may stop early
            at an end token, which it gives too.

    Gives:
        As many choices as `expected` has tokens; asks once, and once more for each difference.
    """
    choices: list[int] = []
    while len(choices) < len(expected):
        at = len(choices)
        for token in go_on(expected[:at], len(expected) - at):
            choices.append(token)
            if token != expected[len(choices) - 1] or len(choices) == len(expected):
                break
        if len(choices) == at:
            # It ended without saying a token: count that as another choice than the reference's.
            choices.append(-1)
    return choices
