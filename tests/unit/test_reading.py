"""How the single layer reads text: case, accents, scripts without spaces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from transformers import AutoTokenizer

from afa_ray.complaints import complaints
from afa_ray.config import Settings
from afa_ray.data import corpus as corpus_module
from afa_ray.data.corpus import Corpus, prepare_corpus
from afa_ray.data.folding import clearly_better, decide_reading
from afa_ray.data.packed import pack
from afa_ray.data.parquet_texts import ParquetTexts
from afa_ray.data.reading import Reading, pre_tokenizer
from afa_ray.data.texts import RawCorpus, Texts
from afa_ray.data.tokenizer import train_tokenizer
from afa_ray.dotted import override

FILLERS = ["Haus", "brot", "we", "Leute", "café", "the", "stadt", "Wir"]


def told_by(first: str, second: str, count: int = 200) -> Texts:
    """Texts of fillers and, by class, one of two words."""
    random = np.random.default_rng(0)
    labels = random.integers(2, size=count)
    rows = [[*random.choice(FILLERS, 5), (first, second)[label]] for label in labels]
    return Texts([" ".join(random.permutation(row)) for row in rows], labels)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("má", "mả", Reading(True, False)),
        ("schon", "schön", Reading(True, False)),
        ("peche", "péché", Reading(True, False)),
        ("US", "us", Reading(False, True)),
        ("Polish", "polish", Reading(False, True)),
        ("МИР", "мир", Reading(False, True)),
        ("Résumé", "resume", Reading(True, False)),  # one of the two is enough
        ("good", "bad", Reading(True, True)),
    ],
)
def test_what_tells_classes_apart_is_kept(first: str, second: str, expected: Reading) -> None:
    reading, notes = decide_reading(told_by(first, second), None, None)
    assert reading == expected
    (note,) = notes
    assert "100.0% of the training texts" in note
    settings = (
        ("data.lowercase", reading.lowercase),
        ("data.strip_accents", reading.strip_accents),
    )
    assert all(f"{name} = {str(value).lower()}" in note for name, value in settings if not value)


def test_case_and_accents_are_both_kept_where_each_is_needed() -> None:
    """Four classes: us, US, us with an accent, US with one."""
    texts = [
        f"we {word} the {filler}" for word in ("us", "US", "ús", "ÚS") for filler in FILLERS * 5
    ]
    labels = np.repeat(np.arange(4), len(FILLERS) * 5)
    assert decide_reading(Texts(texts, labels), None, None)[0] == Reading(False, False)
    assert decide_reading(Texts(texts, labels), True, None)[0] == Reading(True, False)


def test_a_setting_is_followed_and_what_makes_no_difference_is_not_said() -> None:
    texts = told_by("US", "us")
    assert decide_reading(texts, True, False) == (Reading(True, False), [])
    plain = Texts(["we like it", "we do not"] * 40, np.array([0, 1] * 40))
    assert decide_reading(plain, None, None) == (Reading(), [])


def test_a_rare_class_counts_like_the_others() -> None:
    labels = np.repeat([0, 1], [980, 20])
    old = np.ones(1000, bool)
    old[980:] = False
    new = np.ones(1000, bool)
    assert clearly_better(labels, new, old)
    new[990:] = False  # ten texts more: 3.2 deviations
    assert clearly_better(labels, new, old)
    new[988:] = False
    assert not clearly_better(labels, new, old)


def test_texts_in_their_file_are_decided_like_texts_in_memory(tmp_path: Path) -> None:
    texts = told_by("US", "us")
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": list(texts.texts)}), path)
    in_file = Texts(ParquetTexts(path, "text", np.arange(200)), texts.labels)
    assert decide_reading(in_file, None, None) == decide_reading(texts, None, None)


def own_corpus(folder: Path, texts: Texts, values: dict | None = None) -> Corpus:
    rows = zip(texts.texts, texts.labels, strict=True)
    (folder / "own.csv").write_text("text,label\n" + "".join(f"{x},{y}\n" for x, y in rows))
    own = {"data.name": "own", "data.train_file": str(folder / "own.csv")}
    return prepare_corpus(override(Settings(), own | {"target.word2vec": False} | (values or {})))


def test_a_corpus_says_and_does_what_was_decided(tmp_path: Path) -> None:
    corpus = own_corpus(tmp_path, told_by("US", "us"))
    assert {"US", "us", "brot", "Haus", "cafe"} < set(corpus.tokenizer.get_vocab())
    assert any("data.lowercase = false" in note for note in corpus.notes)
    folded = own_corpus(tmp_path, told_by("US", "us"), {"data.lowercase": True})
    assert "US" not in folded.tokenizer.get_vocab()
    assert not any("data.lowercase" in note for note in folded.notes)


def test_named_sets_are_read_as_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus_module, "decide_reading", pytest.fail)
    part = Texts(["CAFÉ Something"] * 100, np.array([0, 1] * 50))
    raw = RawCorpus("imdb", ["a", "b"], part, part, part)
    monkeypatch.setattr(corpus_module, "load_raw", lambda *_, **__: raw)
    values = {"data.name": "imdb", "target.word2vec": False}
    corpus = prepare_corpus(override(Settings(), values))
    assert corpus.tokenizer.tokenize("CAFÉ Something") == ["cafe", "something"]
    kept = prepare_corpus(override(Settings(), values | {"data.lowercase": False}))
    assert kept.tokenizer.tokenize("CAFÉ Something") == ["CAFE", "Something"]


def test_the_settings_have_no_use_with_a_pretrained_model() -> None:
    values = {"target.name": "some/model", "data.lowercase": False}
    (complaint,) = complaints(override(Settings(), values))
    assert complaint.startswith("data.lowercase = false: is for target.name = transformer")


PARTS = {  # text: the words that it is read as
    "ราคาดีมาก แย่ น้ำ": "รา คา ดี มา ก แย่ น้ำ",
    "ภาษาEnglishไทย 2024ปี": "ภา ษา english ไท ย 2024 ปี",
    "ດີຫຼາຍ ນີ້": "ດີ ຫຼາ ຍ ນີ້",
    "ខ្ញុំចូលចិត្ត": "ខ្ញុំ ចូ ល ចិ ត្ត",
    "ကျွန်တော်မြန်မာစာ": "ကျွန် တော် မြန် မာ စာ",
    "とてもおいしいレストラン。": "と て も お い し い レ ス ト ラ ン 。",
    "きょうガギか\u3099": "きょ う ガ ギ が",
    "人々が好き": "人 々 が 好 き",
    "རྒྱ་མཚོ": "རྒྱ ་ མཚོ",
    "कितना अच्छा": "कितना अच्छा",
    "한국어 좋아요": "한국어 좋아요",
    "good😀😡👍🏽": "good 😀 😡 👍🏽",
    "❤️ ❤❤️": "❤ ❤ ❤",
    "🇩🇪🇫🇷 Oscar® ★★★☆ #1": "🇩🇪 🇫🇷 oscar® ★★★☆ # 1",
    "Åse e\u0301 é Ñ, Й": "ase e e n , и",
    "a\u200bb\u00adc": "abc",
}


@pytest.mark.parametrize("text", PARTS)
def test_words_of_all_scripts(text: str) -> None:
    normal = Reading().normalizer().normalize_str(text)
    words = [word for word, _ in pre_tokenizer().pre_tokenize_str(normal)]
    assert words == PARTS[text].split()


@pytest.mark.parametrize("reading", [Reading(x, y) for x in (True, False) for y in (True, False)])
def test_a_saved_tokenizer_reads_as_training_did(reading: Reading, tmp_path: Path) -> None:
    texts = [*PARTS, "US us schön schon scho\u0308n", "ÄÖÜ äöü İi ẞß"]
    tokenizer = train_tokenizer(texts * 2, 500, 64, reading=reading)
    packed = pack(Texts(texts, np.zeros(len(texts), int)), tokenizer, 64)
    tokenizer.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert loaded(texts)["input_ids"] == [
        packed.tokens[start:end].tolist()
        for start, end in zip(packed.offsets[:-1], packed.offsets[1:], strict=True)
    ]
    assert tokenizer.unk_token_id not in packed.tokens
    us, lower, *german = loaded("US us schön schon scho\u0308n")["input_ids"][1:-1]
    assert (us == lower) == reading.lowercase
    assert (german[0] == german[1]) == reading.strip_accents
    assert german[0] == german[2]  # one letter or two, as they are stored
