"""Settings of everything that asks a language model."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from graftline.config import Runtime, Settings
from graftline.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

ENDPOINTS = "GRAFTLINE_LLM_ENDPOINTS"
"""The environment variable with the endpoints of steps that name none, as JSON."""

ProviderKind = Literal["openai", "anthropic", "gemini"]

DEFAULT_URLS: dict[str, str] = {
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com",
    "gemini": "https://generativelanguage.googleapis.com",
}

# A key itself, put here by mistake, would be shown as the name of a variable that is not set.
_ENVIRONMENT_NAME = re.compile(r"(?!AIza|sk_)[A-Za-z_][A-Za-z0-9_]{0,63}")


class LlmConfig(Settings):
    """What decides what a model says; all of it is sent, and is in the step's key."""

    model: str = Field(
        min_length=1,
        description="The model's name, as the endpoints know it (see `served_model` otherwise).",
    )
    temperature: float | None = Field(
        default=0.0, ge=0, le=2, description="Sampling temperature; null leaves it to the server."
    )
    top_p: float | None = Field(
        default=None, gt=0, le=1, description="Nucleus sampling; null leaves it to the server."
    )
    max_tokens: int = Field(
        default=1024, ge=1, description="Tokens of an answer at most; a longer one is cut off."
    )
    seed: int | None = Field(
        default=None,
        ge=0,
        le=2**31 - 1,
        description="Seed of the sampling, where the provider has one; sample N gets seed + N.",
    )
    corrections: int = Field(
        default=1,
        ge=0,
        le=5,
        description="How often a model whose answer cannot be used is shown why and asked again.",
    )


class Endpoint(Settings):
    """A server that answers requests."""

    kind: ProviderKind = Field(
        default="openai",
        description="Whose API it speaks; llama.cpp, vLLM, Ollama and most others speak openai.",
    )
    url: str = Field(
        default="",
        description="Its address (of an OpenAI-compatible server up to /v1, as "
        "http://127.0.0.1:8080/v1); empty for the provider's own.",
    )
    served_model: str = Field(
        default="", description="What this endpoint calls the model; empty for the model's name."
    )
    models: list[str] = Field(
        default_factory=list,
        description="The models that it serves: a step that asks for another is refused before it "
        "asks. Empty for servers that say so themselves.",
    )
    api_key_env: str = Field(
        default="", description="The environment variable that holds its API key; never the key."
    )
    api_key_file: str = Field(
        default="", description="The file that holds its API key (a mounted Secret)."
    )
    max_concurrency: int = Field(
        default=16,
        ge=1,
        le=4096,
        description="Requests in flight at once at most, of each rank; fewer while it is "
        "overloaded.",
    )
    json_mode: Literal["schema", "object", "none"] = Field(
        default="schema",
        description="How an OpenAI-compatible server is told to answer in JSON: schema sends the "
        "JSON Schema; object only asks for an object, none for nothing, for servers without that: "
        "the prompt then has to name the form. The answer is checked against the schema in any "
        "case.",
    )

    @property
    def address(self) -> str:
        """The address, the provider's own if none is set."""
        return (self.url or DEFAULT_URLS[self.kind]).rstrip("/")

    @model_validator(mode="after")
    def _check(self) -> Self:
        # On the whole endpoint, so that no message repeats a url that holds a password.
        if self.url:
            problem = _url_problem(self.url)
            if problem:
                raise ValueError(problem)
        if self.api_key_env and self.api_key_file:
            raise ValueError("give api_key_env or api_key_file, not both")
        if self.api_key_env and not _ENVIRONMENT_NAME.fullmatch(self.api_key_env):
            raise ValueError(
                "api_key_env must be the name of an environment variable, not the key itself"
            )
        if self.kind != "openai" and self.json_mode != "schema":
            raise ValueError(f"json_mode is of kind openai; the {self.kind} API takes the schema")
        return self


class Price(Settings):
    """What a provider takes for a model, in US dollars per million tokens."""

    input: float = Field(ge=0, description="For a million tokens read.")
    output: float = Field(ge=0, description="For a million tokens written.")


class LlmRuntime(Runtime):
    """What changes how answers come, and not what they are; none of it is in the step's key.

    A stage nests it (`llm: LlmRuntime = LlmRuntime()`) or derives its own `Runtime` from it.
    """

    endpoints: list[Endpoint] = Field(
        default_factory=list,
        description="The servers that share the requests; all of them must serve the same model. "
        "Empty: those of the place where the step runs (a server of the run's own, the cluster's).",
    )
    concurrency: int | None = Field(
        default=None,
        ge=1,
        le=4096,
        description="Requests in flight at once over all endpoints, all ranks of the step together "
        "(they get equal shares, one request at least); null for as many as the endpoints take.",
    )
    timeout_s: float = Field(
        default=120, gt=0, le=3600, description="Seconds that one request may take."
    )
    attempts: int = Field(
        default=6,
        ge=1,
        le=100,
        description="How often one request is tried before it fails; an endpoint that is away, or"
        " refuses for the moment, does not count for `wait_s`.",
    )
    wait_s: float = Field(
        default=60,
        ge=0,
        le=3600,
        description="Seconds to wait for an endpoint to come up, or back, when none answers or all"
        " refuse for the moment (429).",
    )
    retry_unusable: bool = Field(
        default=False,
        description="Ask again where the answer that is kept could not be used (after a server "
        "that talked nonsense was put right). Every attempt does; of what it gets, later ones "
        "count only usable answers as paid.",
    )
    max_total_tokens: int | None = Field(
        default=None,
        ge=1,
        description="Tokens, read and written, that the step may spend: all its attempts together, "
        "and all its ranks (they get equal shares). A request starts only if the most that it may "
        "take still fits. Called again, the step begins with what its kept answers took; not "
        "counted are only requests of earlier attempts of which no answer was kept (under way "
        "when it was killed, timed out). Raise it to go on; null: no end.",
    )
    max_cost_usd: float | None = Field(
        default=None,
        gt=0,
        description="US dollars that the step may spend, counted as max_total_tokens is, by "
        "today's prices; null: no end.",
    )
    prices: dict[str, Price] = Field(
        default_factory=dict,
        description="Prices by model name; what a model without a price costs is unknown.",
    )

    def located(self, environment: Mapping[str, str]) -> Self:
        """Give these settings with the endpoints of this place, if they name none.

        Raises:
            ConfigError: What the environment says of them cannot be meant.
        """
        text = environment.get(ENDPOINTS, "")
        if self.endpoints or not text:
            return self
        try:
            endpoints = TypeAdapter(list[Endpoint]).validate_json(text)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise ConfigError(
                f"{ENDPOINTS} is no list of endpoints: {where} {first['msg']}".replace(":  ", ": "),
                'a JSON list is wanted: [{"url": "http://HOST:PORT/v1"}]',
            ) from error
        return self.model_copy(update={"endpoints": endpoints})

    @property
    def slots(self) -> int:
        """How many requests may be in flight at once."""
        together = sum(endpoint.max_concurrency for endpoint in self.endpoints)
        return together if self.concurrency is None else min(together, self.concurrency)

    @property
    def limited(self) -> bool:
        """Whether there is a budget."""
        return self.max_total_tokens is not None or self.max_cost_usd is not None

    def share(self, ranks: int) -> Self:
        """Give what one of several ranks may take, so that together they keep the limits."""
        slots, tokens, usd = self.concurrency, self.max_total_tokens, self.max_cost_usd
        return self.model_copy(
            update={
                "concurrency": None if slots is None else max(slots // ranks, 1),
                "max_total_tokens": None if tokens is None else max(tokens // ranks, 1),
                "max_cost_usd": None if usd is None else usd / ranks,
            }
        )


def _url_problem(url: str) -> str:
    """Say what is wrong with an endpoint's address, without repeating what may be secret."""
    wanted = "url must be http:// or https://, a host, and perhaps a port and a path"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return wanted
    if parts.username is not None or parts.password is not None or "@" in parts.netloc:
        return (
            f"url must not hold a user name or a password (host {host or 'unknown'}): "
            "name the key by api_key_env or api_key_file"
        )
    if parts.query or parts.fragment or "?" in url or "#" in url:
        return (
            f"url must not hold a query or a fragment (host {host or 'unknown'}): "
            "name the key by api_key_env or api_key_file"
        )
    if parts.scheme not in ("http", "https") or not host or any(c.isspace() for c in url):
        return f"{wanted} (got {url!r})"
    return ""
