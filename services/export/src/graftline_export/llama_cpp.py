"""llama.cpp on a GGUF file: its tokens and its greedy choices."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any, Self

from graftline.errors import BugError, DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType

_TIMEOUT_S = 600


class LlamaCpp:
    """A llama.cpp server in this process, on loopback, for one GGUF file.

    Args:
        gguf: The file.
        context: Tokens that a prompt and its answer take at most.
        threads: CPU threads.
        adapter: A GGUF adapter to put on it.
    """

    def __init__(self, gguf: Path, context: int, threads: int, adapter: Path | None = None) -> None:
        """Load the model.

        Raises:
            DataError: llama.cpp cannot load the file.
        """
        import xllamacpp

        params = xllamacpp.CommonParams()
        params.model.path = str(gguf)
        params.n_ctx = context
        params.n_parallel = 1
        params.n_gpu_layers = 0
        params.cpuparams.n_threads = threads
        params.cpuparams_batch.n_threads = threads
        params.warmup = False
        params.verbosity = -1
        if adapter is not None:
            params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(str(adapter), 1.0)]
        try:
            self._server: Any = xllamacpp.Server(params)
        except (RuntimeError, ValueError) as error:
            raise DataError(f"llama.cpp cannot load {(adapter or gguf).name}: {error}") from error
        self._address = str(self._server.listening_address)
        # A proxy from the environment has no business with loopback.
        self._open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the server and free the model."""
        del self._server

    def tokenize(self, text: str) -> list[int]:
        """Give the text's tokens; special tokens are read in it, none is added."""
        body = {"content": text, "parse_special": True, "add_special": False}
        return [int(token) for token in self._ask("/tokenize", body)["tokens"]]

    def go_on(self, tokens: Sequence[int], count: int) -> list[int]:
        """Continue greedily by at most `count` tokens; an end token is given too."""
        answer = self._ask(
            "/completion",
            {
                "prompt": list(tokens),
                "n_predict": count,
                "temperature": 0,
                "top_k": 1,
                "repeat_penalty": 1.0,
                "samplers": ["top_k"],
                "return_tokens": True,
                "cache_prompt": True,
            },
        )
        return [int(token) for token in answer["tokens"]]

    def _ask(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        request = urllib.request.Request(
            self._address + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        try:
            with self._open(request, timeout=_TIMEOUT_S) as answer:
                value: dict[str, Any] = json.load(answer)
        except (urllib.error.URLError, ValueError) as error:
            raise BugError(f"llama.cpp does not answer {path}: {error}") from error
        return value
