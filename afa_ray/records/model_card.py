"""The card beside a saved model: what it is, what it was trained on, how good it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from afa_ray.config import DATA_FILES, FROM_SCRATCH, SINGLE_LAYER
from afa_ray.method import described
from afa_ray.report.markdown import plain

FILES = (*(f"data.{file}" for file in DATA_FILES), "target.name", "evaluate.beside")


def model_card(result: dict[str, Any]) -> str:
    """Markdown with the metadata block that the Hugging Face hub reads."""
    data, settings = result["data"], result["settings"]
    lines = [
        "---",
        f"library_name: {'peft' if _has_adapters(settings) else 'transformers'}",
        *_base_model(settings),
        "pipeline_tag: text-classification",
        "tags: [afa_ray, attention]",
        "---",
        f"# {plain(data['name'])}: {_kind(settings)}",
        "",
        f"Trained with afa_ray {result['versions']['afa_ray']}: {described(settings)}.",
        "",
        "```python",
        *_usage(settings),
        "```",
        "",
        "## Data",
        "",
        f"{data['train']:,} training, {data['validation']:,} validation and {data['test']:,} test "
        f"texts; classes {plain(', '.join(data['labels']))}; {data['vocabulary']:,} "
        f"{'words' if settings['target.name'] in FROM_SCRATCH else 'pieces'}.",
        "",
        *[f"- {plain(note)}" for note in data["notes"]],
        "",
        f"## Results on the {settings['data.evaluate_on']} split",
        "",
        "| figure | value |",
        "|---|---|",
        *_figures(result),
    ]
    lines += [
        "",
        *_part(result),
        *[f"- **Warning.** {plain(text)}" for text in result.get("warnings", ())],
        "",
        "One seed; see the settings. A single run is an anecdote, not evidence.",
        "",
        "## Settings and versions",
        "",
        "```yaml",
        yaml.safe_dump(public_settings(settings), sort_keys=False).strip().replace("`", "'"),
        "```",
        "",
        ", ".join(f"{name} {version}" for name, version in result["versions"].items()) + ".",
    ]
    return "\n".join(lines) + "\n"


def _figures(result: dict[str, Any]) -> list[str]:
    """The rows of the table of results."""
    curve, agreement = result["deletion_curve"], result["agreement"]
    rows = [
        *[f"| {name} | {value:.4f} |" for name, value in result["test"].items()],
        *_baseline(result),
        *(
            f"| accuracy after deleting {count} tokens, by attention / at random | "
            f"{attention:.4f} / {random:.4f} |"
            for count, attention, random in zip(
                curve["counts"], curve["by_attention"], curve["random"], strict=True
            )
            if count
        ),
    ]
    if agreement and agreement["auroc"] is not None:
        rows += [
            f"| AUROC of attention against marked words ({agreement['texts']:,} texts) | "
            f"{agreement['auroc']:.4f} |",
            f"| average precision of the same | {agreement['average_precision']:.4f} |",
        ]
    return rows + _explained(result.get("explained", {}))


def _explained(found: dict[str, float]) -> list[str]:
    """The rows of what the attention row explains, beside costlier explanations."""
    names = {"attention": "the attention row", "layers_ig": "`layers_ig`", "ig": "`ig`"}
    return [
        f"| comprehensiveness / sufficiency of {name} ({found['texts']} texts) | "
        f"{found[f'{method}_comprehensiveness']:.4f} / {found[f'{method}_sufficiency']:.4f} |"
        for method, name in names.items()
        if f"{method}_sufficiency" in found
    ]


def _baseline(result: dict[str, Any]) -> list[str]:
    """The row of what is there to compare with."""
    found = result.get("baseline")
    return [f"| accuracy of {found['name']} | {found['accuracy']:.4f} |"] if found else []


def _part(result: dict[str, Any]) -> list[str]:
    """Of which texts the figures are, where not of all."""
    found = result.get("evaluated", {"texts": 0, "of": 0})
    if found["texts"] >= found["of"]:
        return []
    return [
        f"Figures of deletion and of marked words are those of {found['texts']:,} of the "
        f"{found['of']:,} texts.",
        "",
    ]


def _base_model(settings: dict[str, Any]) -> list[str]:
    """What links the card to the model on the hub that it comes from."""
    name = settings["target.name"]
    on_hub = name not in FROM_SCRATCH and _without_folder(name) == name
    return [f"base_model: {json.dumps(name)}"] if on_hub else []


def _kind(settings: dict[str, Any]) -> str:
    name = settings["target.name"]
    if name == SINGLE_LAYER:
        return "single-layer Transformer classifier"
    if name in FROM_SCRATCH:
        return f"{name} classifier with {settings['target.scorer']} attention"
    how = "adapters for" if _has_adapters(settings) else "fine-tuned from"
    return f"{how} {plain(_without_folder(name))}"


def _has_adapters(settings: dict[str, Any]) -> bool:
    return settings["target.lora.r"] > 0 and not settings["target.lora.merge"]


def _usage(settings: dict[str, Any]) -> list[str]:
    """Python that opens the model."""
    if _has_adapters(settings):  # needs peft, and the model that the adapters are for
        return [
            "from transformers import AutoConfig, AutoTokenizer",
            "from transformers import AutoModelForSequenceClassification",
            "",
            'config = AutoConfig.from_pretrained("this folder/config")',
            "model = AutoModelForSequenceClassification.from_pretrained(",
            '    "this folder", config=config, ignore_mismatched_sizes=True',
            ")",
            'tokenizer = AutoTokenizer.from_pretrained("this folder")',
        ]
    lines = ["from transformers import pipeline", ""]
    if settings["target.name"] in FROM_SCRATCH:
        lines = ["import afa_ray  # the model returns outputs.attention_row, too", *lines]
    return [*lines, 'classify = pipeline("text-classification", model="this folder")']


def _without_folder(name: str) -> str:
    """A model's id on the hub as it is, of a folder its last part."""
    return Path(name).name if Path(name).is_absolute() else name


def public_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings that made the model, without the folders of the machine it was made on."""
    return {
        name: _without_folder(value) if name in FILES else value
        for name, value in settings.items()
        if value is not None and name != "data.dir" and not name.startswith(("run.", "mlflow."))
    }
