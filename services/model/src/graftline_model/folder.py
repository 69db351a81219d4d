"""A model folder in Hugging Face's layout: checked, cut, and written again."""

from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING, Any

from graftline.errors import ConfigError, DataError
from graftline_model.gguf_model import check_layers
from graftline_model.safetensors_file import (
    INDEX_NAME,
    PlannedTensor,
    StoredTensor,
    converted,
    read_table,
    write_model,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TOKENIZER_FILES = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
    "tokenizer.model", "vocab.json", "merges.txt",
)  # fmt: skip
PICKLE_SUFFIXES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
_LAYER = re.compile(r"(?:^|\.)(?:layers|h|blocks)\.(\d+)\.")
_DTYPE_NAMES = {"bf16": "bfloat16", "fp32": "float32"}


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        DataError: It is not one.
    """
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise DataError(f"{path.name}: not readable as JSON: {error}") from error
    if not isinstance(value, dict):
        raise DataError(f"{path.name}: not a JSON object")
    return value


def weight_files(folder: Path) -> list[Path]:
    """Give the folder's safetensors files.

    Raises:
        DataError: It has no `config.json`, only pickled weights, none, or not all of them.
    """
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    listed = ", ".join(names[:8]) or "nothing"
    if "config.json" not in names:
        raise DataError(f"{folder.name}: not a model: no config.json (it holds: {listed})")
    if INDEX_NAME in names:
        wanted = sorted(set(read_json(folder / INDEX_NAME).get("weight_map", {}).values()))
        missing = [name for name in wanted if name not in names]
        if missing or not wanted:
            raise DataError(
                f"{folder.name}: {len(missing)} of {len(wanted)} weight files are missing: "
                f"{', '.join(missing[:3])}",
                "fetch them again",
            )
        return [folder / name for name in wanted]
    found = [
        name
        for name in names
        if name.endswith(".safetensors") and not name.startswith(("consolidated", "adapter_"))
    ]
    if found:
        return [folder / name for name in found]
    pickled = [name for name in names if name.endswith(PICKLE_SUFFIXES)]
    if pickled:
        raise DataError(
            f"{folder.name}: only pickled weights ({', '.join(pickled[:3])}), which can run code "
            "when they are loaded; they are not read",
            "convert them to safetensors on a machine that you trust, or use another revision",
        )
    raise DataError(f"{folder.name}: not a model: no weights (it holds: {listed})")


def check_architecture(config: dict[str, Any], name: str) -> None:
    """Refuse what transformers cannot run as a causal language model without foreign code.

    Raises:
        DataError: So it is; the message says which.
    """
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    model_type = config.get("model_type")
    if not model_type:
        raise DataError(f"{name}: not a model: its config.json has no model_type")
    if config.get("quantization_config"):
        method = config["quantization_config"].get("quant_method", "unknown")
        raise DataError(
            f"{name}: its weights are quantised ({method}); an adapter is trained and merged on "
            "un-quantised ones",
            "use the original model: `train` quantises by itself for QLoRA",
        )
    if model_type not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        needs = " (it needs code from its repository)" if config.get("auto_map") else ""
        raise DataError(
            f"{name}: the architecture '{model_type}' is not supported{needs}; what transformers "
            "loads as AutoModelForCausalLM is"
        )


def copy_model(
    source: Path,
    target: Path,
    *,
    keep_layers: int | None,
    dtype: str,
    progress: Callable[[int, int], None],
) -> dict[str, Any]:
    """Write the folder's weights, config and tokenizer files again, cut and converted as asked.

    Gives:
        The config as written.

    Raises:
        DataError: The folder is not a whole model.
        ConfigError: More layers are asked for than there are.
    """
    files = weight_files(source)
    tensors = {name: item for path in files for name, item in read_table(path).items()}
    config = read_json(source / "config.json")
    body = config.get("text_config", config)
    layers = body.get("num_hidden_layers", body.get("n_layer"))
    if keep_layers is not None:
        if not isinstance(layers, int):
            raise ConfigError("keep_layers: this architecture does not state its number of layers")
        check_layers(layers, keep_layers)
        tensors = {name: item for name, item in tensors.items() if _kept(name, keep_layers)}
        _cut_config(body, layers, keep_layers)
    if dtype != "keep":
        config.pop("torch_dtype", None)
        config["dtype"] = _DTYPE_NAMES[dtype]
    config.pop("_name_or_path", None)
    write_model(target, [_planned(item, dtype) for item in tensors.values()], progress)
    write_json(target / "config.json", config)
    for name in (*TOKENIZER_FILES, "generation_config.json"):
        if (source / name).is_file():
            shutil.copyfile(source / name, target / name)
    return config


def _kept(name: str, keep_layers: int) -> bool:
    match = _LAYER.search(name)
    return match is None or int(match[1]) < keep_layers


def _cut_config(body: dict[str, Any], layers: int, keep_layers: int) -> None:
    """Shorten the layer count, and every list that has one entry a layer (`layer_types`)."""
    for key in ("num_hidden_layers", "n_layer"):
        if key in body:
            body[key] = keep_layers
    for key, value in list(body.items()):
        if "layer" in key and isinstance(value, list) and len(value) == layers:
            body[key] = value[:keep_layers]


def _planned(tensor: StoredTensor, dtype: str) -> PlannedTensor:
    floating = tensor.dtype in ("F32", "F16", "BF16")
    wanted = {"bf16": "BF16", "fp32": "F32"}.get(dtype)
    target = wanted if floating and wanted else tensor.dtype
    return PlannedTensor(tensor.name, target, tensor.shape, lambda: converted(tensor, target))


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write a JSON object in one way, for people to read."""
    path.write_text(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n")
