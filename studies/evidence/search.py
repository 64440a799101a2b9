"""`python -m studies.evidence.search`: one data set's share of the evidence (README.md).

Every method, plain training too, may look for its settings with the same budget, on validation: as
many draws of its own space, first with one seed, and the best third with two more. What each found
is trained with other seeds, and only these runs are read on test.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from afa_ray.command_line import Command, run_command
from afa_ray.errors import UserError
from afa_ray.records.run_folder import TRIAL
from afa_ray.whole_files import write_whole
from studies.evidence.contenders import Contender, parse_contenders
from studies.evidence.options import EvidenceOptions, EvidenceSettings, evidence_complaints
from tune.methods import Values
from tune.plots import forest_plot
from tune.runs import by_group, run_all, summarise
from tune.space import describe
from tune.study import Run, Study, finish_study, open_study
from tune.tables import Entry
from tune.trial import validate_run

EVIDENCE = Command(
    "studies.evidence.search",
    "Search each method's settings on validation with one budget; test what each found.",
    EvidenceSettings,
    evidence_complaints,
)
FURTHER = 3  # a third of the draws is judged with all seeds
CHOSEN = "chosen.json"


@dataclass(frozen=True)
class Draw:
    """One draw of a contender's space, and its run with each search seed."""

    contender: str
    number: int
    values: Values
    runs: tuple[Run, ...]

    def figures(self, name: str = "val/score") -> list[float]:
        """What each run that has ended had on validation, at its best epoch."""
        files = [run.folder / TRIAL for run in self.runs]
        return [json.loads(file.read_text())[name] for file in files if file.exists()]

    @property
    def score(self) -> float:
        return statistics.mean(self.figures())

    @property
    def first_score(self) -> float:
        """With the first seed alone, which further ones do not change: a search that is continued
        takes the same draws further."""
        return self.figures()[0]


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0; 1 where some runs failed; 2 after a mistake of the user's."""
    return run_command(EVIDENCE, evidence, sys.argv[1:] if arguments is None else arguments)


def evidence(settings: EvidenceSettings) -> int:
    """Search and test all methods, or do what is missing of it.

    Raises:
        UserError: settings or data that cannot be used. Nothing has been written then.
    """
    options = settings.evidence
    faults: list[str] = []
    contenders = parse_contenders(options.methods, settings, faults)
    if faults:
        raise UserError("\n".join(faults))
    with open_study(settings, may_change=("methods", "seeds")) as study:
        chosen, failures = search(study, contenders)
        if len(chosen) < len(contenders):
            return finish_study(study, [*failures, "not every method has been judged"], {})
        _write(study.folder / CHOSEN, chosen)
        final = [
            study.run("final", f"{name}-seed{seed}", draw.values, seed, group=name)
            for seed in study.seeds(options.search_seeds + options.seeds)[options.search_seeds :]
            for name, draw in chosen.items()
        ]
        failures += run_all(study, final, f"{study.title}: what was found, with other seeds")
        baseline = next(iter(contenders))

        def plot(found: list[Entry]) -> None:
            forest_plot(found, baseline, study.title, study.folder / "forest.png")

        values = by_group(final, contenders)
        return finish_study(study, failures, summarise(study, values, baseline, "method", plot))


def search(study: Study, contenders: Mapping[str, Contender]) -> tuple[dict[str, Draw], list[str]]:
    """The best draw of each contender, and a sentence for each run that failed."""
    draws = [draw for name, one in contenders.items() for draw in _draws(study, name, one)]
    failures = _validate(study, [draw.runs[0] for draw in draws], "all draws, one seed")
    judged = {
        name: [d for d in draws if d.contender == name and d.figures()] for name in contenders
    }
    best = {
        name: sorted(found, key=lambda draw: -draw.first_score)[: -(-len(found) // FURTHER)]
        for name, found in judged.items()
    }
    further = [run for found in best.values() for draw in found for run in draw.runs[1:]]
    failures += _validate(study, further, "the best third, with all seeds")
    chosen = {
        name: max(found, key=lambda draw: draw.score) for name, found in best.items() if found
    }
    return chosen, failures


def _validate(study: Study, runs: list[Run], what: str) -> list[str]:
    return run_all(study, runs, f"{study.title}: {what}", validate_run)


def _draws(study: Study, name: str, contender: Contender) -> list[Draw]:
    options, first = _options(study), study.settings.train.seed
    found = []
    for number in range(options.draws):
        values = contender.draw(first, number) | {"data.split_seed": study.split_seed}
        runs = tuple(
            study.run("search", f"{name}-{number}-seed{seed}", values, seed, group=name)
            for seed in study.seeds(options.search_seeds)
        )
        found.append(Draw(name, number, values, runs))
    return found


def _options(study: Study) -> EvidenceOptions:
    options = study.resources
    assert isinstance(options, EvidenceOptions)
    return options


def _write(path: Path, chosen: Mapping[str, Draw]) -> None:
    content: dict[str, Any] = {
        name: {
            "draw": d.number,
            "score": d.score,
            "accuracy": statistics.mean(d.figures("val/accuracy")),
            "seeds": len(d.figures()),
            "values": d.values,
        }
        for name, d in chosen.items()
    }
    write_whole(path, json.dumps(content, indent=1))
    for name, draw in chosen.items():
        print(f"{name}: draw {draw.number}, score {draw.score:.4f}  {describe(draw.values)}")


if __name__ == "__main__":
    sys.exit(main())
