"""The `model` stage: source to safetensors, tokenizer, chat template and `graftline-model.json`."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graftline.canonical import digest_of_files, sha256_file
from graftline.errors import DataError, TransientError
from graftline.ports import Output, Result
from graftline_model.chat_template import (
    TEMPLATE_FILE,
    check_template,
    choose_template,
    end_token,
    stored_template,
    token_texts,
)
from graftline_model.folder import (
    check_architecture,
    copy_model,
    read_json,
    weight_files,
    write_json,
)
from graftline_model.gguf_header import GgufHeader, read_gguf_header
from graftline_model.gguf_model import generation_config, is_plain, model_config, plan_tensors
from graftline_model.gguf_tokenizer import build_tokenizer, is_byte_level, tokenizer_config
from graftline_model.safetensors_file import write_model

if TYPE_CHECKING:
    from collections.abc import Callable

    from graftline.context import Context
    from graftline.ports import Inputs
    from graftline_model.config import ModelConfig, ModelRuntime

RECORD_FILE = "graftline-model.json"
_HUB_ID = re.compile(r"^[\w.-]+/[\w.-]+$")


@dataclass(frozen=True)
class _Source:
    """Where the model is now, and what is known of where it came from."""

    path: Path
    uri: str
    name: str
    revision: str


def run(ctx: Context[ModelRuntime], config: ModelConfig, inputs: Inputs) -> Result:
    """Write the model in the one form that the other stages read.

    Raises:
        ConfigError: The source does not exist, or a setting does not fit it.
        DataError: The source is not a model that can be used.
        TransientError: The Hub cannot be reached, or the disk is full.
    """
    target = ctx.output("model")
    source = _locate(ctx, config, inputs.source("uri"))
    say_progress: Callable[[int, int], None] = lambda done, total: ctx.progress(  # noqa: E731
        done, total, "bytes"
    )
    try:
        if source.path.is_file():
            stated = _from_gguf(ctx, config, source.path, target, say_progress)
        else:
            stated = _from_folder(config, source, target, say_progress)
    except OSError as error:
        raise TransientError(f"the model cannot be read or written: {error}") from error
    _write_template(config, target, stated)
    name = config.name or source.name or stated or f"local/{source.uri[-64:][:12]}"
    revision = source.revision or config.revision
    write_json(target / RECORD_FILE, {"name": name, "revision": revision, "uri": source.uri})
    layers = _layers(read_json(target / "config.json"))
    ctx.log(f"{name}: {layers} layers, {_weight_bytes(target) / 1e6:.0f} MB of weights")
    return Result(
        {"model": Output(target)},
        base_model=f"{name}@{revision}" if revision else name,
        figures={"layers": float(layers), "weight_bytes": float(_weight_bytes(target))},
    )


def _locate(ctx: Context[ModelRuntime], config: ModelConfig, local: Path | None) -> _Source:
    if local is None:
        if not config.uri.startswith("hf://"):
            raise DataError(f"uri: {config.uri}: nothing is there")
        from graftline_model.hub import fetch

        found = fetch(config.uri, config.revision, ctx.runtime.hub_endpoint, ctx.log)
        return _Source(found.path, f"hf://{found.name}@{found.commit}", found.name, found.commit)
    if local.is_dir() and not (local / "config.json").is_file():
        ggufs = sorted(local.glob("*.gguf"))
        if len(ggufs) > 1:
            listed = ", ".join(path.name for path in ggufs[:4])
            raise DataError(f"{local.name}: several GGUF files ({listed}); name one of them")
        local = ggufs[0] if ggufs else local
    if local.is_file() and local.suffix != ".gguf":
        with local.open("rb") as file:
            if file.read(4) != b"GGUF":
                raise DataError(
                    f"{local.name}: not a model: neither a GGUF file nor a folder with config.json"
                )
    return _Source(local, f"sha256:{_content_digest(local)}", "", "")


def _content_digest(path: Path) -> str:
    """Digest a file, or what a folder gives to the model (never its place on this machine)."""
    if path.is_file():
        return sha256_file(path)
    files = [item for item in sorted(path.iterdir()) if item.is_file()]
    return digest_of_files((item.name, sha256_file(item)) for item in files)


def _from_gguf(
    ctx: Context[ModelRuntime],
    config: ModelConfig,
    path: Path,
    target: Path,
    progress: Callable[[int, int], None],
) -> str:
    header = read_gguf_header(path)
    if is_plain(header):
        planned, layers = plan_tensors(header, config.keep_layers, config.dtype)
        stored = max((tensor.dtype for tensor in planned), default="F32", key=_count(planned))
        write_model(target, planned, progress)
        write_json(target / "config.json", model_config(header, layers, stored))
        write_json(target / "generation_config.json", generation_config(header))
    else:
        ctx.log(f"architecture '{header.architecture}': through transformers, which takes longer")
        from graftline_model.through_transformers import write_gguf_model

        write_gguf_model(header, target, config.keep_layers, config.dtype)
    if is_byte_level(header):
        build_tokenizer(header).save(str(target / "tokenizer.json"))
        write_json(target / "tokenizer_config.json", tokenizer_config(header))
    else:
        from graftline_model.through_transformers import write_gguf_tokenizer

        write_gguf_tokenizer(header, target)
    template = header.metadata.get("tokenizer.chat_template")
    if template:
        (target / TEMPLATE_FILE).write_text(template)
    return _stated_name(header)


def _count(planned: list[Any]) -> Callable[[str], int]:
    """Sort types by how many values are stored as each."""
    sizes: dict[str, int] = {}
    for tensor in planned:
        sizes[tensor.dtype] = sizes.get(tensor.dtype, 0) + tensor.size
    return lambda dtype: sizes[dtype]


def _stated_name(header: GgufHeader) -> str:
    """Find what the file says of its repository, if it says so."""
    for key in ("general.source.huggingface.repository", "general.repo_url", "general.source.url"):
        value = str(header.metadata.get(key, "")).removeprefix("https://huggingface.co/")
        if _HUB_ID.match(value):
            return value
    return ""


def _from_folder(
    config: ModelConfig, source: _Source, target: Path, progress: Callable[[int, int], None]
) -> str:
    weight_files(source.path)
    stated = read_json(source.path / "config.json")
    check_architecture(stated, source.path.name)
    copy_model(
        source.path, target, keep_layers=config.keep_layers, dtype=config.dtype, progress=progress
    )
    template = stored_template(source.path)
    if template:
        (target / TEMPLATE_FILE).write_text(template)
    from graftline_model.through_transformers import check_tokenizer

    check_tokenizer(target, source.path.name)
    own = str(stated.get("_name_or_path", ""))
    return own if _HUB_ID.match(own) and not os.path.isabs(own) else ""


def _write_template(config: ModelConfig, target: Path, stated: str) -> None:
    own = target / TEMPLATE_FILE
    path = target / "tokenizer_config.json"
    settings = read_json(path) if path.is_file() else {}
    special = token_texts(settings)
    model = config.name or stated or config.uri
    if config.chat_template:
        template = choose_template(config.chat_template, target, special, model)
    else:
        template = own.read_text() if own.is_file() else ""
    check_template(template, special, overridden=bool(config.chat_template), model=model)
    own.write_text(template)
    if config.chat_template:
        _end_answers_with(end_token(template, special, target), target)
    if settings.pop("chat_template", None) is not None:
        write_json(path, settings)


def _end_answers_with(token: int | None, target: Path) -> None:
    """Let the model's own generation settings stop where the new template ends an answer."""
    path = target / "generation_config.json"
    settings = read_json(path) if path.is_file() else {}
    stated = settings.get("eos_token_id")
    if stated is None:
        stated = read_json(target / "config.json").get("eos_token_id")
    ends = stated if isinstance(stated, list) else [] if stated is None else [stated]
    if token is not None and token not in ends:
        write_json(path, {**settings, "eos_token_id": sorted([*ends, token])})


def _layers(config: dict[str, Any]) -> int:
    body = config.get("text_config", config)
    return int(body.get("num_hidden_layers", body.get("n_layer", 0)))


def _weight_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*.safetensors"))
