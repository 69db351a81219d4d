"""One endpoint, whatever API it speaks: a request goes in, what was said comes out."""

from __future__ import annotations

import importlib
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol
from urllib.parse import urlsplit

from graftline.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from graftline.domain.answers import Finish
    from graftline.llm.config import Endpoint
    from graftline.llm.credentials import ApiKey
    from graftline.llm.request import LlmRequest

ProblemKind = Literal[
    # The way there: worth another attempt.
    "unreachable",  # nothing was delivered: refused, unknown host, no route
    "connection",  # it broke off after the request was sent
    "timeout",
    "rate-limited",
    "unavailable",  # 502, 503, 504: somebody answers for a server that is away
    "server-error",
    "bad-response",  # an answer that is none: broken JSON, no choices
    # The request itself: another attempt ends the same.
    "too-long",
    "content-filter",
    "bad-request",
    # The endpoint as it is set up: no request will do better.
    "not-allowed",
    "not-found",
    "no-credit",
]

CONNECT_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Said:
    """What a model said, and what it took; unknown counts are None."""

    text: str
    finish: Finish
    input_tokens: int | None
    output_tokens: int | None


class WireProblem(Exception):
    """A request got no answer.

    Args:
        kind: What kind of problem it is.
        detail: What it says, as one line; it may repeat the key, and be long (`Member.clean`).
        retry_after_s: How long the server asks to be left alone, if it does.
    """

    def __init__(self, kind: ProblemKind, detail: str, retry_after_s: float | None = None) -> None:
        """Keep what is known."""
        super().__init__(kind, detail)
        self.kind = kind
        self.detail = " ".join(detail.split())
        self.retry_after_s = retry_after_s


class Wire(Protocol):
    """An open endpoint."""

    async def ask(self, request: LlmRequest) -> Said:
        """Ask once.

        Raises:
            WireProblem: There is no answer.
        """

    async def close(self) -> None:
        """Close its connections."""


_MODULES = {
    "openai": ("graftline.llm.wire_openai", "openai"),
    "anthropic": ("graftline.llm.wire_anthropic", "anthropic"),
    "gemini": ("graftline.llm.wire_gemini", "google-genai"),
}


def open_wire(endpoint: Endpoint, key: ApiKey, timeout_s: float) -> Wire:
    """Open an endpoint with its provider's own library; nothing is sent yet.

    Raises:
        ConfigError: The library is not installed.
    """
    module_name, package = _MODULES[endpoint.kind]
    try:
        module: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"an endpoint of kind {endpoint.kind} needs the Python package '{package}' "
            f"({error.name} is not installed here)",
            "use an image that has it, or an OpenAI-compatible endpoint",
        ) from error
    wire: Wire = module.open_wire(endpoint, key, timeout_s)
    return wire


def http_options(endpoint: Endpoint, timeout_s: float) -> dict[str, Any]:
    """Give the arguments of the HTTP client that all three libraries take."""
    import httpx2

    connections = endpoint.max_concurrency
    return {
        "timeout": httpx2.Timeout(timeout_s, connect=min(CONNECT_TIMEOUT_S, timeout_s)),
        "limits": httpx2.Limits(max_connections=connections, max_keepalive_connections=connections),
        # A proxy from the environment has no business with loopback.
        "trust_env": urlsplit(endpoint.address).hostname not in ("127.0.0.1", "::1", "localhost"),
    }


def transport_problem(error: BaseException | None) -> WireProblem:
    """Tell by an HTTP library's exception how far a request came."""
    import httpx2

    name = type(error).__name__
    detail = str(error) or name
    if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
        return WireProblem("unreachable", detail)
    if isinstance(error, httpx2.TimeoutException):
        return WireProblem("timeout", f"no answer in time ({name})")
    return WireProblem("connection", f"the connection broke off ({detail})")


def status_problem(
    status: int, message: str, code: str = "", headers: Mapping[str, str] | None = None
) -> WireProblem:
    """Tell by an HTTP status, and the words with it, what a refusal means.

    Args:
        status: The HTTP status.
        message: What the server says.
        code: The provider's name for the error (`context_length_exceeded`), if it has one.
        headers: Of the response.
    """
    words = f"{code} {message}".lower()
    detail = f"HTTP {status}: {message}" if message else f"HTTP {status}"
    kind = _kind_of_status(status, words)
    return WireProblem(kind, detail, retry_after_s(headers or {}))


_TOO_LONG = ("context_length", "context length", "context_size", "context size", "too long")
_NO_CREDIT = ("insufficient_quota", "credit balance")


def _kind_of_status(status: int, words: str) -> ProblemKind:
    if status in (401, 403) or "api_key_invalid" in words or "api key not valid" in words:
        return "not-allowed"
    if status == 402 or (status in (400, 429) and any(word in words for word in _NO_CREDIT)):
        return "no-credit"
    if status in (429, 529):
        return "rate-limited"
    if status in (408, 409, 425):
        return "timeout" if status == 408 else "server-error"
    if status in (502, 503, 504):
        return "unavailable"
    if status >= 500:
        # llama.cpp has said so with a 500.
        return "too-long" if "exceed" in words and "context" in words else "server-error"
    if status == 413 or any(word in words for word in _TOO_LONG):
        return "too-long"
    if "content_filter" in words or "content_policy" in words:
        return "content-filter"
    return "not-found" if status in (404, 405) else "bad-request"


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Read `Retry-After` (RFC 9110, section 10.2.3: seconds or a date) or `retry-after-ms`."""
    named = {name.lower(): value.strip() for name, value in headers.items()}
    milliseconds = _finite(named.get("retry-after-ms"))
    if milliseconds is not None:
        return max(milliseconds / 1000, 0.0)
    value = named.get("retry-after")
    seconds = _finite(value)
    if seconds is not None:
        return max(seconds, 0.0)
    try:
        date = parsedate_to_datetime(value or "")
    except (TypeError, ValueError):
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return max((date - datetime.now(UTC)).total_seconds(), 0.0)


def _finite(value: str | None) -> float | None:
    try:
        number = float(value or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def count(value: Any) -> int | None:
    """Give a token count that a provider reports, or None where it is none."""
    good = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return value if good else None
