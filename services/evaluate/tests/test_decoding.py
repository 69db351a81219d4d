"""Our decoding against `transformers`' own, token by token."""

import random

import pytest

SIZES = {
    "vocab_size": 97,
    "hidden_size": 48,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "initializer_range": 0.3,
    "bos_token_id": 1,
    "eos_token_id": 5,
    "pad_token_id": 0,
}
MODEL_CLASSES = {"GPT2": "GPT2LMHeadModel"}
STOP = frozenset({5, 6, 7})


def make_model(family, **more):
    import torch
    import transformers

    torch.manual_seed(0)
    torch.set_num_threads(1)
    model_class = getattr(transformers, MODEL_CLASSES.get(family, f"{family}ForCausalLM"))
    return model_class(model_class.config_class(**{**SIZES, **more})).eval()


def make_prompts(prefix_tokens, rows, longest=25, seed=1):
    source = random.Random(seed)
    prefix = [source.randrange(8, 97) for _ in range(prefix_tokens)]
    rests = [
        [source.randrange(8, 97) for _ in range(source.randint(1, longest))] for _ in range(rows)
    ]
    return prefix, rests


def generated(model, prompt, longest):
    """One row at a time by `transformers`: (tokens without the stop token, finished)."""
    import torch
    from transformers import GenerationConfig

    config = GenerationConfig(
        eos_token_id=sorted(STOP), pad_token_id=0, max_new_tokens=longest, do_sample=False
    )
    ids = torch.tensor([prompt])
    out = model.generate(ids, attention_mask=torch.ones_like(ids), generation_config=config)
    tokens = out[0, len(prompt) :].tolist()
    return (tuple(tokens[:-1]), True) if tokens[-1] in STOP else (tuple(tokens), False)


def decoder(kind, model, prefix, longest):
    from graftline_evaluate import decoding

    return getattr(decoding, kind)(model, stop_tokens=STOP, max_new_tokens=longest, prefix=prefix)


@pytest.mark.parametrize("prefix_tokens", [0, 1, 40])
@pytest.mark.parametrize("kind", ["SharedPrefixDecoder", "GenerateDecoder"])
def test_tokens_are_those_of_generate(kind, prefix_tokens):
    model = make_model("Llama")
    prefix, rests = make_prompts(prefix_tokens, rows=24)
    model.set_attn_implementation("sdpa")
    expected = [generated(model, prefix + rest, 30) for rest in rests]
    assert {finished for _, finished in expected} == {True, False}
    assert len({tokens for tokens, _ in expected}) > 12
    answers = decoder(kind, model, prefix, 30).decode(rests)
    assert [(answer.tokens, answer.finished) for answer in answers] == expected


FAMILIES = {
    "Mistral": {"sliding_window": None},
    "Mixtral": {"num_local_experts": 4},
    "Qwen2": {},
    "Qwen3": {"head_dim": 8},
    "Phi3": {},
    "Granite": {"attention_multiplier": 0.2},
    "Olmo2": {},
    "SmolLM3": {},
    "Gemma": {"head_dim": 8},
    "Starcoder2": {},
    "Cohere": {},
    "Glm": {"head_dim": 8},
}


@pytest.mark.parametrize("family", FAMILIES)
def test_every_architecture_that_shares_its_prefix(family):
    from graftline_evaluate.decoding import SHARED_PREFIX_MODELS, decoder_name

    model = make_model(family, **FAMILIES[family])
    assert model.config.model_type in SHARED_PREFIX_MODELS
    assert decoder_name(model) == "shared-prefix"
    prefix, rests = make_prompts(7, rows=6, longest=9)
    model.set_attn_implementation("sdpa")
    expected = [generated(model, prefix + rest, 12) for rest in rests]
    answers = decoder("SharedPrefixDecoder", model, prefix, 12).decode(rests)
    assert [(answer.tokens, answer.finished) for answer in answers] == expected


def test_all_of_them_are_tested():
    from graftline_evaluate.decoding import SHARED_PREFIX_MODELS

    assert {name.lower() for name in ["Llama", *FAMILIES]} == SHARED_PREFIX_MODELS


@pytest.mark.parametrize(
    ("family", "more"),
    [("Mistral", {"sliding_window": 16}), ("GPT2", {"n_embd": 48, "n_head": 6, "n_layer": 2})],
)
def test_other_architectures_are_left_to_generate(family, more):
    from graftline_evaluate.decoding import decoder_name, make_decoder

    model = make_model(family, **more)
    assert decoder_name(model) == "generate"
    prefix, rests = make_prompts(5, rows=4, longest=9)
    expected = [generated(model, prefix + rest, 10) for rest in rests]
    made = make_decoder(model, stop_tokens=STOP, max_new_tokens=10, prefix=prefix)
    assert [(a.tokens, a.finished) for a in made.decode(rests)] == expected


@pytest.mark.parametrize("size", [1, 3, 24])
def test_the_batch_does_not_decide_in_float32(size):
    model = make_model("Llama")
    prefix, rests = make_prompts(11, rows=24)
    made = decoder("SharedPrefixDecoder", model, prefix, 30)
    whole = made.decode(rests)
    parts = [made.decode(rests[at : at + size]) for at in range(0, len(rests), size)]
    assert [answer for part in parts for answer in part] == whole
    assert made.decode(rests[::-1])[::-1] == whole


def test_prompts_are_read_in_parts_as_at_once(monkeypatch):
    from graftline_evaluate import decoding

    model = make_model("Llama")
    prefix, rests = make_prompts(3, rows=9)
    whole = decoder("SharedPrefixDecoder", model, prefix, 8).decode(rests)
    monkeypatch.setattr(decoding, "PREFILL_TOKENS", 60)
    assert decoder("SharedPrefixDecoder", model, prefix, 8).decode(rests) == whole


def test_padding_that_a_whole_part_shares_is_not_read(monkeypatch):
    from graftline_evaluate import decoding

    model = make_model("Llama")
    prefix, rests = make_prompts(3, rows=9)
    rests.sort(key=len)
    rests[:3] = [rest[:1] for rest in rests[:3]]
    whole = decoder("SharedPrefixDecoder", model, prefix, 8).decode(rests)
    width = len(rests[-1])
    read = []

    def next_logits(model, ids, *rest, original=decoding.next_logits):
        read.append(tuple(ids.shape))
        return original(model, ids, *rest)

    monkeypatch.setattr(decoding, "next_logits", next_logits)
    monkeypatch.setattr(decoding, "PREFILL_TOKENS", 3 * width)
    assert decoder("SharedPrefixDecoder", model, prefix, 8).decode(rests) == whole
    assert read[:3] == [(3, 1), (3, len(rests[5])), (3, width)]
    assert len(rests[5]) < width


def test_bfloat16_repeats_itself():
    """The same batch gives the same tokens; another batch may not (near ties), so none is asked."""
    import torch

    model = make_model("Llama").to(torch.bfloat16)
    prefix, rests = make_prompts(11, rows=8)
    first = decoder("SharedPrefixDecoder", model, prefix, 10).decode(rests)
    assert decoder("SharedPrefixDecoder", model, prefix, 10).decode(rests) == first


def test_rows_that_end_are_told_and_dropped():
    model = make_model("Llama")
    prefix, rests = make_prompts(2, rows=16)
    ended = []
    answers = decoder("SharedPrefixDecoder", model, prefix, 30).decode(rests, ended.append)
    assert ended == sorted(ended)
    longest = max(len(answer.tokens) + answer.finished for answer in answers)
    assert len(ended) == longest - 1
    for step, count in enumerate(ended, start=1):
        assert count == sum(
            len(a.tokens) + a.finished <= step and (a.finished or len(a.tokens) == 30)
            for a in answers
        )


@pytest.mark.parametrize("kind", ["SharedPrefixDecoder", "GenerateDecoder"])
def test_a_generation_config_with_penalties_does_not_count(kind):
    from transformers import GenerationConfig

    model = make_model("Llama")
    prefix, rests = make_prompts(4, rows=6)
    expected = decoder(kind, model, prefix, 12).decode(rests)
    model.generation_config = GenerationConfig(
        repetition_penalty=5.0, no_repeat_ngram_size=2, do_sample=True, temperature=3.0
    )
    assert decoder(kind, model, prefix, 12).decode(rests) == expected
