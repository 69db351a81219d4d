"""Settings of the language model: every mistake at once, and no secret in any message."""

from __future__ import annotations

import pytest

from graftline.config import parse_settings
from graftline.errors import ConfigError
from graftline.llm.config import ENDPOINTS, Endpoint, LlmConfig, LlmRuntime, Price
from graftline.llm.credentials import ApiKey, read_keys
from graftline.schema import check_settings, fill_defaults


def test_all_mistakes_are_told_at_once():
    with pytest.raises(ConfigError) as caught:
        parse_settings(
            LlmRuntime,
            {
                "endpoints": [{"url": "ftp://host"}, {"kind": "gpt"}, {"max_concurrency": 0}],
                "attemps": 3,
                "timeout_s": 0,
            },
            "step 'judge'",
        )
    assert {problem.path for problem in caught.value.problems} == {
        "endpoints.0",
        "endpoints.1.kind",
        "endpoints.2.max_concurrency",
        "attemps",
        "timeout_s",
    }
    assert "did you mean 'attempts'" in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://user:s3cret@host/v1",
        "https://s3cret@host/v1",
        "https://host/v1?key=s3cret",
        "https://host/v1#s3cret",
        "s3cret",
    ],
)
def test_a_url_with_credentials_is_refused_without_repeating_them(url):
    values = {"endpoints": [{"url": url}]}
    assert check_settings(LlmRuntime.model_json_schema(), values) == []
    with pytest.raises(ConfigError) as caught:
        parse_settings(LlmRuntime, values, "step 'generate'")
    if url != "s3cret":
        assert "s3cret" not in str(caught.value)
        assert "api_key_env" in str(caught.value)


@pytest.mark.parametrize("name", ["sk-live-123", "AIzaSyD123", "a b", "sk_live_1", ""])
def test_a_key_in_place_of_a_variables_name_is_refused(name):
    if not name:
        assert Endpoint(api_key_env=name).address == "https://api.openai.com/v1"
        return
    with pytest.raises(ConfigError) as caught:
        parse_settings(Endpoint, {"api_key_env": name}, "endpoint")
    assert name not in str(caught.value)


def test_keys_come_from_the_environment_or_a_file_and_all_problems_are_told(tmp_path):
    (tmp_path / "key").write_text("from-file\n")
    (tmp_path / "bad").write_text("two words")
    good = [
        Endpoint(url="http://a/v1"),
        Endpoint(url="http://b/v1", api_key_env="KEY"),
        Endpoint(url="http://c/v1", api_key_file=str(tmp_path / "key")),
    ]
    keys = read_keys(good, {"KEY": " from-variable "})
    assert [key.value for key in keys] == ["", "from-variable", "from-file"]
    assert "from" not in repr(keys)
    bad = [
        Endpoint(api_key_env="NONE"),
        Endpoint(api_key_file=str(tmp_path / "absent")),
        Endpoint(api_key_file=str(tmp_path / "bad")),
        Endpoint(kind="anthropic"),
    ]
    with pytest.raises(ConfigError) as caught:
        read_keys(bad, {})
    assert [problem.path for problem in caught.value.problems] == [
        f"endpoints.{number}" for number in range(4)
    ]
    assert "two words" not in str(caught.value)


def test_a_key_is_hidden_in_texts():
    assert ApiKey("abc").hide_in("key abc is wrong: abc") == "key *** is wrong: ***"
    assert ApiKey("").hide_in("text") == "text"


def test_ranks_share_the_budget():
    runtime = LlmRuntime(max_total_tokens=100, max_cost_usd=1.0, prices={})
    assert runtime.share(4).max_total_tokens == 25
    assert runtime.share(4).max_cost_usd == 0.25
    assert LlmRuntime().share(4) == LlmRuntime()


def test_ranks_share_the_requests_in_flight():
    endpoints = [Endpoint(max_concurrency=64)]
    runtime = LlmRuntime(endpoints=endpoints, concurrency=10)
    assert [runtime.share(ranks).slots for ranks in (1, 2, 3, 20)] == [10, 5, 3, 1]
    assert LlmRuntime(endpoints=endpoints).share(4).slots == 64


def test_only_openai_compatible_servers_have_a_json_mode():
    with pytest.raises(ConfigError, match="json_mode is of kind openai"):
        parse_settings(Endpoint, {"kind": "gemini", "json_mode": "object"}, "endpoint")


@pytest.mark.parametrize("model", [LlmConfig, LlmRuntime])
def test_the_planner_fills_in_what_the_model_would(model):
    values = {"model": "m", "temperature": 1} if model is LlmConfig else {"endpoints": [{}]}
    filled = fill_defaults(model.model_json_schema(), values)
    assert filled == model.model_validate(values).model_dump(mode="json")


def test_slots_are_what_endpoints_take_together_or_fewer():
    endpoints = [Endpoint(max_concurrency=3), Endpoint(max_concurrency=4)]
    assert LlmRuntime(endpoints=endpoints).slots == 7
    assert LlmRuntime(endpoints=endpoints, concurrency=5).slots == 5
    assert Price(input=1, output=2).output == 2


def test_endpoints_of_the_place_count_where_none_are_named():
    given = {ENDPOINTS: '[{"url": "http://here:1/v1", "models": ["m"], "max_concurrency": 3}]'}
    [endpoint] = LlmRuntime(attempts=2).located(given).endpoints
    assert (endpoint.url, endpoint.models) == ("http://here:1/v1", ["m"])
    assert LlmRuntime().located(given).slots == 3
    own = LlmRuntime(endpoints=[Endpoint(url="http://own:1/v1")])
    assert own.located(given) is own
    assert LlmRuntime().located({}).endpoints == []


@pytest.mark.parametrize("text", ["{", "{}", '[{"url": "http://u:s3cret@h/v1"}]', '[{"ulr": "x"}]'])
def test_endpoints_of_the_place_that_cannot_be_meant(text):
    with pytest.raises(ConfigError, match="GRAFTLINE_LLM_ENDPOINTS is no list") as caught:
        LlmRuntime().located({ENDPOINTS: text})
    assert "s3cret" not in str(caught.value)
