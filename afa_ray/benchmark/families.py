"""Tiny, randomly initialised classifiers of every family that a Target is tried with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from transformers import (
    AutoModelForSequenceClassification,
    BertConfig,
    DebertaConfig,
    DebertaV2Config,
    DistilBertConfig,
    Gemma2Config,
    Gemma3TextConfig,
    Glm4Config,
    GPT2Config,
    LlamaConfig,
    ModernBertConfig,
    OPTConfig,
    PretrainedConfig,
    PreTrainedModel,
    Qwen3Config,
    RobertaConfig,
    XLNetConfig,
)

PAD = 1
VOCABULARY = 60
SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "pad_token_id": PAD,
}
GROUPED: dict[str, Any] = {"num_key_value_heads": 2, "head_dim": 8, "eos_token_id": 3}
BUCKETS: dict[str, Any] = {"position_buckets": 8}
DISENTANGLED: dict[str, Any] = {"relative_attention": True, "pos_att_type": ["c2p", "p2c"]}
MARKS: dict[str, Any] = {"cls_token_id": 2, "bos_token_id": 2, "sep_token_id": 3, "eos_token_id": 3}
SHORT: dict[str, Any] = {"vocab_size": VOCABULARY, "n_layer": 2, "n_head": 4, "pad_token_id": PAD}

FAMILIES: dict[str, Callable[[], PretrainedConfig]] = {
    "bert": lambda: BertConfig(**SIZES),
    "roberta": lambda: RobertaConfig(**SIZES, max_position_embeddings=40),
    "distilbert": lambda: DistilBertConfig(
        vocab_size=VOCABULARY, dim=32, n_layers=2, n_heads=4, hidden_dim=64, pad_token_id=PAD
    ),
    "modernbert": lambda: ModernBertConfig(
        **(SIZES | MARKS | {"num_hidden_layers": 4}), local_attention=4, classifier_pooling="cls"
    ),  # layers 0 and 3 see everything
    "deberta": lambda: DebertaConfig(**SIZES, **DISENTANGLED),
    "deberta-v2": lambda: DebertaV2Config(**SIZES, **DISENTANGLED, **BUCKETS),
    "gpt2": lambda: GPT2Config(**SHORT, n_embd=32, bos_token_id=2, eos_token_id=3),
    "opt": lambda: OPTConfig(
        vocab_size=VOCABULARY, hidden_size=32, ffn_dim=64, num_hidden_layers=2,
        num_attention_heads=4, word_embed_proj_dim=32, pad_token_id=PAD,
    ),
    "llama": lambda: LlamaConfig(**SIZES, num_key_value_heads=2),
    "qwen3": lambda: Qwen3Config(**SIZES, **GROUPED),
    "glm4": lambda: Glm4Config(**SIZES, **GROUPED),
    "gemma2": lambda: Gemma2Config(
        **SIZES, **GROUPED, attn_logit_softcapping=2.0, query_pre_attn_scalar=4, sliding_window=4,
        layer_types=["sliding_attention", "full_attention"],
    ),
    "gemma3": lambda: Gemma3TextConfig(
        **SIZES, **GROUPED, query_pre_attn_scalar=4, sliding_window=4,
        layer_types=["full_attention", "sliding_attention"],
    ),
    "xlnet": lambda: XLNetConfig(**SHORT, d_model=32, d_inner=64),
}  # fmt: skip


def tiny(family: str, classes: int = 3, heads: int | None = None) -> PreTrainedModel:
    """The classifier in eval mode, with weights large enough that attention is not even."""
    torch.manual_seed(0)
    config = FAMILIES[family]()
    if heads is not None:
        config.num_attention_heads = heads
        if hasattr(config, "num_key_value_heads"):
            config.num_key_value_heads = heads
    config.id2label = {i: f"class {i}" for i in range(classes)}
    config.label2id = {name: i for i, name in config.id2label.items()}
    model = AutoModelForSequenceClassification.from_config(config)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            parameter.data *= 10
    return model.eval()
