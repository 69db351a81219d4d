"""What holds a secret, or cannot be asked, is refused before anything is recorded or sent."""

from __future__ import annotations

import json

import pytest

from graftline.errors import ConfigError
from graftline.llm.config import LlmRuntime
from graftline_toys import toy_code
from graftline_workflows.catalog import load_catalog
from graftline_workflows.recipe import resolve_recipe
from graftline_workflows.recipe.language_models import asks_by
from graftline_workflows.recipe.secrets import refuse_secret

SECRET = "hunter2"


def resolved(*overrides: str):
    return resolve_recipe("docs-qa", "tiny", ("source=docs", *overrides), own=toy_code)


def refused(*overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        resolved(*overrides)
    return str(caught.value)


def test_the_stages_that_ask_are_known_by_their_schemas():
    asking = {name for name, e in load_catalog().stages.items() if asks_by(e.runtime_schema)}
    assert asking == {"generate", "judge"}


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("llm.endpoints=[{url: 'http://user:hunter2@h/v1'}]", "an address with a password"),
        ("llm={endpoints: [{url: 'http://user:hunter2@h/v1'}]}", "an address with a password"),
        ("generate.llm.endpoints=[{url: 'http://hunter2@h/v1'}]", "must not hold a user name"),
        ("llm.endpoints=[{url: 'http://h/v1?key=hunter2'}]", "must not hold a query"),
        ("llm.endpoints=[{url: 'http://h /hunter2'}]", "url must be http:// or https://"),
        ("llm.endpoints=[{kind: openai, api_key_env: sk-hunter2}]", "not the key itself"),
        ("llm.endpoints=[{api_key_env: [hunter2]}]", "endpoints.0.api_key_env: must be text"),
        ("llm.endpoints=[{api_kex: hunter2}]", "did you mean 'api_key_"),
        ("llm.endpoints=[{'hunter2 h': 1}]", "endpoints.0: unknown setting; allowed: "),
        ("llm.endpoints=http://hunter2@h/v1", "generate.llm.endpoints: must be a list"),
        ("llm.endpoints={hunter2: x}", "generate.llm.endpoints: must be a list"),
        ("llm=http://hunter2@h/v1", "generate.llm: must be a mapping"),
        ("llm.endpoints.0.api_key_env=sk-hunter2", "endpoints: must be a list"),
        ("llm.endpoints[{url: 'http://u:hunter2@h?a=b'}]", "--set llm.endpoints: holds"),
        ("source=https://user:hunter2@h/docs.zip", "an address with a password"),
        ("source=https://hunter2@h/docs.zip", "source: source 'https://h/docs.zip'"),
        ("source=https://h/docs.zip?X-Amz-Signature=hunter2", "the address has a secret in it"),
        ("source=s3://AKIA:hunter2@bucket/docs", "an address with a password"),
        ("source=s3://hunter2@bucket/docs", "the address has a secret in it"),
        ("ingest.source=https://h/docs.zip?token=hunter2", "ingest.source: source 'https://h"),
        ("base_model=hf://me:hunter2@org/name", "an address with a password"),
    ],
)
def test_a_secret_is_refused_and_not_repeated(override: str, said: str):
    message = refused(override)
    assert said in message
    assert SECRET not in message


def test_two_ways_to_set_endpoints_do_not_repeat_them_either():
    both = ("llm.endpoints=[{api_key_env: hunter2}]", "llm.endpoints.url=http://h/v1")
    assert SECRET not in refused(*both)


def test_what_is_wrong_beside_the_endpoints_is_told_with_its_value():
    message = refused("llm.attempts=0", "llm.endpoints=[{api_key_env: a, api_key_file: b}]")
    assert "generate.llm.attempts: must be at least 1 (got 0)" in message
    assert "generate.llm.endpoints.0: give api_key_env or api_key_file, not both" in message


def test_names_on_the_hub_have_no_secrets():
    refuse_secret("hf://gpt2@" + "0" * 40)
    refuse_secret("hf://datasets/org/name@main")
    refuse_secret("s3://bucket/prefix")
    refuse_secret("docs?token=1")
    with pytest.raises(ConfigError, match="none that can be read"):
        refuse_secret("https://[hunter2/")


def test_what_a_step_could_not_ask_is_refused():
    assert "needs the price of 'smollm2" in refused("llm.max_cost_usd=3")
    served = "llm.endpoints=[{url: 'http://h/v1', models: [a]}]"
    assert "serves 'a', not 'b'" in refused(served, "llm_model=b")
    provider = "llm.endpoints=[{kind: anthropic, api_key_env: KEY}]"
    assert "set temperature: null" in refused(provider)


def test_what_it_could_ask_is_not():
    recipe = resolved(
        "llm_model=m",
        "llm.max_cost_usd=3",
        "llm.prices.m={input: 1, output: 2}",
        "llm.endpoints=[{url: 'http://h/v1', api_key_env: MY_KEY, max_concurrency: 16.0}]",
    )
    settings = recipe.step("judge").runtime["llm"]
    assert LlmRuntime.model_validate(settings).endpoints[0].max_concurrency == 16
    assert json.loads(json.dumps(settings)) == settings
