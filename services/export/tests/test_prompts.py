"""Prompts that every form is asked."""

from functools import partial

import pytest

from graftline.domain.template import ChatTemplate
from graftline.errors import DataError
from graftline_export.prompts import make_prompts

STRICT = "{{ raise_exception('no user') if messages[0].role == 'user' else messages[0].content }}"


def test_a_template_that_refuses_a_prompt_is_named():
    template = ChatTemplate({"default": STRICT}, {})
    render_chat = partial(template.render, generation_prompt=True)

    def tokenize(text):
        return list(text.encode())

    asked = [("one", [{"role": "system", "content": "ab"}])]
    (prompt,) = make_prompts(asked, render_chat, tokenize, 9)
    assert (prompt.text, prompt.tokens) == ("ab", (97, 98))
    asked.append(("two", [{"role": "user", "content": "c"}]))
    with pytest.raises(DataError, match="prompt two: .* refuses it: no user"):
        make_prompts(asked, render_chat, tokenize, 9)
