"""From a GGUF's vocabulary to `tokenizer.json`, for byte-level BPE.

A GGUF names its pre-tokenizer instead of holding it. transformers knows some of those names and
splits all others as GPT-2 does, which is wrong where numbers are split into digits (SmolLM2,
StarCoder); so the table stands here, and a name that is not in it is an error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from tokenizers.processors import TemplateProcessing

from graftline.errors import DataError
from graftline_model.gguf_model import token_ids

if TYPE_CHECKING:
    from graftline_model.gguf_header import GgufHeader

_CONTROL, _USER_DEFINED, _UNUSED = 3, 4, 5

_TAIL = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_LLAMA3 = _CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}" + _TAIL
_QWEN2 = _CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}" + _TAIL
_CASED = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+{0}"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*{0}"
)
_SLASH_TAIL = _TAIL.replace(r"[\r\n]*", r"[\r\n/]*")
_TEKKEN = _CASED.replace("{0}", "") + r"|\p{N}" + _SLASH_TAIL
_GPT4O = _CASED.replace("{0}", _CONTRACTIONS + "?") + r"|\p{N}{1,3}" + _SLASH_TAIL

_DIGITS_FIRST = ("smollm", "starcoder", "refact")
_GPT2 = ("gpt-2", "phi-2", "olmo")
_SPLITS = {
    **dict.fromkeys(("llama3", "llama-v3", "llama-bpe", "smaug-bpe"), _LLAMA3),
    **dict.fromkeys(("qwen2", "deepseek-r1-qwen"), _QWEN2),
    **dict.fromkeys(("gpt-4o", "llama4"), _GPT4O),
    "tekken": _TEKKEN,
}
_WHOLE_WORDS_FIRST = ("llama3", "llama-v3", "llama-bpe", "tekken")


def is_byte_level(header: GgufHeader) -> bool:
    """Whether the vocabulary is byte-level BPE, the kind that this module rebuilds."""
    return bool(header.metadata.get("tokenizer.ggml.model") == "gpt2")


def build_tokenizer(header: GgufHeader) -> Tokenizer:
    """Rebuild the tokenizer.

    Raises:
        DataError: Its pre-tokenizer is not known, or the vocabulary is incomplete.
    """
    meta, name = header.metadata, header.path.name
    tokens, merges = meta.get("tokenizer.ggml.tokens"), meta.get("tokenizer.ggml.merges")
    if not tokens or merges is None:
        raise DataError(f"{name}: no vocabulary in it", "give the model's own folder instead")
    kinds = meta.get("tokenizer.ggml.token_type") or [1] * len(tokens)
    if len(kinds) != len(tokens):
        raise DataError(f"{name}: {len(tokens):,} tokens, but {len(kinds):,} types of tokens")
    pre = str(meta.get("tokenizer.ggml.pre", ""))
    vocabulary = {
        token: index
        for index, (token, kind) in enumerate(zip(tokens, kinds, strict=True))
        if kind != _UNUSED
    }
    tokenizer = Tokenizer(
        models.BPE(
            vocab=vocabulary,
            merges=[tuple(merge.split(" ", 1)) for merge in merges],
            ignore_merges=pre in _WHOLE_WORDS_FIRST,
        )
    )
    tokenizer.pre_tokenizer = _pre_tokenizer(pre, name)
    if pre in ("qwen2", "deepseek-r1-qwen"):
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.decoder = decoders.ByteLevel()
    added = [
        AddedToken(token, normalized=False, special=kind == _CONTROL)
        for token, kind in zip(tokens, kinds, strict=True)
        if kind in (_CONTROL, _USER_DEFINED)
    ]
    tokenizer.add_special_tokens([token for token in added if token.special])
    tokenizer.add_tokens([token for token in added if not token.special])
    _add_ends(tokenizer, header)
    return tokenizer


def _pre_tokenizer(pre: str, file_name: str) -> pre_tokenizers.PreTokenizer:
    if pre in _GPT2:
        return pre_tokenizers.ByteLevel(add_prefix_space=False)
    if pre in _DIGITS_FIRST:
        return pre_tokenizers.Sequence(
            [
                pre_tokenizers.Digits(individual_digits=True),
                pre_tokenizers.ByteLevel(add_prefix_space=False),
            ]
        )
    if pre in _SPLITS:
        return pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(_SPLITS[pre]), behavior="isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
    known = ", ".join(sorted({*_GPT2, *_DIGITS_FIRST, *_SPLITS}))
    raise DataError(
        f"{file_name}: its pre-tokenizer '{pre}' is not known (known: {known})",
        "give the model's own folder or its hf:// name instead of the GGUF",
    )


def _add_ends(tokenizer: Tokenizer, header: GgufHeader) -> None:
    """Add the begin and end tokens around a text, where the file says so."""
    ids, pieces, used = token_ids(header), ["$A"], []
    tokens = header.metadata["tokenizer.ggml.tokens"]
    if header.metadata.get("tokenizer.ggml.add_bos_token") and "bos" in ids:
        pieces.insert(0, tokens[ids["bos"]])
        used.append("bos")
    if header.metadata.get("tokenizer.ggml.add_eos_token") and "eos" in ids:
        pieces.append(tokens[ids["eos"]])
        used.append("eos")
    if used:
        tokenizer.post_processor = TemplateProcessing(
            single=pieces, special_tokens=[(tokens[ids[name]], ids[name]) for name in used]
        )


def tokenizer_config(header: GgufHeader) -> dict[str, Any]:
    """Give `tokenizer_config.json`; the chat template has a file of its own."""
    tokens, ids = header.metadata["tokenizer.ggml.tokens"], token_ids(header)
    names = {"bos": "bos_token", "eos": "eos_token", "padding": "pad_token", "unknown": "unk_token"}
    special = {names[name]: tokens[index] for name, index in ids.items() if name in names}
    return {
        **special,
        "clean_up_tokenization_spaces": False,
        "model_max_length": int(header.require("context_length")),
        "tokenizer_class": "PreTrainedTokenizerFast",
    }
