"""Marks and their correction: by hand, against supervision by the marks alone, and on texts whose
telling words are known."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from sklearn.metrics import roc_auc_score

from afa_ray.config import Settings
from afa_ray.data.batches import worker_batches
from afa_ray.data.corpus import Corpus
from afa_ray.objectives.interface import Weighed
from afa_ray.objectives.sana import Sana, auroc, corrected, signed_effects
from afa_ray.objectives.supervised import Supervised
from afa_ray.objectives.word_scores import telling_words
from afa_ray.objectives.words import WordCounts
from afa_ray.training.learner import Learner
from afa_ray.training.making import make_learner
from afa_ray.training.session import local_session

MakeSettings = Callable[..., Settings]
SANA = {
    "afa.lambda_adv": 0.0, "supervision.method": "sana", "supervision.sana.seed": "rationale",
    "target.dropout": 0.0, "train.target_lr": 5e-3,
}  # fmt: skip


def learner_of(settings: Settings, corpus: Corpus, folder: Path, *more: Weighed) -> Learner:
    session = local_session(folder, torch.device("cpu"))
    return make_learner(settings, corpus, session, lambda target, corpus: more)[0]


def updated(learner: Learner, corpus: Corpus, updates: int) -> Learner:
    needs = {"marks"} if corpus.train.marks is not None else ()
    batches = list(worker_batches(corpus.train, batch_size=16, seed=0, epoch=0, needs=needs))
    for step in range(updates):
        learner.update(batches[step % len(batches)], step)
    return learner


def test_a_correction_by_hand() -> None:
    marks = torch.tensor([1.0, 0.5, 1.0, 0.0, 0.0, 0.0, 1.0])
    e = torch.tensor([0.1, 0.5, 0.3, 0.9, 0.8, 0.0, 0.0])
    sign = torch.tensor([1.0, -1.0, 1.0, 1.0, -1.0, 0.0, 0.0])  # the last two: no candidates
    effects = (1 + e) * sign
    new, figures = corrected(marks, effects, gamma=0.5)  # tau .5, the top tenth from .8
    assert new.tolist() == [0.5, 1.0, 0.5, 1.0, 0.0, 0.0, 1.0]
    assert figures.tolist() == pytest.approx([0.52, 2 / 4, 1 / 4])
    nothing, figures = corrected(marks, torch.zeros(7), 0.5)
    assert torch.equal(nothing, marks)
    assert figures.tolist() == [0, 0, 0]


def test_agreement_of_marks_with_peoples_is_that_of_scikit_learn(
    tiny_settings: MakeSettings, small_corpus: Corpus, tmp_path: Path
) -> None:
    scores, marked = torch.tensor([0.5, 1, 0, 0.5, 0, 0.25]), torch.tensor([1, 1, 0, 0, 0, 1]) > 0
    assert auroc(scores, marked).item() == pytest.approx(roc_auc_score(marked, scores))
    assert auroc(scores, marked | True) == 0.5
    learner = learner_of(tiny_settings(SANA), small_corpus, tmp_path)
    ((sana, _),) = learner.objectives
    assert isinstance(sana, Sana)
    assert sana.figures[-1] == "sana_auroc"
    assert sana.state.figures[-1] == 1  # what people marked is what it begins with
    chi2 = tiny_settings(SANA | {"supervision.sana.seed": "chi2"})
    learner = updated(learner_of(chi2, small_corpus, tmp_path), small_corpus, 21)
    ((sana, _),) = learner.objectives
    assert isinstance(sana, Sana)
    words = sana.words.maskable(torch.from_numpy(small_corpus.train.tokens).long()).numpy()
    assert small_corpus.train.marks is not None
    truth = small_corpus.train.marks[words]
    expected = roc_auc_score(truth, sana.state.numbers.detach().float()[words])
    assert 0.5 < expected < 1
    assert sana.state.figures[-1].item() == pytest.approx(expected)
    unmarked = replace(small_corpus, train=replace(small_corpus.train, marks=None))
    ((sana, _),) = learner_of(chi2, unmarked, tmp_path).objectives
    assert "sana_auroc" not in sana.figures


def test_effects_by_hand() -> None:
    logits = torch.tensor([[0.8, 0.2], [0.5, 0.5]]).log()
    candidates = torch.tensor([[True, False, True], [False, False, True]])
    p = torch.tensor([[0.5, 0.5], [0.9, 0.1], [0.5, 0.5]])
    asked = []

    def without(texts: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        asked.append((texts.tolist(), places.tolist()))
        return p.log()

    found = signed_effects(logits, torch.tensor([0, 1]), candidates, without)
    assert asked == [([0, 0, 1], [0, 2, 2])]
    assert found.flatten().tolist() == pytest.approx([1.3, 0, -1.1, 0, 0, -1.0])


def test_words_that_tell_a_class_by_hand() -> None:
    counts = WordCounts(
        keys=torch.arange(4),
        readable=torch.tensor([True, True, True, False]),
        occurrences=torch.zeros(2, 4),
        texts=torch.tensor([[8, 5, 1, 9], [1, 5, 6, 0]]),  # of 10 texts each
        class_sizes=torch.tensor([10, 10]),
    )
    assert telling_words(counts, 1).tolist() == [True, False, True, False]
    assert telling_words(counts, 4).tolist() == [True, False, True, False]  # the second tells none


def test_without_correction_it_is_supervision_by_the_seed_marks(
    tiny_settings: MakeSettings, small_corpus: Corpus, tmp_path: Path
) -> None:
    values = SANA | {"supervision.sana.gamma": 1.0, "supervision.sana.candidates": 0}
    sana = updated(learner_of(tiny_settings(values), small_corpus, tmp_path), small_corpus, 25)
    plain = tiny_settings({**SANA, "supervision.method": "none"})
    by_marks = Supervised(lambda part: part.marks.float(), "kl", 0, frozenset({"marks"}))  # type: ignore[union-attr]
    supervised = learner_of(plain, small_corpus, tmp_path, Weighed(by_marks, 1.0))
    updated(supervised, small_corpus, 25)
    for ours, theirs in zip(sana.target.parameters(), supervised.target.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_telling_words_have_the_greater_effects(
    tiny_settings: MakeSettings, small_corpus: Corpus, tmp_path: Path
) -> None:
    values = SANA | {"supervision.weight": 0.0, "supervision.sana.candidates": 64}
    learner = updated(learner_of(tiny_settings(values), small_corpus, tmp_path), small_corpus, 60)
    ((sana, _),) = learner.objectives
    assert isinstance(sana, Sana)
    effects = sana.rounds.of_tokens(sana.state, sana.effects)
    assert small_corpus.train.marks is not None
    words = sana.words.maskable(torch.from_numpy(small_corpus.train.tokens).long())
    assert torch.equal(effects != 0, words)
    truth = small_corpus.train.marks[words.numpy()]
    assert roc_auc_score(truth, effects[words].abs() - 1) > 0.8


@pytest.mark.parametrize("seed", ["chi2", "lexicon", "attention"])
def test_marks_move(
    seed: str, tiny_settings: MakeSettings, small_corpus: Corpus, tmp_path: Path
) -> None:
    values = SANA | {"supervision.sana.seed": seed}
    learner = learner_of(tiny_settings(values), small_corpus, tmp_path)
    ((sana, _),) = learner.objectives
    assert isinstance(sana, Sana)
    assert bool(sana.state.numbers.any()) == (seed != "attention")
    updated(learner, small_corpus, 21)
    effect, lowered, *_ = sana.state.figures.tolist()
    assert 0 < effect < 1
    assert lowered > 0


def test_words_are_deleted_where_attention_cannot_be_moved(
    tiny_settings: MakeSettings, small_corpus: Corpus, tmp_path: Path
) -> None:
    values = SANA | {"supervision.sana.intervention": "delete"}
    learner = updated(learner_of(tiny_settings(values), small_corpus, tmp_path), small_corpus, 10)
    ((sana, _),) = learner.objectives
    assert isinstance(sana, Sana)
    assert not sana.in_place
    effects = sana.rounds.of_tokens(sana.state, sana.effects)
    starts = torch.from_numpy(small_corpus.train.offsets)
    of_text = [int((effects[a:b] != 0).sum()) for a, b in pairwise(starts)]
    assert max(of_text) == 4
    assert small_corpus.train.marks is not None
    marked = torch.from_numpy(small_corpus.train.marks).bool()
    assert (effects[marked] != 0).all()


def test_workers_share_a_round(
    tiny_settings: MakeSettings, small_corpus: Corpus, tmp_path: Path
) -> None:
    learner = updated(learner_of(tiny_settings(SANA), small_corpus, tmp_path), small_corpus, 10)
    ((sana, _),) = learner.objectives
    assert isinstance(sana, Sana)
    alone = sana.rounds.of_tokens(sana.state, sana.effects)
    shares = [replace(sana.rounds, rank=rank, workers=2) for rank in (0, 1)]
    both = [share.of_tokens(sana.state, sana.effects) for share in shares]
    assert not ((both[0] != 0) & (both[1] != 0)).any()
    torch.testing.assert_close(both[0] + both[1], alone)
