"""The forms of a bundle: each written, and compared with base + adapter."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

from graftline.errors import DataError
from graftline_export.gguf_convert import check_plain, convert, convert_adapter
from graftline_export.llama_cpp import LlamaCpp
from graftline_export.merge import scalings, write_merged
from graftline_export.parity import Comparison, follow
from graftline_export.prompts import BUILT_IN, choose_examples, make_prompts, question
from graftline_export.torch_model import (
    add_adapter,
    answer_logits,
    end_tokens,
    greedy_answers,
    load_model,
)
from graftline_export.work import MOST_CONTEXT, Reference

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from graftline_export.prompts import Prompt
    from graftline_export.work import Work


def make_forms(work: Work) -> tuple[list[Comparison], Reference]:
    """Write the forms and compare each; one model in memory at a time.

    Raises:
        DataError: A form cannot be made of this model, or reads a prompt as other tokens.
    """
    config, model_folder = work.config, work.inputs.one("model").path
    adapter = work.inputs.one("adapter").path
    wants_merged = "merged" in config.formats or "gguf" in config.formats
    merged = work.target / "merged" if "merged" in config.formats else work.ctx.scratch("merged")
    if "gguf-adapter" in config.formats:
        check_plain(adapter)
    work.at("load")
    model = add_adapter(load_model(model_folder, config.parity.dtype), adapter)
    if wants_merged:
        work.at("merge")
        merged.mkdir(exist_ok=True)
        changed = write_merged(model, model_folder, merged, lambda *_: work.ctx.raise_if_stopping())
        work.ctx.log(f"merged {changed} matrices into {work.base.label}")
    work.at("answers")
    reference = _answer(work, model)
    factors = scalings(model) if "gguf-adapter" in config.formats else {}
    del model
    comparisons = []
    if wants_merged:
        work.at("merged")
        comparisons.append(_compare_merged(work, merged, reference))
    if "gguf" in config.formats:
        comparisons.append(_make_gguf(work, merged, reference))
    if "gguf-adapter" in config.formats:
        comparisons.append(_make_gguf_adapter(work, factors, reference))
    if "peft" in config.formats:
        shutil.copytree(adapter, work.target / "peft", copy_function=shutil.copyfile)
    return comparisons, reference


def _answer(work: Work, model: Any) -> Reference:
    """Ask base + adapter."""
    parity, examples = work.config.parity, work.inputs.maybe("examples")
    split = ""
    if examples is not None:
        rows, split = choose_examples(examples.path, parity.split, parity.prompts)
        if split != parity.split:
            work.ctx.log(f"no rows of split '{parity.split}': prompts from '{split}'", "warning")
        asked = [(str(row["id"]), question(row["messages"])) for row in rows]
    else:
        system = [{"role": "system", "content": work.system}] if work.system else []
        asked = [
            (f"built-in {number + 1}", [*system, {"role": "user", "content": text}])
            for number, text in enumerate(BUILT_IN[: parity.prompts])
        ]
    prompts = make_prompts(
        asked,
        work.render_chat,
        work.tokenize,
        (work.base.context or MOST_CONTEXT) - parity.max_new_tokens,
    )
    answers = greedy_answers(model, prompts, parity.max_new_tokens)
    logits = [
        answer_logits(model, prompt, answer)
        for prompt, answer in zip(prompts, answers, strict=True)
    ]
    return Reference(prompts, split, answers, logits, end_tokens(model))


def _compare_merged(work: Work, folder: Path, reference: Reference) -> Comparison:
    model = load_model(folder, work.config.parity.dtype)
    comparison = Comparison("merged", work.config.parity.near_tie)
    for number, (prompt, answer) in enumerate(
        zip(reference.prompts, reference.answers, strict=True)
    ):
        choices = answer_logits(model, prompt, answer).argmax(-1).tolist()
        comparison.add(prompt.id, answer, choices, reference.gap(number))
    return comparison


def _make_gguf(work: Work, merged: Path, reference: Reference) -> Comparison:
    work.at("gguf")
    gguf = _gguf_folder(work) / work.gguf_file
    convert(merged, gguf, work.config.gguf_type, work.name)
    return _compare_llama_cpp("gguf", work, gguf, reference)


def _make_gguf_adapter(work: Work, factors: dict[str, float], reference: Reference) -> Comparison:
    work.at("gguf")
    folder = _gguf_folder(work)
    adapter = folder / work.adapter_file
    model = work.inputs.one("model").path
    scratch = work.ctx.scratch("gguf-adapter")
    # The base first: if the converter does not know the model, it says so about the model.
    base = (scratch if work.config.adapter_from else folder) / work.base_file
    convert(model, base, work.config.gguf_type, work.base_name)
    source = work.inputs.one("adapter").path
    convert_adapter(source, factors, model, adapter, scratch, work.base_name)
    return _compare_llama_cpp("gguf-adapter", work, base, reference, adapter)


def _gguf_folder(work: Work) -> Path:
    folder = work.target / "gguf"
    folder.mkdir(exist_ok=True)
    return folder


def _compare_llama_cpp(
    form: str, work: Work, gguf: Path, reference: Reference, adapter: Path | None = None
) -> Comparison:
    work.at("llama.cpp")
    longest = max(len(prompt.tokens) for prompt in reference.prompts)
    context = longest + work.config.parity.max_new_tokens + 16
    comparison = Comparison(form, work.config.parity.near_tie)
    with LlamaCpp(gguf, context, work.threads, adapter) as llama:
        for number, (prompt, answer) in enumerate(
            zip(reference.prompts, reference.answers, strict=True)
        ):
            work.ctx.raise_if_stopping()
            check_tokens("llama.cpp", llama.tokenize(prompt.text), prompt, work)
            choices = follow(
                answer,
                lambda done, count, prompt=prompt: llama.go_on([*prompt.tokens, *done], count),  # type: ignore[misc]
            )
            comparison.add(prompt.id, answer, choices, reference.gap(number))
    return comparison


def check_tokens(who: str, found: Sequence[int], prompt: Prompt, work: Work) -> None:
    """Refuse a GGUF whose tokenizer reads a prompt otherwise than transformers does.

    Raises:
        DataError: So it does; the message says where.
    """
    if tuple(found) == prompt.tokens:
        return
    pairs = enumerate(zip(found, prompt.tokens, strict=False))
    shorter = min(len(found), len(prompt.tokens))
    at = next((i for i, (one, other) in pairs if one != other), shorter)
    raise DataError(
        f"parity: {who} reads prompt {prompt.id} as other tokens, from position {at}: "
        f"{work.decode(list(found[at : at + 4]))!r} instead of "
        f"{work.decode(list(prompt.tokens[at : at + 4]))!r}",
        "the tokenizer was not converted rightly; leave 'gguf' and 'ollama' out of `formats`",
    )
