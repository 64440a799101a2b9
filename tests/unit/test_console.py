"""What a complete run prints."""

from pathlib import Path
from typing import Any

import pytest

from afa_ray.console import summary


@pytest.mark.parametrize(
    ("agreement", "said"),
    [
        ({"auroc": 0.75, "average_precision": 0.5, "texts": 1200}, "AUROC 0.750  average precision "
         "0.500  (1,200 texts)"),
        ({"auroc": None, "average_precision": None, "texts": 0}, "not known, no text has both"),
        (None, None),
    ],
)  # fmt: skip
def test_marks_are_spoken_of_where_there_are_any(
    agreement: dict[str, Any] | None, said: str | None, tmp_path: Path
) -> None:
    result = {
        "test": {"accuracy": 0.9, "macro_f1": 0.8}, "validation": {"epoch": 3},
        "deletion_curve": {"counts": [0], "by_attention": [0.9], "random": [0.9], "texts": 5},
        "agreement": agreement, "settings": {}, "data": {"texts": {"test": 5}},
        "training": {"epochs": 3, "seconds": 1.0, "tokens_per_s": 10.0},
    }  # fmt: skip
    lines = [line for line in summary(result, tmp_path).splitlines() if "marked words" in line]
    assert len(lines) == (said is not None)
    assert all(said in line for line in lines)
