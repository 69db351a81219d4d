"""Base + adapter and merged models in torch: loading, greedy answers, logits."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, GenerationConfig

from graftline.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from graftline_export.prompts import Prompt

_BATCH = 8
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def load_model(folder: Path, dtype: str) -> Any:
    """Load a model folder for inference on the CPU."""
    model = AutoModelForCausalLM.from_pretrained(
        str(folder), dtype=DTYPES[dtype], local_files_only=True
    )
    return model.eval()


def add_adapter(model: Any, folder: Path) -> Any:
    """Put an adapter on a model.

    Raises:
        DataError: It does not fit: not one of its weights, or not all of them, found a place.
    """
    try:
        with warnings.catch_warnings():
            # PEFT and transformers move names between their releases.
            warnings.simplefilter("ignore", FutureWarning)
            return PeftModel.from_pretrained(model, str(folder)).eval()
    except (RuntimeError, ValueError, KeyError) as error:
        raise DataError(
            f"the adapter does not fit the model: {str(error).splitlines()[0]}"
        ) from error


def end_tokens(model: Any) -> list[int]:
    """Give the tokens that end an answer, by the model's generation config."""
    ends = model.generation_config.eos_token_id
    if ends is None:
        return []
    return [int(ends)] if isinstance(ends, int) else [int(end) for end in ends]


@torch.inference_mode()
def greedy_answers(model: Any, prompts: Sequence[Prompt], max_new_tokens: int) -> list[list[int]]:
    """Answer each prompt greedily; an end token is part of the answer."""
    ends = end_tokens(model)
    pad_token = ends[0] if ends else 0
    # The model's own sampling settings and penalties must not take part.
    settings = GenerationConfig(
        do_sample=False,
        num_beams=1,
        max_new_tokens=max_new_tokens,
        repetition_penalty=1.0,
        eos_token_id=ends or None,
        pad_token_id=pad_token,
    )
    answers: list[list[int]] = []
    for start in range(0, len(prompts), _BATCH):
        batch = prompts[start : start + _BATCH]
        longest = max(len(prompt.tokens) for prompt in batch)
        # Padded on the left, where the mask hides it.
        pads = [longest - len(prompt.tokens) for prompt in batch]
        padded = zip(pads, batch, strict=True)
        ids = torch.tensor([[pad_token] * pad + list(prompt.tokens) for pad, prompt in padded])
        mask = torch.tensor([[0] * pad + [1] * (longest - pad) for pad in pads])
        out = model.generate(input_ids=ids, attention_mask=mask, generation_config=settings)
        answers += [_cut(row, ends) for row in out[:, longest:].tolist()]
    return answers


def _cut(tokens: list[int], ends: list[int]) -> list[int]:
    """Drop the padding after the first end token."""
    at = next((i for i, token in enumerate(tokens) if token in ends), len(tokens) - 1)
    return tokens[: at + 1]


@torch.inference_mode()
def answer_logits(model: Any, prompt: Prompt, answer: Sequence[int]) -> torch.Tensor:
    """Give the logits that choose each token of an answer, shape (answer, vocabulary), fp32."""
    ids = torch.tensor([[*prompt.tokens, *answer]])
    logits = model(input_ids=ids, logits_to_keep=len(answer) + 1).logits
    chosen: torch.Tensor = logits[0, -len(answer) - 1 : -1].float()
    return chosen
