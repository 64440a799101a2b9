"""`python -m afa_ray.benchmark`: its arithmetic, its peers, and the bars of the step."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from afa_ray.benchmark import memory, profile, scale, step, surroundings
from afa_ray.benchmark.__main__ import main
from afa_ray.benchmark.corpora import in_a_new_process
from afa_ray.benchmark.options import SpeedSettings, speed_complaints
from afa_ray.benchmark.peers import TextbookClassifier
from afa_ray.benchmark.timing import median, ratio, take_turns
from afa_ray.data.corpus import prepare_corpus
from afa_ray.dotted import override
from afa_ray.models import Target, TargetConfig

# Of a ratio, before the suite fails. With the same code that of 32x256 is .045 on one machine and
# .075 on another, whose memory is slower beside its arithmetic.
LEEWAY = 2.5
BRIEF = {"benchmark.updates": 1, "train.use_gpu": False}


def test_ratios_are_formed_within_rounds() -> None:
    ours, theirs = [[1.0, 3.0], [8.0]], [[4.0, 4.0], [2.0]]
    assert ratio(ours, theirs) == (2.25, 0.5, 4.0)
    assert str(ratio(ours, theirs)) == "2.250 (0.500 to 4.000)"
    assert median(ours) == 3.0


def test_contenders_take_turns_and_the_first_update_is_not_counted() -> None:
    calls = []

    def turn(name: str) -> object:
        return lambda batches: calls.append((name, batches)) or [9.0, 1.0, 2.0]

    numbers = iter(range(10))
    found = take_turns({"a": turn("a"), "b": turn("b")}, lambda: [next(numbers)], 2)
    assert found == {"a": [[1.0, 2.0]] * 2, "b": [[1.0, 2.0]] * 2}
    assert calls == [("a", [0]), ("b", [0]), ("a", [1]), ("b", [1])]


def test_the_textbook_peer_computes_what_the_target_computes() -> None:
    torch.manual_seed(0)
    sizes = {"vocab_size": 40, "hidden_size": 32, "max_position_embeddings": 12, "num_labels": 2}
    ours, peer = Target(TargetConfig(**sizes)).eval(), TextbookClassifier(40, 12, 32, 4, 2).eval()
    peer.words, peer.positions, peer.head = ours.words, ours.positions, ours.classifier
    peer.layer.load_state_dict(ours.layer.state_dict())
    tokens = torch.randint(5, 40, (4, 9))
    tokens[1, 6:] = 0
    output, (logits, row) = ours(tokens), peer(tokens, row=True)
    assert torch.allclose(output.logits, logits, atol=1e-5)
    assert torch.allclose(output.attention_row, row, atol=1e-6)
    assert torch.allclose(peer(tokens)[0], logits, atol=1e-5)


def test_weak_scaling_by_hand() -> None:
    # 100 bytes over 50 bytes a second, 4 workers: 2 * 3/4 * 2 s beside 1 s of compute
    assert scale.modelled_efficiency(4, 100, 1.0, 50.0) == pytest.approx(1 / 4)
    assert scale.modelled_efficiency(1, 100, 1.0, 50.0) == 1


def test_tables_say_where_a_bar_is_missed() -> None:
    seconds = {"textbook": [[1.0]], "plain": [[0.2]], "afa": [[0.4]]}
    line = step.table([{"size": "64x16", "threads": 1, "seconds": seconds}]).splitlines()[2]
    assert "| 0.400 (0.400 to 0.400), bar 0.5 |" in line
    assert step.bar_of("afa", "textbook", "64x64") == 0.12
    line = step.table([{"size": "64x64", "threads": 1, "seconds": seconds}]).splitlines()[2]
    assert "0.400 (0.400 to 0.400), bar 0.12 missed" in line
    figures = [
        {"what": "x", "value": 3.0, "unit": "s", "bar": 2.0, "at_least": at_least}
        for at_least in (True, False)
    ]
    lines = surroundings.table({"figures": figures, "missing": ["y: no data"]}).splitlines()
    assert lines[2:4] == ["| x | 3 s | ≥ 2 |  |", "| x | 3 s | ≤ 2 | missed |"]
    assert lines[-1] == "Not measured: y: no data"


def test_every_mistake_is_reported() -> None:
    wrong = {
        "benchmark.parts": "step,speed", "benchmark.sizes": "64x16,0x4", "benchmark.rounds": 0,
        "benchmark.lengths": "64,a", "benchmark.worker_size": "imdb", "afa.lambda_adv": 0.0,
        "target.name": "bert", "discriminator.judge": "target",
    }  # fmt: skip
    found = speed_complaints(override(SpeedSettings(), wrong))
    named = ("'speed'", "0x4", "rounds", "lengths", "imdb", "lambda_adv", "target.name",
             "explainable")  # fmt: skip
    for part in named:
        assert any(part in complaint for complaint in found), part
    assert not speed_complaints(SpeedSettings())


@pytest.mark.slow
def test_a_small_benchmark_leaves_figures_tables_and_plots(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profile, "UPDATES", 2)
    status = main(
        ["--benchmark.parts", "step,profile,scale", "--benchmark.sizes", "4x8",
         "--benchmark.rounds", "2", "--benchmark.updates", "1", "--benchmark.threads", "1",
         "--benchmark.worker_size", "4x8", "--benchmark.out", str(tmp_path), "--target.hidden_size",
         "32", "--data.vocab_size", "100", "--data.max_length", "64", "--train.use_gpu", "false"]
    )  # fmt: skip
    assert status == 0
    found = {
        p: json.loads((tmp_path / f"{p}.json").read_text()) for p in ("step", "profile", "scale")
    }
    seconds = found["step"][0]["seconds"]
    assert set(seconds) == {"textbook", "trainer", "textbook-afa", "plain", "afa", "explainable"}
    assert all(len(turn) == 1 and turn[0] > 0 for rounds in seconds.values() for turn in rounds)
    floor = found["profile"][0]["floor"]
    assert [*floor] == ["products with weights", "products with embeddings", "Adam", "lookups"]
    assert all(part["seconds"] > 0 for part in floor.values())
    assert all(texts > 0 for texts in found["scale"]["workers"].values())
    assert (tmp_path / "step.png").stat().st_size > 10_000
    assert (tmp_path / "step.md").read_text().startswith("|")


def keeps_its_bars(measured: Callable[[], dict[str, float]]) -> None:
    """None of these, each over its bar, is above it by more than LEEWAY.

    What else the machine does may disturb a measurement: of five, one must do.
    """
    found: list[dict[str, float]] = []
    while not found or (len(found) < 5 and max(found[-1].values()) > LEEWAY):
        found.append(measured())
    assert max(found[-1].values()) <= LEEWAY, found


def ratios_at(size: str, peers: list[str], rounds: int) -> dict[str, float]:
    """Median ratios of an update with feedback to its peers, each over its bar, on one thread."""
    settings = override(SpeedSettings(), BRIEF | {"benchmark.rounds": rounds})
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        seconds = step.time_size(settings, size, [*peers, "afa"])
    finally:
        torch.set_num_threads(threads)
    return {
        peer: ratio(seconds["afa"], seconds[peer]).median / step.BARS["afa", peer][size]
        for peer in peers
    }


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.parametrize("size", ["64x16", "64x64", "32x256"])
def test_an_update_beside_plain_training(size: str) -> None:
    keeps_its_bars(lambda: ratios_at(size, ["textbook", "plain"], rounds=4))


@pytest.mark.slow
@pytest.mark.alone
def test_an_update_beside_textbook_feedback() -> None:
    keeps_its_bars(lambda: ratios_at("32x256", ["textbook-afa"], rounds=1))


@pytest.mark.slow
@pytest.mark.alone
def test_batches_and_validation_beside_an_epoch() -> None:
    settings = override(SpeedSettings(), BRIEF | {"data.name": "mock-3", "target.word2vec": False})
    corpus = prepare_corpus(settings)

    def shares() -> dict[str, float]:
        figures = surroundings.shares_of_an_epoch(settings, corpus)
        return {figure.what: figure.value / figure.bar for figure in figures}

    keeps_its_bars(shares)


@pytest.mark.slow
@pytest.mark.alone
def test_two_workers_and_many_environments() -> None:
    settings = override(SpeedSettings(), BRIEF)

    def gains() -> dict[str, float]:
        one, two = (scale.worker_throughput(settings, "64x64", n) for n in (1, 2))
        envs = scale.vector_environments(settings)
        return {
            "workers": scale.WORKERS_BAR / (two / one),
            "environments": scale.ENVIRONMENTS_BAR / (envs["batched"] / envs["SyncVectorEnv"]),
        }

    keeps_its_bars(gains)


@pytest.mark.slow
def test_memory_grows_with_the_length_of_texts_as_their_embeddings_do() -> None:
    settings = SpeedSettings()
    short, long = (in_a_new_process(memory._train, settings, n, False) for n in (128, 512))
    embeddings = memory.TEXTS * (512 - 128) * 512 * 4  # bytes
    assert embeddings < long - short < 12 * embeddings
    found = {
        "texts": memory.TEXTS,
        "by_length": {"afa": {128: short, 512: long}},
        "corpora": [
            {"rows": 300, "file_bytes": 2e6, "packed_bytes": 1e6, "memory_bytes": 3e6,
             "rows_per_second": 70.0}
        ],
    }  # fmt: skip
    assert memory.table(found).splitlines()[2].startswith("| afa | ")


@pytest.mark.parametrize("pairing", ["original", "contrast"])
def test_batches_have_partners_where_the_pairing_does(pairing: str) -> None:
    settings = override(SpeedSettings(), {"discriminator.pairing": pairing})
    (batch,) = step.random_batches(settings, "4x8", 0, 1)
    assert (batch.partners is not None) == (pairing == "contrast")
