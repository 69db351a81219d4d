"""The model with its tokenizer, and the adapter in it."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging as transformers_logging

from graftline.domain.template import read_chat_template
from graftline.errors import ConfigError, DataError
from graftline_evaluate.chat import Chat

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def choose_device(wanted: str) -> torch.device:
    """Give the device that a runtime setting names.

    Raises:
        ConfigError: There is no such device.
    """
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(wanted)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(
            f"device: '{wanted}' is not there; GPUs found: {torch.cuda.device_count()}",
            "use `auto` or `cpu`",
        )
    return device


def load_chat(folder: Path) -> Chat:
    """Load the tokenizer and the chat template.

    Raises:
        ConfigError: There is no chat template, or it is broken.
        DataError: The tokenizer cannot be loaded.
    """
    transformers_logging.disable_progress_bar()
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
    except Exception as error:
        raise DataError(f"model: its tokenizer cannot be loaded: {_line(error)}") from error
    return Chat(tokenizer, read_chat_template(folder))


def load_model(folder: Path, dtype: str, device: torch.device) -> Any:
    """Load the model for evaluation.

    Raises:
        DataError: It cannot be loaded.
    """
    try:
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype))
    except Exception as error:
        raise DataError(f"model: it cannot be loaded: {_line(error)}") from error
    return model.to(device).eval()


def context_tokens(model: Any) -> int:
    """Give how many tokens the model can look at."""
    return int(getattr(model.config, "max_position_embeddings", None) or 1 << 20)


def apply_adapter(model: Any, folder: Path) -> Any:
    """Give the model with the adapter merged into its weights.

    PEFT computes the adapter's product in the adapter's own type (float32 as trained) and adds it
    to the weights; in float32 the sums differ from PEFT's unmerged ones by rounding alone, in
    bfloat16 the merged weights are rounded once more.

    Raises:
        DataError: It is no adapter, or does not fit the model.
    """
    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            adapted = PeftModel.from_pretrained(model, folder)
            missing = [str(w.message) for w in told if "missing adapter keys" in str(w.message)]
            if missing:
                raise DataError(f"adapter: it lacks weights: {missing[0][:200]}")
            return adapted.merge_and_unload(safe_merge=True).eval()
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"adapter: it does not fit the model: {_line(error)}") from error


@torch.inference_mode()
def last_logits(model: Any, prompts: Sequence[Sequence[int]]) -> list[torch.Tensor]:
    """Give the logits behind each prompt, one prompt at a time, in float32 on the CPU."""
    found = []
    for prompt in prompts:
        ids = torch.tensor([list(prompt)], device=model.device)
        found.append(model(input_ids=ids, logits_to_keep=1).logits[0, -1].float().cpu())
    return found


def prove_active(base: list[torch.Tensor], adapted: list[torch.Tensor]) -> float:
    """Give the largest difference between two models' logits on the same prompts.

    Raises:
        DataError: There is none.
    """
    largest = max(
        float((one - other).abs().max()) for one, other in zip(base, adapted, strict=True)
    )
    if not largest > 0:
        raise DataError(
            f"adapter is not active: on {len(base)} prompts its logits equal the base's",
            "was it trained, and for this model?",
        )
    return largest


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
