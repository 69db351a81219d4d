"""All units together: duplicates within a document, counts, and the step's outputs."""

from __future__ import annotations

from collections import Counter
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from graftline.domain.rows import EXAMPLES, REJECTS, RowWriter, read_rows
from graftline.domain.spelling import letters
from graftline.errors import DataError
from graftline.llm.asking import sum_costs
from graftline.llm.units import of_result
from graftline.ports import Output, Result
from graftline_generate.qa.pairs import question_of, row_reject
from graftline_generate.qa.units import read_counts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from graftline.context import Context
    from graftline_generate.config import GenerateRuntime


def gather(ctx: Context[GenerateRuntime], count: int, chunks: int) -> Result | None:
    """Make the outputs of all units' rows; nothing if other ranks have some left to do.

    The units' order is the chunks', so that neither ranks nor the order of answers show.

    Args:
        ctx: The stage's context.
        count: How many units there are.
        chunks: How many chunks there are.

    Raises:
        DataError: No pair of all was of use.
    """
    units = ctx.scratch("all-units")
    if not ctx.gather_units(count, units):
        return None
    folders = [units / str(unit) for unit in range(count)]
    kept, refused = ctx.output("examples"), ctx.output("rejects")
    rejected: Counter[str] = Counter()
    covered, last = 0, ""
    with RowWriter(kept, EXAMPLES) as examples, RowWriter(refused, REJECTS) as rejects:
        for row, problem in _once_a_document(folders):
            if problem:
                rejects.write(row_reject(row, *problem))
                rejected[problem[0]] += 1
            else:
                examples.write(row)
                # A chunk's rows stand together.
                covered += row["parents"][0] != last
                last = row["parents"][0]
        for folder in folders:
            for row in read_rows(folder / "rejects"):
                rejects.write(row)
                rejected[row["reason"]] += 1
    counts: Counter[str] = Counter()
    for folder in folders:
        counts.update(read_counts(folder))
    counts["chunks_without_pairs"] = chunks - covered
    counts["pairs_missing"] = counts["pairs_asked"] - counts["pairs_given"]
    _tell(ctx, counts, rejected, examples.rows)
    if not examples.rows:
        raise DataError(
            f"of {chunks:,} chunks came no pair of use: {_by_count(rejected)}",
            "see the model's answers with another model, more max_tokens or another prompt",
        )
    spent, figures = of_result(sum_costs(folders))
    return Result(
        outputs={"examples": Output(kept, examples.rows), "rejects": Output(refused, rejects.rows)},
        rows_in=chunks,
        rows_out=examples.rows,
        rejected=dict(sorted(rejected.items())),
        figures={
            **{name: float(value) for name, value in sorted(counts.items())},
            **figures,
        },
        **spent,
    )


def _once_a_document(
    folders: list[Path],
) -> Iterator[tuple[dict[str, Any], tuple[str, str] | None]]:
    """Stream all rows; of equal questions about one document the first stays.

    Chunks overlap, so that two of them often lead to one question. Sixteen bytes a row are kept.
    """
    seen: set[bytes] = set()
    for folder in folders:
        for row in read_rows(folder / "examples"):
            asked = f"{row['group']}\0{letters(question_of(row)) or question_of(row)}"
            digest = blake2b(asked.encode(), digest_size=16).digest()
            if digest in seen:
                yield row, ("duplicate", "the question was asked before about this document")
            else:
                seen.add(digest)
                yield row, None


def _tell(
    ctx: Context[GenerateRuntime], counts: Counter[str], rejected: Counter[str], rows: int
) -> None:
    ctx.log(
        f"{rows:,} pairs about {counts['chunks']:,} chunks"
        + (f"; rejected: {_by_count(rejected)}" if rejected else "")
    )
    if counts["chunks_without_pairs"]:
        ctx.log(f"{counts['chunks_without_pairs']:,} chunks have no pair of their own", "warning")
    if counts["pairs_missing"]:
        ctx.log(
            f"{counts['pairs_missing']:,} of {counts['pairs_asked']:,} pairs that were asked did"
            " not come",
            "warning",
        )


def _by_count(counts: Counter[str]) -> str:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count:,} {reason}" for reason, count in ordered)
