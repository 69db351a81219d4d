"""Google's Gemini API."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import httpx2
from google import genai
from google.genai import errors, types

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
    from graftline.llm.config import Endpoint
    from graftline.llm.credentials import ApiKey
    from graftline.llm.request import LlmRequest


def open_wire(endpoint: Endpoint, key: ApiKey, timeout_s: float) -> GeminiWire:
    """Open an endpoint; nothing is sent yet."""
    return GeminiWire(endpoint, key, timeout_s)


class GeminiWire:
    """An endpoint that speaks the Gemini API."""

    def __init__(self, endpoint: Endpoint, key: ApiKey, timeout_s: float) -> None:
        """Make the library's client, without its retries: the pool has its own."""
        self._http = httpx2.AsyncClient(**http_options(endpoint, timeout_s))
        self._client = genai.Client(
            vertexai=False,
            api_key=key.value,
            http_options=types.HttpOptions(
                base_url=endpoint.address,
                httpx_async_client=self._http,
                timeout=int(timeout_s * 1000),
                retry_options=types.HttpRetryOptions(attempts=1),
            ),
        )
        self._served_model = endpoint.served_model

    async def ask(self, request: LlmRequest) -> Said:
        """Ask once.

        Raises:
            WireProblem: There is no answer.
        """
        try:
            answer = await self._client.aio.models.generate_content(
                model=self._served_model or request.model,
                contents=_contents(request),
                config=_config(request),
            )
        except errors.APIError as error:
            problem = _status_problem(error)
        except httpx2.HTTPError as error:
            problem = transport_problem(error)
        except ValueError as error:  # JSON that is none, or that is no answer
            problem = WireProblem("bad-response", f"the response is not understood: {error}")
        else:
            return _said(answer)
        # Not as its cause: a library's exception may repeat the key.
        raise problem from None

    async def close(self) -> None:
        """Close its connections."""
        await self._client.aio.aclose()
        await self._http.aclose()


def _contents(request: LlmRequest) -> list[types.ContentUnion]:
    names = {"user": "user", "assistant": "model"}
    return [
        types.Content(role=names[message.role], parts=[types.Part(text=message.content)])
        for message in request.messages
        if message.role != "system"
    ]


def _config(request: LlmRequest) -> types.GenerateContentConfig:
    system = [message.content for message in request.messages if message.role == "system"]
    config = types.GenerateContentConfig(
        system_instruction="\n\n".join(system) or None,
        max_output_tokens=request.max_tokens,
        temperature=request.temperature,
        top_p=request.top_p,
        seed=request.sent_seed,
    )
    if isinstance(request.form, JsonAnswer):
        config.response_mime_type = "application/json"
        config.response_json_schema = dict(request.form.schema)
    return config


_FILTERED = {
    "SAFETY",
    "RECITATION",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "IMAGE_SAFETY",
    "LANGUAGE",
}


def _said(answer: types.GenerateContentResponse) -> Said:
    """Read a response; one without candidates was withheld for the prompt's sake."""
    usage = answer.usage_metadata
    read = count(usage.prompt_token_count) if usage else None
    written = count(usage.candidates_token_count) if usage else None
    thought = count(usage.thoughts_token_count) if usage else None
    if written is not None or thought is not None:
        written = (written or 0) + (thought or 0)
    if not answer.candidates:
        if answer.prompt_feedback and answer.prompt_feedback.block_reason:
            return Said("", "content-filter", read, written)
        raise WireProblem("bad-response", "the response holds no candidates")
    candidate = answer.candidates[0]
    parts = (candidate.content.parts if candidate.content else None) or []
    text = "".join(part.text or "" for part in parts if not part.thought)
    reason = candidate.finish_reason.name if candidate.finish_reason else "STOP"
    if reason in _FILTERED:
        return Said(text, "content-filter", read, written)
    return Said(text, "length" if reason == "MAX_TOKENS" else "stop", read, written)


_RETRY_DELAY = re.compile(r"'retryDelay': '([\d.]+)s'")


def _status_problem(error: errors.APIError) -> WireProblem:
    headers = dict(getattr(error.response, "headers", None) or {})
    delay = _RETRY_DELAY.search(str(error.details))
    if delay and not any(name.lower() == "retry-after" for name in headers):
        headers["retry-after"] = delay.group(1)
    message = error.message or error.status or ""
    # The details name the reason (API_KEY_INVALID) where the status only says that it is bad.
    reason = re.search(r"'reason': '(\w+)'", str(error.details))
    code = f"{error.status or ''} {reason.group(1) if reason else ''}"
    return status_problem(error.code, str(message), code, headers)
