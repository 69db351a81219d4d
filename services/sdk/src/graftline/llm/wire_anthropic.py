"""Anthropic's Messages API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anthropic

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
    from graftline.domain.answers import Finish
    from graftline.llm.config import Endpoint
    from graftline.llm.credentials import ApiKey
    from graftline.llm.request import LlmRequest


def open_wire(endpoint: Endpoint, key: ApiKey, timeout_s: float) -> AnthropicWire:
    """Open an endpoint; nothing is sent yet."""
    return AnthropicWire(endpoint, key, timeout_s)


class AnthropicWire:
    """An endpoint that speaks Anthropic's Messages API.

    A JSON Schema is sent as a structured output (newer models refuse a forced tool), in the form
    that the library makes of it: what the API cannot enforce becomes a description, and is checked
    by us as everything is.
    """

    def __init__(self, endpoint: Endpoint, key: ApiKey, timeout_s: float) -> None:
        """Make the library's client, without its retries: the pool has its own."""
        options = http_options(endpoint, timeout_s)
        self._client = anthropic.AsyncAnthropic(
            api_key=key.value,
            base_url=endpoint.address,
            max_retries=0,
            timeout=options["timeout"],
            http_client=anthropic.DefaultAsyncHttpxClient(**options),
        )
        self._served_model = endpoint.served_model

    async def ask(self, request: LlmRequest) -> Said:
        """Ask once.

        Raises:
            WireProblem: There is no answer.
        """
        try:
            response = await self._client.messages.with_raw_response.create(**self._body(request))
            body = response.http_response.json()
        except anthropic.APIStatusError as error:
            problem = status_problem(
                error.status_code, *_words(error.body, error.message), error.response.headers
            )
        except anthropic.APIConnectionError as error:
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
        system = [message.content for message in request.messages if message.role == "system"]
        body: dict[str, Any] = {
            "model": self._served_model or request.model,
            "messages": [
                {"role": message.role, "content": message.content}
                for message in request.messages
                if message.role != "system"
            ],
            "max_tokens": request.max_tokens,
        }
        if system:
            body["system"] = "\n\n".join(system)
        if isinstance(request.form, JsonAnswer):
            schema = anthropic.transform_schema(dict(request.form.schema))
            body["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
        return body


_FINISH: dict[Any, Finish] = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "refused",
}


def _said(body: Any) -> Said:
    """Read a message's text."""
    try:
        texts = [str(block["text"]) for block in body["content"] if block["type"] == "text"]
    except (TypeError, KeyError):
        raise WireProblem("bad-response", "the response holds no content") from None
    usage = body.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    read = [count(usage.get(name)) for name in ("input_tokens", *_CACHE_COUNTS)]
    return Said(
        text="".join(texts),
        finish=_FINISH.get(body.get("stop_reason"), "stop"),
        input_tokens=None if read[0] is None else sum(part or 0 for part in read),
        output_tokens=count(usage.get("output_tokens")),
    )


_CACHE_COUNTS = ("cache_creation_input_tokens", "cache_read_input_tokens")


def _words(body: object, otherwise: str) -> tuple[str, str]:
    """Give an error's message and its type."""
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return otherwise, ""
    return str(error.get("message") or otherwise), str(error.get("type") or "")
