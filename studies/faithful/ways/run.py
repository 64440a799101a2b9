"""Ways to bring MiniLM's attention to the level of integrated gradients: `python -m
studies.faithful.ways.run OUT`.

Every form of a model (`forms.FORMS`) is trained on a file of a data set, and read in every way
(`readings.READINGS`) on texts that no file has: a thousand rows of the *training* split that are set
apart, never the test split. Every (data set, seed, form, reading) is a line of `OUT/figures.jsonl`, and
what is there is not repeated; trained models are kept in `--runs`. Afterwards `OUT/table.md` is
written. README.md has the protocol. Needs AFA_DATA_DIR.

    --data NAMES        by default sst2_sentences,yelp_hat
    --seeds NAMES       by default 0
    --forms NAMES       by default all of FORMS
    --readings NAMES    separated by semicolons; by default all of READINGS
    --texts NUMBER      that are explained, by default 100
    --steps NUMBER      most updates of a training; by default as many as the recipe says
"""  # noqa: E501

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from afa_ray.data.corpus import Corpus, prepare_corpus
from afa_ray.data.tokenizer import special_ids
from afa_ray.evaluation.one_pass import figures
from afa_ray.evaluation.prediction import predict
from afa_ray.training.players import build_players
from studies.faithful.measures import erasure
from studies.faithful.ways.forms import FORMS, settings_of, train_form
from studies.faithful.ways.readings import READINGS, Timed
from studies.faithful.ways.tables import write_report
from studies.jobs import append_rows, done, names, silence
from studies.small_files.run import File, draw, write

ROWS = 1000
JUDGED = 500  # texts that accuracy is of


def main() -> None:
    options = read_options()
    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / "figures.jsonl"
    there = done(file, ("data", "seed", "form", "reading"))
    for data in options.data:
        for seed in options.seeds:
            missing = {
                form: [r for r in options.readings if (data, seed, form, r) not in there]
                for form in options.forms
            }
            if any(missing.values()):
                for row in measured(options, data, seed, missing):
                    append_rows(file, [row])
                    print(*row.values(), flush=True)
    write_report(file, options.out)


def measured(
    options: argparse.Namespace, data: str, seed: int, missing: dict[str, list[str]]
) -> Iterator[dict[str, Any]]:
    train, apart = draw(File(data, ROWS, seed, apart=True))
    with tempfile.TemporaryDirectory() as folder:
        os.environ["AFA_CACHE_DIR"] = folder
        write(Path(folder) / "train.csv", train)
        write(Path(folder) / "test.csv", (apart[0][:JUDGED], apart[1][:JUDGED]))
        with silence():
            corpus = prepare_corpus(settings_of("plain", data, seed, folder, options.steps))
        for form, readings in missing.items():
            if not readings:
                continue
            model, about = trained_once(options, data, seed, form, folder, corpus)
            for reading in readings:
                found = faithfulness(model, reading, corpus, options.texts)
                names = {"data": data, "seed": seed, "form": form, "reading": reading}
                yield {**names, **found, **about}


def trained_once(
    options: argparse.Namespace, data: str, seed: int, form: str, folder: str, corpus: Corpus
) -> tuple[Any, dict[str, Any]]:
    """A form's model in eval mode, trained unless it is kept, and its figures."""
    kept = options.runs / f"{data}-{seed}-{form}"
    settings = settings_of(form, data, seed, folder, options.steps)
    with silence():
        if not kept.exists():
            started = time.process_time()
            base = options.runs / f"{data}-{seed}-plain" / "model.safetensors"
            target, steps = train_form(form, settings, corpus, Path(folder) / form, base)
            spent = round(time.process_time() - started, 1)
            right = (predict(target, corpus.test).cpu().numpy() == corpus.test.labels).mean()
            kept.mkdir(parents=True)
            state = {k: v.detach().cpu().contiguous() for k, v in target.state_dict().items()}
            save_file(state, kept / "model.safetensors")
            about = {"accuracy": round(float(right), 4), "train_s": spent, "steps": steps}
            (kept / "about.json").write_text(json.dumps(about), encoding="utf-8")
        target = FORMS[form].make(build_players(settings, corpus).target)
        target.load_state_dict(load_file(kept / "model.safetensors"))
    return target.eval(), json.loads((kept / "about.json").read_text(encoding="utf-8"))


def faithfulness(model: Any, reading: str, corpus: Corpus, count: int) -> dict[str, Any]:
    """Comprehensiveness and sufficiency on the first texts that are set apart."""
    timed, texts = Timed(reading), corpus.test.take(np.arange(min(count, len(corpus.test))))
    special = special_ids(corpus.tokenizer)
    found = figures(model, texts, special, 0, {"deleted": erasure()}, explainer=timed)
    both = [round(x, 4) for x in found["deleted"]]
    seconds = round(timed.seconds / len(texts), 4)
    return {
        "deleted": both,
        "passes": READINGS[reading][1],
        "seconds": seconds,
        "texts": len(texts),
    }


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--runs", type=Path, default=Path("studies/faithful/ways/runs"))
    parser.add_argument("--data", type=names, default=["sst2_sentences", "yelp_hat"])
    parser.add_argument("--seeds", type=lambda text: [int(x) for x in text.split(",")], default=[0])
    parser.add_argument("--forms", type=names, default=list(FORMS))
    parser.add_argument("--readings", type=lambda text: text.split(";"), default=list(READINGS))
    parser.add_argument("--texts", type=int, default=100)
    parser.add_argument("--steps", type=int)
    return parser.parse_args()


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
