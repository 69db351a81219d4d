"""What only transformers can do: GGUF architectures and tokenizers that need its own classes."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from graftline.errors import DataError
from graftline_model.gguf_model import check_layers

if TYPE_CHECKING:
    from pathlib import Path

    from graftline_model.gguf_header import GgufHeader


def write_gguf_model(header: GgufHeader, target: Path, keep_layers: int | None, dtype: str) -> int:
    """Load a GGUF of any architecture that transformers reads, and save it un-quantised.

    Gives:
        The number of layers.

    Raises:
        DataError: transformers does not read this architecture.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    folder, file = str(header.path.parent), header.path.name
    kind = torch.bfloat16 if dtype == "bf16" else torch.float32
    try:
        config = AutoConfig.from_pretrained(folder, gguf_file=file)
        config.num_hidden_layers = check_layers(config.num_hidden_layers, keep_layers)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = AutoModelForCausalLM.from_pretrained(
                folder, gguf_file=file, config=config, dtype=torch.float32
            )
    except (ValueError, KeyError, NotImplementedError) as error:
        raise DataError(
            f"{file}: the architecture '{header.architecture}' cannot be read from a GGUF: "
            f"{_first_line(error)}",
            "give the model's own folder or its hf:// name instead",
        ) from error
    # The weights are plain now; a leftover quantizer would refuse to save them.
    model.hf_quantizer = None
    for name in ("is_quantized", "quantization_method"):
        if hasattr(model, name):
            delattr(model, name)
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.config._name_or_path = ""
    model.to(kind).save_pretrained(target)
    return int(config.num_hidden_layers)


def write_gguf_tokenizer(header: GgufHeader, target: Path) -> None:
    """Rebuild a SentencePiece-like tokenizer by transformers' own classes."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(
            str(header.path.parent), gguf_file=header.path.name
        )
    except (ValueError, KeyError, NotImplementedError) as error:
        raise DataError(
            f"{header.path.name}: its tokenizer cannot be read: {_first_line(error)}",
            "give the model's own folder or its hf:// name instead",
        ) from error
    tokenizer.save_pretrained(target)


def check_tokenizer(folder: Path, name: str) -> None:
    """Load a folder's tokenizer; one without `tokenizer.json` is converted to have one.

    Raises:
        DataError: It cannot be loaded.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    except Exception as error:
        raise DataError(f"{name}: its tokenizer cannot be loaded: {_first_line(error)}") from error
    if not (folder / "tokenizer.json").is_file():
        tokenizer.save_pretrained(folder)


def _first_line(error: Exception) -> str:
    """Give what an error says in one line; some say nothing but their name."""
    return (str(error).splitlines() or [type(error).__name__])[0]
