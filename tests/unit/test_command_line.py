"""Settings from the command line and YAML: read exactly, or refused with every reason at once."""

from pathlib import Path

import pytest
import yaml

from afa_ray.command_line import parse
from afa_ray.complaints import complaints
from afa_ray.config import Settings
from afa_ray.dotted import flatten, to_yaml
from afa_ray.errors import UserError

CONFIGS = sorted((Path(__file__).parents[2] / "afa_ray" / "configs").glob("*.yaml"))


def refusal(arguments: list[str]) -> list[str]:
    with pytest.raises(UserError) as caught:
        parse(arguments)
    return str(caught.value).splitlines()


def test_defaults() -> None:
    settings = parse([])
    assert settings == Settings()
    assert (settings.discriminator.pairing, settings.afa.mask) == ("contrast", "delete")
    assert (settings.afa.k, settings.afa.epsilon, settings.afa.lambda_adv) == (3, 0.2, 0.5)
    assert (settings.afa.num_masks, settings.afa.policy) == (4, "topk")
    assert (settings.target.hidden_size, settings.target.heads, settings.target.dropout) == (
        128, 4, 0.3
    )  # fmt: skip
    assert (settings.train.target_lr, settings.train.discriminator_lr) == (None, 5e-4)


def test_values_of_every_type() -> None:
    settings = parse(
        ["--afa.k", "5", "--afa.epsilon=0.1", "--train.target_lr", "3e-4", "--train.use_gpu", "no",
         "--data.dir", "/some where", "--afa.policy", "plackett-luce", "--train.max_failures", "-1",
         "--target.word2vec", "false", "--data.name", "007"]
    )  # fmt: skip
    assert (settings.afa.k, settings.afa.epsilon, settings.train.target_lr) == (5, 0.1, 3e-4)
    assert settings.train.use_gpu is False
    assert settings.data.dir == "/some where"
    assert settings.train.max_failures == -1
    assert settings.target.word2vec is False
    assert settings.data.name == "007"


def test_files_then_command_line_the_last_wins(tmp_path: Path) -> None:
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text("afa: {k: 1, epsilon: 0.3}\ntrain.seed: 4\n")
    second.write_text("afa:\n  k: 2\n")
    settings = parse(["--config", str(first), "--config", str(second), "--afa.epsilon", "0.4"])
    assert (settings.afa.k, settings.afa.epsilon, settings.train.seed) == (2, 0.4, 4)


def test_printed_settings_are_read_back(tmp_path: Path, capsys) -> None:
    with pytest.raises(SystemExit) as stop:
        parse(["--afa.k", "2", "--print-config"])
    assert stop.value.code == 0
    printed = tmp_path / "printed.yaml"
    printed.write_text(capsys.readouterr().out)
    assert parse(["--config", str(printed)]) == parse(["--afa.k", "2"])
    assert flatten(Settings()) == flatten(parse(["--config", str(_file(tmp_path, Settings()))]))


def _file(folder: Path, settings: Settings) -> Path:
    path = folder / "all.yaml"
    path.write_text(to_yaml(settings))
    return path


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_every_ready_configuration_is_valid(config: Path) -> None:
    settings = parse(["--config", str(config)])
    given = yaml.safe_load(config.read_text()).get("data", {})
    assert settings.data.name == given.get("name", "reviews")


def test_every_fault_is_reported_at_once() -> None:
    lines = refusal(
        ["--afa.k", "0", "--afa.epsilon", "1.5", "--afa.lamda_adv", "1", "--train.epochs", "many",
         "--discriminator.pairing", "contrats", "--target.hidden_size", "510"]
    )  # fmt: skip
    assert lines == [
        "afa.lamda_adv = 1: there is no such setting; did you mean afa.lambda_adv?",
        "train.epochs = many: must be a whole number",
        "discriminator.pairing = contrats: must be one of original, contrast",
        "afa.k = 0: must be at least 1",
        "afa.epsilon = 1.5: must be between 0 and 1",
        "target.hidden_size = 510: must be a multiple of target.heads = 4",
    ]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--afa.lambda_adv", "-1"], "afa.lambda_adv = -1.0: must be a finite number, at least 0"),
        (["--afa.lambda_adv", "nan"], "afa.lambda_adv = nan: must be a number"),
        (["--afa.num_masks", "1"], "afa.num_masks = 1: must be at least 2"),
        (["--target.dropout", "1"], "target.dropout = 1.0: must be at least 0 and below 1"),
        (
            ["--train.batch_size", "4", "--train.num_workers", "3"],
            "at least twice train.num_workers",
        ),
        (["--run.name", "a/b"], "run.name = 'a/b': must be a folder name"),
        (["--afa.confidence", "1"], "afa.confidence = 1.0: must be at least 0 and below 1"),
        (["--target.sharpness", "64"], "target.sharpness = 64: this setting was removed"),
        (["--target.hops", "0"], "target.hops = 0: must be at least 1"),
        (
            ["--discriminator.judge", "target", "--discriminator.pairing", "original"],
            "discriminator.pairing = original: discriminator.j",
        ),
        (
            ["--discriminator.judge", "twin", "--train.shard", "true", "--train.num_workers", "2"],
            "train.shard: discriminator.judge = twin would",
        ),
        (["--k", "3"], "k = 3: there is no such setting; did you mean afa.k?"),
        (["--afa.k"], "afa.k: a value is missing"),
        (["reviews"], "reviews: settings are given as --name value"),
        (["--train.use_gpu", "perhaps"], "train.use_gpu = perhaps: must be true or false"),
        (["--config", "nowhere.yaml"], "config = nowhere.yaml: there is no such file"),
    ],
)
def test_each_fault_says_what_is_allowed(arguments: list[str], reason: str) -> None:
    assert reason in "\n".join(refusal(arguments))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"afa: {k: 1", "not valid YAML"),
        (b"- 3", "must hold settings"),
        (b"\xff\xfe", "cannot be read"),
        (b"afa: 3", "afa = 3: is a group of settings; give one of them as afa.NAME"),
        (b"afa:\n  k: 7\nafa:\n  epsilon: 0.3", "afa stands there twice (line 3)"),
        (b"afa: {k: 7, epsilon: 0.3, k: 3}", "k stands there twice (line 1)"),
        (b"afa: {k: [1, 2]}", "afa.k = [1, 2]: must be a whole number"),
    ],
)
def test_faults_of_files(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "settings.yaml"
    path.write_bytes(content)
    assert reason in "\n".join(refusal(["--config", str(path)]))


def test_help_explains_every_setting(capsys) -> None:
    with pytest.raises(SystemExit) as stop:
        parse(["--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    for name in flatten(Settings()):
        assert f"--{name}" in text
    assert "Units masked in a sequence" in text


def test_the_defaults_have_no_complaints() -> None:
    assert complaints(Settings()) == []


def test_a_range_of_workers_is_not_a_number_in_base_60(tmp_path: Path) -> None:
    file = tmp_path / "elastic.yaml"
    file.write_text("train: {num_workers: 1:4, batch_size: 32, target_lr: 1e-3, seed: 0x10}")
    for arguments in (["--train.num_workers", "1:4"], ["--config", str(file)]):
        assert parse(arguments).train.workers == (1, 4)
    assert parse(["--config", str(file)]).train.seed == 16
    assert parse(["--train.num_workers", "3"]).train.workers == (3, 3)
    assert refusal(["--afa.k", "1:2"]) == ["afa.k = 1:2: must be a whole number"]
    for value in ("4:1", "0:2", "-1", "2:", "1:2:3", "many"):
        (fault,) = refusal([f"--train.num_workers={value}"])
        assert fault.startswith(f"train.num_workers = {value}: ")


def test_a_value_of_thousands_of_characters_is_said_in_short() -> None:
    with pytest.raises(UserError) as refused:
        parse([f"--afa.k={'x' * 5000}"] * 5)
    lines = str(refused.value).splitlines()
    assert len(lines) == 5
    for line in lines:
        assert line.startswith("afa.k = xxx")
        assert "xxx … xxx" in line
        assert line.endswith("must be a whole number")
        assert len(line) < 700
