"""The `evaluate` stage: answer, score, summarise, compare."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from graftline.canonical import digest_of
from graftline.errors import ConfigError
from graftline.ports import Output, Result
from graftline_evaluate import loading
from graftline_evaluate.answering import Work, answer_all
from graftline_evaluate.comparison import PLAIN, compare_with_baseline, rows_of
from graftline_evaluate.dataset import check_gold, read_eval_rows, read_train_pool
from graftline_evaluate.decoding import decoder_name
from graftline_evaluate.few_shot import make_few_shot
from graftline_evaluate.prompts import Prompts, make_prompts, stop_tokens
from graftline_evaluate.row_files import write_results, write_rows
from graftline_evaluate.scorers.json_task import JsonTaskScorer
from graftline_evaluate.statistics import Bootstrap
from graftline_evaluate.summary import Summariser, count_failures

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from graftline.context import Context
    from graftline.ports import Inputs
    from graftline_evaluate.config import EvaluateConfig, EvaluateRuntime
    from graftline_evaluate.dataset import EvalRow
    from graftline_evaluate.decoding import Answer
    from graftline_evaluate.few_shot import FewShotPrompt

FEW_SHOT = "few_shot"
_PROBE_PROMPTS = 4


def run(ctx: Context[EvaluateRuntime], config: EvaluateConfig, inputs: Inputs) -> Result:
    """Evaluate a model, or a model with an adapter.

    Raises:
        ConfigError: The schema or the device cannot be used.
        DataError: Model, adapter, examples or baseline cannot be used, or the adapter is without
            effect.
    """
    role = "adapted" if inputs.maybe("adapter") else "baseline"
    if role == "baseline" and inputs.maybe("baseline"):
        raise ConfigError(
            "port 'baseline' is connected, but 'adapter' is not", "leave 'baseline' away"
        )
    examples = inputs.one("examples").path
    scorer = JsonTaskScorer(config.scorer)
    rows = read_eval_rows(examples, config.splits, config.max_rows)
    _say_absent(ctx, config, rows)
    check_gold(rows, scorer.gold_problem)
    shown = None
    if config.few_shot.use == "always" or (config.few_shot.use == role == "baseline"):
        pool = read_train_pool(examples) if config.few_shot.rows else []
        shown = make_few_shot(config.scorer.answer_schema, pool, config.few_shot.rows)
    with _threads(ctx.runtime.threads):
        answered = _answer(ctx, config, inputs, rows, shown)
    scored = _score(scorer, rows, answered)
    return _finish(ctx, config, inputs, role, scorer, rows, shown, answered, scored)


@dataclass
class Answered:
    """What came out of the model.

    Args:
        prompts: By variant.
        answers: By variant, in the order of rows.
        texts: Answers as text, likewise.
        decoding: How they were decoded, for metrics.json.
        difference: The largest difference that the adapter makes to a logit; nothing without one.
        work: What was done in this process.
        on_gpu: Whether a GPU did it.
    """

    prompts: dict[str, Prompts]
    answers: dict[str, list[Answer]]
    texts: dict[str, list[str]]
    decoding: dict[str, Any]
    difference: float | None
    work: Work
    on_gpu: bool


def _answer(
    ctx: Context[EvaluateRuntime],
    config: EvaluateConfig,
    inputs: Inputs,
    rows: Sequence[EvalRow],
    shown: FewShotPrompt | None,
) -> Answered:
    folder = inputs.one("model").path
    device = loading.choose_device(ctx.runtime.device)
    tokenizer = loading.load_tokenizer(folder)
    model = loading.load_model(folder, config.decoding.dtype, device)
    longest = loading.context_tokens(model) - config.decoding.max_new_tokens
    prompts = {PLAIN: make_prompts(tokenizer, rows, None, longest)}
    if shown is not None:
        prompts[FEW_SHOT] = make_prompts(tokenizer, rows, shown, longest)
    stop = stop_tokens(tokenizer, model)
    difference = None
    adapter = inputs.maybe("adapter")
    if adapter is not None:
        model, difference = _with_adapter(model, adapter.path, prompts[PLAIN])
    _warn_slow(ctx, config, device)
    work = Work(total=len(rows) * len(prompts))
    ctx.progress(0, work.total, "rows")
    try:
        answers = {
            variant: answer_all(ctx, config, model, variant, asked, stop, work)
            for variant, asked in prompts.items()
        }
    except torch.cuda.OutOfMemoryError as error:
        raise ConfigError(
            f"the GPU's memory does not hold {config.decoding.batch_rows} rows at once",
            "lower decoding.batch_rows, for baseline and adapted alike",
        ) from error
    texts = {
        variant: [
            tokenizer.decode(
                answer.tokens, skip_special_tokens=False, clean_up_tokenization_spaces=False
            )
            for answer in found
        ]
        for variant, found in answers.items()
    }
    decoding = {
        "strategy": "greedy",
        "repetition_penalty": 1.0,
        "max_new_tokens": config.decoding.max_new_tokens,
        "dtype": config.decoding.dtype,
        "batch_rows": config.decoding.batch_rows,
        "stop_tokens": sorted(stop),
        "decoder": decoder_name(model),
    }
    on_gpu = device.type == "cuda"
    return Answered(prompts, answers, texts, decoding, difference, work, on_gpu)


def _with_adapter(model: Any, folder: Path, prompts: Prompts) -> tuple[Any, float]:
    probes = [prompts.prefix + rest for rest in prompts.rests[:_PROBE_PROMPTS]]
    base = loading.last_logits(model, probes)
    model = loading.apply_adapter(model, folder)
    return model, loading.prove_active(base, loading.last_logits(model, probes))


def _score(
    scorer: JsonTaskScorer, rows: Sequence[EvalRow], answered: Answered
) -> dict[str, list[dict[str, Any]]]:
    """Give the rows of rows.parquet by variant."""
    scored: dict[str, list[dict[str, Any]]] = {}
    for variant, answers in answered.answers.items():
        prompts, texts = answered.prompts[variant], answered.texts[variant]
        scored[variant] = [
            {
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
                **scorer.score(text, row.gold).as_row(),
            }
            for index, (row, answer, text) in enumerate(zip(rows, answers, texts, strict=True))
        ]
    return scored


def _finish(
    ctx: Context[EvaluateRuntime],
    config: EvaluateConfig,
    inputs: Inputs,
    role: str,
    scorer: JsonTaskScorer,
    rows: Sequence[EvalRow],
    shown: FewShotPrompt | None,
    answered: Answered,
    scored: dict[str, list[dict[str, Any]]],
) -> Result:
    seed = ctx.random("bootstrap").getrandbits(63)
    bootstrap = Bootstrap(config.bootstrap_samples, seed, config.confidence)
    summariser = Summariser(scorer.proportions, bootstrap, config.confidence)
    splits = [split for split in config.splits if any(row.split == split for row in rows)]
    model = loading.model_name(inputs.one("model").path)
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
        "rows": {split: sum(row.split == split for row in rows) for split in splits},
        "decoding": answered.decoding,
        "scorer": {
            "kind": config.scorer.kind,
            "digest": digest_of(config.scorer.model_dump(mode="json", by_alias=True)),
        },
        "confidence": config.confidence,
    }
    if shown is not None:
        metrics["few_shot"] = {
            "schema_text": shown.schema_text,
            "examples": [example.id for example in shown.examples],
        }
    if answered.difference is not None:
        metrics["adapter_active"] = {"max_abs_logit_difference": answered.difference}
        baseline = inputs.maybe("baseline")
        metrics["comparison"] = (
            compare_with_baseline(baseline.path, summariser, metrics, scored[PLAIN])
            if baseline
            else {}
        )
    folder = ctx.output("metrics")
    flat = [row for found in scored.values() for row in found]
    write_rows(folder, flat)
    write_results(folder, metrics, flat)
    work = answered.work
    return Result(
        outputs={"metrics": Output(folder)},
        rows_in=len(rows),
        rows_out=len(rows),
        base_model=model,
        figures=_figures(work),
        input_tokens=sum(row["input_tokens"] for row in flat),
        output_tokens=sum(row["output_tokens"] for row in flat),
        gpu_seconds=work.seconds if answered.on_gpu else None,
    )


def _figures(work: Work) -> dict[str, float]:
    figures = {"rows": float(work.done), "decoded_tokens": float(work.decoded_tokens)}
    if work.seconds > 0:
        figures["seconds"] = work.seconds
        figures["decoded_tokens_per_second"] = work.decoded_tokens / work.seconds
        figures["read_tokens_per_second"] = work.read_tokens / work.seconds
    return figures


@contextmanager
def _threads(wanted: int | None) -> Iterator[None]:
    """Set torch's threads for a while; another count may round sums otherwise."""
    before = torch.get_num_threads()
    torch.set_num_threads(wanted or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _say_absent(
    ctx: Context[EvaluateRuntime], config: EvaluateConfig, rows: Sequence[EvalRow]
) -> None:
    for split in config.splits:
        if not any(row.split == split for row in rows):
            ctx.log(f"split '{split}' has no rows; it is left out", "warning")


def _warn_slow(ctx: Context[EvaluateRuntime], config: EvaluateConfig, device: torch.device) -> None:
    native = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    if config.decoding.dtype == "bfloat16" and device.type == "cpu" and not native():
        ctx.log("this CPU does not multiply bfloat16 natively: float32 would be faster", "warning")
