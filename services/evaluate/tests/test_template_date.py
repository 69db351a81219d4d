"""No prompt depends on the day on which it is rendered."""

from datetime import datetime

import pytest

from graftline_evaluate.dataset import EvalRow
from graftline_evaluate.loading import load_chat
from graftline_evaluate.prompts import make_prompts

ALONE = "{{ strftime_now('%d %b %Y') }}{% for m in messages %} {{ m.content }}{% endfor %}"
ASKING = (
    "{% if not date_string is defined %}{% set date_string = strftime_now('%d %b %Y') %}"
    "{% endif %}{{ date_string }}{% for m in messages %} {{ m.content }}{% endfor %}"
)


@pytest.mark.parametrize("template", [ALONE, ASKING])
@pytest.mark.parametrize("day", [(2031, 5, 6), (2032, 7, 8)])
def test_a_prompt_does_not_depend_on_the_day(tmp_path, monkeypatch, tiny, template, day):
    class Clock(datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(*day)

    monkeypatch.setattr("transformers.utils.chat_template_utils.datetime", Clock)
    tokenizer = tiny.make_tokenizer()
    tokenizer.chat_template = template
    tokenizer.save_pretrained(tmp_path)
    row = EvalRow("a", "eval", "g", ({"role": "user", "content": "hi"},), "ho", None)
    prompts = make_prompts(load_chat(tmp_path), [row], None, 1000, with_gold=True)
    assert tokenizer.decode([*prompts.prefix, *prompts.rests[0]]) == "26 Jul 2024 hi"
    assert tokenizer.decode(prompts.golds[0]) == " ho"
