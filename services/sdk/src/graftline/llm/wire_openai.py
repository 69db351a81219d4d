"""OpenAI's chat API: OpenAI, and whoever speaks it (llama.cpp, vLLM, Ollama and most others)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import httpx2
import openai

from graftline.domain.answers import JsonAnswer
from graftline.llm.wire import (
    Said,
    WireProblem,
    count,
    http_options,
    status_problem,
    transport_problem,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from graftline.domain.answers import Finish
    from graftline.llm.config import Endpoint
    from graftline.llm.credentials import ApiKey
    from graftline.llm.request import LlmRequest

# The library insists on a key and would otherwise take one from the environment; a server that
# asks for none ignores this.
_NO_KEY = "none"


def open_wire(endpoint: Endpoint, key: ApiKey, timeout_s: float) -> OpenAiWire:
    """Open an endpoint; nothing is sent yet."""
    return OpenAiWire(endpoint, key, timeout_s)


class OpenAiWire:
    """An OpenAI-compatible endpoint."""

    def __init__(self, endpoint: Endpoint, key: ApiKey, timeout_s: float) -> None:
        """Make the library's client, without its retries: the pool has its own."""
        options = http_options(endpoint, timeout_s)
        self._client = openai.AsyncOpenAI(
            api_key=key.value or _NO_KEY,
            base_url=endpoint.address,
            max_retries=0,
            timeout=options["timeout"],
            http_client=openai.DefaultAsyncHttpxClient(**options),
        )
        self._served_model = endpoint.served_model
        self._json_mode = endpoint.json_mode
        # OpenAI itself refuses `max_tokens` for newer models; others know only that.
        is_openai = urlsplit(endpoint.address).hostname == "api.openai.com"
        self._max_tokens = "max_completion_tokens" if is_openai else "max_tokens"

    async def ask(self, request: LlmRequest) -> Said:
        """Ask once.

        Raises:
            WireProblem: There is no answer.
        """
        try:
            # The library's door for paths that it has no method for: a third less CPU time than
            # `chat.completions.create`, which builds a typed response from every answer.
            response = await self._client.post(
                "/chat/completions", cast_to=httpx2.Response, body=self._body(request)
            )
            body = response.json()
        except openai.APIStatusError as error:
            problem = status_problem(
                error.status_code, *_words(error.body, error.message), error.response.headers
            )
        except openai.APIConnectionError as error:
            problem = transport_problem(error.__cause__)
        except ValueError as error:
            problem = WireProblem("bad-response", f"the response is not JSON: {error}")
        else:
            return _said(body)
        # Not as its cause: a library's exception may repeat the key.
        raise problem from None

    async def close(self) -> None:
        """Close its connections."""
        await self._client.close()

    def _body(self, request: LlmRequest) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self._served_model or request.model,
            "messages": [
                {"role": message.role, "content": message.content} for message in request.messages
            ],
            self._max_tokens: request.max_tokens,
        }
        sampling = {
            "temperature": request.temperature,
            "top_p": request.top_p,
            "seed": request.sent_seed,
        }
        body |= {name: value for name, value in sampling.items() if value is not None}
        if isinstance(request.form, JsonAnswer) and self._json_mode != "none":
            body["response_format"] = self._response_format(request.form)
        return body

    def _response_format(self, form: JsonAnswer) -> dict[str, Any]:
        if self._json_mode == "object":
            return {"type": "json_object"}
        schema = {"name": form.name, "schema": form.schema, "strict": is_strict(form.schema)}
        return {"type": "json_schema", "json_schema": schema}


def is_strict(schema: Any) -> bool:
    """Whether OpenAI's strict mode takes a schema: every object closed, every property required."""
    if isinstance(schema, list):
        return all(is_strict(part) for part in schema)
    if not isinstance(schema, dict):
        return True
    if schema.get("type") == "object" or "properties" in schema:
        names = set(schema.get("properties", {}))
        closed = schema.get("additionalProperties") is False
        if not closed or names != set(schema.get("required", [])):
            return False
    return all(is_strict(part) for part in schema.values())


_FINISH: dict[Any, Finish] = {"length": "length", "content_filter": "content-filter"}


def _said(body: Any) -> Said:
    """Read a chat completion."""
    try:
        choice = body["choices"][0]
        message = choice["message"]
        content = message.get("content")
    except (TypeError, KeyError, IndexError, AttributeError):
        raise _no_answer(body) from None
    usage = body.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    finish = _FINISH.get(choice.get("finish_reason"), "stop")
    refusal = message.get("refusal")
    if refusal and not content:
        content, finish = refusal, "refused"
    return Said(
        text=_text(content),
        finish=finish,
        input_tokens=count(usage.get("prompt_tokens")),
        output_tokens=count(usage.get("completion_tokens")),
    )


def _text(content: Any) -> str:
    """Give a message's text; some servers give it in parts."""
    if content is None or isinstance(content, str):
        return content or ""
    if isinstance(content, list):
        texts = [part.get("text") for part in content if isinstance(part, dict)]
        return "".join(text for text in texts if isinstance(text, str))
    raise WireProblem("bad-response", "the message's content is no text")


def _no_answer(body: Any) -> WireProblem:
    """Say what a response without choices is; some servers send errors with a status of 200."""
    if isinstance(body, dict) and body.get("error"):
        message, code = _words(body["error"], "")
        status = body["error"].get("code") if isinstance(body["error"], dict) else None
        return status_problem(status if isinstance(status, int) else 500, message, code)
    return WireProblem("bad-response", "the response holds no choices")


def _words(body: object, otherwise: str) -> tuple[str, str]:
    """Give an error's message and its code."""
    if not isinstance(body, dict):
        return (body if isinstance(body, str) and body else otherwise), ""
    inner = body.get("error")
    found = cast("Mapping[str, Any]", inner if isinstance(inner, dict) else body)
    message = found.get("message") or (inner if isinstance(inner, str) else "") or otherwise
    return str(message), f"{found.get('code') or ''} {found.get('type') or ''}".strip()
