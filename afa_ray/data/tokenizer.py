"""The word-level tokenizer: lower-cased words and punctuation marks, `[SOS] … [EOS]`."""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing
from tokenizers.trainers import WordLevelTrainer
from transformers import PreTrainedTokenizerFast

PAD, UNK, SOS, EOS, MASK = SPECIAL_TOKENS = ["[PAD]", "[UNK]", "[SOS]", "[EOS]", "[MASK]"]
MIN_FREQUENCY = 2  # rarer words stand in the training texts as [UNK], which so learns a vector


def train_tokenizer(
    texts: Iterable[str], vocab_size: int, max_length: int
) -> PreTrainedTokenizerFast:
    """Learn the vocabulary: the `vocab_size` most frequent words that occur at least twice.

    Special tokens have the ids 0 … 4. `model_max_length` is `max_length`.
    """
    tokenizer = Tokenizer(WordLevel(unk_token=UNK))
    tokenizer.normalizer = BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    trainer = WordLevelTrainer(
        vocab_size=vocab_size,
        min_frequency=MIN_FREQUENCY,
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


def special_ids(tokenizer: PreTrainedTokenizerFast) -> tuple[int, ...]:
    """Ids that are never masked. `[UNK]` is not one: an unknown word is a word of the text."""
    return tuple(i for i in tokenizer.all_special_ids if i != tokenizer.unk_token_id)
