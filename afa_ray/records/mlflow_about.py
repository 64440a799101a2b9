"""What MLflow gets of a run besides its settings and figures: tags, the data it read, its files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from afa_ray.config import Settings
from afa_ray.json_files import DamagedError, read_object
from afa_ray.method import method_of
from afa_ray.records.run_folder import RESULT, SPLITS, read_fingerprints

CONTEXT = {"train": "training", "validation": "validation", "test": "test"}  # a split's, at MLflow
RUN_FILE = "mlflow.json"  # in a folder: at which servers it is tracked, and as which run
KEPT = {".csv", ".html", ".json", ".jsonl", ".md", ".png", ".yaml"}  # files that become artifacts
DIGEST = 36  # longest digest that MLflow takes


def tags_of(params: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """`method`, `seed` and `version` of a run; a study has many methods."""
    tags = {"version": _version(folder)}
    if "train.seed" in params:
        tags["seed"] = str(params["train.seed"])
    groups = {name.partition(".")[0] for name in params}
    if groups <= {field.name for field in fields(Settings)} and "afa.lambda_adv" in params:
        tags["method"] = method_of(params)
    return tags


def datasets_of(params: Mapping[str, Any], folder: Path) -> list[Any]:
    """The splits that a run's fingerprints tell of, as MLflow's dataset inputs."""
    from mlflow.entities import Dataset, DatasetInput, InputTag
    from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT

    try:
        corpus, found = read_fingerprints(folder).get("corpus", {}), {}
    except DamagedError:
        return []
    for split in SPLITS:
        if split not in corpus or corpus[split]["sha256"] in found:  # validation in test's place
            continue
        kind, source = _source(params, split)
        dataset = Dataset(
            name=str(params.get("data.name")),
            digest=corpus[split]["sha256"][:DIGEST],
            source_type=kind,
            source=json.dumps(source),
            profile=json.dumps({"num_rows": corpus[split]["count"]}),
        )
        tags = [InputTag(MLFLOW_DATASET_CONTEXT, CONTEXT[split])]
        found[corpus[split]["sha256"]] = DatasetInput(dataset, tags)
    return list(found.values())


def files_to_keep(folder: Path) -> list[Path]:
    """The files of a run's or a study's folder that become artifacts; those of `model/` do too."""
    own = [file for file in folder.iterdir() if file.suffix in KEPT and file.is_file()]
    own = [file for file in own if file.name != RUN_FILE and not file.name.startswith(".")]
    return sorted([*own, *(file for file in (folder / "model").rglob("*") if file.is_file())])


def _source(params: Mapping[str, Any], split: str) -> tuple[str, dict[str, Any]]:
    """Type and content of MLflow's data set sources: a file, or the code that knows the set."""
    file = params.get(f"data.{split}_file") or params.get("data.train_file")
    if file:
        return "local", {"uri": file}
    return "code", {
        "tags": {"mlflow.source.name": f"afa_ray --data.name {params.get('data.name')}"}
    }


def _version(folder: Path) -> str:
    """The version of afa_ray that finished the run, else this one."""
    from afa_ray import __version__

    try:
        return str((read_object(folder / RESULT) or {})["versions"]["afa_ray"])
    except (DamagedError, KeyError, TypeError):
        return __version__
