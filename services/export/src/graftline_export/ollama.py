"""A real Ollama of our own: a server on loopback with a folder of its own, gone afterwards.

API: https://docs.ollama.com/api. What `_debug_render_only` gives is the prompt that Ollama makes
of a conversation; `context` is that prompt and the answer as tokens.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from graftline.errors import ConfigError, DataError, TransientError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType

_TIMEOUT_S = 600
_START_S = 60


class OllamaMissing(ConfigError):
    """There is no Ollama here that could be asked."""


def find_program(program: str) -> str:
    """Give the path of a program.

    Raises:
        OllamaMissing: There is none.
    """
    found = shutil.which(program)
    if found is None:
        raise OllamaMissing(
            f"parity.ollama: there is no `{program}` on the PATH",
            "install Ollama, give `ollama_program`, or set `parity.ollama` to never",
        )
    return found


@dataclass(frozen=True)
class Said:
    """What Ollama said.

    Args:
        text: The answer, without an end token.
        finished: Whether it ended by itself (and not at the wanted number of tokens).
        prompt_tokens: How many tokens it counted in the prompt.
        context: Prompt and answer as tokens, without what the tokenizer adds; nothing if this
            Ollama no longer gives them.
    """

    text: str
    finished: bool
    prompt_tokens: int
    context: tuple[int, ...] | None = None


class Ollama:
    """A running server.

    Args:
        program: The program's name on the PATH, or its path.
        folder: Where it keeps its models.
        options: Options of every request, above those of the Modelfile.
    """

    def __init__(self, program: str, folder: Path, options: dict[str, Any]) -> None:
        """Start it, and wait until it answers.

        Raises:
            OllamaMissing: There is no such program, or it does not start.
        """
        found = find_program(program)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{free.getsockname()[1]}"
        self._program, self._options, self._url = found, options, f"http://{address}"
        self._environment = {
            **os.environ, "OLLAMA_HOST": address, "OLLAMA_MODELS": str(folder / "models"),
            "HOME": str(folder), "OLLAMA_NO_CLOUD": "1", "OLLAMA_NUM_PARALLEL": "1",
            "OLLAMA_MAX_LOADED_MODELS": "1",
        }  # fmt: skip
        # A proxy from the environment has no business with loopback.
        self._open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
        self._log = folder / "serve.log"
        with self._log.open("wb") as log:
            self._server = subprocess.Popen(
                [found, "serve"], env=self._environment, stdout=log, stderr=log
            )
        try:
            self.version = self._wait()
        except BaseException:
            self._stop()
            raise

    def _wait(self) -> str:
        for _ in range(_START_S * 10):
            try:
                return str(self._ask("/api/version")["version"])
            except TransientError:
                if self._server.poll() is not None:
                    break
                time.sleep(0.1)
        last = self._log.read_text(errors="replace").strip().splitlines()[-1:] or ["no word of it"]
        raise OllamaMissing(f"parity.ollama: `{self._program} serve` does not start: {last[0]}")

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the server and what it started."""
        self._stop()

    def _stop(self) -> None:
        self._server.terminate()
        try:
            self._server.wait(20)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()

    def create(self, name: str, modelfile: Path) -> None:
        """Import a Modelfile, as a user does.

        Raises:
            DataError: Ollama does not take it.
        """
        done = subprocess.run(
            [self._program, "create", name, "-f", modelfile.name],
            cwd=modelfile.parent,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise DataError(f"parity: Ollama {self.version} does not take {modelfile.name}: {last}")

    def rendered(self, name: str, messages: Sequence[dict[str, Any]]) -> str:
        """Give the prompt that it makes of a conversation, without what the tokenizer adds.

        Raises:
            OllamaMissing: This Ollama cannot show it.
        """
        body = {"model": name, "messages": list(messages), "_debug_render_only": True}
        answer = self._ask("/api/chat", body)
        if "_debug_info" not in answer:
            raise OllamaMissing(
                f"parity.ollama: Ollama {self.version} is too old to show the prompts it makes"
            )
        return str(answer["_debug_info"]["rendered_template"])

    def chat(self, name: str, messages: Sequence[dict[str, Any]], count: int) -> Said:
        """Let it answer a conversation greedily by at most `count` tokens."""
        body = {"model": name, "messages": list(messages), "options": {"num_predict": count}}
        answer = self._ask("/api/chat", body)
        return _said(answer, str(answer["message"]["content"]))

    def go_on(self, name: str, text: str, count: int) -> Said:
        """Let it continue a text greedily by at most `count` tokens."""
        # A template that is the prompt alone: `raw` would say the same, but give no tokens.
        body = {"model": name, "prompt": text, "template": "{{ .Prompt }}"}
        answer = self._ask("/api/generate", {**body, "options": {"num_predict": count}})
        return _said(answer, str(answer["response"]))

    def _ask(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        data = None
        if body is not None:
            options = {**self._options, **body.get("options", {})}
            data = json.dumps({**body, "options": options, "stream": False}).encode()
        try:
            with self._open(self._url + path, data, timeout=_TIMEOUT_S) as answer:
                value: dict[str, Any] = json.load(answer)
        except urllib.error.HTTPError as error:
            said = error.read().decode(errors="replace").strip()
            raise DataError(f"parity: Ollama refuses {path}: {said[:300]}") from error
        except (OSError, ValueError) as error:
            raise TransientError(f"Ollama does not answer {path}: {error}") from error
        return value


def _said(answer: dict[str, Any], text: str) -> Said:
    context = answer.get("context")
    return Said(
        text,
        answer.get("done_reason") == "stop",
        int(answer.get("prompt_eval_count", 0)),
        tuple(context) if context else None,
    )
