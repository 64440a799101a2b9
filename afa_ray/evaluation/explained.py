"""What a model's attention explains, beside costlier explanations of the same model.

The attention row comes with the prediction; `layers_ig` takes some eight passes, and integrated
gradients, what explanations are mostly held against, a hundred.
"""

from __future__ import annotations

from afa_ray.data.packed import PackedTexts
from afa_ray.evaluation.erasure import ERASURE
from afa_ray.evaluation.one_pass import figure
from afa_ray.explainers import EXPLAINERS, CannotExplainError
from afa_ray.models import AnyTarget
from afa_ray.progress import Advance, ignored

METHODS = ("attention", "layers_ig", "ig")
FIGURES = ("comprehensiveness", "sufficiency")


def explained(
    target: AnyTarget,
    texts: PackedTexts,
    special_ids: tuple[int, ...],
    seed: int,
    advance: Advance = ignored,
) -> dict[str, float]:
    """`texts`, how many there are; and of each method `METHOD_FIGURE`, see `erasure`.

    A method that is not defined for the model is left out.
    """
    found: dict[str, float] = {"texts": len(texts)}
    for method in METHODS:
        try:
            erased = figure(
                target, texts, special_ids, seed, ERASURE,
                explainer=EXPLAINERS[method], advance=advance,
            )  # fmt: skip
        except CannotExplainError:
            continue
        found |= {f"{method}_{name}": erased[name] for name in FIGURES}
    return found
