"""The scorer `qa`: free text beside a reference answer.

Words are compared (`overlap.py`); what a text means is not. The measure that does not depend on
one wording more than on another's is `perplexity`: how probable the model finds the reference
itself, of which more in `likelihood.py`.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from graftline_evaluate.few_shot import make_few_shot
from graftline_evaluate.measures import Measure, mean, perplexity, share
from graftline_evaluate.scorers.overlap import answer_words, rouge_l, token_f1

if TYPE_CHECKING:
    from collections.abc import Sequence

    from graftline_evaluate.config import QuestionAnswering
    from graftline_evaluate.dataset import EvalRow
    from graftline_evaluate.few_shot import FewShotPrompt

_NAMED_WORDS = 6


class QaScorer:
    """Scores answers against references.

    Args:
        config: The scorer's settings.
    """

    forces_gold = True
    gold_advice = "give them a reference answer, or reject these rows before (curate)"
    columns: tuple[pa.Field, ...] = (
        pa.field("token_f1", pa.float64(), nullable=False),
        pa.field("rouge_l", pa.float64(), nullable=False),
        # The same words in the same order, as SQuAD compares them.
        pa.field("exact_match", pa.bool_(), nullable=False),
        # The reference's negative log probability in nats, and the tokens that it sums over: those
        # of the answer and what ends it.
        pa.field("gold_nll", pa.float64(), nullable=False),
        pa.field("gold_tokens", pa.int32(), nullable=False),
    )
    measures: tuple[Measure, ...] = (
        mean("token_f1", "token_f1"),
        mean("rouge_l", "rouge_l"),
        share("exact_match", lambda row: bool(row["exact_match"])),
        perplexity("perplexity", "gold_nll", "gold_tokens"),
    )

    def __init__(self, config: QuestionAnswering) -> None:
        """Keep the settings."""
        self._low_overlap = config.low_overlap

    def gold_problem(self, text: str) -> str:
        """Give why a reference cannot be one, or nothing."""
        return "" if answer_words(text) else "the reference is blank"

    def few_shot(self, pool: Sequence[EvalRow], rows: int) -> FewShotPrompt:
        """Choose the examples that the base is shown.

        Raises:
            DataError: There are not enough rows.
        """
        return make_few_shot(None, pool, rows)

    def row(self, output: str, gold: str, finished: bool) -> dict[str, Any]:
        """Score one answer: all columns but those that only the model can tell.

        Args:
            output: What the model wrote, all of it.
            gold: A reference without a `gold_problem`.
            finished: Whether the model ended it by itself.
        """
        said, right = answer_words(output), answer_words(gold)
        overlap = token_f1(said, right)
        failure, reason = "", ""
        if not said:
            failure, reason = "empty", "the answer is blank"
        elif not finished:
            failure = "unfinished"
            reason = f"not ended within the limit of tokens; token F1 {overlap:.2f}"
        elif overlap < self._low_overlap:
            failure = "low-overlap"
            reason = (
                f"token F1 {overlap:.2f}, below {self._low_overlap:g}{_tell_missed(said, right)}"
            )
        return {
            "token_f1": overlap,
            "rouge_l": rouge_l(output, gold),
            "exact_match": said == right,
            "failure": failure,
            "reason": reason,
        }


def _tell_missed(said: list[str], right: list[str]) -> str:
    missed = list(dict.fromkeys((Counter(right) - Counter(said)).elements()))
    more = len(missed) - _NAMED_WORDS
    named = ", ".join(missed[:_NAMED_WORDS]) + (f" and {more} more" if more > 0 else "")
    return f"; missing: {named}" if missed else ""
