"""What can be wrong with endpoints as they are set up, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graftline.errors import ConfigError, Problem

if TYPE_CHECKING:
    from graftline.llm.config import LlmConfig, LlmRuntime
    from graftline.llm.pool import Member
    from graftline.llm.wire import WireProblem


def check_endpoints(config: LlmConfig, runtime: LlmRuntime) -> None:
    """Refuse settings that are in the key and would not decide the answers.

    Raises:
        ConfigError: There are no endpoints, one does not serve the model, or its API lacks a
            setting.
    """
    if not runtime.endpoints:
        raise ConfigError(
            "no endpoint for the language model", "set endpoints=[{url: http://HOST:PORT/v1}]"
        )
    for endpoint in runtime.endpoints:
        if endpoint.models and config.model not in endpoint.models:
            served = ", ".join(f"'{name}'" for name in endpoint.models)
            raise ConfigError(
                f"the server at {endpoint.address} serves {served}, not '{config.model}'",
                "set endpoints to servers of that model, or ask for one that is served",
            )
    problems = [
        Problem(name, f"the Anthropic API has no such setting (since 2026-10-21): set {name}: null")
        for name in ("temperature", "top_p", "seed")
        if getattr(config, name) is not None
        and any(endpoint.kind == "anthropic" for endpoint in runtime.endpoints)
    ]
    if problems:
        raise ConfigError.of(problems, "the language model")


def misconfigured(member: Member, problem: WireProblem, model: str) -> tuple[str, str]:
    """Say what is wrong with an endpoint's setup, and what to do."""
    endpoint, name = member.endpoint, member.name
    key = endpoint.api_key_env or endpoint.api_key_file
    served = endpoint.served_model or model
    match problem.kind:
        case "not-allowed":
            hint = f"check the API key in {key}" if key else "it wants an API key: set api_key_env"
            return f"{name} does not let us in: {problem.detail}", hint
        case "not-found":
            return (
                f"{name} does not serve '{served}': {problem.detail}",
                "check the model's name (or set served_model), and that url ends where the API "
                "begins (…/v1)",
            )
        case "no-credit":
            return (
                f"{name}: the account has no credit left: {problem.detail}",
                "top it up and run the same command again; what was answered is kept",
            )
    return (
        f"{name} refuses every request: {problem.detail}",
        "change the setting that it names (null leaves temperature, top_p and seed out)",
    )
