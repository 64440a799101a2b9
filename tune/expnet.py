"""`python -m tune.expnet`: explainers against human marks, ExpNet leaving one task out.

For each seed a classifier of every task is trained, as in any run. ExpNet learns from the marks of
all tasks but one, and reads that one; so does the threshold of every other method.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from afa_ray.classifier.methods import methods_of
from afa_ray.command_line import Command, run_command
from afa_ray.data.sources import DATASET_NAMES
from afa_ray.dotted import override
from afa_ray.errors import UserError
from afa_ray.explainers.expnet import ExpNet, train_expnet
from afa_ray.whole_files import write_whole
from tune.expnet_table import as_rows, as_table
from tune.marked_words import MarkedWords, marked_texts, measure
from tune.options import ExpNetSettings, study_complaints
from tune.plausibility import THRESHOLDS, Judged, f1_by_threshold, padded, ranking, scaled
from tune.runs import is_finished, measure_all, run_all
from tune.study import Run, finish_study, open_study

EXPNET = Command(
    "tune.expnet",
    "Hold explainers against human marks, and ExpNet with them, leaving one task out at a time.",
    ExpNetSettings,
    study_complaints,
)
Words = Mapping[str, MarkedWords]
"""By task, of one seed's classifiers."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0; 1 where some runs failed; 2 after a mistake of the user's."""
    return run_command(EXPNET, compare, sys.argv[1:] if arguments is None else arguments)


def compare(settings: ExpNetSettings) -> int:
    """Train the classifiers, or those that are missing, measure all methods, and write the table.

    Raises:
        UserError: settings or data that cannot be used. Nothing has been written then.
    """
    options = settings.expnet
    tasks = _tasks(settings)
    methods = [name for name in methods_of(options.methods) if name != "expnet"]
    settings = override(settings, {"data.name": tasks[0]})
    for task in tasks:
        marked_texts(override(settings, {"data.name": task}))
    with open_study(settings, may_change=("seeds",)) as study:
        seeds = study.seeds(options.seeds)
        runs = [
            study.run("runs", f"{task}-seed{seed}", {"data.name": task}, seed, group=task)
            for seed in seeds
            for task in tasks
        ]
        failures = run_all(study, runs, f"a classifier of {', '.join(tasks)}")
        threads = study.resources.cpus_per_trial
        waiting = [r for r in runs if is_finished(r.folder) and not _file_of(r).exists()]
        jobs = [(run, (methods, options.texts, threads)) for run in waiting]
        failures += measure_all(study, _measure, jobs)
        figures: dict[tuple[str, str], list[dict[str, float]]] = {}
        for seed in seeds:
            words = {
                run.group: MarkedWords.load(_file_of(run))
                for run in runs
                if run.settings.train.seed == seed and _file_of(run).exists()
            }
            if len(words) == len(tasks):
                for key, found in of_seed(words, seed, study.folder / "expnet").items():
                    figures.setdefault(key, []).append(found)
        rows = as_rows(figures, [*methods, "expnet"], tasks)
        text = as_table(rows, len(seeds), tasks)
        write_whole(study.folder / "table.md", text)
        print(text)
        return finish_study(
            study, failures, {f"{r.method}/{r.task}_{r.name}": r.mean for r in rows}
        )


def of_seed(words: Words, seed: int, folder: Path) -> dict[tuple[str, str], dict[str, float]]:
    """The figures of (task, method), each task left out once; the ExpNets are saved."""
    found = {}
    for task in words:
        others = [name for name in words if name != task]
        net = learned({name: words[name] for name in others}, seed)
        net.save(folder / f"without-{task}-seed{seed}")
        common = set.intersection(*(set(each.scores) for each in words.values()))
        for method in [*common, "expnet"]:
            judged = {name: _judged(words[name], method, net) for name in words}
            on_others = np.mean([f1_by_threshold(judged[name]) for name in others], axis=0)
            best = int(on_others.argmax())
            found[task, method] = {
                **ranking(judged[task]),
                "f1_threshold": float(f1_by_threshold(judged[task])[best]),
                "threshold": float(THRESHOLDS[best]),
                "seconds": words[task].seconds.get(method, np.nan),
                "texts": len(judged[task].marked),
            }
    return found


def learned(words: Words, seed: int) -> ExpNet:
    """An ExpNet of the marks of these tasks, which all its pieces have."""
    features = torch.from_numpy(np.concatenate([each.features for each in words.values()]))
    marked = np.concatenate([each.marked[each.word] for each in words.values()])
    return train_expnet(features, torch.from_numpy(marked), seed=seed)


def _judged(words: MarkedWords, method: str, net: ExpNet) -> Judged:
    """A text's scores from 0 to 1: ExpNet's are probabilities, those of others are scaled."""
    if method != "expnet":
        return scaled(padded(words.text, words.marked, words.scores[method]))
    with torch.no_grad():
        pieces = net(torch.from_numpy(words.features)).sigmoid().double().numpy()
    scores = np.zeros(len(words.text))
    np.maximum.at(scores, words.word, pieces)
    return padded(words.text, words.marked, scores)


def _measure(run: Run, methods: list[str], count: int, threads: int) -> None:
    torch.set_num_threads(threads)
    measure(run.folder, run.settings, methods, count).save(_file_of(run))


def _file_of(run: Run) -> Path:
    return run.folder / "marked_words.npz"


def _tasks(settings: ExpNetSettings) -> list[str]:
    """The names of the tasks, each once.

    Raises:
        UserError: fewer than two, or one that is no data set; or files, of which tasks have none.
    """
    text = settings.expnet.tasks
    tasks = list(dict.fromkeys(filter(None, (part.strip() for part in text.split(",")))))
    faults = [f"expnet.tasks: there is no data set {t!r}" for t in tasks if t not in DATASET_NAMES]
    if len(tasks) < 2:
        faults.append(f"expnet.tasks = {text}: one is left out, so give at least two data sets")
    faults += [
        f"data.{name} = {path}: every task is a data set with a name; leave it out"
        for name in ("train_file", "validation_file", "test_file")
        if (path := getattr(settings.data, name)) is not None
    ]
    if faults:
        allowed = "give some whose words are marked: fair_rationales, hatexplain, yelp_hat, reviews"
        raise UserError("\n".join([*faults, allowed]))
    return tasks


if __name__ == "__main__":
    sys.exit(main())
