"""A study: a folder with settings of its own, a tracking run of its own, and many runs in it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from afa_ray.config import Settings
from afa_ray.data.corpus import prepare_corpus, split_seed
from afa_ray.dotted import override, to_yaml
from afa_ray.errors import UserError
from afa_ray.json_files import as_json
from afa_ray.objectives.rival_checks import require_supervisable
from afa_ray.records.fingerprints import begin_run, require_same_run
from afa_ray.records.mlflow_client import UnreachableError
from afa_ray.records.mlflow_opening import open_mlflow_run, upload_hint
from afa_ray.records.mlflow_run import MlflowRun
from afa_ray.records.run_folder import (
    CONFIG,
    FIGURES,
    MAY_CHANGE,
    folder_of,
    placed,
    require_same_settings,
    require_writable,
)
from afa_ray.records.run_lock import own_folder
from afa_ray.track import runs_of, upload_child
from afa_ray.training.players import check_target
from afa_ray.training.ray_address import require_cluster
from afa_ray.training.ray_run import ray_cluster
from afa_ray.whole_files import write_whole
from tune.options import Resources, options_of

LOST_WORKERS = 1  # times that a run is continued after its process was lost


@dataclass(frozen=True)
class Run:
    """One run of a study: its settings, and the group that it is counted in, such as its method."""

    settings: Settings
    group: str

    @property
    def folder(self) -> Path:
        return folder_of(self.settings)


@dataclass(frozen=True)
class Study:
    """What the runs of a study share.

    Attributes:
        settings: of the study, which are those of its runs where these have none of their own.
        folder: absolute. mlflow: the parent run, or None.
        corpus: that of `settings`, in the object store (an `ObjectRef`).
        slots: how many runs the cluster has room for at a time. dashboard: its page, or None.
    """

    settings: Settings
    folder: Path
    corpus: Any
    mlflow: MlflowRun | None
    slots: int
    dashboard: str | None

    @property
    def resources(self) -> Resources:
        return options_of(self.settings)[1]

    @property
    def title(self) -> str:
        """The data set, with its protocol where one was chosen."""
        data = self.settings.data
        return data.name + (f" ({data.protocol})" if data.protocol else "")

    @property
    def split_seed(self) -> int:
        """The seed of the splits that the study's own corpus has."""
        return split_seed(self.settings)

    def seeds(self, count: int) -> range:
        first = self.settings.train.seed
        return range(first, first + count)

    def run(self, place: str, name: str, values: Mapping[str, Any], seed: int, group: str) -> Run:
        """The run `<folder>/<place>/<name>`: one process, with `values` of its own."""
        base = {f.name: getattr(self.settings, f.name) for f in fields(Settings)}
        where = {
            "run.storage": str(self.folder / place),
            "run.name": name,
            "train.num_workers": 0,
            "train.seed": seed,
        }
        return Run(override(Settings(**base), {**values, **where}), group)


@contextmanager
def open_study(
    settings: Settings,
    may_change: Sequence[str] = (),
    methods: Sequence[Mapping[str, Any]] = ({},),
) -> Iterator[Study]:
    """Everything that can be wrong is found out first; then the folder is made, or gone on with.

    Args:
        may_change: settings of the study that may differ when it goes on, besides resources.
        methods: what its runs change of the settings, as far as their supervision goes.

    Raises:
        UserError: settings, data or cluster that cannot be used. Nothing has been written then.
    """
    command, resources = options_of(settings)
    settings, folder = placed(settings, f"{command}-{settings.data.name}")
    require_writable(folder)
    own = [f"{command}.{name}" for name in (*(f.name for f in fields(Resources)), *may_change)]
    with own_folder(folder), ExitStack() as stack:
        require_same_settings(settings, folder, {*MAY_CHANGE, *own})  # as its runs: no file moves
        files = require_same_run(settings, folder, own)
        require_cluster()
        print(f"preparing {settings.data.name}", flush=True)
        check_target(settings)
        corpus = prepare_corpus(settings)
        for values in methods:
            require_supervisable(override(settings, values), corpus)
        dashboard = stack.enter_context(ray_cluster())
        import ray

        slots = _slots(command, resources)
        begin_run(settings, folder, corpus, files)
        write_whole(folder / CONFIG, to_yaml(settings))  # as the study goes on now
        mlflow = open_mlflow_run(settings, folder)
        try:
            yield Study(settings, folder, ray.put(corpus), mlflow, slots, dashboard)
        except BaseException as error:
            close(mlflow, "FAILED")
            if not isinstance(error, UserError):
                reason = "interrupted" if isinstance(error, KeyboardInterrupt) else "ended early"
                print(f"{reason}; the same command goes on with {folder}", file=sys.stderr)
            raise


def finish_study(study: Study, failures: Sequence[str], figures: dict[str, float]) -> int:
    """Say what failed, hand figures and files on to MLflow; returns the exit status.

    What the tracking server missed of the runs while it was away is uploaded now.

    Args:
        figures: `group/measure` -> value; they are kept in `figures.json` for `afa_ray.track`.
    """
    write_whole(study.folder / FIGURES, as_json(figures, indent=1))
    for failure in failures:
        print(f"failed: {failure}", file=sys.stderr)
    if failures:
        print("the same command tries these again", file=sys.stderr)
    if study.mlflow is not None:
        try:
            for folder in runs_of(study.folder):
                upload_child(folder, study.mlflow, say=lambda _: None)
            study.mlflow.finish(study.folder, figures, 0)
        except UnreachableError as problem:
            print(f"{problem}{upload_hint(study.folder, study.mlflow.uri)}")
        if failures:
            close(study.mlflow, "FAILED")
    return int(bool(failures))


def close(mlflow: MlflowRun | None, status: str) -> None:
    """Say at the tracking server how a run ended."""
    if mlflow is not None:
        with suppress(UnreachableError):
            mlflow.set_status(status)


def _slots(command: str, resources: Resources) -> int:
    """Runs that fit into the cluster together.

    Raises:
        UserError: not even one, which would wait for ever.
    """
    import ray

    needed = {"CPU": resources.cpus_per_trial, "GPU": resources.gpus_per_trial}
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    for kind, count in needed.items():
        most = max(node.get(kind, 0) for node in nodes)
        if count > most:
            raise UserError(
                f"{command}.{kind.lower()}s_per_trial = {count}: a run needs them on one node, and "
                f"no node of the Ray cluster has more than {most:g} {kind}s"
            )
    fit = sum(
        min(_places(node.get(kind, 0), count) for kind, count in needed.items() if count)
        for node in nodes
    )
    return min(fit, resources.max_concurrent or fit)


def _places(there: float, needed: float) -> int:
    """Runs for which a node has enough; parts of a GPU are parts of one and the same."""
    return int(there) * int(1 / needed) if needed < 1 else int(there / needed)
