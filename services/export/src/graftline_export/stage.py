"""The `export` stage: merge, convert, compare, and write it all down."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
from transformers import AutoTokenizer
from transformers.utils import logging as transformers_logging

from graftline.domain.dates import TEMPLATE_DATE
from graftline.domain.rows import read_rows
from graftline.errors import DataError
from graftline.ports import Output, Result
from graftline_export.adapter import BaseModel, read_adapter, read_base
from graftline_export.card import CardFacts, count_splits, read_metrics, write_card
from graftline_export.gguf_convert import convert
from graftline_export.llama_cpp import LlamaCpp
from graftline_export.merge import write_merged
from graftline_export.modelfile import Modelfile, safe_name
from graftline_export.ollama_template import check_template, derive, stop_texts
from graftline_export.parity import Comparison, follow
from graftline_export.prompts import (
    BUILT_IN,
    Prompt,
    choose_examples,
    make_prompts,
    question,
    shared_system,
)
from graftline_export.torch_model import (
    add_adapter,
    answer_logits,
    end_tokens,
    greedy_answers,
    load_model,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from graftline.context import Context
    from graftline.ports import Inputs
    from graftline_export.config import ExportConfig, ExportRuntime

_MOST_CONTEXT = 8192
_STEPS = ("load", "merge", "answers", "merged", "gguf", "llama.cpp", "files")


@dataclass(frozen=True)
class _Work:
    """What every part of this step needs."""

    ctx: Context[ExportRuntime]
    config: ExportConfig
    inputs: Inputs
    target: Path
    base: BaseModel
    lora: dict[str, Any]
    tokenizer: Any
    threads: int

    @property
    def name(self) -> str:
        return safe_name(self.config.name or f"{self.base.name.rsplit('/', 1)[-1]}-lora")

    @property
    def gguf_file(self) -> str:
        return f"{self.name}.{self.config.gguf_type}.gguf"

    def at(self, step: str) -> None:
        self.ctx.raise_if_stopping()
        self.ctx.progress(_STEPS.index(step), len(_STEPS), "parts")

    def render_chat(self, messages: list[dict[str, Any]]) -> str:
        text: str = self.tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True, date_string=TEMPLATE_DATE
        )
        return text


@dataclass(frozen=True)
class _Reference:
    """What base + adapter answers."""

    prompts: list[Prompt]
    split: str
    answers: list[list[int]]
    logits: list[torch.Tensor]
    ends: list[int]

    def gap(self, number: int) -> Callable[[int, int], float]:
        """Give the function that says how far a token is below the reference's own choice."""

        def measure(position: int, token: int) -> float:
            row = self.logits[number][position]
            chosen = row[self.answers[number][position]]
            return float(chosen - row[token]) if 0 <= token < len(row) else float("inf")

        return measure


def run(ctx: Context[ExportRuntime], config: ExportConfig, inputs: Inputs) -> Result:
    """Make the bundle.

    Raises:
        ConfigError: A setting cannot be meant.
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
    if not tokenizer.chat_template:
        raise DataError(f"{base.name} has no chat template")
    work = _Work(ctx, config, inputs, ctx.output("bundle"), base, lora, tokenizer, threads)
    # What can be refused in a second comes before the minutes of merging.
    system = _system(work)
    modelfile = _modelfile(work, system) if "ollama" in config.formats else None
    comparisons, reference = _forms(work)
    for comparison in comparisons:
        comparison.check(config.parity.max_near_tie_share, lambda token: _shown(tokenizer, token))
    work.at("files")
    _write_parity(work, reference, comparisons)
    if modelfile is not None:
        (work.target / "gguf" / "Modelfile").write_text(modelfile.text())
    _write_cards(work, comparisons, system)
    ctx.progress(len(_STEPS), len(_STEPS), "parts")
    return Result(
        {"bundle": Output(work.target)},
        base_model=base.label,
        figures=_figures(comparisons),
    )


def _forms(work: _Work) -> tuple[list[Comparison], _Reference]:
    """Write the forms and compare each with base + adapter; one model in memory at a time."""
    config, model_folder = work.config, work.inputs.one("model").path
    wants_merged = "merged" in config.formats or "gguf" in config.formats
    merged = work.target / "merged" if "merged" in config.formats else work.ctx.scratch("merged")
    work.at("load")
    model = add_adapter(
        load_model(model_folder, config.parity.dtype), work.inputs.one("adapter").path
    )
    if wants_merged:
        work.at("merge")
        merged.mkdir(exist_ok=True)
        changed = write_merged(model, model_folder, merged, lambda *_: work.ctx.raise_if_stopping())
        work.ctx.log(f"merged {changed} matrices into {work.base.label}")
    work.at("answers")
    reference = _answer(work, model)
    del model
    comparisons = []
    if wants_merged:
        work.at("merged")
        comparisons.append(_compare_merged(work, merged, reference))
    if "gguf" in config.formats:
        work.at("gguf")
        (work.target / "gguf").mkdir(exist_ok=True)
        gguf = work.target / "gguf" / work.gguf_file
        convert(merged, gguf, config.gguf_type, work.name)
        work.at("llama.cpp")
        comparisons.append(_compare_gguf(work, gguf, reference))
    if "peft" in config.formats:
        shutil.copytree(
            work.inputs.one("adapter").path, work.target / "peft", copy_function=shutil.copyfile
        )
    for comparison in comparisons:
        counts = comparison.summary()
        work.ctx.log(
            f"{comparison.form}: {counts['same_tokens']} of {counts['tokens']} tokens as base + "
            f"adapter, {counts['near_ties']} near-ties, {counts['disagreements']} disagreements"
        )
    return comparisons, reference


def _answer(work: _Work, model: Any) -> _Reference:
    parity, examples = work.config.parity, work.inputs.maybe("examples")
    split = ""
    if examples is not None:
        rows, split = choose_examples(examples.path, parity.split, parity.prompts)
        if split != parity.split:
            work.ctx.log(f"no rows of split '{parity.split}': prompts from '{split}'", "warning")
        asked = [(str(row["id"]), question(row["messages"])) for row in rows]
    else:
        asked = [
            (f"built-in {number + 1}", [{"role": "user", "content": text}])
            for number, text in enumerate(BUILT_IN[: parity.prompts])
        ]
    prompts = make_prompts(
        asked,
        work.render_chat,
        lambda text: list(work.tokenizer(text, add_special_tokens=False)["input_ids"]),
        (work.base.context or _MOST_CONTEXT) - parity.max_new_tokens,
    )
    answers = greedy_answers(model, prompts, parity.max_new_tokens)
    logits = [
        answer_logits(model, prompt, answer)
        for prompt, answer in zip(prompts, answers, strict=True)
    ]
    return _Reference(prompts, split, answers, logits, end_tokens(model))


def _compare_merged(work: _Work, folder: Path, reference: _Reference) -> Comparison:
    model = load_model(folder, work.config.parity.dtype)
    comparison = Comparison("merged", work.config.parity.near_tie)
    for number, (prompt, answer) in enumerate(
        zip(reference.prompts, reference.answers, strict=True)
    ):
        choices = answer_logits(model, prompt, answer).argmax(-1).tolist()
        comparison.add(prompt.id, answer, choices, reference.gap(number))
    return comparison


def _compare_gguf(work: _Work, gguf: Path, reference: _Reference) -> Comparison:
    longest = max(len(prompt.tokens) for prompt in reference.prompts)
    context = longest + work.config.parity.max_new_tokens + 16
    comparison = Comparison("gguf", work.config.parity.near_tie)
    with LlamaCpp(gguf, context, work.threads) as llama:
        for number, (prompt, answer) in enumerate(
            zip(reference.prompts, reference.answers, strict=True)
        ):
            work.ctx.raise_if_stopping()
            _check_tokens(llama.tokenize(prompt.text), prompt, work.tokenizer)
            choices = follow(
                answer,
                lambda done, count, prompt=prompt: llama.go_on([*prompt.tokens, *done], count),  # type: ignore[misc]
            )
            comparison.add(prompt.id, answer, choices, reference.gap(number))
    return comparison


def _check_tokens(found: Sequence[int], prompt: Prompt, tokenizer: Any) -> None:
    """Refuse a GGUF whose tokenizer reads a prompt otherwise than transformers does."""
    if tuple(found) == prompt.tokens:
        return
    pairs = enumerate(zip(found, prompt.tokens, strict=False))
    shorter = min(len(found), len(prompt.tokens))
    at = next((i for i, (one, other) in pairs if one != other), shorter)
    raise DataError(
        f"parity: llama.cpp reads prompt {prompt.id} as other tokens, from position {at}: "
        f"{tokenizer.decode(list(found[at : at + 4]))!r} instead of "
        f"{tokenizer.decode(list(prompt.tokens[at : at + 4]))!r}",
        "the tokenizer was not converted rightly; leave 'gguf' and 'ollama' out of `formats`",
    )


def _shown(tokenizer: Any, token: int) -> str:
    return str(tokenizer.decode([token])) if token >= 0 else "(the end)"


def _system(work: _Work) -> str:
    examples = work.inputs.maybe("examples")
    if work.config.system is not None:
        return work.config.system
    return shared_system(read_rows(examples.path, ["split", "messages"])) if examples else ""


def _modelfile(work: _Work, system: str) -> Modelfile:
    prefix = _begin_token(work.tokenizer)
    special = list(work.tokenizer.all_special_tokens)
    ends = [work.tokenizer.eos_token] if work.tokenizer.eos_token else []
    template = work.config.ollama_template
    if template:
        difference = check_template(template, work.render_chat, prefix)
        if difference:
            work.ctx.log(f"`ollama_template` is not the model's own: {difference}", "warning")
        stops = ends
    else:
        pieces = derive(work.render_chat, prefix)
        if system and pieces.before_system is None:
            raise DataError(
                f"the chat template of {work.base.name} takes no system prompt",
                "set `system` to '' and put the instruction into the user's text",
            )
        template, stops = pieces.go(), [*stop_texts(pieces, special), *ends]
    text = work.config.license
    return Modelfile(
        gguf=work.gguf_file,
        template=template,
        system=system,
        stops=tuple(dict.fromkeys([*stops, *work.config.stop])),
        num_ctx=work.config.num_ctx or min(work.base.context or _MOST_CONTEXT, _MOST_CONTEXT),
        temperature=work.config.temperature,
        license=text,
    )


def _begin_token(tokenizer: Any) -> str:
    """Give the token that the tokenizer, and so llama.cpp, puts before every text by itself."""
    ids = tokenizer("a", add_special_tokens=True)["input_ids"]
    bare = tokenizer("a", add_special_tokens=False)["input_ids"]
    begins = tokenizer.bos_token_id is not None and ids[: len(ids) - len(bare)][:1] == [
        tokenizer.bos_token_id
    ]
    return str(tokenizer.bos_token) if begins else ""


def _write_parity(work: _Work, reference: _Reference, comparisons: list[Comparison]) -> None:
    parity = work.config.parity
    report = {
        "reference": f"{work.base.label} + adapter (PEFT), {parity.dtype}, greedy",
        "split": reference.split,
        "near_tie": parity.near_tie,
        "max_near_tie_share": parity.max_near_tie_share,
        "prompt_tokens_identical": "gguf" in work.config.formats or None,
        "prompts": [
            {"id": prompt.id, "prompt_tokens": len(prompt.tokens), "answer": _text(work, answer)}
            for prompt, answer in zip(reference.prompts, reference.answers, strict=True)
        ],
        "forms": {
            item.form: {
                **item.summary(),
                "differences": [
                    {
                        **asdict(found),
                        "expected": _shown(work.tokenizer, found.expected),
                        "got": _shown(work.tokenizer, found.got),
                        "gap": round(found.gap, 3),
                    }
                    for found in item.differences
                ],
            }
            for item in comparisons
        },
    }
    path = work.target / "parity.json"
    path.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n")


def _text(work: _Work, answer: list[int]) -> str:
    return str(work.tokenizer.decode(answer))


def _write_cards(work: _Work, comparisons: list[Comparison], system: str) -> None:
    adapter, examples = work.inputs.one("adapter"), work.inputs.maybe("examples")
    cut = json.loads(work.inputs.one("model").manifest.config or "{}").get("keep_layers")
    facts = CardFacts(
        name=work.name,
        base=work.base.label,
        base_name=work.base.name,
        revision=work.base.revision,
        license=work.config.license,
        lora=work.lora,
        training=json.loads(adapter.manifest.config or "{}"),
        trained_from=f"`{adapter.step}`",
        base_cut_to=cut,
        splits=count_splits(examples.path) if examples else {},
        metrics=read_metrics(work.inputs.many("metrics")),
        formats=work.config.formats,
        parity={item.form: item.summary() for item in comparisons},
        gguf=work.gguf_file,
        gguf_type=work.config.gguf_type,
        system=system,
    )
    (work.target / "README.md").write_text(write_card(facts))
    if "peft" in work.config.formats:
        (work.target / "peft" / "README.md").write_text(write_card(facts, adapter_only=True))
    if len(work.config.license.split()) > 1:
        (work.target / "LICENSE").write_text(work.config.license.rstrip() + "\n")


def _figures(comparisons: list[Comparison]) -> dict[str, float]:
    figures: dict[str, float] = {}
    for item in comparisons:
        for name in ("tokens", "same_tokens", "near_ties", "disagreements"):
            figures[f"parity_{item.form}_{name}"] = float(item.summary()[name])
    return figures
