"""Train an adapter: read, check, load, loop, write."""

from __future__ import annotations

import json
import statistics
import time
from typing import TYPE_CHECKING, Any

import peft
import torch
import transformers

from graftline.errors import ConfigError
from graftline.ports import Output, Result
from graftline_train import checkpoint, machine
from graftline_train.adapter import save_adapter
from graftline_train.batches import count_steps, rows_per_step
from graftline_train.loop import Trainer
from graftline_train.memory import check_memory, estimate
from graftline_train.model import check_fit, load_with_adapter, open_base
from graftline_train.passes import FastPasses, PlainPasses, slow_reason
from graftline_train.rows import read_training_set
from graftline_train.trackers import open_trackers

if TYPE_CHECKING:
    from graftline.context import Context
    from graftline.ports import Inputs
    from graftline_train.config import TrainConfig, TrainRuntime
    from graftline_train.passes import Passes
    from graftline_train.rows import Row, RowTable


def run(ctx: Context[TrainRuntime], config: TrainConfig, inputs: Inputs) -> Result:
    """Train a LoRA adapter; see the README for what each setting does.

    Raises:
        ConfigError: Settings that this model, machine or memory cannot serve.
        DataError: Rows or weights that cannot be used, or a loss that is no longer a number.
        Cancelled: Stopped on request, with a checkpoint from which the next run goes on.
    """
    transformers.utils.logging.disable_progress_bar()
    device = machine.choose_device(ctx.runtime)
    threads = machine.set_threads(ctx.runtime)
    rows = read_training_set(
        inputs.one("training_set").path, ctx.scratch("rows"), config.max_length, config.eval_split
    )
    for reason, count in rows.rejected.items():
        ctx.log(f"{count} training rows left out: {reason}", "warning")
    base = open_base(inputs.one("model").path)
    check_fit(base, rows)
    restored = checkpoint.peek(ctx)
    # An `auto` that was resolved once stays so, wherever the run is resumed.
    dtype = restored[0].facts["dtype"] if restored else machine.choose_dtype(config, device)
    facts = {
        "dtype": dtype,
        "device": device.type,
        "threads": threads,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "peft": peft.__version__,
    }
    slow = slow_reason(base, config)
    needed = estimate(base, config, dtype, rows.train.longest, fast=not slow)
    check_memory(ctx, needed, machine.free_bytes(device), machine.describe(device))
    _say(ctx, config, rows.train, facts, slow)

    seed = ctx.random("adapter").getrandbits(63)
    model = load_with_adapter(base, config, dtype, device, seed)
    passes: Passes = PlainPasses(model, device) if slow else FastPasses(model, config, device)
    trainer = Trainer(
        ctx,
        config,
        passes,
        {name: item for name, item in model.named_parameters() if item.requires_grad},
        rows.train,
        _held_out(ctx, config, rows.held_out),
        open_trackers(ctx, config),
        facts,
    )
    if restored:
        _say_resumed(ctx, restored[0], facts)
        trainer.resume(*restored)
    began = time.monotonic()
    try:
        trainer.run()
    except torch.OutOfMemoryError as error:
        raise ConfigError(
            f"the {device.type} ran out of memory at step {trainer.step + 1}",
            "lower per_device_train_batch_size (and raise gradient_accumulation_steps) or "
            "max_length, or set quantization: nf4",
        ) from error
    finally:
        for tracker in trainer.trackers:
            tracker.close()
    took_s = time.monotonic() - began

    adapter, metrics = ctx.output("adapter"), ctx.output("metrics")
    save_adapter(model, base, adapter)
    text = "".join(json.dumps(line) + "\n" for line in trainer.log)
    (metrics / "log.jsonl").write_text(text)
    figures = _figures(trainer, config) | {
        "peak_memory_bytes": float(machine.peak_bytes(device)),
        "estimated_memory_bytes": needed.total,
        "fast_path": float(not slow),
    }
    return Result(
        {"adapter": Output(adapter), "metrics": Output(metrics, rows=len(trainer.log))},
        rows_in=len(rows.train) + sum(rows.rejected.values()),
        rows_out=len(rows.train),
        rejected=rows.rejected,
        base_model=f"{base.name}@{base.revision}",
        figures=figures,
        input_tokens=trainer.tokens,
        gpu_seconds=took_s if device.type == "cuda" else None,
    )


def _held_out(ctx: Context[TrainRuntime], config: TrainConfig, rows: RowTable) -> list[Row]:
    if config.eval_split and not len(rows):
        ctx.log(f"no rows of split '{config.eval_split}': no validation loss")
    chosen = list(range(len(rows)))
    if len(chosen) > config.max_eval_rows:
        chosen = sorted(ctx.random("held out").sample(chosen, config.max_eval_rows))
    return [rows[index] for index in chosen]


def _say(
    ctx: Context[TrainRuntime],
    config: TrainConfig,
    train: RowTable,
    facts: dict[str, Any],
    slow: str,
) -> None:
    steps = count_steps(len(train), config)
    seen = steps * rows_per_step(config)
    ctx.log(
        f"{len(train)} rows of {train.tokens / len(train):.0f} tokens on average; {steps} steps "
        f"of {rows_per_step(config)} rows ({seen / len(train):.1f} epochs); {facts['dtype']} on "
        f"{facts['device']}, {facts['threads']} threads"
    )
    if slow:
        ctx.log(f"plain Transformers and PEFT, not the fast path, because of {slow}", "warning")


def _say_resumed(
    ctx: Context[TrainRuntime], position: checkpoint.Position, facts: dict[str, Any]
) -> None:
    ctx.log(f"resumed after step {position.step}")
    changed = [name for name, value in facts.items() if position.facts.get(name) != value]
    for name in changed:
        ctx.log(
            f"{name} was {position.facts.get(name)} before the stop and is {facts[name]} now: the "
            "last bits of the adapter may differ from an unbroken run's",
            "warning",
        )


def _figures(trainer: Trainer, config: TrainConfig) -> dict[str, float]:
    losses = [float(line["loss"]) for line in trainer.log if "loss" in line]
    evaluated = [float(line["eval_loss"]) for line in trainer.log if "eval_loss" in line]
    # A single step's loss says little: the mean over the last tenth.
    tail = losses[-max(1, len(losses) // 10) :]
    figures = {
        "steps": float(trainer.steps),
        "final_loss": statistics.fmean(tail),
        "trainable_parameters": float(sum(p.numel() for p in trainer.parameters.values())),
        "tokens_trained": float(trainer.tokens),
    }
    if evaluated:
        figures["eval_loss"] = evaluated[-1]
    if trainer.rates:
        figures["tokens_per_second"] = statistics.median(trainer.rates)
    return figures
