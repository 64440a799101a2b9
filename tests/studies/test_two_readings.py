"""What `orders` and `right_or_wrong` compute of models and their texts."""

import torch
from torch import Tensor

from afa_ray.data.corpus import Corpus
from afa_ray.data.tokenizer import special_ids
from afa_ray.evaluation.agreement import AGREEMENT
from afa_ray.evaluation.one_pass import figure
from afa_ray.models.target_judge import log_odds
from studies.evidence import orders, right_or_wrong
from tests.unit.test_models import small_target


def test_log_odds() -> None:
    logits = torch.tensor([[0.2, -1.0, 0.7], [2.0, 0.1, 0.3]])
    p = logits.softmax(-1)[[0, 1], [2, 0]]
    found = log_odds(logits, torch.tensor([2, 0]))
    assert torch.allclose(found, (p / (1 - p)).log(), atol=1e-6)


def test_what_a_text_loses_with_each_token() -> None:
    model = small_target(hops=2)
    text = torch.tensor([2, 11, 12, 13, 3])
    maskable = torch.tensor([False, True, False, True, False])

    def logits(tokens: Tensor) -> Tensor:
        return model(tokens).logits

    with torch.no_grad():
        lost = orders.losses(logits, text, maskable, 0)
        p = logits(text[None]).softmax(-1)[0]
        label = p.argmax()
        for place in (1, 3):
            shorter = torch.cat([text[:place], text[place + 1 :]])
            without = logits(shorter[None]).softmax(-1)[0, label]
            expected = (p[label] / (1 - p[label])).log() - (without / (1 - without)).log()
            assert torch.allclose(lost[place], expected, atol=1e-5)
    assert lost[[0, 2, 4]].tolist() == [0, 0, 0]


def test_orders_and_marks_of_a_corpus(small_corpus: Corpus) -> None:
    """Areas by attention and by both other orders; right and wrong texts together are all texts."""
    model = small_target(vocab_size=len(small_corpus.tokenizer), max_position_embeddings=64,
                         num_labels=2)  # fmt: skip
    assert len(orders.areas(model, small_corpus)) == len(orders.ORDERS)
    found = right_or_wrong.aurocs(model, small_corpus)
    assert found.shape == (len(right_or_wrong.WHERE), len(orders.ORDERS))
    special = special_ids(small_corpus.tokenizer)
    everywhere, right, wrong = found[:, 0].tolist()
    assert everywhere == figure(model, small_corpus.test, special, 0, AGREEMENT)["auroc"]
    assert min(right, wrong) <= everywhere <= max(right, wrong)
