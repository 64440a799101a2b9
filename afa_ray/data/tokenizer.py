"""Tokenizers: a word-level one of our own, `[SOS] word … [EOS]`, or that of a pretrained model."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from tokenizers import Tokenizer
from tokenizers.models import Unigram, WordLevel
from tokenizers.processors import Sequence, TemplateProcessing
from tokenizers.trainers import WordLevelTrainer
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from afa_ray.data.reading import FOLDED, Reading, pre_tokenizer
from afa_ray.errors import UserError, first_line

PAD, UNK, SOS, EOS, MASK = SPECIAL_TOKENS = ["[PAD]", "[UNK]", "[SOS]", "[EOS]", "[MASK]"]
IMPOSSIBLE = -1e4  # logarithm of a piece's probability
FEWEST_PIECES = 10  # that a pretrained model's tokenizer knows besides special tokens


def train_tokenizer(
    texts: Iterable[str],
    vocab_size: int,
    max_length: int,
    min_frequency: int = 1,
    reading: Reading = FOLDED,
) -> PreTrainedTokenizerFast:
    """Learn the vocabulary: the `vocab_size` most frequent words that occur often enough.

    `reading` says which words are one. Special tokens have the ids 0 … 4. `model_max_length` is
    `max_length`.
    """
    tokenizer = Tokenizer(WordLevel(unk_token=UNK))
    tokenizer.normalizer = reading.normalizer()
    tokenizer.pre_tokenizer = pre_tokenizer()
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
    """The tokenizer of a model on the hub or in a folder, as it reads texts from now on.

    What is done to it here is saved with it, so that the saved model reads texts as training did:
    texts are cut behind; the names of special tokens in a text are text; padding and truncation
    that its file stored are off; and where it would give a text token types other than 0, of which
    training knows nothing, it gives none. One without a padding token (most causal models) pads
    with its end-of-text token, or with another special token if it ends every text with that one.

    Raises:
        UserError: there is none that gives pieces with their places in the text.
    """
    with _broken_files_said(name):
        tokenizer = AutoTokenizer.from_pretrained(
            name, trust_remote_code=False, split_special_tokens=True, truncation_side="right"
        )
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise UserError(
            f"target.name = {name}: its tokenizer, {type(tokenizer).__name__}, has no fast version "
            "(tokenizer.json), which masks of whole pieces need"
        )
    pieces = tokenizer.get_vocab().keys() - tokenizer.get_added_vocab().keys()
    pieces -= set(tokenizer.all_special_tokens)
    if len(pieces) < FEWEST_PIECES:  # transformers makes an empty one where files are missing
        raise UserError(
            f"target.name = {name}: its tokenizer knows {len(pieces)} pieces of texts, and would "
            "read all else as unknown: put its files there (tokenizer.json; or vocab.txt, "
            "vocab.json and merges.txt, or the like)"
        )
    with _broken_files_said(name):
        _forget_stored(tokenizer)
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
    _spell_special_tokens(tokenizer)
    return tokenizer


@contextmanager
def _broken_files_said(name: str) -> Iterator[None]:
    """Where a tokenizer is opened, and reads its first text: broken files raise anything, and a
    panic of `tokenizers` is no Exception."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        raise UserError(f"target.name = {name}: no tokenizer: {first_line(error)}") from error


def begin_texts(tokenizer: PreTrainedTokenizerFast) -> str:
    """Put a token in front of all texts, where no special one is read with them, as of GPT-2.

    In such models the first token draws attention, whatever it is. This, too, is saved with the
    tokenizer.

    Returns:
        what the user is told of it: nothing where other special tokens are read.
    """
    if set(tokenizer("a").input_ids) & set(special_ids(tokenizer)):
        return ""
    begin = tokenizer.bos_token
    if begin is None or begin == tokenizer.pad_token:
        return (
            "No token is put in front of texts, as HuMAL does for models that read none there: the "
            "tokenizer has no special one beside that for padding. The first word draws attention."
        )
    ids = [(begin, tokenizer.bos_token_id)]
    front = TemplateProcessing(single=f"{begin} $A", special_tokens=ids)
    backend = tokenizer.backend_tokenizer
    own = backend.post_processor
    backend.post_processor = front if own is None else Sequence([own, front])
    return f"{begin} is put in front of texts, and people attend to it with 0: HuMAL."


def _forget_stored(tokenizer: PreTrainedTokenizerFast) -> None:
    """Padding and truncation of tokenizer.json, and token types that training does not give."""
    tokenizer.backend_tokenizer.no_padding()
    tokenizer.backend_tokenizer.no_truncation()
    for setting in ("max_length", "stride", "truncation_strategy", "pad_to_multiple_of"):
        tokenizer.init_kwargs.pop(setting, None)
    if any(tokenizer("a").get("token_type_ids", ())):
        names = [name for name in tokenizer.model_input_names if name != "token_type_ids"]
        tokenizer.model_input_names = tokenizer.init_kwargs["model_input_names"] = names


def _spell_special_tokens(tokenizer: PreTrainedTokenizerFast) -> None:
    """Make the names of special tokens the worst pieces of a Unigram model.

    It has them among its pieces, and would find them in texts. Where it has no others for a name's
    characters it still does, here and once saved.
    """
    backend = tokenizer.backend_tokenizer
    never = set(special_ids(tokenizer))
    if not isinstance(backend.model, Unigram) or never.isdisjoint(
        backend.encode(" ".join(tokenizer.all_special_tokens), add_special_tokens=False).ids
    ):
        return
    model = json.loads(backend.to_str())["model"]
    pieces = [
        (piece, IMPOSSIBLE if i in never else score)
        for i, (piece, score) in enumerate(model["vocab"])
    ]
    backend.model = Unigram(pieces, model["unk_id"], model["byte_fallback"])


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
