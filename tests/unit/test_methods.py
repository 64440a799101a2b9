"""Methods by name, and methods of one's own."""

from pathlib import Path

import pytest

from afa_ray.config import Settings
from afa_ray.dotted import override
from tune.methods import METHODS, parse_methods
from tune.runs import corpus_key


def parsed(text: str, base: Settings | None = None) -> tuple[dict, list[str]]:
    faults: list[str] = []
    return parse_methods(text, base or Settings(), faults), faults


def test_the_four_methods() -> None:
    methods, faults = parsed("plain,original,contrast,random")
    assert faults == []
    assert methods == {name: METHODS[name] for name in ("plain", "original", "contrast", "random")}
    base = override(Settings(), {"afa.k": 5, "supervision.method": "as-tfidf"})
    changed = {name: override(base, values) for name, values in methods.items()}
    assert changed["plain"].afa.lambda_adv == 0
    assert changed["random"].afa.epsilon == 1
    assert changed["contrast"].discriminator.pairing == "contrast"
    assert changed["plain"].supervision.method == "none"
    assert changed["contrast"].supervision.method == "as-tfidf"  # beside it
    assert all(settings.afa.k == 5 for settings in changed.values())


def test_supervised_attention_stands_alone() -> None:
    base = override(Settings(), {"afa.lambda_adv": 0.0})
    methods, faults = parsed("plain,as-tfidf,as-random", base)
    assert faults == []
    changed = override(override(base, {"afa.lambda_adv": 0.5}), methods["as-random"])
    assert (changed.afa.lambda_adv, changed.supervision.method) == (0, "as-random")


def test_a_method_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "data: {name: imdb}\ntrain: {seed: 7, target_lr: 3e-4}\nafa: {k: 2}\nrun: {name: x}"
    )
    methods, faults = parsed(f"plain,mine={file}")
    assert faults == []
    assert methods["mine"] == {"train.target_lr": 3e-4, "afa.k": 2}  # not where and on what it runs


def test_a_model_folder_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative to where the command is given, not to a worker's folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").mkdir()
    (tmp_path / "mine.yaml").write_text("target: {name: model, lora: {r: 4}}")
    methods, faults = parsed("plain,mine=mine.yaml")
    assert faults == []
    assert methods["mine"] == {"target.name": str(tmp_path / "model"), "target.lora.r": 4}


def test_refusals(tmp_path: Path) -> None:
    _, faults = parsed("plain,sharp")
    assert "there is no method 'sharp'; give some of plain, original" in faults[0]
    _, (fault,) = parsed("plain")
    assert fault == "compare.methods = plain: a comparison needs two methods at least"
    _, (fault,) = parsed(f"plain,own={tmp_path / 'nowhere.yaml'}")
    assert "there is no such file" in fault
    (tmp_path / "bad.yaml").write_text("afa: {k: 0, lamda_adv: 1}")
    _, faults = parsed(f"plain,bad={tmp_path / 'bad.yaml'}")
    assert any("did you mean afa.lambda_adv" in fault for fault in faults)
    assert "method bad: afa.k = 0: must be at least 1" in faults
    plain_base = override(Settings(), {"afa.lambda_adv": 0.0})
    (tmp_path / "own.yaml").write_text("afa: {lambda_adv: 1}")
    assert parsed(f"plain,original={tmp_path / 'own.yaml'}", plain_base)[1] == []
    _, (fault,) = parsed("plain,contrast", plain_base)
    assert fault == "afa.lambda_adv = 0: method contrast needs a weight above 0"


def test_a_name_must_be_a_folder_name() -> None:
    for name in ("../up", "a|b", "a b", "a(b)", ".x"):
        _, faults = parsed(f"plain,{name}=file.yaml")
        assert name in faults[0]
        assert "must be of letters" in faults[0]
    _, faults = parsed("plain,plain")
    assert "plain is given twice" in faults[0]


def test_methods_that_read_other_data_have_a_corpus_of_their_own() -> None:
    def key(**values: object) -> tuple:
        return corpus_key(
            override(Settings(), {n.replace("__", "."): v for n, v in values.items()})
        )

    assert key() == key(supervision__method="as-tfidf") == key(supervision__method="pssa")
    for method in ("humal-al", "as-lexicon", "gaze"):
        assert key(supervision__method=method) != key()
    pretrained = {"target__name": "some/model"}
    assert key(**pretrained, supervision__method="as-tfidf") != key(**pretrained)
