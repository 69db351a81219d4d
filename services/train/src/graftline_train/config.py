"""The settings of `train`, by the names that Hugging Face and PEFT use."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from graftline.config import Config, Runtime

PositiveInt = Annotated[int, Field(ge=1)]


class TrainConfig(Config):
    """What is trained, on how much, and how."""

    task: Literal["sft"] = Field(
        "sft", description="sft: supervised fine-tuning on the tokens that the loss mask names."
    )

    lora_r: int = Field(16, ge=1, le=1024, description="Rank of the LoRA update.")
    lora_alpha: float = Field(
        32.0, gt=0, description="The update is scaled by lora_alpha / lora_r."
    )
    lora_dropout: float = Field(
        0.0, ge=0, lt=1, description="Share of the LoRA branch's input that is dropped in training."
    )
    target_modules: str | list[str] = Field(
        "all-linear",
        description="'all-linear' (every linear layer but the head), or names such as "
        "['q_proj', 'v_proj'].",
    )
    use_rslora: bool = Field(
        False, description="Rank-stabilised LoRA: scale by lora_alpha / √lora_r."
    )
    use_dora: bool = Field(
        False, description="DoRA: a trained magnitude beside the update (takes the slower path)."
    )

    dtype: Literal["auto", "bf16", "fp32"] = Field(
        "auto",
        description="What the frozen model is held and multiplied in; adapter and optimiser are "
        "always fp32. auto: bf16 where the device multiplies it natively, else fp32, so the "
        "adapter's bytes then depend on the machine.",
    )
    quantization: Literal["none", "nf4"] = Field(
        "none",
        description="nf4: QLoRA, the frozen model in 4 bits with double quantization. Saves "
        "memory, costs speed.",
    )

    learning_rate: float = Field(2e-4, gt=0, description="Highest learning rate of AdamW.")
    lr_scheduler_type: Literal["cosine", "linear", "constant"] = Field(
        "cosine", description="How the rate falls to 0 after the warm-up; constant: not at all."
    )
    warmup_steps: int | None = Field(
        None, ge=0, description="Optimiser steps over which the rate rises; or give warmup_ratio."
    )
    warmup_ratio: float | None = Field(
        None, ge=0, le=1, description="The warm-up as a share of all steps; or give warmup_steps."
    )
    weight_decay: float = Field(0.0, ge=0, description="AdamW's decoupled weight decay.")
    adam_beta1: float = Field(0.9, ge=0, lt=1, description="AdamW's first decay rate.")
    adam_beta2: float = Field(0.999, ge=0, lt=1, description="AdamW's second decay rate.")
    adam_epsilon: float = Field(1e-8, gt=0, description="AdamW's epsilon.")
    max_grad_norm: float = Field(
        1.0, ge=0, description="Gradients are scaled down to this norm; 0: never."
    )

    num_epochs: float | None = Field(
        None, gt=0, description="Passes over the training rows; or give max_steps."
    )
    max_steps: int | None = Field(None, ge=1, description="Optimiser steps; or give num_epochs.")
    per_device_train_batch_size: PositiveInt = Field(
        8,
        description="Rows of one forward pass. With packing, a pass may hold more rows, up to "
        "this many times max_length tokens.",
    )
    gradient_accumulation_steps: PositiveInt = Field(
        1,
        description="An optimiser step learns from per_device_train_batch_size × this many rows; "
        "its loss is the mean over all of their learned tokens.",
    )
    max_length: int = Field(
        1024, ge=2, description="Rows with more tokens are left out, and counted."
    )
    packing: bool = Field(
        True,
        description="Fill each forward pass with rows of its optimiser step, up to "
        "per_device_train_batch_size × max_length tokens; rows never see each other and none is "
        "cut. Changes speed, not what is learned.",
    )

    eval_split: str = Field(
        "eval",
        description="Split whose loss is measured (never trained on); '' for none. Skipped, with "
        "a line in the log, when no row has it.",
    )
    eval_steps: int = Field(
        0, ge=0, description="Measure it every so many steps; 0: only after the last one."
    )
    max_eval_rows: PositiveInt = Field(
        64, description="Rows of that split that are measured, drawn by the step's seed."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.num_epochs is None) == (self.max_steps is None):
            raise ValueError("give exactly one of num_epochs and max_steps (the other: null)")
        if self.warmup_steps is not None and self.warmup_ratio is not None:
            raise ValueError("give at most one of warmup_steps and warmup_ratio (the other: null)")
        if isinstance(self.target_modules, str) and self.target_modules != "all-linear":
            raise ValueError("target_modules must be 'all-linear' or a list of module names")
        if not self.target_modules:
            raise ValueError("target_modules must name at least one module")
        return self


class TrainRuntime(Runtime):
    """Where it runs, how often it saves, and whom it tells."""

    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="auto: CUDA if there is a GPU, else the CPU."
    )
    threads: int = Field(
        0,
        ge=0,
        description="CPU threads; 0: as many as this process may use. On a CPU the last bits of "
        "an adapter depend on it: give the same number wherever the same bytes are wanted.",
    )
    checkpoint_every_steps: int = Field(
        0, ge=0, description="Save a checkpoint every so many optimiser steps; 0: by time alone."
    )
    checkpoint_every_s: float = Field(
        120.0, ge=0, description="Save one after so many seconds; 0: by steps alone."
    )
    log_every: PositiveInt = Field(
        10, description="Optimiser steps between two lines in the log for people."
    )
    tensorboard_dir: str = Field(
        "",
        description="Folder for TensorBoard files; '' for none. They hold clock times, so they "
        "are no part of the step's outputs.",
    )
    report_to: list[Literal["wandb", "mlflow"]] = Field(
        default_factory=list,
        description="Experiment trackers to report to; each must be installed and is configured "
        "by its own environment variables.",
    )
