"""Tiny classifiers of every family, in folders."""

from __future__ import annotations

from pathlib import Path

from transformers import PreTrainedTokenizerFast

from afa_ray.benchmark.families import FAMILIES, GROUPED, PAD, SIZES, VOCABULARY, tiny

__all__ = ["FAMILIES", "GROUPED", "PAD", "SIZES", "VOCABULARY", "save_tiny", "tiny"]


def save_tiny(
    family: str, folder: Path, tokenizer: PreTrainedTokenizerFast, classes: int = 2
) -> str:
    """A model of the family for this tokenizer, with it in a folder; returns the folder's path."""
    model = tiny(family, classes)
    model.config.pad_token_id = tokenizer.pad_token_id
    model.resize_token_embeddings(len(tokenizer))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)
