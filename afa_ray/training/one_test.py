"""One test of attention, or comparison, of one model: its figures, with what they mean."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tokenizers.models import WordLevel, WordPiece
from transformers import PreTrainedTokenizerFast

from afa_ray.data.tokenizer import special_ids
from afa_ray.evaluation.attefa import PUBLISHED
from afa_ray.evaluation.audit import TESTS, Test, batches
from afa_ray.evaluation.comparisons import COMPARISONS, Comparison
from afa_ray.report.bar import progress_bar
from afa_ray.training.bench import Bench
from afa_ray.training.trained_tests import TRAINED_TESTS, TrainedTest

SPACES = ("Ġ", "▁")  # what tokenizers of bytes and of sentences write for one


def tested(name: str, bench: Bench, doing: str) -> dict[str, Any]:
    """A test's figures, with what they mean, as JSON takes them.

    Args:
        doing: what the bar of progress says.
    """
    test: Test | TrainedTest | Comparison
    tokenizer = bench.corpus.tokenizer
    if name in COMPARISONS:
        test = COMPARISONS[name]
        with progress_bar(doing, test.passes * len(bench.test)) as advance:
            of = bench.test, special_ids(tokenizer)
            figures = test.run(bench.target, of, bench.seed, advance)
    elif name in TRAINED_TESTS:
        test = TRAINED_TESTS[name]
        with progress_bar(doing, len(test.models(bench)), "models") as advance:
            figures = test.run(replace(bench, advance=advance))
    else:
        test = TESTS[name]
        with progress_bar(doing, len(bench.test)) as advance:
            seen = batches(bench.target, bench.test, special_ids(tokenizer), advance)
            figures = test.run(bench.target, seen, bench.seed)
        if "cases" in figures:
            figures["cases"] = [in_words(case, tokenizer) for case in figures["cases"]]
    words: dict[str, Any] = {
        "asks": test.asks,
        "high": test.high,
        "low": test.low,
        "source": test.source,
    }
    public = bench.settings.data.train_file is None
    if name == "attefa" and public and bench.corpus.name in PUBLISHED:
        kinds = ("an LSTM", "words by themselves")
        words["published"] = dict(zip(kinds, PUBLISHED[bench.corpus.name], strict=True))
    return {"figures": figures, **words}


def in_words(case: dict[str, Any], tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    """A case as people read it: a word has the sum of its pieces' weights."""
    pieces = tokenizer.convert_ids_to_tokens(case["ids"])
    starts = starts_of_words(pieces, tokenizer)
    spans = list(zip(starts, [*starts[1:], len(pieces)], strict=True))
    return {
        "divergence": case["divergence"],
        "query": tokenizer.decode(case["query"], skip_special_tokens=True),
        "words": [tokenizer.convert_tokens_to_string(pieces[a:b]).strip() for a, b in spans],
        **{row: [sum(case[row][a:b]) for a, b in spans] for row in ("real", "other")},
    }


def starts_of_words(pieces: list[str], tokenizer: PreTrainedTokenizerFast) -> list[int]:
    """Where words begin among the pieces of a text. Special tokens are words of their own."""
    model = tokenizer.backend_tokenizer.model
    special = set(tokenizer.all_special_tokens)

    def begins(piece: str) -> bool:
        if isinstance(model, WordLevel):
            return True
        if isinstance(model, WordPiece):
            return not piece.startswith(model.continuing_subword_prefix)
        return piece.startswith(SPACES)

    return [
        at
        for at, piece in enumerate(pieces)
        if not at or begins(piece) or {piece, pieces[at - 1]} & special
    ]
