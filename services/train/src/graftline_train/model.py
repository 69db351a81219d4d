"""The base model, and the adapter on it."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from peft import LoraConfig, get_peft_model
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, BitsAndBytesConfig

from graftline.domain.model_record import RECORD_FILE, read_model_record
from graftline.errors import ConfigError, DataError, Problem
from graftline_train.machine import DTYPES

if TYPE_CHECKING:
    from pathlib import Path

    from graftline_train.config import TrainConfig
    from graftline_train.rows import TrainingSet


@dataclass(frozen=True)
class BaseModel:
    """A model artifact before its weights are loaded.

    Args:
        path: Its folder.
        name: Its name on the hub, for `adapter_config.json`.
        revision: Its pinned revision.
        config: Its Transformers config.
        skeleton: The model without weights, on the meta device.
    """

    path: Path
    name: str
    revision: str
    config: Any
    skeleton: Any


def open_base(path: Path) -> BaseModel:
    """Read what a model artifact is, but no weights.

    Raises:
        DataError: It is not a causal language model that Transformers knows.
    """
    record = read_model_record(path)
    if not record.name:
        raise DataError(f"the model artifact has no {RECORD_FILE} with its name")
    name = record.name
    try:
        config = AutoConfig.from_pretrained(path, local_files_only=True)
        with torch.device("meta"):
            skeleton = AutoModelForCausalLM.from_config(config)
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"model '{name}' is no causal language model: {_line(error)}") from error
    return BaseModel(path, name, record.revision, config, skeleton)


def check_fit(base: BaseModel, rows: TrainingSet) -> None:
    """Check that rows and model belong together.

    Raises:
        DataError: Token ids outside the vocabulary, or rows longer than the model's context.
    """
    vocabulary = base.skeleton.get_input_embeddings().weight.shape[0]
    if rows.highest_id >= vocabulary:
        raise DataError(
            f"the training set holds token id {rows.highest_id}, but '{base.name}' knows only "
            f"{vocabulary} tokens",
            "format with the tokenizer of the model that is trained",
        )
    context = getattr(base.config, "max_position_embeddings", None)
    longest = max(rows.train.longest, rows.held_out.longest)
    if context and longest > context:
        raise DataError(
            f"a row has {longest} tokens, but '{base.name}' reads at most {context}",
            f"set max_length to {context} or less",
        )


def linear_layers(base: BaseModel) -> dict[str, nn.Linear]:
    """Give the linear layers below the head, by name, without weights."""
    head = base.skeleton.get_output_embeddings()
    return {
        name: module
        for name, module in base.skeleton.named_modules()
        if isinstance(module, nn.Linear) and module is not head
    }


def load_with_adapter(
    base: BaseModel, config: TrainConfig, dtype: str, device: torch.device, seed: int
) -> Any:
    """Load the frozen weights and put a fresh LoRA adapter on them.

    The adapter's start depends on the seed alone. Adapter weights are fp32.

    Raises:
        DataError: The weights cannot be loaded.
        ConfigError: `target_modules` match nothing, or nf4 cannot be had here.
    """
    _check_targets(base, config)
    try:
        # Loading prints progress bars of its own; ours says enough.
        model = AutoModelForCausalLM.from_pretrained(
            base.path,
            dtype=DTYPES[dtype],
            local_files_only=True,
            device_map={"": device} if config.quantization == "nf4" else None,
            quantization_config=_quantization(config, dtype),
        )
    except ImportError as error:
        raise ConfigError(
            f"quantization: nf4 needs bitsandbytes, which cannot be used here: {_line(error)}",
            "install graftline-train[quantization], or set quantization to none",
        ) from error
    except (OSError, ValueError, RuntimeError) as error:
        raise DataError(f"the weights of '{base.name}' cannot be loaded: {_line(error)}") from error
    # Drawn on the CPU, so that a GPU begins with the same adapter.
    torch.manual_seed(seed)
    try:
        adapted = put_lora(model, lora_config(config))
    except (ValueError, NotImplementedError) as error:
        raise ConfigError(f"LoRA cannot be put on '{base.name}': {_line(error)}") from error
    for parameter in adapted.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    return adapted if config.quantization == "nf4" else adapted.to(device)


def lora_config(config: TrainConfig) -> LoraConfig:
    """Give PEFT's config; `save_adapter` adds which model it is for."""
    targets = config.target_modules
    return LoraConfig(
        r=config.lora_r,
        lora_alpha=config.lora_alpha,
        lora_dropout=config.lora_dropout,
        target_modules=targets if isinstance(targets, str) else list(targets),
        use_rslora=config.use_rslora,
        use_dora=config.use_dora,
        bias="none",
        task_type="CAUSAL_LM",
    )


def put_lora(model: Any, config: LoraConfig) -> Any:
    """Put a fresh LoRA adapter on a model, drawn from torch's generator.

    Raises:
        ValueError: The config matches none of the model's modules.
    """
    with warnings.catch_warnings():
        # PEFT asks Transformers for a property that Transformers has renamed, and says that it
        # reads GPT-2's transposed weights rightly.
        warnings.simplefilter("ignore", FutureWarning)
        warnings.filterwarnings("ignore", "fan_in_fan_out", UserWarning)
        return get_peft_model(model, config)


def _quantization(config: TrainConfig, dtype: str) -> BitsAndBytesConfig | None:
    if config.quantization == "none":
        return None
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=DTYPES[dtype],
    )


def _check_targets(base: BaseModel, config: TrainConfig) -> None:
    """Name every target that no layer answers to."""
    layers = linear_layers(base)
    known = sorted({name.rpartition(".")[2] for name in layers})
    if isinstance(config.target_modules, str):
        # Conv1D (GPT-2) is a linear layer to PEFT as well.
        kinds = {type(module).__name__ for module in base.skeleton.modules()}
        if not layers and "Conv1D" not in kinds:
            raise ConfigError(
                f"'{base.name}' ({base.config.model_type}) has no linear layers for "
                "target_modules: all-linear",
                "name the modules to adapt",
            )
        return
    modules = [name for name, _ in base.skeleton.named_modules()]
    problems = [
        Problem(
            "target_modules",
            f"no module of '{base.name}' is named '{target}'; linear layers: {', '.join(known)}",
        )
        for target in config.target_modules
        if not any(name == target or name.endswith(f".{target}") for name in modules)
    ]
    if problems:
        raise ConfigError.of(problems, "train")


def _line(error: Exception) -> str:
    """Give an error's first line."""
    return str(error).strip().partition("\n")[0]
