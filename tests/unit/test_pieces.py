"""Tokenizers of pretrained models: special tokens, cut texts, words, marks, padding."""

from pathlib import Path

import pytest
from tokenizers import Tokenizer
from tokenizers.models import BPE, Unigram
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import PreTrainedTokenizerFast

from afa_ray.data.packed import pack
from afa_ray.data.texts import Texts
from afa_ray.data.tokenizer import load_tokenizer, special_ids, splits_words
from afa_ray.errors import UserError
from tests.conftest import small_texts
from tests.tokenizers import TOKENIZERS, byte_pairs, unigrams

TRAINING = small_texts(200, 0)
TEXT = "superb lovely awful bowled"


@pytest.fixture(params=TOKENIZERS)
def tokenizer(request: pytest.FixtureRequest, tmp_path: Path):
    """As read from a folder."""
    TOKENIZERS[request.param](TRAINING.texts).save_pretrained(tmp_path)
    return load_tokenizer(str(tmp_path))


def test_pieces_know_their_words(tokenizer) -> None:
    packed = pack(Texts([TEXT], [0]), tokenizer, 64, units=True)
    assert packed.units is not None
    words: dict[int, str] = {}
    for token, word in zip(packed.tokens.tolist(), packed.units.tolist(), strict=True):
        if token not in special_ids(tokenizer):
            piece = tokenizer.convert_ids_to_tokens(token)
            words[word] = words.get(word, "") + piece.strip("#Ġ▁")
    assert list(words.values()) == TEXT.split()
    assert len(packed.tokens) > 4 + len(words)  # some words are of several pieces
    assert splits_words(tokenizer)


def test_marks_follow_their_words(tokenizer) -> None:
    """Every piece of a marked word is marked, and no other; texts and words give the same ids."""
    words = TEXT.split()
    packed = pack(Texts([TEXT], [0], [words], [[0, 1, 0, 1]]), tokenizer, 64, units=True)
    assert packed.tokens.tolist() == pack(Texts([TEXT], [0]), tokenizer, 64).tokens.tolist()
    assert packed.marks is not None
    assert packed.units is not None
    for token, word, mark in zip(packed.tokens, packed.units, packed.marks, strict=True):
        special = int(token) in special_ids(tokenizer)
        assert mark == (not special and word in (1, 3))


def test_cut_texts_keep_the_special_tokens_behind(tokenizer) -> None:
    whole = pack(Texts([TEXT], [0]), tokenizer, 64).tokens.tolist()
    cut = pack(Texts([TEXT], [0]), tokenizer, 6, units=True)
    assert cut.truncated == 1
    assert len(cut.tokens) == 6
    behind = sum(token in special_ids(tokenizer) for token in whole[2:])
    assert cut.tokens.tolist() == whole[: 6 - behind] + whole[len(whole) - behind :]


def test_texts_that_spell_special_tokens_are_text(tokenizer) -> None:
    if isinstance(tokenizer.backend_tokenizer.model, Unigram):
        pytest.skip("Unigram models hold special tokens among their pieces")
    plain = pack(Texts(["a"], [0]), tokenizer, 64).tokens.tolist()
    for token in tokenizer.all_special_tokens:
        packed = pack(Texts([f"a {token}"], [0]), tokenizer, 64).tokens.tolist()
        count = sum(i in tokenizer.all_special_ids for i in packed)
        unknown = sum(i == tokenizer.unk_token_id for i in packed)
        assert count - unknown == sum(i in tokenizer.all_special_ids for i in plain)


def test_special_ids(tmp_path: Path) -> None:
    """Unknown words may be masked, unless their token pads or ends texts as well."""
    unigrams(TRAINING.texts).save_pretrained(tmp_path / "xlnet")
    assert sorted(special_ids(load_tokenizer(str(tmp_path / "xlnet")))) == [1, 2, 3, 4]
    byte_pairs(TRAINING.texts).save_pretrained(tmp_path / "gpt2")
    gpt2 = load_tokenizer(str(tmp_path / "gpt2"))
    assert gpt2.pad_token == "<|endoftext|>"
    assert special_ids(gpt2) == (0,)


def test_no_tokenizer(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no tokenizer"):
        load_tokenizer(str(tmp_path))


def test_words_without_pieces_leave_no_gap() -> None:
    """A unit's number stays below the length of its text."""
    packed = pack(Texts(["superb 漢 漢 漢 漢 漢 漢 awful"], [0]), silent(), 64, units=True)
    assert packed.units is not None
    assert set(packed.units.tolist()) == {0, 1}


def silent() -> PreTrainedTokenizerFast:
    """Gives nothing for what it does not know."""
    vocabulary = {piece: i for i, piece in enumerate(["</s>", "superb", "awful"])}
    tokenizer = Tokenizer(BPE(vocab=vocabulary, merges=[], ignore_merges=True))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>")
