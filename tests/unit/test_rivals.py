"""Each rival is an objective like any other: it trains, logs and moves attention where it says."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from afa_ray.config import Settings
from afa_ray.data.batches import worker_batches
from afa_ray.data.corpus import Corpus, prepare_corpus
from afa_ray.data.parts import parts_of
from afa_ray.errors import UserError
from afa_ray.objectives.rivals import RIVALS
from afa_ray.supervision import METHODS
from afa_ray.train import main
from afa_ray.training.learner import averages
from afa_ray.training.making import make_learner
from afa_ray.training.session import local_session
from tests.conftest import small_texts
from tests.families import save_tiny
from tests.tokenizers import word_pieces

MakeSettings = Callable[..., Settings]


def figures_after(
    settings: Settings, corpus: Corpus, folder: Path, updates: int = 40
) -> dict[str, float]:
    """Means over the last ten of so many updates."""
    learner, _ = make_learner(settings, corpus, local_session(folder, torch.device("cpu")))
    shares = {"batch_size": 16, "seed": 0, "epoch": 0, "needs": learner.needs}
    batches = list(worker_batches(corpus.train, **shares))  # type: ignore[arg-type]
    for step in range(updates):
        if step == updates - 10:
            learner.sums.zero_()
        learner.update(batches[step % len(batches)], step)
    return averages(learner.sums, learner.metrics)[0]


def test_every_method_has_an_objective() -> None:
    assert {"none", *RIVALS} == set(METHODS)


@pytest.mark.parametrize(
    ("method", "feedback"),
    [("as-tfidf", 0.5), ("as-class", 0.0), ("as-random", 0.0), ("as-lexicon", 0.0)],
)
def test_supervised_attention_comes_nearer_to_what_is_wanted(
    method: str, feedback: float, tiny_settings: MakeSettings, small_corpus: Corpus, tmp_path: Path
) -> None:
    values = {"afa.lambda_adv": feedback, "supervision.method": method, "train.target_lr": 5e-3}
    before = tiny_settings(values | {"supervision.weight": 0.0})
    without = figures_after(before, small_corpus, tmp_path)
    found = figures_after(tiny_settings(values), small_corpus, tmp_path)
    assert found["train/supervised"] > 0.8
    assert found["train/loss_attention"] < 0.95 * without["train/loss_attention"]
    assert ("train/loss_adv" in found) == bool(feedback)


def test_weight_and_loss_are_the_settings(
    tiny_settings: MakeSettings, small_corpus: Corpus, tmp_path: Path
) -> None:
    values = {"afa.lambda_adv": 0.0, "supervision.method": "as-lexicon"}
    session = local_session(tmp_path, torch.device("cpu"))
    learner, _ = make_learner(tiny_settings(values), small_corpus, session)
    ((objective, weight),) = learner.objectives
    assert (objective.kind, weight) == ("kl", 1.0)  # type: ignore[attr-defined]
    values |= {"supervision.loss": "mass", "supervision.weight": 3.0}
    learner, _ = make_learner(tiny_settings(values), small_corpus, session)
    ((objective, weight),) = learner.objectives
    assert (objective.kind, weight) == ("mass", 3.0)  # type: ignore[attr-defined]


@pytest.mark.usefixtures("fewer_texts")
def test_a_run_from_the_command_line(tmp_path: Path) -> None:
    words = (
        "--data.name mock-2 --supervision.method as-class --supervision.words all "
        "--afa.lambda_adv 0 --target.heads 2 "
        "--target.hidden_size 16 --target.bag_of_words false --target.word2vec false "
        "--train.max_steps 12 --train.log_every 4 --evaluate.texts 20 --train.num_workers 0 "
        f"--mlflow.uri none --run.name x --run.storage {tmp_path}"
    )
    assert main(words.split()) == 0
    assert '"train/loss_attention"' in (tmp_path / "x" / "metrics.jsonl").read_text()


@pytest.mark.parametrize("method", ["as-tfidf", "as-lexicon", "sana", "das", "pssa"])
def test_pretrained_targets_are_supervised_by_whole_words(
    method: str, tiny_settings: MakeSettings, tmp_path: Path
) -> None:
    """From the data to the update: words are known by their pieces."""
    texts = small_texts(120, 0)
    rows = [f"{text},{label}" for text, label in zip(texts.texts, texts.labels, strict=True)]
    (tmp_path / "own.csv").write_text("\n".join(["text,label", *rows]))
    tokenizer = word_pieces(texts.texts)
    settings = tiny_settings(
        {
            "target.name": save_tiny("bert", tmp_path / "bert", tokenizer),
            "data.name": "own",
            "data.train_file": str(tmp_path / "own.csv"),
            "supervision.method": method,
            "afa.lambda_adv": 0.0,
            "train.target_lr": 1e-3,
        }
    )
    corpus = prepare_corpus(settings)
    assert (corpus.train.units is not None) == (method != "pssa")
    figures = figures_after(settings, corpus, tmp_path, 16)  # a round after the sixth
    assert figures["train/supervised"] > 0.5
    assert 0 < figures["train/loss_attention"] < 20


def test_a_lexicon_of_ones_own_for_any_texts(tmp_path: Path, tiny_settings: MakeSettings) -> None:
    texts = small_texts(60, 0)
    rows = [f"{text},{label}" for text, label in zip(texts.texts, texts.labels, strict=True)]
    (tmp_path / "own.csv").write_text("\n".join(["text,label", *rows]))
    (tmp_path / "words.csv").write_text("text,label\nword3,1\nword4,0")
    files = {name: str(tmp_path / f"{name}.csv") for name in ("own", "words")}
    values = {
        "data.name": "own", "data.train_file": files["own"], "data.lexicon_file": files["words"],
        "afa.lambda_adv": 0.0,
    }  # fmt: skip
    with pytest.raises(UserError, match=r"lexicon_file .* has no use with your own files"):
        prepare_corpus(tiny_settings(values))
    settings = tiny_settings(values | {"supervision.method": "as-lexicon"})
    corpus = prepare_corpus(settings)
    learner, _ = make_learner(settings, corpus, local_session(tmp_path, torch.device("cpu")))
    ((objective, _),) = learner.objectives
    (batch,) = worker_batches(corpus.train, batch_size=100, seed=0, epoch=0)
    (whole,) = parts_of(batch, 1, torch.device("cpu"))
    (wanted,) = objective.prepare([whole], [], 0)
    names = corpus.tokenizer.convert_ids_to_tokens(whole.tokens[wanted > 0].tolist())
    assert set(names) == {"word3", "word4"}
