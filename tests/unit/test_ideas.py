"""The ideas of docs/trials/ideas.py still train, and do what their equations say."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch

from afa_ray.config import Settings
from afa_ray.data.batches import Batch
from afa_ray.data.corpus import Corpus
from afa_ray.training import learner, worker
from afa_ray.training.learner import Learner
from afa_ray.training.session import local_session
from envs import log_confusion

FILE = Path(__file__).parents[2] / "docs" / "trials" / "ideas.py"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("ideas", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


ideas = load()


@pytest.fixture
def make(
    tiny_settings: Callable[..., Settings],
    small_corpus: Corpus,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Callable[[str], tuple[Learner, Batch]]:
    """A learner with an idea's feedback, and a batch for it."""

    def build(name: str) -> tuple[Learner, Batch]:
        feedback, values = ideas.IDEAS[name]
        monkeypatch.setattr(learner, "DiscriminatorFeedback", feedback)
        monkeypatch.setattr(worker, "Learner", ideas.IdeaLearner)
        session = local_session(tmp_path, torch.device("cpu"))
        made, _ = worker.make_learner(tiny_settings(values), small_corpus, session)
        return made, next(worker.batches_for(made, small_corpus, epoch=0))

    return build


def weights(made: Learner) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in made.target.parameters()])


@pytest.mark.parametrize("name", ideas.IDEAS)
def test_an_idea_trains(name: str, make: Callable[[str], tuple[Learner, Batch]]) -> None:
    made, batch = make(name)
    before = weights(made)
    for step in range(2):
        made.update(batch, step)
    assert torch.isfinite(weights(made)).all()
    assert not torch.equal(weights(made), before)


@pytest.mark.parametrize(("name", "other"), [("warmed-up", "original"), ("odds", "contrast")])
def test_an_idea_changes_the_update(
    name: str, other: str, make: Callable[[str], tuple[Learner, Batch]]
) -> None:
    ends = []
    for each in (name, other):
        made, batch = make(each)
        made.update(batch, 0)
        ends.append(weights(made))
    assert not torch.equal(*ends)


def test_odds_are_the_logit(make: Callable[[str], tuple[Learner, Batch]]) -> None:
    logits = torch.tensor([-2.0, 0.0, 3.0])
    assert torch.allclose(torch.expm1(log_confusion(logits)).log(), logits, atol=1e-6)
    made, batch = make("odds")
    made.update(batch, 0)
    assert made.rollout is not None
    assert (made.rollout.rewards < 0).any()  # rewards of E6 never are
