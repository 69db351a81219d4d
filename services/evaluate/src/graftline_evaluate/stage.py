"""The `evaluate` stage: answer, score, summarise, compare."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graftline.canonical import digest_of
from graftline.domain.model_record import read_model_record
from graftline.errors import ConfigError
from graftline.ports import Output, Result
from graftline_evaluate.comparison import PLAIN, Baseline, rows_of
from graftline_evaluate.config import FORGETTING
from graftline_evaluate.dataset import check_gold, read_eval_rows, read_train_pool
from graftline_evaluate.forgetting import (
    MEASURES,
    describe_probe,
    probe_passages,
    probe_rows,
    write_probe,
)
from graftline_evaluate.model_work import Asked, ask
from graftline_evaluate.row_files import write_results, write_rows
from graftline_evaluate.scorers.scorer import make_scorer
from graftline_evaluate.statistics import Bootstrap
from graftline_evaluate.summary import Summariser, count_failures

if TYPE_CHECKING:
    from collections.abc import Sequence

    from graftline.context import Context
    from graftline.ports import Inputs
    from graftline_evaluate.answering import Work
    from graftline_evaluate.config import EvaluateConfig, EvaluateRuntime
    from graftline_evaluate.dataset import EvalRow
    from graftline_evaluate.model_work import Answered
    from graftline_evaluate.scorers.scorer import Scorer

FEW_SHOT = "few_shot"


def run(ctx: Context[EvaluateRuntime], config: EvaluateConfig, inputs: Inputs) -> Result:
    """Evaluate a model, or a model with an adapter.

    Raises:
        ConfigError: The schema or the device cannot be used, or the model has no chat template.
        DataError: Model, adapter, examples or baseline cannot be used, or the adapter is without
            effect.
    """
    role = "adapted" if inputs.maybe("adapter") else "baseline"
    if role == "baseline" and inputs.maybe("baseline"):
        raise ConfigError(
            "port 'baseline' is connected, but 'adapter' is not", "leave 'baseline' away"
        )
    examples = inputs.one("examples").path
    scorer = make_scorer(config.scorer)
    rows = read_eval_rows(examples, config.splits, config.max_rows)
    _say_absent(ctx, config, rows)
    check_gold(rows, scorer.gold_problem, scorer.gold_advice)
    shown = None
    if config.few_shot.use == "always" or (config.few_shot.use == role == "baseline"):
        pool = read_train_pool(examples) if config.few_shot.rows else []
        shown = scorer.few_shot(pool, config.few_shot.rows)
    asked = Asked(
        rows,
        {PLAIN: None} if shown is None else {PLAIN: None, FEW_SHOT: shown},
        scorer.forces_gold,
        probe_passages(config.forgetting),
    )
    answered = ask(ctx, config, inputs, asked)
    scored = {variant: _score(scorer, rows, answered, variant) for variant in asked.variants}
    return _finish(ctx, config, inputs, role, scorer, asked, answered, scored)


def _score(
    scorer: Scorer, rows: Sequence[EvalRow], answered: Answered, variant: str
) -> list[dict[str, Any]]:
    """Give a variant's rows of rows.parquet."""
    prompts, gold = answered.prompts[variant], answered.gold.get(variant)
    scored = []
    for index, row in enumerate(rows):
        answer, text = answered.answers[variant][index], answered.texts[variant][index]
        found = {
            "id": row.id,
            "split": row.split,
            "group": row.group,
            "variant": variant,
            "prompt": str(row.messages[-1].get("content") or ""),
            "messages": list(row.messages),
            "gold": row.gold,
            "output": text,
            "finished": answer.finished,
            "input_tokens": prompts.length(index),
            "output_tokens": len(answer.tokens) + answer.finished,
            **scorer.row(text, row.gold, answer.finished),
            "parents": list(row.parents),
            "source": row.source,
            "meta": row.meta,
        }
        if gold is not None:
            found["gold_nll"] = gold.nats[index]
            found["gold_tokens"] = gold.targets.count(index)
        scored.append(found)
    return scored


def _finish(
    ctx: Context[EvaluateRuntime],
    config: EvaluateConfig,
    inputs: Inputs,
    role: str,
    scorer: Scorer,
    asked: Asked,
    answered: Answered,
    scored: dict[str, list[dict[str, Any]]],
) -> Result:
    seed = ctx.random("bootstrap").getrandbits(63)
    bootstrap = Bootstrap(config.bootstrap_samples, seed, config.confidence)
    summariser = Summariser(scorer.measures, bootstrap, config.confidence)
    probe_summariser = Summariser(MEASURES, bootstrap, config.confidence)
    splits = [split for split in config.splits if any(row.split == split for row in asked.rows)]
    model = read_model_record(inputs.one("model").path).label
    metrics: dict[str, Any] = {
        "role": role,
        "model": model,
        "variants": {
            variant: {split: summariser.figures(rows_of(found, split)) for split in splits}
            for variant, found in scored.items()
        },
        "failures": {
            variant: {split: count_failures(rows_of(found, split)) for split in splits}
            for variant, found in scored.items()
        },
        "rows": {split: len(rows_of(scored[PLAIN], split)) for split in splits},
        "decoding": answered.decoding,
        "scorer": {
            "kind": config.scorer.kind,
            "digest": digest_of(config.scorer.model_dump(mode="json", by_alias=True)),
        },
        "confidence": config.confidence,
    }
    shown = asked.variants.get(FEW_SHOT)
    if shown is not None:
        schema = {"schema_text": shown.schema_text} if shown.schema_text else {}
        metrics["few_shot"] = {**schema, "examples": [example.id for example in shown.examples]}
    folder = ctx.output("metrics")
    probe: list[dict[str, Any]] = []
    if answered.probe is not None:
        probe = probe_rows(asked.passages, answered.probe.targets, answered.probe.nats)
        write_probe(folder, probe)
        metrics["forgetting"] = describe_probe(asked.passages)
        metrics["variants"][PLAIN][FORGETTING] = probe_summariser.figures(probe)
    if answered.difference is not None:
        metrics["adapter_active"] = {"max_abs_logit_difference": answered.difference}
        metrics["comparison"] = {}
        if given := inputs.maybe("baseline"):
            baseline = Baseline(given.path, metrics)
            metrics["comparison"] = baseline.compare(summariser, scored[PLAIN])
            if probe:
                compared = baseline.compare_probe(probe_summariser, probe)
                metrics["comparison"][FORGETTING] = compared
    flat = [row for found in scored.values() for row in found]
    write_rows(folder, flat, scorer.columns)
    write_results(folder, metrics, flat)
    work = answered.work
    seconds = work.seconds + work.forcing_seconds
    return Result(
        outputs={"metrics": Output(folder)},
        rows_in=len(asked.rows),
        rows_out=len(asked.rows),
        base_model=model,
        figures=_figures(work, len(flat)),
        input_tokens=sum(row["input_tokens"] for row in flat),
        output_tokens=sum(row["output_tokens"] for row in flat),
        gpu_seconds=seconds if answered.on_gpu else None,
    )


def _figures(work: Work, rows: int) -> dict[str, float]:
    figures = {"rows": float(rows), "decoded_tokens": float(work.decoded_tokens)}
    if work.seconds > 0:
        figures["seconds"] = work.seconds
        figures["decoded_tokens_per_second"] = work.decoded_tokens / work.seconds
        figures["read_tokens_per_second"] = work.read_tokens / work.seconds
    if work.forcing_seconds > 0:
        figures["forcing_seconds"] = work.forcing_seconds
        figures["forced_tokens_per_second"] = work.forced_tokens / work.forcing_seconds
    return figures


def _say_absent(
    ctx: Context[EvaluateRuntime], config: EvaluateConfig, rows: Sequence[EvalRow]
) -> None:
    for split in config.splits:
        if not any(row.split == split for row in rows):
            ctx.log(f"split '{split}' has no rows; it is left out", "warning")
