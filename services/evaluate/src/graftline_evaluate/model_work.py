"""All that needs the model: answers, the probability of gold answers, the forgetting probe."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from graftline.errors import ConfigError
from graftline_evaluate import loading
from graftline_evaluate.answering import Work, answer_all
from graftline_evaluate.config import FORGETTING
from graftline_evaluate.decoding import decoder_name
from graftline_evaluate.forgetting import probe_targets
from graftline_evaluate.likelihood import force_all
from graftline_evaluate.prompts import Prompts, make_prompts, stop_tokens
from graftline_evaluate.targets import Targets, gold_targets

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from graftline.context import Context
    from graftline.ports import Inputs
    from graftline_evaluate.config import EvaluateConfig, EvaluateRuntime
    from graftline_evaluate.dataset import EvalRow
    from graftline_evaluate.decoding import Answer
    from graftline_evaluate.few_shot import FewShotPrompt
    from graftline_evaluate.forgetting import Passage

_PROBE_PROMPTS = 4


@dataclass(frozen=True)
class Asked:
    """What the model is to be asked.

    Args:
        rows: The questions.
        variants: What stands before each question, by variant; nothing for the training prompt.
        forces_gold: Whether the probability of gold answers is wanted.
        passages: The forgetting probe's; none if it is off.
    """

    rows: Sequence[EvalRow]
    variants: Mapping[str, FewShotPrompt | None]
    forces_gold: bool
    passages: Sequence[Passage]


@dataclass(frozen=True)
class Reading:
    """Texts that were read for their probability.

    Args:
        targets: The texts.
        nats: The negative log probability of what counts of each.
    """

    targets: Targets
    nats: list[float]


@dataclass(frozen=True)
class Answered:
    """What came out of the model.

    Args:
        prompts: By variant.
        answers: By variant, in the order of rows.
        texts: Answers as text, likewise.
        gold: The gold answers' probabilities by variant; empty if they were not wanted.
        probe: The forgetting probe's; nothing if it is off.
        decoding: How answers were decoded, for metrics.json.
        difference: The largest difference that the adapter makes to a logit; nothing without one.
        work: What was done in this process.
        on_gpu: Whether a GPU did it.
    """

    prompts: dict[str, Prompts]
    answers: dict[str, list[Answer]]
    texts: dict[str, list[str]]
    gold: dict[str, Reading]
    probe: Reading | None
    decoding: dict[str, Any]
    difference: float | None
    work: Work
    on_gpu: bool


def ask(
    ctx: Context[EvaluateRuntime], config: EvaluateConfig, inputs: Inputs, asked: Asked
) -> Answered:
    """Load the model, with its adapter if there is one, and ask it.

    All prompts are made and checked before the first answer.

    Raises:
        ConfigError: The device cannot be used, or does not hold a batch, or the model has no chat
            template.
        DataError: Model or adapter cannot be used, prompts do not fit, or the adapter is without
            effect.
    """
    with _threads(ctx.runtime.threads):
        return _ask(ctx, config, inputs, asked)


def _ask(
    ctx: Context[EvaluateRuntime], config: EvaluateConfig, inputs: Inputs, asked: Asked
) -> Answered:
    folder = inputs.one("model").path
    device = loading.choose_device(ctx.runtime.device)
    chat = loading.load_chat(folder)
    model = loading.load_model(folder, config.decoding.dtype, device)
    context = loading.context_tokens(model)
    longest = context - config.decoding.max_new_tokens
    prompts, gold = {}, {}
    for variant, shown in asked.variants.items():
        made = make_prompts(chat, asked.rows, shown, longest, with_gold=asked.forces_gold)
        prompts[variant] = made
        if asked.forces_gold:
            gold[variant] = gold_targets(asked.rows, made, context)
    probe = probe_targets(chat, asked.passages, context) if asked.passages else None
    stop = stop_tokens(chat, model)
    difference = None
    adapter = inputs.maybe("adapter")
    if adapter is not None:
        model, difference = _with_adapter(model, adapter.path, next(iter(prompts.values())))
    _warn_slow(ctx, config, device)
    work = Work(len(asked.rows) * (len(prompts) + len(gold)) + len(asked.passages))
    ctx.progress(0, work.total, "rows")
    size = config.decoding.batch_rows
    try:
        answers = {
            variant: answer_all(ctx, config, model, variant, found, stop, work)
            for variant, found in prompts.items()
        }
        read = {
            variant: Reading(found, force_all(ctx, model, f"gold-{variant}", found, size, work))
            for variant, found in gold.items()
        }
        probed = None
        if probe is not None:
            probed = Reading(probe, force_all(ctx, model, FORGETTING, probe, size, work))
    except torch.cuda.OutOfMemoryError as error:
        raise ConfigError(
            f"the GPU's memory does not hold {size} rows at once",
            "lower decoding.batch_rows, for baseline and adapted alike",
        ) from error
    texts = {
        variant: [
            chat.tokenizer.decode(
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
        "batch_rows": size,
        "stop_tokens": sorted(stop),
        "decoder": decoder_name(model),
    }
    on_gpu = device.type == "cuda"
    return Answered(prompts, answers, texts, read, probed, decoding, difference, work, on_gpu)


def _with_adapter(model: Any, folder: Path, prompts: Prompts) -> tuple[Any, float]:
    probes = [prompts.prefix + rest for rest in prompts.rests[:_PROBE_PROMPTS]]
    base = loading.last_logits(model, probes)
    model = loading.apply_adapter(model, folder)
    return model, loading.prove_active(base, loading.last_logits(model, probes))


@contextmanager
def _threads(wanted: int | None) -> Iterator[None]:
    """Set torch's threads for a while; another count may round sums otherwise."""
    before = torch.get_num_threads()
    torch.set_num_threads(wanted or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _warn_slow(ctx: Context[EvaluateRuntime], config: EvaluateConfig, device: torch.device) -> None:
    native = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    if config.decoding.dtype == "bfloat16" and device.type == "cpu" and not native():
        ctx.log("this CPU does not multiply bfloat16 natively: float32 would be faster", "warning")
