"""Tokenizers: a word-level one of our own, `[SOS] word … [EOS]`, or that of a pretrained model."""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing
from tokenizers.trainers import WordLevelTrainer
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from afa_ray.errors import UserError, first_line

PAD, UNK, SOS, EOS, MASK = SPECIAL_TOKENS = ["[PAD]", "[UNK]", "[SOS]", "[EOS]", "[MASK]"]


def train_tokenizer(
    texts: Iterable[str], vocab_size: int, max_length: int, min_frequency: int = 1
) -> PreTrainedTokenizerFast:
    """Learn the vocabulary: the `vocab_size` most frequent words that occur often enough.

    Special tokens have the ids 0 … 4. `model_max_length` is `max_length`.
    """
    tokenizer = Tokenizer(WordLevel(unk_token=UNK))
    tokenizer.normalizer = BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    trainer = WordLevelTrainer(
        vocab_size=vocab_size,
        min_frequency=min_frequency,
        special_tokens=SPECIAL_TOKENS,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = TemplateProcessing(
        single=f"{SOS} $A {EOS}",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in (SOS, EOS)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=max_length,
        model_input_names=["input_ids", "attention_mask"],
        split_special_tokens=True,  # "[PAD]" in a text is text
        padding_side="right",
        truncation_side="right",
        pad_token=PAD,
        unk_token=UNK,
        bos_token=SOS,
        eos_token=EOS,
        mask_token=MASK,
    )


def load_tokenizer(name: str) -> PreTrainedTokenizerFast:
    """The tokenizer of a model on the hub or in a folder, with a padding token.

    One without (most causal models) pads with its end-of-text token, or with another special token
    if it ends every text with that one.

    Raises:
        UserError: there is none that gives pieces with their places in the text.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=False)
    except Exception as error:  # broken files raise anything
        raise UserError(f"target.name = {name}: no tokenizer: {first_line(error)}") from error
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise UserError(
            f"target.name = {name}: its tokenizer, {type(tokenizer).__name__}, has no fast version "
            "(tokenizer.json), which masks of whole pieces need"
        )
    if tokenizer.pad_token is None:
        in_every_text = set(tokenizer("a").input_ids)
        free = [
            token
            for token in (tokenizer.eos_token, tokenizer.bos_token)
            if token is not None and tokenizer.convert_tokens_to_ids(token) not in in_every_text
        ]
        if not free:
            raise UserError(f"target.name = {name}: its tokenizer has no token to pad with")
        tokenizer.pad_token = free[0]
    return tokenizer


def special_ids(tokenizer: PreTrainedTokenizerFast) -> tuple[int, ...]:
    """Ids that are never masked. An unknown word is a word of the text and may be, unless its token
    serves another purpose, too."""
    others = {
        token
        for name, token in tokenizer.special_tokens_map.items()
        if name != "unk_token" and isinstance(token, str)
    }
    unknown = None if tokenizer.unk_token in others else tokenizer.unk_token_id
    return tuple(i for i in tokenizer.all_special_ids if i != unknown)


def splits_words(tokenizer: PreTrainedTokenizerFast) -> bool:
    """Whether the tokenizer says which word a piece belongs to."""
    words = tokenizer.backend_tokenizer.encode("one two", add_special_tokens=False).word_ids
    return len(set(words)) > 1 and None not in words
