"""The adapter as PEFT's files, the same bytes for the same weights."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from peft import get_peft_model_state_dict
from safetensors.torch import save_file

if TYPE_CHECKING:
    from pathlib import Path

    from graftline_train.model import BaseModel


def save_adapter(model: Any, base: BaseModel, folder: Path) -> None:
    """Write `adapter_model.safetensors` (fp32) and `adapter_config.json`.

    PEFT's own writer leaves sets in an order that differs from process to process, and names the
    model by the path that it was loaded from.
    """
    weights = {
        name: tensor.detach().cpu().contiguous()
        for name, tensor in sorted(get_peft_model_state_dict(model).items())
    }
    save_file(weights, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    config = model.peft_config[model.active_adapter].to_dict()
    config |= {
        "base_model_name_or_path": base.name,
        "revision": base.revision,
        "inference_mode": True,
    }
    (folder / "adapter_config.json").write_text(
        json.dumps(config, indent=2, sort_keys=True, default=_plain) + "\n"
    )


def _plain(value: Any) -> Any:
    """Spell what JSON cannot: sets sorted, enumerations by value."""
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    return getattr(value, "value", str(value))
