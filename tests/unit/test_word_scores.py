"""Words of texts as numbers, and what counting says of them, against numbers by hand."""

import math

import numpy as np
import pytest
import torch

from afa_ray.data.packed import PackedTexts, pack
from afa_ray.data.texts import Texts
from afa_ray.data.tokenizer import train_tokenizer
from afa_ray.objectives.word_scores import class_scores, inverse_frequency, lexicon_keys
from afa_ray.objectives.words import NO_WORD, WordCounts, Words, WordTable, count_words, words_of
from tests.tokenizers import byte_pairs, word_pieces

TEXTS = ["good food good", "bad food .", "bad service food", "odd place"]
LABELS = [1, 0, 0, 0]


def packed(texts: list[str], labels: list[int], tokenizer, units: bool = False) -> PackedTexts:  # type: ignore[no-untyped-def]
    return pack(Texts(texts, np.array(labels)), tokenizer, 32, units)


def counted(texts: list[str], labels: list[int]) -> tuple[WordCounts, dict[str, int]]:
    tokenizer = train_tokenizer(TEXTS, 100, 32)
    words = words_of(tokenizer, pieces=False)
    counts = count_words(words, packed(texts, labels, tokenizer), tokenizer, 2)
    names = tokenizer.convert_ids_to_tokens(counts.keys.tolist())
    return counts, {name: i for i, name in enumerate(names)}


def test_counts_by_hand() -> None:
    counts, at = counted(TEXTS, LABELS)
    assert counts.class_sizes.tolist() == [3, 1]
    assert counts.occurrences[:, at["good"]].tolist() == [0, 2]
    assert counts.texts[:, at["good"]].tolist() == [0, 1]
    assert counts.texts[:, at["food"]].tolist() == [2, 1]
    assert not counts.readable[at["."]]
    assert counts.readable[at["odd"]]


def test_inverse_frequency_by_hand() -> None:
    counts, at = counted(TEXTS, LABELS)
    idf = inverse_frequency(counts)
    assert idf[at["bad"]].item() == pytest.approx(math.log(5 / 3) + 1)  # in 2 of 4 texts
    assert idf[at["food"]] == 0  # in more than half
    assert idf[at["good"]] == 0  # in one text only
    assert idf[at["."]] == 0


def test_class_scores_by_hand() -> None:
    counts, at = counted(TEXTS, LABELS)
    scores = class_scores(counts)
    assert scores.sum(1).tolist() == pytest.approx([1, 1])
    assert scores[:, at["food"]].tolist() == [0, 0]  # in 2/3 and all of the texts
    assert scores[1, at["good"]] == 1  # nothing else is left of class 1
    one_of_two = math.log(3 / 2) + 1
    raw = {"bad": 2 / 8 * one_of_two, "service": 1 / 8 * one_of_two}
    ratio = scores[0, at["bad"]] / scores[0, at["service"]]
    assert ratio.item() == pytest.approx(raw["bad"] / raw["service"])
    kept = class_scores(counts, most=1)
    assert (kept > 0).sum(1).tolist() == [1, 1]
    assert kept[0, at["bad"]] == 1


def test_the_size_of_a_class_changes_its_words_not_at_all() -> None:
    once, _ = counted(TEXTS, LABELS)
    twice, _ = counted([*TEXTS, *TEXTS[1:]], [*LABELS, *LABELS[1:]])
    assert torch.equal(class_scores(once), class_scores(twice))
    assert not torch.equal(inverse_frequency(once), inverse_frequency(twice))


@pytest.mark.parametrize("make", [word_pieces, byte_pairs])
def test_words_of_pieces_are_known_by_all_their_pieces(make) -> None:  # type: ignore[no-untyped-def]
    texts = [*TEXTS, "dab dog doog food"]
    tokenizer = make(texts)
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    part = packed(texts, [*LABELS, 1], tokenizer, units=True)
    words = words_of(tokenizer, pieces=True)
    assert part.units is not None
    everything = np.arange(len(texts))
    tokens = torch.from_numpy(part.padded(everything, tokenizer.pad_token_id))
    units = torch.from_numpy(part.padded_units(everything))
    keys = words.keys(tokens, units)
    assert (keys[~words.maskable(tokens)] == NO_WORD).all()
    distinct = [len(set(row[row != NO_WORD].tolist())) for row in keys]
    assert distinct[1:] == [3, 3, 2, 4]
    counts = count_words(words, part, tokenizer, 2)
    assert set(counts.keys.tolist()) == set(keys.flatten().tolist()) - {NO_WORD}
    food = counts.keys.tolist().index(keys[1][(units[1] == 1) & (keys[1] != NO_WORD)][0].item())
    assert counts.texts[0, food] == 2
    table = WordTable(counts.keys, counts.occurrences.sum(0).float(), torch.device("cpu"))
    found = table.look_up(keys)
    assert (found[keys == NO_WORD] == 0).all()
    assert (found[keys != NO_WORD] > 0).all()


def test_a_list_of_words_in_whole_words_and_in_pieces() -> None:
    tokenizer = train_tokenizer(TEXTS, 100, 32)
    words = words_of(tokenizer, pieces=False)
    keys = lexicon_keys(("good", "bad", "unheard"), words, tokenizer)
    assert sorted(tokenizer.convert_ids_to_tokens(keys.tolist())) == ["bad", "good"]
    tokenizer = word_pieces(TEXTS)
    words = words_of(tokenizer, pieces=True)
    keys = lexicon_keys(("good", "bad"), words, tokenizer)
    part = packed(TEXTS, LABELS, tokenizer, units=True)
    tokens = torch.from_numpy(part.padded(np.arange(4), tokenizer.pad_token_id))
    units = torch.from_numpy(part.padded_units(np.arange(4)))
    table = WordTable(keys, torch.ones(len(keys)), torch.device("cpu"))
    marked = table.look_up(words.keys(tokens, units)) > 0
    found = [tokenizer.decode(row[m]).split() for row, m in zip(tokens, marked, strict=True)]
    assert found == [["good", "good"], ["bad"], ["bad"], []]


def test_tables_of_tokens_need_no_search() -> None:
    table = WordTable(torch.tensor([1, 3]), torch.tensor([5.0, 7.0]), torch.device("cpu"), size=5)
    words = Words((0,), pieces=False)
    keys = words.keys(torch.tensor([[1, 2, 3, 0]]), None)
    assert keys.tolist() == [[1, 2, 3, NO_WORD]]
    assert table.look_up(keys).tolist() == [[5, 0, 7, 0]]
