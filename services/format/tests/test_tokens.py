"""Prompts and answers, held against `transformers` on templates of all families."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graftline.domain.examples import compact, message
from graftline.domain.jinja import TEMPLATE_DATE
from graftline_format.chat_model import load_chat_model
from graftline_format.rendering import Rejection, render_example
from graftline_format.tokens import RowTokeniser

ANSWER = '{"intent": "shipping", "entities": {"order_id": "ORD-12345"}}'
SINGLE = [
    ("system", "Extract the support ticket as JSON."),
    ("user", "Where is my order ORD-12345?\n\nThanks, Änna 🙂"),
    ("assistant", ANSWER),
]
SEVERAL = [*SINGLE, ("user", "  And the other?"), ("assistant", "Which one?")]
EVERY_MODEL = [
    "chatml", "chatml-generation", "llama3", "mistral", "mistral-plain-inst", "gemma", "thinking",
    "plain", "family-alpaca", "family-chatml", "family-llama", "family-gemma", "family-qwen",
    "family-mistral", "family-mistral-plain-inst",
]  # fmt: skip


def tokenise(folder, turns, learn="last", tools=None):
    model = load_chat_model(folder)
    row = {"messages": [message(*turn) for turn in turns], "tools": tools}
    return RowTokeniser(model, 4096).tokenise([render_example(row, model, learn)])[0]


def prompt_ids(folder, turns) -> list[int]:
    """What transformers gives the model."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    return tokenizer.apply_chat_template(
        compact([message(*turn) for turn in turns]),
        add_generation_prompt=True,
        tokenize=True,
        return_dict=False,
    )


def decoded(folder, ids) -> str:
    model = load_chat_model(folder)
    return model.tokenizer.decode(ids, skip_special_tokens=False)


@pytest.fixture(autouse=True)
def template_date(transformers_today):
    transformers_today(TEMPLATE_DATE)


@pytest.fixture(params=[*EVERY_MODEL, "smollm2"])
def folder(request, tiny_models) -> Path:
    if request.param == "smollm2":
        return request.getfixturevalue("smollm2")
    return tiny_models[request.param]


@pytest.mark.parametrize("turns", [SINGLE, SEVERAL, SINGLE[1:]], ids=["one", "two", "no-system"])
def test_prompt_is_the_one_that_transformers_renders(folder, turns):
    row = tokenise(folder, turns)
    ((start, end),) = row.learned
    assert row.ids[:start] == prompt_ids(folder, turns[:-1])
    assert end == len(row.ids)


def test_answer_and_its_end_are_learned_and_nothing_else(folder):
    row = tokenise(folder, SINGLE)
    ((start, end),) = row.learned
    learned = decoded(folder, row.ids[start:end])
    model = load_chat_model(folder)
    ends_with_mark = row.ids[-1] in model.special_ids
    assert ends_with_mark == (folder.name != "plain")
    mark = decoded(folder, row.ids[-1:]) if ends_with_mark else ""
    assert learned.removeprefix("<think>\n\n</think>\n\n").strip() == ANSWER + mark
    assert row.text[: row.answer_end].rstrip().endswith(ANSWER + mark)


def test_all_answers_are_learned_if_asked(folder):
    if "think" in str(folder):
        with pytest.raises(Rejection, match="template-rewrites-history: .*'learn: last' works"):
            tokenise(folder, SEVERAL, "all")
        return
    # The published Mistral template drops the system message of all but the last answer.
    turns = SEVERAL[1:] if folder.name.startswith("mistral") else SEVERAL
    row = tokenise(folder, turns, "all")
    assert len(row.learned) == 2
    assert row.ids[: row.learned[1][0]] == prompt_ids(folder, turns[:-1])
    first, second = (decoded(folder, row.ids[start:end]) for start, end in row.learned)
    assert ANSWER in first
    assert "Which one?" in second
    assert row.ids[: row.learned[0][0]] == prompt_ids(folder, turns[:-3])


@pytest.mark.parametrize(
    ("family", "published", "turns"),
    [
        ("family-chatml", "chatml", SEVERAL),
        ("family-qwen", "chatml", SEVERAL),
        ("family-llama", "llama3", SEVERAL[1:]),
        ("family-gemma", "gemma", SEVERAL),
        ("family-mistral", "mistral", SEVERAL[1:]),
        ("family-mistral", "mistral", SINGLE),
        ("family-mistral-plain-inst", "mistral-plain-inst", SEVERAL[1:]),
    ],
)
def test_a_family_is_learned_as_its_instruct_models_are(tiny_models, family, published, turns):
    """The same tokens and mask as by the template in the layout that the family publishes."""
    turns = [(role, content.strip()) for role, content in turns]
    ours, theirs = (tokenise(tiny_models[name], turns) for name in (family, published))
    assert (ours.ids, ours.learned) == (theirs.ids, theirs.learned)


@pytest.mark.parametrize("family", [name for name in EVERY_MODEL if name.startswith("family-")])
def test_a_familys_answer_ends_with_its_end_token(tiny_models, family):
    row = tokenise(tiny_models[family], SEVERAL, "all")
    ends = {tuple(row.ids[end - 1 : end]) for _, end in row.learned}
    settings = json.loads((tiny_models[family] / "tokenizer_config.json").read_text())
    assert [decoded(tiny_models[family], end) for end in ends] == [settings["eos_token"]]


def test_mistral_keeps_the_system_message_that_its_template_drops(tiny_models):
    row = tokenise(tiny_models["mistral"], SINGLE)
    assert row.text.startswith("<s>[INST] Extract the support ticket as JSON.\n\nWhere is")
    assert row.text.endswith(f"[/INST] {ANSWER}</s>")


def test_history_that_changes_cannot_be_learned_at_once(tiny_models):
    with pytest.raises(Rejection) as caught:
        tokenise(tiny_models["mistral"], SEVERAL, "all")
    assert caught.value.reason == "template-rewrites-history"


def test_a_refusing_template_rejects_the_row(tiny_models):
    turns = [("user", "a"), ("user", "b"), ("assistant", "c")]
    with pytest.raises(Rejection, match="template-refuses: Conversation roles must alternate"):
        tokenise(tiny_models["gemma"], turns)


@pytest.mark.parametrize("turns", [[("user", "a")], [("user", "a"), ("assistant", "")]])
def test_no_answer_is_rejected(tiny_models, turns):
    with pytest.raises(Rejection, match="no-answer"):
        tokenise(tiny_models["chatml"], turns)


def test_what_follows_the_last_answer_is_left_out(tiny_models):
    row = tokenise(tiny_models["chatml"], [*SINGLE, ("user", "bye")])
    assert row.ids == tokenise(tiny_models["chatml"], SINGLE).ids


def test_tools_and_call_arguments_reach_the_template_as_objects(tmp_path, make_model):
    folder = make_model(tmp_path, "chatml")
    template = """{% for t in tools or [] %}{{ t | tojson }}{% endfor %}{% for m in messages %}
{%- if m.tool_calls %}{{ m.tool_calls[0].function.arguments.city }}{% else %}{{ m.content }}
{%- endif %}<|im_end|>{% endfor %}"""
    (folder / "chat_template.jinja").write_text(template)
    call = {"id": "1", "type": "function"}
    call |= {"function": {"name": "weather", "arguments": '{"city": "Łódź"}'}}
    messages = [message("user", "Hi"), message("assistant", None, tool_calls=[call])]
    tools = json.dumps([{"type": "function", "function": {"name": "weather"}}])
    model = load_chat_model(folder)
    rendered = render_example({"messages": messages, "tools": tools}, model, "last")
    assert rendered.text == (
        '{"type": "function", "function": {"name": "weather"}}Hi<|im_end|>Łódź<|im_end|>'
    )


contents = st.text(
    st.one_of(st.characters(codec="utf-8", exclude_categories=("Cs",)), st.sampled_from(' \n\t{"')),
    min_size=1,
    max_size=40,
)


def rendered_or_reason(row, model):
    try:
        return render_example(row, model, "last")
    except Rejection as rejection:
        return rejection.reason


@settings(deadline=None, max_examples=150)
@given(
    name=st.sampled_from(["chatml", "llama3", "gemma", "mistral"]), user=contents, answer=contents
)
def test_prompts_stay_whatever_is_said(tiny_models, name, user, answer):
    """Whatever the messages say, a row's prompt is the prompt alone, or the row is rejected."""
    model = load_chat_model(tiny_models[name])
    messages = [message("user", user), message("assistant", answer)]
    row = {"messages": messages, "tools": None}
    rendered = rendered_or_reason(row, model)
    if isinstance(rendered, str):
        assert rendered in {"template-rewrites-history", "template-refuses"}
        return
    row = RowTokeniser(model, 4096).tokenise([rendered])[0]
    if isinstance(row, Rejection):
        assert row.reason in {"answer-joins-prompt", "empty-answer"}
        return
    prompt = model.template.render(compact(messages[:-1]), generation_prompt=True)
    alone = model.tokenizer.encode(prompt, add_special_tokens=False).ids
    ((start, end),) = row.learned
    assert row.ids[:start] == alone
    assert start < end == len(row.ids)
    if name in {"chatml", "llama3"}:
        assert model.tokenizer.decode(row.ids, skip_special_tokens=False) == row.text.rstrip("\n")


def test_an_answer_that_would_join_the_prompt_is_tokenised_apart(tiny_models):
    folder = tiny_models["chatml"]
    model = load_chat_model(folder)
    # Made so that "\n\n" is a token: the answer's first line break then joins the prompt's last.
    tokenizer = model.tokenizer
    joined = json.loads(tokenizer.to_str())
    joined["model"]["vocab"]["ĊĊ"] = len(joined["model"]["vocab"])
    joined["model"]["merges"].append(["Ċ", "Ċ"])
    model = type(model)(
        **{**vars(model), "tokenizer": type(tokenizer).from_str(json.dumps(joined))}
    )
    row = {"messages": [message("user", "Hi"), message("assistant", "\n\nHo")], "tools": None}
    rendered = render_example(row, model, "last")
    found = RowTokeniser(model, 4096).tokenise([rendered])[0]
    prompt = rendered.text[: rendered.answers[0][0]]
    whole = model.tokenizer.encode(rendered.text, add_special_tokens=False).ids
    alone = model.tokenizer.encode(prompt, add_special_tokens=False).ids
    assert whole[: len(alone)] != alone
    assert found.ids[: found.learned[0][0]] == alone
    assert model.tokenizer.decode(found.ids, skip_special_tokens=False) == rendered.text.rstrip(
        "\n"
    )


def test_what_was_tokenised_is_not_kept(tiny_models):
    """Without special tokens every prompt is its own end: a thousand of them are much memory."""
    model = load_chat_model(tiny_models["plain"])
    tokeniser = RowTokeniser(model, 1 << 20)
    tracemalloc.start()
    try:
        for number in range(40):
            turns = [message("user", f"{number} " + "please " * 1000), message("assistant", "x")]
            rendered = render_example({"messages": turns, "tools": None}, model, "last")
            assert len(tokeniser.tokenise([rendered])[0].ids) > 1000
        assert tracemalloc.get_traced_memory()[0] < 500_000
    finally:
        tracemalloc.stop()


def test_the_prompts_of_a_row_that_is_too_long_are_not_tokenised_again(tiny_models):
    model = load_chat_model(tiny_models["plain"])
    counting = CountingTokenizer(model.tokenizer)
    model = type(model)(**{**vars(model), "tokenizer": counting})
    turns = [message("user", "Hi"), message("assistant", "Ho")] * 50
    rendered = render_example({"messages": turns, "tools": None}, model, "all")
    short = RowTokeniser(model, 4096).tokenise([rendered])[0]
    assert counting.encoded == 50
    counting.encoded = 0
    assert RowTokeniser(model, len(short.ids)).tokenise([rendered]) == [short]
    assert counting.encoded == 50
    counting.encoded = 0
    assert RowTokeniser(model, len(short.ids) - 1).tokenise([rendered]) == [short]
    assert counting.encoded == 0


class CountingTokenizer:
    """A tokenizer that counts the texts given to it one by one."""

    def __init__(self, tokenizer):
        self._tokenizer = tokenizer
        self.encoded = 0

    def __getattr__(self, name):
        return getattr(self._tokenizer, name)

    def encode(self, *given, **more):
        self.encoded += 1
        return self._tokenizer.encode(*given, **more)
