"""`python -m tune.search`: look for good settings with Ray Tune, then train them with many seeds.

Trials are judged on validation texts only. The best settings are then trained anew, once with each
of `search.final_seeds` seeds, and only these runs are read on test.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from importlib.util import find_spec

from afa_ray.command_line import Command, run_command
from afa_ray.dotted import override, to_yaml
from afa_ray.errors import UserError
from afa_ray.whole_files import write_whole
from tune.options import SearchSettings, study_complaints
from tune.plots import search_plot
from tune.runs import by_group, run_all, summarise
from tune.space import Range, Space, describe, parse_space
from tune.study import Study, finish_study, open_study
from tune.tuner import EndedTrial, ended_trials, run_trials

SEARCH = Command(
    "tune.search",
    "Search settings with Ray Tune on validation texts; test the best ones over several seeds.",
    SearchSettings,
    study_complaints,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0; 1 where some trials or runs failed; 2 after a mistake of the user's."""
    return run_command(SEARCH, search, sys.argv[1:] if arguments is None else arguments)


def search(settings: SearchSettings) -> int:
    """Run all trials, or those that are missing, and then the best settings.

    Raises:
        UserError: settings or data that cannot be used. Nothing has been written then.
    """
    faults: list[str] = []
    space = parse_space(f"{settings.search.space} {settings.search.also}", settings, faults)
    if settings.search.metric == "score" and settings.train.deletion_weight == 0:
        faults.append(
            "search.metric = score: without a train.deletion_weight above 0 the score is the "
            "accuracy; give one, for example --train.deletion_weight 0.1"
        )
    if settings.search.metric == "accuracy" and settings.train.deletion_weight > 0:
        faults.append(
            f"train.deletion_weight = {settings.train.deletion_weight}: trials are then judged by "
            "the score; say so with --search.metric score"
        )
    _require_optuna(settings, faults)
    if faults:
        raise UserError("\n".join(faults))
    with open_study(settings, may_change=("samples", "final_seeds")) as study:
        failures = run_trials(study, settings.search, space)
        trials = ended_trials(study, space)
        if not trials:
            return finish_study(study, [*failures, "no trial ended"], {})
        best = max(trials, key=lambda trial: trial.score)
        _write(study, space, trials, best)
        pinned = {"data.split_seed": study.split_seed}  # what was searched with is not tested on
        final = [
            study.run("final", f"{best.name}-seed{seed}", best.values | pinned, seed, group="best")
            for seed in study.seeds(settings.search.final_seeds)
        ]
        print(f"best: {best.name}  {describe(best.values)}  score {best.score:.4f}")
        failures += run_all(study, final, f"training it with {len(final)} seeds, then test")
        figures = summarise(study, by_group(final, ["best"]), "best", "settings", lambda _: None)
        figures["best/val/score"] = best.score
        print(f"best settings, for afa_ray.train --config: {study.folder / 'best.yaml'}")
        return finish_study(study, failures, figures)


def _require_optuna(settings: SearchSettings, faults: list[str]) -> None:
    if settings.search.algorithm == "optuna" and find_spec("optuna") is None:
        faults.append(
            "search.algorithm = optuna: optuna is not installed; pip install optuna, or "
            "leave the setting out"
        )


def _write(study: Study, space: Space, trials: Sequence[EndedTrial], best: EndedTrial) -> None:
    """`trials.json`, `trials.md`, `search.png` and `best.yaml`."""
    write_whole(study.folder / "trials.json", json.dumps([asdict(t) for t in trials], indent=1))
    write_whole(study.folder / "trials.md", trial_table(trials))
    log = [name for name, one in space.items() if isinstance(one, Range) and one.log]
    search_plot([asdict(t) for t in trials], log, study.title, study.folder / "search.png")
    found = study.run("", "", best.values, study.settings.train.seed, group="best").settings
    own = {"run.name": None, "run.storage": study.settings.run.storage}
    write_whole(study.folder / "best.yaml", to_yaml(override(found, own)))


def trial_table(trials: Sequence[EndedTrial]) -> str:
    """Markdown, the best trial first."""
    names = list(trials[0].values)
    lines = [
        f"| trial | {' | '.join(names)} | score | best epoch | |",
        "|---" * (len(names) + 4) + "|",
    ]
    for trial in sorted(trials, key=lambda t: -t.score):
        drawn = [f"{v:.4g}" if isinstance(v, float) else str(v) for v in trial.values.values()]
        early = "ended early" if trial.stopped_early else ""
        lines.append(
            f"| {trial.name} | {' | '.join(drawn)} | {trial.score:.4f} | {trial.epoch} | {early} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
