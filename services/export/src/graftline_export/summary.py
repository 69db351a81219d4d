"""What a bundle says of itself: parity.json, the cards, the step's figures."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from graftline_export.card import CardFacts, count_splits, read_metrics, write_card

if TYPE_CHECKING:
    from collections.abc import Sequence

    from graftline_export.ollama_check import OllamaFindings
    from graftline_export.parity import Comparison
    from graftline_export.work import Reference, Work


def write_parity(
    work: Work,
    reference: Reference,
    comparisons: Sequence[Comparison],
    ollama: OllamaFindings | None,
) -> None:
    """Write parity.json."""
    parity = work.config.parity
    report = {
        "reference": f"{work.base.label} + adapter (PEFT), {parity.dtype}, greedy",
        "split": reference.split,
        "near_tie": parity.near_tie,
        "max_near_tie_share": parity.max_near_tie_share,
        "ollama": asdict(ollama) if ollama else None,
        "prompts": [
            {"id": prompt.id, "prompt_tokens": len(prompt.tokens), "answer": work.decode(answer)}
            for prompt, answer in zip(reference.prompts, reference.answers, strict=True)
        ],
        "forms": {item.form: _form(work, item) for item in comparisons},
    }
    path = work.target / "parity.json"
    path.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n")


def _form(work: Work, item: Comparison) -> dict[str, Any]:
    differences = [
        {
            **asdict(found),
            "expected": work.shown(found.expected),
            "got": work.shown(found.got),
            # No number: a token that the reference does not know.
            "gap": round(found.gap, 3) if math.isfinite(found.gap) else None,
        }
        for found in item.differences
    ]
    return {**item.summary(), "differences": differences}


def write_cards(work: Work, comparisons: Sequence[Comparison]) -> None:
    """Write README.md, the card beside the PEFT adapter, and the licence."""
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
        gguf_adapter=work.adapter_file,
        gguf_base="" if work.config.adapter_from else work.base_file,
        system=work.system,
    )
    (work.target / "README.md").write_text(write_card(facts))
    if "peft" in work.config.formats:
        (work.target / "peft" / "README.md").write_text(write_card(facts, adapter_only=True))
    if len(work.config.license.split()) > 1:
        (work.target / "LICENSE").write_text(work.config.license.rstrip() + "\n")


def figures(comparisons: Sequence[Comparison]) -> dict[str, float]:
    """Give the counts of every form, for the manifest."""
    return {
        f"parity_{item.form.replace('-', '_')}_{name}": float(item.summary()[name])
        for item in comparisons
        for name in ("tokens", "same_tokens", "near_ties", "disagreements")
    }
