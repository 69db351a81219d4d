"""The `export` stage: merge, convert, compare, and write it all down."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import torch
from transformers import AutoTokenizer
from transformers.utils import logging as transformers_logging

from graftline.domain.rows import read_rows
from graftline.domain.template import read_chat_template
from graftline.ports import Output, Result
from graftline_export.adapter import read_adapter, read_base
from graftline_export.forms import make_forms
from graftline_export.ollama import find_program
from graftline_export.ollama_check import check_ollama
from graftline_export.prompts import shared_system
from graftline_export.serving import make_modelfiles
from graftline_export.summary import figures, write_cards, write_parity
from graftline_export.work import STEPS, Work

if TYPE_CHECKING:
    from collections.abc import Sequence

    from graftline.context import Context
    from graftline.ports import Inputs
    from graftline_export.config import ExportConfig, ExportRuntime
    from graftline_export.parity import Comparison


def run(ctx: Context[ExportRuntime], config: ExportConfig, inputs: Inputs) -> Result:
    """Make the bundle.

    Raises:
        ConfigError: A setting cannot be meant, or the model has no chat template.
        DataError: The adapter does not fit the model, a form cannot be made, or a form answers
            otherwise than base + adapter.
    """
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    threads = ctx.runtime.threads or len(os.sched_getaffinity(0))
    torch.set_num_threads(threads)
    model = inputs.one("model").path
    base = read_base(model)
    lora = read_adapter(inputs.one("adapter").path, base)
    tokenizer = AutoTokenizer.from_pretrained(str(model), local_files_only=True)
    template = read_chat_template(model)
    system = _system(config, inputs)
    target = ctx.output("bundle")
    work = Work(ctx, config, inputs, target, base, lora, tokenizer, template, threads, system)
    # What can be refused in a second comes before the minutes of merging.
    if config.parity.ollama == "always":
        find_program(ctx.runtime.ollama_program)
    modelfiles = {name: file.text() for name, file in make_modelfiles(work).items()}
    comparisons, reference = make_forms(work)
    _check(work, comparisons)
    for name, text in modelfiles.items():
        (target / "gguf" / name).write_text(text)
    asked, ollama = check_ollama(work, reference, modelfiles)
    _check(work, asked)
    work.at("files")
    write_parity(work, reference, [*comparisons, *asked], ollama)
    write_cards(work, [*comparisons, *asked])
    ctx.progress(len(STEPS), len(STEPS), "parts")
    return Result(
        {"bundle": Output(target)},
        base_model=base.label,
        figures=figures([*comparisons, *asked]),
    )


def _system(config: ExportConfig, inputs: Inputs) -> str:
    if config.system is not None:
        return config.system
    examples = inputs.maybe("examples")
    return shared_system(read_rows(examples.path, ["split", "messages"])) if examples else ""


def _check(work: Work, comparisons: Sequence[Comparison]) -> None:
    """Say how the forms compared, and refuse those that answer otherwise."""
    for comparison in comparisons:
        counts = comparison.summary()
        work.ctx.log(
            f"{comparison.form}: {counts['same_tokens']} of {counts['tokens']} tokens as base + "
            f"adapter, {counts['near_ties']} near-ties, {counts['disagreements']} disagreements"
        )
    for comparison in comparisons:
        comparison.check(work.config.parity.max_near_tie_share, work.shown)
