"""Agreement of the attention with marked words: human rationales, or planted ones."""

from __future__ import annotations

import numpy as np

from afa_ray.data.packed import PackedTexts
from afa_ray.evaluation.prediction import batches_on_device, read
from afa_ray.models import AnyTarget
from envs import maskable_tokens


def agreement_with_marks(
    target: AnyTarget, texts: PackedTexts, special_ids: tuple[int, ...]
) -> dict[str, float | int | None]:
    """AUROC and average precision of attention as a score for "is marked", means over texts.

    Each text is judged by itself, over its maskable tokens, since attention sums to one in each.
    Texts with no marked or no unmarked token say nothing and are left out; None where all are.

    Returns:
        auroc, average_precision, and texts, the number of texts judged.
    """
    from sklearn.metrics import average_precision_score, roc_auc_score  # slow to import

    areas, precisions = [], []
    for examples, tokens in batches_on_device(texts, target):
        rows = read(target, tokens)[1].cpu().numpy()
        real = maskable_tokens(tokens, special_ids).cpu().numpy()
        for row, mark, keep in zip(rows, texts.padded_marks(examples), real, strict=True):
            mark, row = mark[keep], row[keep]
            if 0 < mark.sum() < len(mark):
                areas.append(roc_auc_score(mark, row))
                precisions.append(average_precision_score(mark, row))
    return {
        "auroc": float(np.mean(areas)) if areas else None,
        "average_precision": float(np.mean(precisions)) if precisions else None,
        "texts": len(areas),
    }
