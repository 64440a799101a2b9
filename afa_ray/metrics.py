"""Every figure that a run writes: its one name everywhere, what it means, and its unit.

`metrics.jsonl`, the console, Ray and MLflow have these names. Figures of training are means over
the texts of an interval (`train.log_every` updates) and over all workers; `val/…` are written at
the end of each epoch, all others once, at the end. A study files its means under the same names
behind the method's (`plain/test/accuracy`).
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Metric(NamedTuple):
    """What a figure means; its unit, or the range of a figure without one."""

    meaning: str
    unit: str


_SHARE = "0 to 1"
METRICS: dict[str, Metric] = {
    "train/loss": Metric("L_T = L_cls + λ L_adv (E8)", "nats"),
    "train/loss_cls": Metric("L_cls, cross-entropy of the classes (E2)", "nats"),
    "train/loss_adv": Metric("L_adv, the policy gradient's loss (E8); with feedback", "nats"),
    "train/accuracy": Metric("accuracy on the training texts, with dropout", _SHARE),
    "train/attention_entropy": Metric("entropy of the attention row over real tokens", "nats"),
    "train/loss_d": Metric(
        "L_D (E5): 2 ln 2 = 1.386 knows nothing; of a trained Discriminator", "nats"
    ),
    "train/d_accuracy": Metric(
        "share of untouched and masked texts that a trained Discriminator judges right", _SHARE
    ),
    "train/reward_mean": Metric("mean log-confusion (E6): ln 2 = 0.693 where D = 1/2", "nats"),
    "train/reward_spread": Metric(
        "standard deviation of the reward over the M masks of a text, mean over texts: what the "
        "policy gradient lives on; near 0 the game has degenerated",
        "nats",
    ),
    "train/loss_attention": Metric(
        "loss between attention and what supervision.method wants of it, mean over its texts",
        "nats for kl",
    ),
    "train/supervised": Metric("share of the training texts that it wants something of", _SHARE),
    "train/sana_effect": Metric(
        "sana: by how much p changes without a candidate's attention, mean of the last round",
        _SHARE,
    ),
    "train/sana_lowered": Metric("sana: share of the marks that the last round lowered", _SHARE),
    "train/sana_added": Metric("sana: tokens that it marked, as a share of the marks", "ratio"),
    "train/sana_auroc": Metric(
        "sana: AUROC of its marks for what people marked, where they did, over all training words",
        _SHARE,
    ),
    "train/loss_words": Metric("das: cross-entropy of what keywords say by themselves", "nats"),
    "train/words_accuracy": Metric("das: accuracy of what keywords say by themselves", _SHARE),
    "train/loss_read": Metric("gaze: cross-entropy of the classes of its sentences", "nats"),
    "train/pssa_active": Metric("pssa: share of the last round's words that are active", _SHARE),
    "time/tokens_per_s": Metric("real tokens of the texts that training reads", "1/s"),
    "val/accuracy": Metric("accuracy on the validation texts", _SHARE),
    "val/macro_precision": Metric("mean precision over classes, on validation", _SHARE),
    "val/macro_recall": Metric("mean recall over classes, on validation", _SHARE),
    "val/macro_f1": Metric("mean F1 over classes, on validation", _SHARE),
    "val/normalized_area": Metric(
        "as deletion/normalized_area, on validation; where train.deletion_weight is above 0",
        "ratio",
    ),
    "val/score": Metric(
        "what chooses the best epoch: accuracy minus train.deletion_weight times the normalised "
        "area",
        "at most 1",
    ),
    "test/accuracy": Metric("accuracy on the test texts, all of them", _SHARE),
    "test/macro_precision": Metric("mean precision over classes, on test", _SHARE),
    "test/macro_recall": Metric("mean recall over classes, on test", _SHARE),
    "test/macro_f1": Metric("mean F1 over classes, on test", _SHARE),
    "deletion/area_by_attention": Metric(
        "mean accuracy while the 0 to 8 tokens of highest attention are deleted (trapezoids): the "
        "lower, the more attention points at what matters",
        _SHARE,
    ),
    "deletion/area_random": Metric("the same of tokens deleted at random", _SHARE),
    "deletion/normalized_area": Metric(
        "their quotient: below 1 where attention finds what matters better than chance", "ratio"
    ),
    "faithfulness/comprehensiveness": Metric(
        "how much probability the predicted class loses without the attended tokens, mean over the "
        "top 1, 5, 10, 20 and 50%: more is better",
        "-1 to 1",
    ),
    "faithfulness/sufficiency": Metric(
        "how much it loses with nothing but these tokens: less is better", "-1 to 1"
    ),
    "faithfulness/random_comprehensiveness": Metric("the same of random tokens", "-1 to 1"),
    "faithfulness/random_sufficiency": Metric("the same of random tokens", "-1 to 1"),
    "explained/texts": Metric("test texts that the next ones are means of", "texts"),
    **{
        f"explained/{method}_{figure}": Metric(f"as faithfulness/{figure}, of {of}", "-1 to 1")
        for method, of in (
            ("attention", "the attention row, on these texts"),
            ("layers_ig", "`layers_ig`"),
            ("ig", "integrated gradients"),
        )
        for figure in ("comprehensiveness", "sufficiency")
    },
    "robustness/random_deletion": Metric(
        "test accuracy with a tenth of the words, or word pieces, deleted", _SHARE
    ),
    "robustness/typos": Metric(
        "test accuracy with a tenth of the words mistyped (not for word pieces)", _SHARE
    ),
    "attention/normalized_entropy": Metric(
        "−Σ p log p / log m over each text's m maskable tokens, mean: 1 is the same weight "
        "everywhere",
        _SHARE,
    ),
    "agreement/auroc": Metric(
        "area under the ROC curve of attention against marked words, mean over texts with marked "
        "and unmarked words: 0.5 is chance",
        _SHARE,
    ),
    "agreement/average_precision": Metric("average precision of the same", _SHARE),
    "agreement/texts": Metric("texts that these two are means of", "texts"),
    "baseline/accuracy": Metric("accuracy of a bag of words on the same test texts", _SHARE),
    "baseline/macro_f1": Metric("its mean F1 over classes", _SHARE),
    "baseline/texts": Metric("training texts that it was fitted to", "texts"),
    "baseline/seconds": Metric("what fitting it took", "s"),
    "time/train_s": Metric("training, without validation", "s"),
}


def flat_figures(result: dict[str, Any]) -> dict[str, float]:
    """The figures of a complete run's `result.json` under their names."""
    curve = result["deletion_curve"]
    figures = {f"test/{name}": value for name, value in result["test"].items()}
    areas = ("area_by_attention", "area_random", "normalized_area")
    figures |= {f"deletion/{name}": curve[name] for name in areas}
    for part in ("faithfulness", "explained", "robustness", "attention", "agreement", "baseline"):
        found = (result.get(part) or {}).items()  # runs of before have fewer
        figures |= {f"{part}/{name}": v for name, v in found if isinstance(v, int | float)}
    return figures | {"time/train_s": result["training"]["seconds"]}
