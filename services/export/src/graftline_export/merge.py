"""Merging an adapter into its base model, one matrix at a time.

Every adapted module is merged by PEFT itself, on a copy of that module in fp32, and rounded once to
bf16, without bias (see `rounding`); all other tensors are copied from the base model's files bit by
bit. So neither a whole fp32 model nor a changed reference is ever in memory.
"""

from __future__ import annotations

import copy
import json
import shutil
from typing import TYPE_CHECKING, Any

import torch
from peft.tuners.tuners_utils import BaseTunerLayer
from peft.utils import ModulesToSaveWrapper
from safetensors import safe_open
from safetensors.torch import save_file

from graftline.domain.model_record import RECORD_FILE
from graftline.errors import DataError
from graftline_export.rounding import round_unbiased

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SHARD_BYTES = 2 << 30
_INDEX = "model.safetensors.index.json"


def merged_parameters(model: Any) -> dict[str, Callable[[], torch.Tensor]]:
    """Name the parameters that the adapter changes, each with a function that computes it in fp32.

    Args:
        model: A `PeftModel`; it is not changed.
    """
    found: dict[str, Callable[[], torch.Tensor]] = {}
    inner = model.base_model.model
    for name, module in inner.named_modules():
        if isinstance(module, ModulesToSaveWrapper):
            saved = module.modules_to_save[module.active_adapters[0]]
            for part, value in saved.state_dict().items():
                found[f"{name}.{part}"] = lambda value=value: value.float()  # type: ignore[misc]
        elif isinstance(module, BaseTunerLayer):
            for part, _ in module.get_base_layer().named_parameters():
                if part == "weight" or _changes_bias(module, part):
                    found[f"{name}.{part}"] = _merge_later(module, part)
    return found


def scalings(model: Any) -> dict[str, float]:
    """Give, by module, what the product of its two LoRA matrices is multiplied by.

    Args:
        model: A `PeftModel`.
    """
    return {
        name: float(module.scaling[module.active_adapters[0]])
        for name, module in model.base_model.model.named_modules()
        if isinstance(module, BaseTunerLayer)
    }


def _changes_bias(module: Any, part: str) -> bool:
    return part == "bias" and any(getattr(module, "lora_bias", {}).values())


def _merge_later(module: Any, part: str) -> Callable[[], torch.Tensor]:
    def merge() -> torch.Tensor:
        own = copy.deepcopy(module).float()
        own.merge(safe_merge=True)
        merged: torch.Tensor = own.get_base_layer().get_parameter(part).detach()
        return merged

    return merge


@torch.no_grad()
def write_merged(model: Any, base: Path, target: Path, progress: Callable[[int, int], None]) -> int:
    """Write the merged model beside the base's config, tokenizer and chat template.

    Args:
        model: A `PeftModel` on the model of the folder `base`.
        base: The base model's folder.
        target: An empty folder.
        progress: Told how many of how many tensors are done.

    Gives:
        How many parameters the adapter changed.

    Raises:
        DataError: It changes a parameter that the base model's files do not hold, or merging
            gives values that are not finite.
    """
    changed = merged_parameters(model)
    files = sorted(base.glob("*.safetensors"))
    places = {}
    for path in files:
        with safe_open(path, "pt") as file:
            places.update(dict.fromkeys(file.keys(), path))
    missing = sorted(set(changed) - set(places))
    if missing or not changed:
        what = missing[0] if missing else "nothing"
        raise DataError(
            f"the adapter changes {what}, which is not among the base model's weights "
            f"({len(missing)} of {len(changed)} parameters)",
            "leave 'merged' and 'gguf' out of `formats`",
        )
    for path in sorted(base.iterdir()):
        if path.is_file() and path.suffix != ".safetensors" and path.name not in (
            _INDEX, RECORD_FILE
        ):  # fmt: skip
            shutil.copyfile(path, target / path.name)
    _write_tensors(target, places, changed, progress)
    config = json.loads((target / "config.json").read_text())
    config["dtype"] = "bfloat16"
    (target / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    return len(changed)


def _write_tensors(
    target: Path,
    places: dict[str, Path],
    changed: dict[str, Callable[[], torch.Tensor]],
    progress: Callable[[int, int], None],
) -> None:
    """Write shards of about `SHARD_BYTES`, holding no more than one of them in memory."""
    shard: dict[str, torch.Tensor] = {}
    written: list[tuple[Path, list[str], int]] = []
    size = 0

    def flush() -> None:
        nonlocal shard, size
        path = target / f"part-{len(written):05d}"
        save_file(shard, path, metadata={"format": "pt"})
        path.chmod(0o644)  # safetensors makes it readable by the owner alone
        written.append((path, sorted(shard), size))
        shard, size = {}, 0

    for done, (name, path) in enumerate(sorted(places.items())):
        tensor = _tensor(name, path, changed.get(name))
        if shard and size + tensor.nbytes > SHARD_BYTES:
            flush()
        shard[name] = tensor
        size += tensor.nbytes
        progress(done + 1, len(places))
    flush()
    if len(written) == 1:
        written[0][0].rename(target / "model.safetensors")
        return
    weight_map = {}
    for number, (path, names, _) in enumerate(written):
        file = f"model-{number + 1:05d}-of-{len(written):05d}.safetensors"
        path.rename(target / file)
        weight_map.update(dict.fromkeys(names, file))
    total = sum(size for _, _, size in written)
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (target / _INDEX).write_text(json.dumps(index, indent=2, sort_keys=True) + "\n")


def _tensor(name: str, path: Path, merge: Callable[[], torch.Tensor] | None) -> torch.Tensor:
    if merge is None:
        with safe_open(path, "pt") as file:
            tensor: torch.Tensor = file.get_tensor(name)
        return tensor.bfloat16().contiguous() if tensor.is_floating_point() else tensor
    merged = merge()
    if not torch.isfinite(merged).all():
        raise DataError(f"merging gives values in {name} that are not finite")
    return round_unbiased(merged, name)
