"""Tokenizers of pretrained models: special tokens, cut texts, words, marks, padding."""

import json
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import WhitespaceSplit
from tokenizers.processors import TemplateProcessing
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from afa_ray.data.packed import pack
from afa_ray.data.texts import Texts
from afa_ray.data.tokenizer import begin_texts, load_tokenizer, special_ids, splits_words
from afa_ray.errors import UserError
from tests.conftest import small_texts
from tests.tokenizers import TOKENIZERS, byte_pairs, unigrams, word_pieces

TRAINING = small_texts(200, 0)
TEXT = "superb lovely awful bowled"


@pytest.fixture(params=TOKENIZERS)
def tokenizer(request: pytest.FixtureRequest, tmp_path: Path):
    """As read from a folder."""
    characters = "< > | _ [ ] c m k"  # of special tokens' names
    TOKENIZERS[request.param]([*TRAINING.texts, characters]).save_pretrained(tmp_path)
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


def test_texts_that_spell_special_tokens_are_text(tokenizer, tmp_path: Path) -> None:
    """In training, and for whoever opens the saved tokenizer."""
    tokenizer.save_pretrained(tmp_path / "saved")
    saved = AutoTokenizer.from_pretrained(tmp_path / "saved")
    plain = pack(Texts(["a"], [0]), tokenizer, 64).tokens.tolist()
    for token in tokenizer.all_special_tokens:
        text = f"a {token} b{token}"
        packed = pack(Texts([text], [0]), tokenizer, 64).tokens.tolist()
        assert packed == saved(text).input_ids
        count = sum(i in tokenizer.all_special_ids for i in packed)
        unknown = sum(i == tokenizer.unk_token_id for i in packed)
        assert count - unknown == sum(i in tokenizer.all_special_ids for i in plain)


STORED = {
    "fixed padding": lambda b: b.enable_padding(length=50, pad_id=0, pad_token="[PAD]"),
    "padding left": lambda b: b.enable_padding(direction="left", length=50, pad_token="[PAD]"),
    "padding to a multiple": lambda b: b.enable_padding(pad_to_multiple_of=8, pad_token="[PAD]"),
    "short truncation": lambda b: b.enable_truncation(5),
    "truncation left": lambda b: b.enable_truncation(20, direction="left"),
    "both": lambda b: (b.enable_truncation(30), b.enable_padding(length=30, pad_token="[PAD]")),
}


@pytest.mark.parametrize("stored", STORED)
def test_stored_padding_and_truncation_are_switched_off(stored: str, tmp_path: Path) -> None:
    """In all splits, in words, and in the tokenizer that is saved."""
    text = " ".join(["superb lovely awful"] * 20)
    pieces = word_pieces(TRAINING.texts)
    whole = pieces(text).input_ids
    STORED[stored](pieces.backend_tokenizer)
    pieces.save_pretrained(tmp_path)
    tokenizer = load_tokenizer(str(tmp_path))
    assert splits_words(tokenizer)
    first = [*whole[:23], whole[-1]]
    for _ in ("training", "validation", "test"):
        packed = pack(Texts([text, "superb"], [0, 1]), tokenizer, 24, units=True)
        assert packed.truncated == 1
        assert packed.tokens[: packed.offsets[1]].tolist() == first
        assert packed.lengths.tolist() == [24, len(pieces.tokenize("superb")) + 2]
        assert packed.padded_units(np.array([1]))[0].tolist()[-1] == 0
    tokenizer.model_max_length = 24
    tokenizer.save_pretrained(tmp_path / "saved")
    saved = AutoTokenizer.from_pretrained(tmp_path / "saved")
    assert saved(text, truncation=True).input_ids == first
    assert saved(text).input_ids == whole
    both = saved([text, "superb"], padding=True, truncation=True)
    assert [len(ids) for ids in both.input_ids] == [24, 24]
    stored_now = json.loads((tmp_path / "saved" / "tokenizer.json").read_text())
    assert stored_now["padding"] is None
    assert stored_now["truncation"] is None


def test_texts_without_special_tokens_are_cut_behind(tmp_path: Path) -> None:
    """`[CLS] pieces`, and pieces alone; also where a first text would have no pieces at all."""
    pieces = word_pieces(TRAINING.texts)
    for single, kept in (("[CLS] $A", 1), ("$A", 0), ("[CLS] $A [SEP]", 2)):
        pieces.backend_tokenizer.post_processor = TemplateProcessing(
            single=single, special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
        )
        pieces.save_pretrained(tmp_path / str(kept))
        tokenizer = load_tokenizer(str(tmp_path / str(kept)))
        whole = tokenizer("superb lovely awful").input_ids
        packed = pack(Texts(["superb lovely awful"], [0]), tokenizer, 6)
        expected = [*whole[:5], whole[-1]] if kept == 2 else whole[:6]
        assert packed.tokens.tolist() == expected


def test_token_types_that_training_does_not_give_are_not_saved(tmp_path: Path) -> None:
    names = ["input_ids", "token_type_ids", "attention_mask"]
    for kind, kept in ((0, True), (2, False)):
        pieces = word_pieces(TRAINING.texts)
        pieces.backend_tokenizer.post_processor = TemplateProcessing(
            single=f"$A:0 [CLS]:{kind}", special_tokens=[("[CLS]", 2)]
        )
        pieces.model_input_names = pieces.init_kwargs["model_input_names"] = names
        pieces.save_pretrained(tmp_path / "given")
        load_tokenizer(str(tmp_path / "given")).save_pretrained(tmp_path / "saved")
        saved = AutoTokenizer.from_pretrained(tmp_path / "saved")
        assert ("token_type_ids" in saved("superb")) == kept


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


@pytest.mark.parametrize(
    "files",
    [{}, {"vocab.txt": "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n"}, {"vocab.txt": "[UNK]\na\nb\n"},
     {"vocab.json": "{}", "merges.txt": ""}],
    ids=["none", "special tokens alone", "three lines", "empty"],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["Bert", "Roberta", "GPT2", "T5", "Llama", "DebertaV2", "Albert"])
def test_a_tokenizer_whose_files_are_missing(kind: str, files: dict, tmp_path: Path) -> None:
    """transformers makes one of it that reads every text as [UNK]."""
    config = {"tokenizer_class": f"{kind}Tokenizer"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=r"its tokenizer knows \d pieces of texts"):
        load_tokenizer(str(tmp_path))


def test_a_token_in_front_of_texts_that_have_none(tmp_path: Path) -> None:
    """As HuMAL has GPT-2's texts; saved with the tokenizer."""
    made = TOKENIZERS["gpt2"](["a good film"] * 3)
    made.add_special_tokens({"bos_token": "<s>"})
    made.save_pretrained(tmp_path)
    tokenizer = load_tokenizer(str(tmp_path))
    before = tokenizer("good film").input_ids
    assert begin_texts(tokenizer).startswith("<s> is put in front of texts")
    assert begin_texts(tokenizer) == ""  # once
    found = tokenizer("good film", return_offsets_mapping=True, return_special_tokens_mask=True)
    assert found.input_ids == [tokenizer.bos_token_id, *before]
    assert found.special_tokens_mask == [1, *[0] * len(before)]
    assert found.offset_mapping[:2] == [(0, 0), (0, found.offset_mapping[1][1])]
    assert tokenizer("good film " * 99, truncation=True).input_ids[0] == tokenizer.bos_token_id
    tokenizer.save_pretrained(tmp_path / "saved")
    again = load_tokenizer(str(tmp_path / "saved"))
    assert again("good film").input_ids == found.input_ids


@pytest.mark.parametrize(
    ("family", "told"), [("bert", ""), ("xlnet", ""), ("gpt2", "No token is put in front of texts")]
)
def test_no_token_is_put_where_there_is_one_or_none_is_left(
    family: str, told: str, tmp_path: Path
) -> None:
    TOKENIZERS[family](TRAINING.texts).save_pretrained(tmp_path)
    tokenizer = load_tokenizer(str(tmp_path))
    before = tokenizer("a film").input_ids
    assert begin_texts(tokenizer).startswith(told)
    assert (begin_texts(tokenizer) == "") == (told == "")
    assert tokenizer("a film").input_ids == before
