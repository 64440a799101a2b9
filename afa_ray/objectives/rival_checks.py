"""What supervised attention cannot do with a corpus or a Target, said before training."""

from __future__ import annotations

from afa_ray.config import SINGLE_LAYER, Settings
from afa_ray.data.corpus import Corpus
from afa_ray.errors import UserError
from afa_ray.models import AnyTarget
from afa_ray.supervision import OF_PEOPLE

REMEDY = (
    "take a set with marks in its training texts (yelp_hat, hatexplain, reviews), or name the "
    "column of your own with data.marks_column"
)


def require_supervisable(settings: Settings, corpus: Corpus) -> None:
    """Raises:
    UserError: the method of `supervision` needs what the corpus lacks.
    """
    options = settings.supervision
    fixed = options.method == "entropy-target" and options.evenness is not None
    needed = options.method in OF_PEOPLE and not fixed
    what = f"supervision.method = {options.method}"
    if options.method == "sana" and options.sana.seed == "rationale":
        needed, what = True, "supervision.sana.seed = rationale"
    classes, most = len(corpus.label_names), options.das.most_labels
    if options.method == "das" and options.das.queries == "label" and classes > most:
        raise UserError(
            f"supervision.das.queries = label: {corpus.name} has {classes} classes, and would be "
            f"read {classes} times; use shared, or raise supervision.das.most_labels, {most}"
        )
    if needed:
        marks = corpus.train.marks
        if marks is None or not marks.any():
            raise UserError(
                f"{what}: nobody marked words in the training texts of {corpus.name}; {REMEDY}"
            )


def require_tellable(settings: Settings, target: AnyTarget) -> None:
    """Raises:
    UserError: the Target cannot do what `supervision.method` asks of it.
    """
    options = settings.supervision
    given = f"supervision.method = {options.method}"
    if options.method in ("humal-an", "humal-ap") and not hasattr(target, "told"):
        raise UserError(
            f"{given}: reaches into {SINGLE_LAYER} and pretrained models only, not into "
            f"target.name = {settings.target.name}; use humal-al"
        )
    if options.method == "humal-ap" and getattr(target, "eager", False):
        raise UserError(
            f"{given}: the first layer of {settings.target.name} cannot be reached; use humal-al"
        )
