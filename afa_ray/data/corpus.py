"""From the name of a data set to the packed corpus that every worker reads."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from transformers import PreTrainedTokenizerFast

from afa_ray.config import SINGLE_LAYER, Settings
from afa_ray.data.candidates import are_entities, require_answers
from afa_ray.data.cautions import split_cautions, token_cautions
from afa_ray.data.corpus_checks import (
    require_learnable,
    require_padding_apart,
    require_queries_read,
)
from afa_ray.data.folding import decide_reading
from afa_ray.data.lexicon import Lexicon
from afa_ray.data.packed import PackedTexts, pack
from afa_ray.data.reading import Reading
from afa_ray.data.sample import sample
from afa_ray.data.sources import load_raw
from afa_ray.data.splits import stratified_split
from afa_ray.data.supervised import (
    counts_words,
    gaze_of,
    lexicon_of,
    lexicon_tells_where_to_look,
    reads_people,
)
from afa_ray.data.texts import RawCorpus, Texts
from afa_ray.data.tokenizer import (
    begin_texts,
    load_tokenizer,
    special_ids,
    splits_words,
    train_tokenizer,
)
from afa_ray.data.vector_file import read_vectors
from afa_ray.data.word2vec import Sentences, word_vectors
from afa_ray.data.word_evidence import word_evidence
from afa_ray.errors import UserError
from afa_ray.models.loading import longest_text, skeleton
from afa_ray.progress import Task

FEW = 10_000  # texts, of which a tenth is missed
FITTED = 50_000  # most texts that the evidence of words is taken from
EXAMPLES = 100  # test texts, of which a run's page shows some
CANDIDATES = "the classes are entities: a text's candidates are those that it names"
UNREAD = "the test texts are not read: all figures are those of the validation texts"


@dataclass(frozen=True)
class Corpus:
    """A tokenised data set.

    `vectors` are the (V, d) initial word embeddings, or None where they are random or pretrained.
    `evidence` is what each word says for each class, (V, C), where the Target is to start with it.
    `whole` is the same with the validation texts among those for training, for `train.refit`.
    `notes` tell the user what was done to the data. `max_length` is the longest sequence in tokens.
    `examples` are some of the test texts as they are written, to be shown. `lexicon` has words that
    carry an opinion and `gaze` sentences that people's eyes were followed on, where supervision
    asks for them. `by_candidates`: the classes are entities, and queries name candidates.
    """

    name: str
    label_names: list[str]
    tokenizer: PreTrainedTokenizerFast
    train: PackedTexts
    validation: PackedTexts
    test: PackedTexts
    vectors: np.ndarray | None
    notes: tuple[str, ...]
    max_length: int
    evidence: np.ndarray | None = None
    whole: Corpus | None = None
    examples: Texts | None = None
    lexicon: Lexicon | None = None
    gaze: PackedTexts | None = None
    by_candidates: bool = False


def prepare_corpus(settings: Settings, raw: RawCorpus | None = None) -> Corpus:
    """Load, split, tokenise and pack the data set of `settings`, and train its word vectors.

    Without a validation split some of the training texts are held out, stratified and seeded.
    Vocabulary and word vectors come from the remaining training texts only, or where all will be
    trained on in the end, from these without their labels.

    Args:
        raw: what is prepared, such as a part of the data set; by default all of it.

    Raises:
        UserError: data that is missing or unusable.
    """
    data, seed = settings.data, split_seed(settings)
    with Task(f"reading {data.name}"):
        raw = raw or read_raw(settings)
    require_learnable(raw, settings)
    require_queries_read(raw, settings)
    train, validation = _with_validation(raw, data.validation_share, seed)
    tried = data.evaluate_on == "validation"
    refit = _is_refitted(settings, raw)
    tokenizer, max_length, reading = _tokenizer(settings, raw.train if refit else train)
    units = settings.afa.unit == "word" or counts_words(settings, tokenizer)
    parts = {"train": train, "validation": validation}
    if not tried:
        parts["test"] = raw.test
    entities = _entities(raw, parts)
    kept = (units, reads_people(settings), entities)
    packed = {name: pack(part, tokenizer, max_length, *kept) for name, part in parts.items()}
    require_padding_apart(packed.values(), tokenizer)
    whole = pack(raw.train, tokenizer, max_length, *kept) if refit else packed["train"]
    corpus = Corpus(
        name=raw.name,
        label_names=raw.label_names,
        tokenizer=tokenizer,
        train=packed["train"],
        validation=packed["validation"],
        test=packed["validation" if tried else "test"],
        vectors=_vectors(settings, tokenizer, whole),
        max_length=max_length,
        notes=(
            *raw.notes,
            *[UNREAD] * tried,
            *reading,
            *[CANDIDATES] * bool(entities),
            *split_cautions(parts, raw.label_names),
            *token_cautions(packed, tokenizer, _remedy(settings, tokenizer)),
            *_truncation_notes(packed, max_length, data.max_length),
        ),
        examples=_examples(validation if tried else raw.test, seed),
        lexicon=lexicon_of(settings),
        gaze=gaze_of(settings, tokenizer, max_length),
        by_candidates=bool(entities),
    )
    corpus = _with_evidence(settings, corpus)
    if refit:
        corpus = replace(corpus, whole=_with_evidence(settings, replace(corpus, train=whole)))
    return corpus


def split_seed(settings: Settings) -> int:
    """What fixes the splits that are drawn at random."""
    given = settings.data.split_seed
    return settings.train.seed if given is None else given


def read_raw(settings: Settings) -> RawCorpus:
    """The labelled texts of a run as they are written.

    Raises:
        UserError: data that is missing or unusable.
    """
    data = settings.data
    if lexicon_tells_where_to_look(settings):
        data = replace(data, lexicon_file=None)
    return load_raw(data, seed=split_seed(settings))


def _examples(texts: Texts, seed: int) -> Texts | None:
    """EXAMPLES of the texts, at random and in memory; None where texts alone do not tell what is
    read."""
    if texts.queries is not None:
        return None
    count = len(texts)
    chosen = np.random.default_rng(seed).choice(count, min(EXAMPLES, count), replace=False)
    found = texts.take(np.sort(chosen))
    return replace(found, texts=list(found.texts))


def _is_refitted(settings: Settings, raw: RawCorpus) -> bool:
    """Whether texts are held out, and trained on in the end all the same."""
    if raw.validation is not None or settings.data.evaluate_on == "validation":
        return False
    if settings.train.refit is not None:
        return settings.train.refit
    return not settings.target.pretrained and len(raw.train) < FEW


def _vectors(
    settings: Settings, tokenizer: PreTrainedTokenizerFast, texts: PackedTexts
) -> np.ndarray | None:
    """The word vectors that a Target from scratch starts with."""
    target, seed = settings.target, settings.train.seed
    if target.pretrained:
        return None
    if target.vectors is not None:
        words = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
        return read_vectors(target.vectors, words, target.word_size, seed)
    if not target.begins_with_word2vec:
        return None
    sentences = Sentences(texts.tokens, texts.offsets)
    return word_vectors(sentences, len(tokenizer), target.word_size, seed)


def _with_evidence(settings: Settings, corpus: Corpus) -> Corpus:
    """The corpus with the evidence of its training texts, where the Target starts with that."""
    if settings.target.name != SINGLE_LAYER or not settings.target.bag_of_words:
        return corpus
    train = sample(corpus.train, FITTED, settings.train.seed)
    special, shape = special_ids(corpus.tokenizer), (len(corpus.tokenizer), len(corpus.label_names))
    with Task("fitting a bag of words"):
        found = word_evidence(train, special, shape)
    return replace(corpus, evidence=found)


def _tokenizer(settings: Settings, train: Texts) -> tuple[PreTrainedTokenizerFast, int, list[str]]:
    """The Target's tokenizer, the longest sequence in tokens, and notes on how texts are read."""
    data, name = settings.data, settings.target.name
    if not settings.target.pretrained:
        reading, notes = _reading(settings, train)
        with Task("counting words"):
            tokenizer = train_tokenizer(
                [*train.texts, *train.queries] if train.queries else train.texts,
                data.vocab_size,
                data.max_length,
                data.min_frequency,
                reading,
            )
        return tokenizer, data.max_length, notes
    tokenizer = load_tokenizer(name)
    told = begin_texts(tokenizer) if reads_people(settings) else ""
    if settings.afa.mask == "token" and tokenizer.mask_token is None:
        raise UserError(f"afa.mask = token: the tokenizer of {name} has no mask token; use delete")
    if settings.afa.unit == "word" and not splits_words(tokenizer):
        raise UserError(f"afa.unit = word: the tokenizer of {name} does not tell words; use piece")
    model = skeleton(name)
    if max(tokenizer.get_vocab().values()) >= model.config.vocab_size:
        raise UserError(
            f"target.name = {name}: its tokenizer has ids beyond the {model.config.vocab_size} "
            "that the model has embeddings for: call its resize_token_embeddings and save it, or "
            "choose a padding token that it knows"
        )
    most = longest_text(model) or data.max_length
    tokenizer.model_max_length = min(data.max_length, tokenizer.model_max_length, most)
    return tokenizer, tokenizer.model_max_length, [told] if told else []


def _reading(settings: Settings, train: Texts) -> tuple[Reading, list[str]]:
    """How the single layer reads: sets that others report on as always, a user's words as decided
    from the training texts."""
    data = settings.data
    if data.train_file or (data.lexicon_file and not lexicon_tells_where_to_look(settings)):
        return decide_reading(train, data.lowercase, data.strip_accents)
    return Reading(data.lowercase is not False, data.strip_accents is not False), []


def _entities(raw: RawCorpus, parts: dict[str, Texts]) -> list[str]:
    """The classes, where texts are read for questions and all classes are entities; else none.

    Raises:
        UserError: a text that does not name its answer.
    """
    if raw.train.queries is None or not are_entities(raw.label_names):
        return []
    for name, part in parts.items():
        require_answers(name, part.texts, part.labels, raw.label_names)
    return raw.label_names


def _with_validation(raw: RawCorpus, share: float, seed: int) -> tuple[Texts, Texts]:
    if raw.validation is not None:
        return raw.train, raw.validation
    kept, held_out = stratified_split(raw.train.labels, share, seed, raw.label_names)
    return raw.train.take(kept), raw.train.take(held_out)


def _remedy(settings: Settings, tokenizer: PreTrainedTokenizerFast) -> str:
    """What helps against unknown words."""
    if settings.target.pretrained:
        return "choose a target.name that was pretrained on such texts"
    if len(tokenizer) == settings.data.vocab_size:
        return "a larger data.vocab_size helps"
    return "more training texts help, or a pretrained target.name"


def _truncation_notes(splits: dict[str, PackedTexts], max_length: int, wanted: int) -> list[str]:
    limit = f"data.max_length = {wanted}" if max_length == wanted else f"the model's {max_length}"
    cut = [f"{p.truncated:,} of {len(p):,} {name}" for name, p in splits.items() if p.truncated]
    return [f"texts cut to {limit} tokens: {', '.join(cut)}"] if cut else []
