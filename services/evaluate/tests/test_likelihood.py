"""Probabilities against `transformers`, one text at a time."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graftline.errors import DataError
from graftline_evaluate.targets import share_prefix

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
MODELS = {
    "Llama": {},
    "Granite": {"attention_multiplier": 0.2, "logits_scaling": 3.0},
    "Gemma": {"head_dim": 8},
    "Cohere": {},
    "Mistral": {"sliding_window": 16},
    "GPT2": {"n_embd": 48, "n_head": 6, "n_layer": 2},
}


def make_model(family, **more):
    import torch
    import transformers

    torch.manual_seed(0)
    torch.set_num_threads(1)
    name = "GPT2LMHeadModel" if family == "GPT2" else f"{family}ForCausalLM"
    model_class = getattr(transformers, name)
    return model_class(model_class.config_class(**{**SIZES, **MODELS[family], **more})).eval()


def make_texts(prefix_tokens, rows=14, longest=40, seed=1):
    source = random.Random(seed)
    prefix = [source.randrange(8, 97) for _ in range(prefix_tokens)]
    texts = []
    for _ in range(rows):
        own = [source.randrange(8, 97) for _ in range(source.randint(2, longest))]
        texts.append((prefix + own, len(prefix) + source.randint(1, len(own) - 1)))
    return texts


def plainly(model, texts):
    """One text at a time, with every logit."""
    import torch

    found = []
    with torch.inference_mode():
        for tokens, start in texts:
            logits = model(input_ids=torch.tensor([tokens])).logits[0].double()
            chosen = logits.log_softmax(-1)[range(start - 1, len(tokens) - 1), tokens[start:]]
            found.append(-float(chosen.sum()))
    return found


def forced(model, texts):
    from graftline_evaluate.likelihood import Forcer

    targets = share_prefix(texts)
    return Forcer(model, targets.prefix).nats(targets.rests, targets.starts)


@pytest.mark.parametrize("prefix_tokens", [0, 1, 30])
@pytest.mark.parametrize("family", MODELS)
def test_nats_are_those_of_transformers(family, prefix_tokens):
    from graftline_evaluate.decoding import decoder_name

    model = make_model(family)
    texts = make_texts(prefix_tokens)
    expected = plainly(model, texts)
    assert decoder_name(model) == ("generate" if family in ("Mistral", "GPT2") else "shared-prefix")
    assert forced(model, texts) == pytest.approx(expected, rel=1e-5, abs=1e-4)
    assert len({round(value, 3) for value in expected}) == len(texts)


@pytest.mark.parametrize(("limit", "most"), [("PASS_TOKENS", 60), ("PASS_LOGITS", 97 * 20)])
def test_texts_are_read_in_parts_as_at_once(monkeypatch, limit, most):
    from graftline_evaluate import likelihood

    model = make_model("Llama")
    texts = make_texts(7)
    whole = forced(model, texts)
    monkeypatch.setattr(likelihood, limit, most)
    assert forced(model, texts) == pytest.approx(whole, rel=1e-5)
    assert forced(model, texts[::-1])[::-1] == pytest.approx(whole, rel=1e-5)


@given(
    st.lists(st.tuples(st.integers(2, 900), st.integers(1, 900)), min_size=1, max_size=9),
    st.sampled_from([97, 200_000]),
)
def test_passes_keep_every_text_in_order_and_their_limits(sizes, vocabulary):
    from graftline_evaluate.likelihood import PASS_LOGITS, PASS_TOKENS, _passes

    texts = [([0] * size, min(start, size - 1)) for size, start in sizes]
    parts = list(_passes(texts, vocabulary))
    assert [text for part in parts for text in part] == texts
    for part in parts:
        tokens = sum(len(text) for text, _ in part)
        logits = sum(len(text) - start for text, start in part) * vocabulary
        assert len(part) == 1 or (tokens <= PASS_TOKENS and logits <= PASS_LOGITS)


def test_a_large_vocabulary_costs_no_digits():
    """Against float64; sums of many exponentials one after the other would lose 1e-5 a token."""
    import torch
    from torch.nn.functional import log_softmax

    from graftline_evaluate.likelihood import _nats

    torch.manual_seed(0)
    logits, tokens = torch.randn(40, 150_000), torch.arange(40)
    expected = -log_softmax(logits.double(), dim=1)[range(40), tokens]
    assert float((_nats(logits, tokens) - expected).abs().max()) < 3e-6


def test_parts_add_up():
    """A text's nats are the sum of its parts': the chain rule."""
    model = make_model("Llama")
    tokens = make_texts(0, rows=1, longest=30)[0][0] * 2
    middle = len(tokens) // 2
    first, second, both = forced(model, [(tokens[:middle], 1), (tokens, middle), (tokens, 1)])
    assert first + second == pytest.approx(both, rel=1e-5)


def test_an_indifferent_model_is_as_perplexed_as_its_vocabulary():
    import torch

    model = make_model("Llama")
    with torch.no_grad():
        model.lm_head.weight.zero_()
    texts = make_texts(3)
    for (tokens, start), nats in zip(texts, forced(model, texts), strict=True):
        assert math.exp(nats / (len(tokens) - start)) == pytest.approx(97)


def test_a_model_that_overflows_is_refused(tmp_path):
    import torch

    from graftline.context import Context
    from graftline.testkit.local import FolderVault, RecordedEvents
    from graftline_evaluate.answering import Work
    from graftline_evaluate.config import EvaluateRuntime
    from graftline_evaluate.likelihood import force_all

    model = make_model("Llama")
    with torch.no_grad():
        model.model.norm.weight.fill_(math.nan)
    texts = make_texts(2)
    ctx = Context(
        step="x",
        key="0" * 64,
        runtime=EvaluateRuntime(),
        seed=0,
        work=tmp_path / "work",
        reporter=RecordedEvents(),
        vault=FolderVault(tmp_path / "vault"),
    )
    targets = share_prefix(texts)
    with pytest.raises(DataError, match="the model gives 5 of 5 texts no finite probability"):
        force_all(ctx, model, "gold-plain", targets, 5, Work(14))
