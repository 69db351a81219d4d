"""What a scorer is, and which one a config asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from graftline_evaluate.config import JsonTask, QuestionAnswering
from graftline_evaluate.scorers.json_task import JsonTaskScorer
from graftline_evaluate.scorers.qa import QaScorer

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from graftline_evaluate.dataset import EvalRow
    from graftline_evaluate.few_shot import FewShotPrompt
    from graftline_evaluate.measures import Measure


class Scorer(Protocol):
    """Scores answers against gold answers, and says what is measured of the scores."""

    @property
    def forces_gold(self) -> bool:
        """Whether the model's probability of each gold answer is needed.

        The stage then adds `gold_nll` and `gold_tokens` to each row.
        """

    @property
    def gold_advice(self) -> str:
        """What to do about gold answers with a `gold_problem`."""

    @property
    def columns(self) -> Sequence[pa.Field]:
        """The columns of rows.parquet that are this scorer's own."""

    @property
    def measures(self) -> tuple[Measure, ...]:
        """The metrics, in the order of reports."""

    def gold_problem(self, text: str) -> str:
        """Give why a gold answer cannot be one, or nothing."""

    def few_shot(self, pool: Sequence[EvalRow], rows: int) -> FewShotPrompt:
        """Choose what stands before each question in the variant `few_shot`."""

    def row(self, output: str, gold: str, finished: bool) -> dict[str, Any]:
        """Score one answer: its own columns, `failure` and `reason`."""


def make_scorer(config: JsonTask | QuestionAnswering) -> Scorer:
    """Make the scorer that a config asks for."""
    return JsonTaskScorer(config) if isinstance(config, JsonTask) else QaScorer(config)
