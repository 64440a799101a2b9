"""`report.html`: a run's figures, and what its Target looked at in a dozen test texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from afa_ray.classifier import Classifier, Explanation, load
from afa_ray.config import Settings
from afa_ray.data.texts import Texts
from afa_ray.errors import UserError, first_line, no_room
from afa_ray.method import described
from afa_ray.models import OwnTarget
from afa_ray.records.model_card import public_settings
from afa_ray.records.run_folder import REPORT
from afa_ray.report.page import page_html
from afa_ray.report.view import run_view
from afa_ray.whole_files import write_whole

if TYPE_CHECKING:
    from afa_ray.training.worker import Job, Worker

SHOWN = 12  # texts, half of them wrong where there are as many


def write_report(job: Job, worker: Worker, result: dict[str, Any]) -> str:
    """Write the page, or return why there is none: a run does not fail for it, but on a full disk,
    where the same command writes it when there is room."""
    try:
        write_whole(job.run / REPORT, report(job, worker, result))
    except Exception as error:  # the models are trained, and their figures known
        if no_room(error):
            raise
        return f"{REPORT} was not written ({type(error).__name__}: {first_line(error)})"
    return ""


def report(job: Job, worker: Worker, result: dict[str, Any]) -> str:
    """The page of a run whose models have been saved."""
    corpus, target = job.corpus, worker.learner.target
    name = job.run.name
    if worker.sharded:
        classifier = load(job.run)
    else:
        classifier = Classifier(target.eval(), corpus.tokenizer, name, corpus.label_names)
    beside = load_beside(job.settings, corpus.label_names)
    data = result["data"]
    about = (
        f"{corpus.name}: {data['train']:,} training, {data['validation']:,} validation and "
        f"{data['test']:,} test texts. Method: {described(result['settings'])}. One seed: a single "
        "run is an anecdote, not evidence."
    )
    if beside is not None:
        about += f" Beside it: {beside.name}."
    shown = run_view({**result, "settings": public_settings(result["settings"])}, about)
    texts = [] if corpus.examples is None else explained(classifier, corpus.examples)
    other = None if beside is None else [each.to_dict() for each in read_by(beside, texts)]
    return page_html(
        [each.to_dict() for each in texts],
        beside=other,
        title=name,
        run=shown,
        labels=corpus.label_names,
    )


def load_beside(settings: Settings, labels: Sequence[str]) -> Classifier | None:
    """The classifier that `evaluate.beside` names.

    Raises:
        UserError: there is none, or it has other classes than `labels`.
    """
    name = settings.evaluate.beside
    if name is None:
        return None
    try:
        classifier = load(name)
    except UserError as error:
        raise UserError(f"evaluate.beside = {error}") from error
    if sorted(classifier.labels) != sorted(labels):
        raise UserError(
            f"evaluate.beside = {name}: has the classes {', '.join(classifier.labels)}, and this "
            f"run {', '.join(labels)}; give a classifier of the same classes, or leave it out"
        )
    return classifier


def read_by(classifier: Classifier, texts: Sequence[Explanation]) -> list[Explanation]:
    """How another classifier reads the texts that are shown."""
    if not texts:
        return []
    shown, size = [each.text for each in texts], _batch_size(classifier)
    found = classifier.explain(shown, _methods(classifier), batch_size=size)
    return [
        replace(other, truth=each.truth, marks=_marks_of_spans(each, other))
        for each, other in zip(texts, found, strict=True)
    ]


def _marks_of_spans(one: Explanation, other: Explanation) -> list[int] | None:
    """The marks of one explanation for the words of another one of the same text."""
    if one.marks is None:
        return None
    marked = [span for span, mark in zip(one.spans, one.marks, strict=True) if mark]
    return [int(any(a < end and start < b for a, b in marked)) for start, end in other.spans]


def _batch_size(classifier: Classifier) -> int:
    return min(32, getattr(classifier.model, "evaluation_batch", 32))


def _methods(classifier: Classifier) -> tuple[str, ...]:
    """Attention, as it is and, of all layers, read for the class; beside that of a model from
    scratch what deleting each word does."""
    from_scratch = isinstance(classifier.model, OwnTarget)
    with_gates = from_scratch or not getattr(classifier.reads, "eager", False)
    return (
        "attention",
        *(["layers_ig"] if with_gates else []),
        *(["leave_one_out"] if from_scratch else []),
    )


def explained(classifier: Classifier, examples: Texts) -> list[Explanation]:
    """SHOWN of the examples, those that are classified wrong first; see `_methods`."""
    texts = [str(text) for text in examples.texts]
    rows = [row for row, text in enumerate(texts) if text.strip()]
    size = _batch_size(classifier)
    found = classifier.explain([texts[row] for row in rows], batch_size=size)
    truths = [classifier.labels[int(examples.labels[row])] for row in rows]
    wrong = [i for i, each in enumerate(found) if each.label != truths[i]]
    right = [i for i, each in enumerate(found) if each.label == truths[i]]
    half = max(SHOWN // 2, SHOWN - len(right))
    chosen = wrong[:half] + _of_every_class(right, truths)[: SHOWN - len(wrong[:half])]
    if not chosen:
        return []
    again = classifier.explain(
        [texts[rows[i]] for i in chosen], _methods(classifier), batch_size=size
    )
    return [
        replace(each, truth=truths[i], marks=marks_of(each, examples, rows[i]))
        for i, each in zip(chosen, again, strict=True)
    ]


def _of_every_class(numbers: list[int], truths: list[str]) -> list[int]:
    """The numbers, those of the classes by turns."""
    classes: dict[str, list[int]] = {}
    for number in numbers:
        classes.setdefault(truths[number], []).append(number)
    turns = zip_longest(*classes.values())
    return [number for turn in turns for number in turn if number is not None]


def marks_of(explanation: Explanation, examples: Texts, row: int) -> list[int] | None:
    """1 at each word that holds a part of a marked one; None where nothing is marked.

    The marked words stand in the text with one space between them.
    """
    if examples.words is None or examples.marks is None:
        return None
    marked: list[bool] = []
    for word, mark in zip(examples.words[row], examples.marks[row], strict=True):
        marked += [bool(mark)] * len(word) + [False]
    return [int(any(marked[start:end])) for start, end in explanation.spans]
