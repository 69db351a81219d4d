"""Modelfiles and names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graftline.errors import ConfigError, DataError
from graftline_export.modelfile import Modelfile, safe_name


def make(**more):
    settings = {
        "source": "./a.f16.gguf", "template": "{{ .Prompt }}", "system": "", "num_ctx": 2048,
        "stops": ("<|im_end|>",), "temperature": 0.0, **more,
    }  # fmt: skip
    return Modelfile(**settings).text()


def test_all_of_it():
    assert make(system="Be\nkind.", license="MIT", temperature=0.7) == (
        'FROM ./a.f16.gguf\nTEMPLATE """{{ .Prompt }}"""\nSYSTEM """Be\nkind."""\n'
        "PARAMETER num_ctx 2048\nPARAMETER temperature 0.7\nPARAMETER repeat_penalty 1\n"
        'PARAMETER stop "<|im_end|>"\nLICENSE """MIT"""\n'
    )


def test_an_adapter_stands_behind_its_base():
    text = make(source="smollm2:135m", adapter="a.adapter.gguf")
    assert text.startswith("FROM smollm2:135m\nADAPTER ./a.adapter.gguf\nTEMPLATE ")


def test_three_quotes_cannot_be_said():
    with pytest.raises(DataError, match="SYSTEM cannot hold three quotes"):
        make(system='say """')


@given(st.text(max_size=120))
def test_names_hold_only_what_ollama_takes(name):
    try:
        safe = safe_name(name)
    except ConfigError:
        return
    assert safe == safe.strip("-._")
    assert 0 < len(safe) <= 80
    assert set(safe) <= set("abcdefghijklmnopqrstuvwxyz0123456789._-")
    assert safe_name(safe) == safe


def test_name_examples():
    assert safe_name("My Ticket Model (v2)") == "my-ticket-model-v2"
    with pytest.raises(ConfigError, match="name"):
        safe_name("模型")
