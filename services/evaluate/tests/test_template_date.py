from transformers.utils.chat_template_utils import render_jinja_template

from graftline_evaluate.dataset import EvalRow
from graftline_evaluate.prompts import make_prompts


class Tokenizer:
    """Only what rendering needs, with a template that asks for today."""

    def __init__(self):
        self.texts = []

    def apply_chat_template(self, messages, **options):
        template = (
            "{% if not date_string is defined %}{% set date_string = strftime_now('%d %b %Y') %}"
            "{% endif %}{{ date_string }} {{ messages[0]['content'] }}"
        )
        options = {k: v for k, v in options.items() if k not in ("tokenize", "tools")}
        (text,), _ = render_jinja_template([messages], chat_template=template, **options)
        self.texts.append(text)
        return text

    def __call__(self, text, **options):
        return {"input_ids": list(text.encode())}


def test_a_prompt_does_not_depend_on_the_day():
    tokenizer = Tokenizer()
    row = EvalRow("a", "eval", "g", ({"role": "user", "content": "hi"},), "ho", None)
    make_prompts(tokenizer, [row], None, 1000)
    assert tokenizer.texts == ["26 Jul 2024 hi"]
