"""The card beside a saved model: what it is, what it was trained on, how good it is."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import yaml

FILES = ("data.train_file", "data.test_file", "data.lexicon_file")


def model_card(result: dict[str, Any]) -> str:
    """Markdown with the metadata block that the Hugging Face hub reads."""
    data, test, settings = result["data"], result["test"], result["settings"]
    plain = settings["afa.lambda_adv"] == 0
    method = (
        "plain training"
        if plain
        else f"adversarial feedback for attention, pairing `{settings['discriminator.pairing']}`"
    )
    curve = result["deletion_curve"]
    agreement = result["agreement"]
    lines = [
        "---",
        "library_name: transformers",
        "pipeline_tag: text-classification",
        "tags: [afa_ray, attention]",
        "---",
        f"# {_escape(data['name'])}: single-layer Transformer classifier",
        "",
        f"Trained with afa_ray {result['versions']['afa_ray']}: {method}. The model returns its "
        "attention row, `outputs.attention_row`, one weight a token.",
        "",
        "```python",
        "import afa_ray",
        "from transformers import pipeline",
        "",
        'classify = pipeline("text-classification", model="this folder")',
        "```",
        "",
        "## Data",
        "",
        f"{data['train']:,} training, {data['validation']:,} validation and {data['test']:,} test "
        f"texts; classes {_escape(', '.join(data['labels']))}; {data['vocabulary']:,} words.",
        "",
        *[f"- {_escape(note)}" for note in data["notes"]],
        "",
        "## Results on the test split",
        "",
        "| figure | value |",
        "|---|---|",
        *[f"| {name} | {value:.4f} |" for name, value in test.items()],
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
        lines += [
            f"| AUROC of attention against marked words ({agreement['texts']:,} texts) | "
            f"{agreement['auroc']:.4f} |",
            f"| average precision of the same | {agreement['average_precision']:.4f} |",
        ]
    lines += [
        "",
        "One seed; see the settings. A single run is an anecdote, not evidence.",
        "",
        "## Settings and versions",
        "",
        "```yaml",
        yaml.safe_dump(_public(settings), sort_keys=False).strip().replace("`", "'"),
        "```",
        "",
        ", ".join(f"{name} {version}" for name, version in result["versions"].items()) + ".",
    ]
    return "\n".join(lines) + "\n"


def _escape(text: str) -> str:
    """The user's text as one line of Markdown without markup."""
    line = html.escape(" ".join(text.split()), quote=False)
    return "".join(f"\\{c}" if c in "\\`*_{}[]()#+!|~" else c for c in line)


def _public(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings that made the model, without the folders of the machine it was made on."""
    return {
        name: Path(value).name if name in FILES else value
        for name, value in settings.items()
        if value is not None and name != "data.dir" and not name.startswith(("run.", "mlflow."))
    }
