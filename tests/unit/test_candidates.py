"""Questions whose answer is one of the entities that the text names."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import afa_ray
from afa_ray.config import Settings
from afa_ray.data.candidates import are_entities, candidates_of
from afa_ray.data.corpus import CANDIDATES, prepare_corpus
from afa_ray.errors import UserError
from afa_ray.evaluation.given_attention import decided_by, own_row
from afa_ray.evaluation.prediction import predict
from afa_ray.models.encoded import IMPOSSIBLE, EncodedTarget
from afa_ray.train import train
from tests.unit.test_encoders import batch, small_encoded

NAMES = [f"@entity{i}" for i in (0, 1, 2, 10)]


def test_candidates_by_hand() -> None:
    text = "@entity10 met (@Entity1), @entity1 and @entity100; @entity2x is none, @entity7 no class"
    assert candidates_of(text, NAMES) == [1, 3]
    assert candidates_of("nobody", NAMES) == []
    assert are_entities(NAMES)
    assert not are_entities([*NAMES, "other"])


def test_a_class_that_is_no_candidate_is_impossible() -> None:
    """Text 0 has classes 0 and 2, text 1 has class 1 alone, text 2 none and so all; candidates do
    not change how the question is read."""
    free, inputs = small_encoded(query=True), batch()
    model = EncodedTarget(free.config.__class__(**(free.config.to_dict() | {"candidates": True})))
    model.load_state_dict(free.state_dict())
    model.eval()
    question = torch.randint(5, 40, (4, 3))
    more = torch.tensor([[40, 42], [41, 0], [0, 0], [42, 40]])
    plain = inputs._replace(query=question)
    asked = inputs._replace(query=torch.cat([question, more], 1))
    expected = free.decide(free.embed(plain), plain)
    found = model.decide(model.embed(asked), asked)
    assert expected.logits is not None
    assert found.logits is not None
    impossible = torch.tensor([[0, 1, 0], [1, 0, 1], [0, 0, 0], [0, 1, 0]]).bool()
    assert torch.equal(found.logits == IMPOSSIBLE, impossible)
    assert torch.allclose(found.logits[~impossible], expected.logits[~impossible], atol=1e-6)
    assert torch.allclose(found.attention_row, expected.attention_row, atol=1e-6)
    probabilities = decided_by(model, asked, own_row(model, asked)[:, None])[:, 0]
    assert not probabilities[impossible].any()
    assert torch.allclose(probabilities, found.logits.softmax(-1), atol=1e-6)
    gated = model.gated(asked, torch.ones_like(own_row(model, asked)))
    assert torch.allclose(gated, found.logits, atol=1e-5)
    through = model(inputs.tokens, attention_mask=inputs.present, query=asked.query).logits
    assert torch.allclose(through, found.logits, atol=1e-6)


def story(rng: np.random.Generator) -> tuple[str, str, str]:
    """Text, question and answer: two of six people, in two rooms."""
    one, other = rng.choice(6, 2, replace=False)
    rooms = ("hall", "garden")
    where = int(rng.integers(2))
    text = f"@entity{one} is in the {rooms[where]} . @entity{other} is in the {rooms[1 - where]} ."
    asked = int(rng.integers(2))
    answer = one if asked == where else other
    return text, f"@placeholder is in the {rooms[asked]}", f"@entity{answer}"


def files(folder: Path, *more: str, count: int = 240) -> dict[str, object]:
    rng = np.random.default_rng(0)
    rows = [",".join(story(rng)) for _ in range(count)]
    path = folder / "asked.csv"
    path.write_text("\n".join(["text,question,label", *rows, *more]) + "\n", encoding="utf-8")
    return {
        "data.train_file": str(path),
        "data.name": "asked",
        "data.query_column": "question",
        "target.name": "average",
        "target.embedding_size": 16,
        "target.hidden_size": 16,
    }


def test_training_and_explaining_among_candidates(
    tmp_path: Path, tiny_settings: Callable[..., Settings]
) -> None:
    settings = tiny_settings({
        **files(tmp_path), "train.target_lr": 1e-2, "train.epochs": 4, "run.storage": str(tmp_path),
        "run.name": "a", "discriminator.judge": "target", "discriminator.pairing": "contrast",
        "afa.k": 1, "afa.lambda_adv": 0.1,
    })  # fmt: skip
    train(settings)
    result = json.loads((tmp_path / "a" / "result.json").read_text())
    assert result["test"]["accuracy"] > 0.4  # at chance among two; among six it were .17
    from afa_ray.records.finished import open_finished

    target, corpus = open_finished(tmp_path / "a", settings, "cpu")
    assert CANDIDATES in corpus.notes
    text, question, _ = story(np.random.default_rng(7))
    classifier = afa_ray.load(tmp_path / "a")
    (found,) = classifier.predict([text], queries=[question])
    named = {name for name in classifier.labels if name in text.split()}
    assert len(named) == 2
    assert {name for name, p in found.probabilities.items() if p > 0} == named
    assert sum(found.probabilities.values()) == pytest.approx(1, abs=1e-5)
    by_test = predict(target, corpus.test).numpy()
    assert result["test"]["accuracy"] == pytest.approx((by_test == corpus.test.labels).mean())
    (explained,) = classifier.explain(
        [text], ("attention", "leave_one_out", "ig"), queries=[question]
    )
    assert explained.label == found.label
    assert all(np.isfinite(scores).all() for scores in explained.scores.values())
    (free,) = classifier.predict(["nobody is here"], queries=[question])
    assert all(p > 0 for p in free.probabilities.values())


def test_a_text_must_name_its_answer(
    tmp_path: Path, tiny_settings: Callable[..., Settings]
) -> None:
    given = files(tmp_path, *["@entity1 sleeps .,who sleeps,@entity2"] * 20)
    with pytest.raises(UserError, match=r"do not name theirs, the first in place \d+: @entity2"):
        prepare_corpus(tiny_settings(given))


def test_classes_of_other_names_have_no_candidates(
    tmp_path: Path, tiny_settings: Callable[..., Settings]
) -> None:
    given = files(tmp_path, *["@entity1 sleeps .,who sleeps,nobody"] * 20)
    corpus = prepare_corpus(tiny_settings(given))
    assert not corpus.by_candidates
    assert corpus.test.queries is not None
    assert corpus.test.queries.tokens.max() < len(corpus.tokenizer)
