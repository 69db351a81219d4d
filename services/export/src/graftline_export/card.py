"""The model card, from manifests and metrics; no clock in it, so the same inputs give the same."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from graftline.domain.rows import read_batches

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from graftline.ports import Input

_TRAINING = (
    "learning_rate", "lr_scheduler_type", "warmup_ratio", "warmup_steps", "num_epochs", "max_steps",
    "per_device_train_batch_size", "gradient_accumulation_steps", "max_length", "packing",
    "weight_decay", "max_grad_norm", "dtype", "quantization",
)  # fmt: skip
_LORA = ("peft_type", "r", "lora_alpha", "lora_dropout", "use_dora", "use_rslora")


@dataclass(frozen=True)
class CardFacts:
    """All that the card says.

    Args:
        name: The exported model's name.
        base: `name@revision` of the base model.
        base_name: The base model's name.
        revision: Its revision; empty if unknown.
        license: SPDX name, or a whole text, or empty.
        lora: The adapter's PEFT config.
        training: The training step's config; empty if unknown.
        trained_from: The training step's name and key.
        base_cut_to: How many layers the base was cut to; nothing if it is whole.
        splits: Rows of the data by split.
        metrics: The content of every metrics.json.
        formats: What the bundle holds.
        parity: Counts by form.
        gguf: The merged GGUF's file name.
        gguf_adapter: The GGUF adapter's file name.
        gguf_base: The GGUF that it goes with; empty if that is not in the bundle.
        system: The system prompt, if it has one.
    """

    name: str
    base: str
    base_name: str
    revision: str
    license: str
    lora: Mapping[str, Any]
    training: Mapping[str, Any]
    trained_from: str
    base_cut_to: int | None
    splits: Mapping[str, int]
    metrics: Sequence[Mapping[str, Any]]
    formats: Sequence[str]
    parity: Mapping[str, Mapping[str, Any]]
    gguf: str = ""
    gguf_adapter: str = ""
    gguf_base: str = ""
    system: str = ""
    notes: Sequence[str] = field(default=())


def read_metrics(inputs: Iterable[Input]) -> list[dict[str, Any]]:
    """Read `metrics.json` of every metrics artifact that has one (training curves have none)."""
    found = []
    for item in inputs:
        path = item.path / "metrics.json"
        if path.is_file():
            found.append(json.loads(path.read_text()))
    return found


def count_splits(folder: Path) -> dict[str, int]:
    """Count an examples artifact's rows by split."""
    counts: Counter[str] = Counter()
    for batch in read_batches(folder, ["split"]):
        counts.update(batch.column(0).to_pylist())
    return dict(sorted(counts.items()))


def write_card(facts: CardFacts, *, adapter_only: bool = False) -> str:
    """Write the card of the bundle, or the one that lies beside the adapter alone."""
    parts = [
        _front_matter(facts),
        f"# {facts.name}",
        _summary(facts),
        _use(facts, adapter_only=adapter_only),
        _training_section(facts),
        _data_section(facts),
        *_metrics_sections(facts.metrics),
        "" if adapter_only else _parity_section(facts),
        _license_section(facts),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _front_matter(facts: CardFacts) -> str:
    head: dict[str, Any] = {"library_name": "peft", "pipeline_tag": "text-generation"}
    if "/" in facts.base_name and not facts.base_name.startswith("local/"):
        head["base_model"] = facts.base_name
    head["base_model_relation"] = "adapter"
    if facts.license:
        head["license"] = "other" if _is_text(facts.license) else facts.license.lower()
    head["tags"] = ["graftline", "lora", "peft"]
    return "---\n" + yaml.safe_dump(head, sort_keys=True, allow_unicode=True).strip() + "\n---"


def _is_text(license_text: str) -> bool:
    return len(license_text.split()) > 1


def _summary(facts: CardFacts) -> str:
    lines = [f"A LoRA adapter for `{facts.base}`, built with Graftline."]
    if facts.base_cut_to is not None:
        lines.append(
            f"**A toy for tests**: the base was cut to its first {facts.base_cut_to} layers, so "
            "the adapter does not fit the published model."
        )
    if facts.training.get("quantization") not in (None, "none"):
        lines.append(
            f"It was trained on the base in {facts.training['quantization']} (QLoRA) and is "
            "exported and compared on the un-quantised base, whose answers can differ slightly "
            "from those seen in training."
        )
    return "\n\n".join([*lines, *facts.notes])


def _use(facts: CardFacts, *, adapter_only: bool) -> str:
    pin = f', revision="{facts.revision}"' if facts.revision else ""
    folder = "." if adapter_only else "peft"
    blocks = ["## Use"]
    if adapter_only or "peft" in facts.formats:
        blocks.append(
            "With PEFT:\n\n```python\n"
            "from peft import PeftModel\n"
            "from transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
            f'base = AutoModelForCausalLM.from_pretrained("{facts.base_name}"{pin})\n'
            f'model = PeftModel.from_pretrained(base, "{folder}")\n'
            f'tokenizer = AutoTokenizer.from_pretrained("{facts.base_name}"{pin})\n```'
        )
    if not adapter_only and "merged" in facts.formats:
        blocks.append(
            "Merged, without PEFT:\n\n```python\n"
            'model = AutoModelForCausalLM.from_pretrained("merged")\n'
            'tokenizer = AutoTokenizer.from_pretrained("merged")\n```'
        )
    if not adapter_only:
        blocks += _llama_cpp_and_ollama(facts)
    if facts.system:
        blocks.append(f"It was trained with this system prompt:\n\n{_quote(facts.system)}")
    return "\n\n".join(blocks)


def _llama_cpp_and_ollama(facts: CardFacts) -> list[str]:
    commands, modelfiles = [], []
    if "gguf" in facts.formats:
        commands.append(f"llama-cli -m gguf/{facts.gguf}")
        modelfiles.append((facts.name, "Modelfile"))
    if "gguf-adapter" in facts.formats:
        base = facts.gguf_base or "BASE.gguf"
        commands.append(f"cd gguf && llama-cli -m {base} --lora {facts.gguf_adapter}")
        modelfiles.append((f"{facts.name}-adapter", "Modelfile.adapter"))
    blocks = []
    if commands:
        blocks.append("llama.cpp:\n\n```sh\n" + "\n".join(commands) + "\n```")
    if modelfiles and "ollama" in facts.formats:
        create = "(cd gguf && ollama create {0} -f {1}) && ollama run {0}"
        lines = [create.format(*names) for names in modelfiles]
        blocks.append("Ollama:\n\n```sh\n" + "\n".join(lines) + "\n```")
    return blocks


def _quote(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines())


def _training_section(facts: CardFacts) -> str:
    rows = [(name, facts.lora[name]) for name in _LORA if facts.lora.get(name) is not None]
    targets = facts.lora.get("target_modules")
    if targets:
        shown = ", ".join(sorted(targets)) if isinstance(targets, list) else str(targets)
        rows.append(("target_modules", shown))
    rows += [(name, facts.training[name]) for name in _TRAINING if name in facts.training]
    rows = [(name, value) for name, value in rows if value is not None]
    origin = f"Step {facts.trained_from}.\n\n" if facts.trained_from else ""
    return "## Training\n\n" + origin + _table(("setting", "value"), rows)


def _data_section(facts: CardFacts) -> str:
    if not facts.splits:
        return ""
    return "## Data\n\n" + _table(("split", "rows"), list(facts.splits.items()))


def _metrics_sections(metrics: Sequence[Mapping[str, Any]]) -> list[str]:
    sections = []
    for item in metrics:
        comparison = item.get("comparison")
        if isinstance(comparison, dict):
            sections += [
                f"## Evaluation: {split}\n\n" + _comparison(rows)
                for split, rows in sorted(comparison.items())
            ]
        elif not any(isinstance(other.get("comparison"), dict) for other in metrics):
            sections += _plain_metrics(item)
    return sections


def _comparison(rows: Mapping[str, Mapping[str, Any]]) -> str:
    table = [
        (
            name,
            _share(row.get("baseline")),
            _share(row.get("adapted")),
            f"{_share(row.get('difference'))} "
            f"[{_share(row.get('low'))}, {_share(row.get('high'))}]",
            _number(row.get("p_value")),
        )
        for name, row in rows.items()
    ]
    return _table(("metric", "base", "adapter", "difference [95 %]", "p"), table)


def _plain_metrics(item: Mapping[str, Any]) -> list[str]:
    sections = []
    for variant, splits in sorted((item.get("variants") or {}).items()):
        for split, values in sorted(splits.items()):
            rows = [
                (
                    name,
                    _share(value.get("value")),
                    f"[{_share(value.get('low'))}, {_share(value.get('high'))}]",
                    value.get("n"),
                )
                for name, value in values.items()
            ]
            title = f"## Evaluation: {item.get('role', '')} {variant}, {split}"
            sections.append(f"{title}\n\n" + _table(("metric", "value", "interval", "rows"), rows))
    return sections


def _share(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, (int, float)) else "–"


def _number(value: Any) -> str:
    return f"{value:.2g}" if isinstance(value, (int, float)) else "–"


def _parity_section(facts: CardFacts) -> str:
    if not facts.parity:
        return ""
    rows = [
        (
            form, f"{counts['same_tokens']} of {counts['tokens']}", counts["near_ties"],
            counts["disagreements"], f"{counts['identical_answers']} of {counts['prompts']}",
            counts["not_asked"],
        )
        for form, counts in facts.parity.items()
    ]  # fmt: skip
    head = ("form", "same tokens", "near-ties", "disagreements", "identical answers", "not asked")
    return (
        "## Do all forms answer alike?\n\nCompared with base + adapter, token by token, greedily "
        "(details in parity.json).\n\n" + _table(head, rows)
    )


def _license_section(facts: CardFacts) -> str:
    own = "`LICENSE` has this adapter's licence." if _is_text(facts.license) else ""
    if facts.license and not own:
        own = f"This adapter's licence: `{facts.license}`."
    has_base = {"merged", "gguf"} & set(facts.formats) or (
        "gguf-adapter" in facts.formats and facts.gguf_base
    )
    kept = " The merged and GGUF forms contain the base model's weights." if has_base else ""
    return (
        f"## Licence\n\n{own} The licence of the base model, `{facts.base_name}`, goes on to "
        f"apply to what is made of it: read it before you pass this on.{kept}"
    ).replace("\n\n ", "\n\n")


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [list(head), ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(value: Any) -> str:
    shown = json.dumps(value) if isinstance(value, bool) else str(value)
    return shown.replace("|", "\\|").replace("\n", " ")
