"""The kind `scores`: every row gets a judgement; a few are judged with a wrong answer as well."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from graftline.domain.rows import EXAMPLES, RowWriter, count_rows
from graftline.domain.units import read_units, unit_count, unit_size
from graftline.errors import ConfigError, DataError
from graftline.llm.asking import OpenUnit, UnitAsker
from graftline.llm.request import LlmFailure
from graftline_judge.calibration.shuffling import choose_shuffled
from graftline_judge.calibration.units import shuffled_unit
from graftline_judge.gathering import gather
from graftline_judge.pairs import pair_of, with_judgement
from graftline_judge.prompts import judge_request
from graftline_judge.scoring import judged, unjudged
from graftline_judge.sources import Sources
from graftline_judge.validators import Validators

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from graftline.context import Context
    from graftline.llm.request import Answer
    from graftline.ports import Inputs, Result
    from graftline_judge.config import JudgeConfig, JudgeRuntime
    from graftline_judge.pairs import Pair


def judge_examples(
    ctx: Context[JudgeRuntime], config: JudgeConfig, inputs: Inputs
) -> Result | None:
    """Score all examples; rows in = rows out. Nothing where other ranks have units left to do.

    The rows' units come first, then those of the calibration: how many there are follows from
    counts alone, so that all ranks agree before any of them has read a row.

    Raises:
        ConfigError: The input is not connected, an endpoint is set up wrongly, or the budget is
            spent.
        DataError: There are no rows, or the inputs hold something else.
        TransientError: The language model's servers are away, or fail too much.
    """
    if inputs.many("answers"):
        raise ConfigError("kind 'scores' does not read the input 'answers'", "leave it out")
    folders = [given.path for given in inputs.many("examples")]
    if not folders:
        raise ConfigError("kind 'scores' needs examples", "connect the input 'examples'")
    rows = sum(count_rows(folder) for folder in folders)
    if rows == 0:
        raise DataError("there are no examples to judge")
    shuffled = min(config.calibration.rows, rows)
    row_units, units = unit_count(rows), unit_count(rows) + unit_count(shuffled)
    sizes = [unit_size(unit, rows) for unit in range(row_units)]
    sizes += [unit_size(unit, shuffled) for unit in range(units - row_units)]
    todo = list(ctx.units(units))
    if todo:
        chunks = inputs.maybe("chunks")
        with Sources(chunks.path if chunks else None, ctx.scratch("sources")) as sources:
            work = _Units(config, folders, sources, row_units)
            asker = UnitAsker(ctx, sizes, todo, ctx.runtime.max_failed_share)
            asker.ask(config.request, ctx.runtime.llm, work.of)
    return gather(ctx, config, row_units, units, rows)


@dataclass(frozen=True)
class _Units:
    """Makes the units of both kinds when they are wanted."""

    config: JudgeConfig
    folders: Sequence[Path]
    sources: Sources
    row_units: int

    def of(self, todo: Sequence[int]) -> Iterator[OpenUnit]:
        validators = Validators(self.config)
        wanted = [unit for unit in todo if unit < self.row_units]
        for number, rows in read_units(self.folders, EXAMPLES, wanted):
            yield self._row_unit(number, rows, validators)
        later = [unit - self.row_units for unit in todo if unit >= self.row_units]
        if later:
            chosen = choose_shuffled(self._rows(), self.config.calibration.rows)
            for unit in later:
                yield shuffled_unit(self.config, self.row_units, unit, chosen)

    def _rows(self) -> Iterator[tuple[dict[str, Any], Pair]]:
        for _, rows in read_units(self.folders, EXAMPLES, range(self.row_units)):
            for row in rows:
                yield row, pair_of(row, self.sources)

    def _row_unit(
        self, number: int, rows: list[dict[str, Any]], validators: Validators
    ) -> OpenUnit:
        """Make the unit of some rows; those that no model can judge are asked nobody."""
        pairs = [pair_of(row, self.sources) for row in rows]
        requests = {
            at: judge_request(self.config, pair)
            for at, pair in enumerate(pairs)
            if pair.lack is None
        }
        write = partial(self._write_rows, rows, pairs, validators)
        return OpenUnit(number, requests, write)

    def _write_rows(
        self,
        rows: list[dict[str, Any]],
        pairs: list[Pair],
        validators: Validators,
        folder: Path,
        answers: Mapping[int, Answer],
    ) -> None:
        with RowWriter(folder, EXAMPLES) as writer:
            for at, (row, pair) in enumerate(zip(rows, pairs, strict=True)):
                judgement = self._judgement(pair, answers.get(at))
                judgement["validators"] = validators.check(pair)
                writer.write(with_judgement(row, judgement))

    def _judgement(self, pair: Pair, answer: Answer | None) -> dict[str, Any]:
        if answer is None:
            return unjudged(*(pair.lack or ("not-asked", "")))
        if isinstance(answer, LlmFailure):
            return unjudged(answer.reason, answer.detail)
        return judged(answer.data, self.config.weights, self.config.limits)
