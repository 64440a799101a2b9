"""Imports run one way, and the core needs neither Ray nor MLflow."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAYERS = {  # each may import what stands in its own list, and itself
    "envs": [],
    "afa_ray.errors": [],
    "afa_ray.hub": [],
    "afa_ray.noise": [],
    "afa_ray.output": [],
    "afa_ray.progress": [],
    "afa_ray.policy": [],
    "afa_ray.losses": [],
    "afa_ray.config": ["afa_ray.errors"],
    "afa_ray.complaints": ["afa_ray.config"],
    "afa_ray.models": [
        "envs", "afa_ray.errors", "afa_ray.hub", "afa_ray.policy", "afa_ray.losses",
        "afa_ray.progress",
    ],
    "afa_ray.data": [
        "afa_ray.errors", "afa_ray.hub", "afa_ray.config", "afa_ray.models", "afa_ray.progress",
    ],
    "afa_ray.evaluation": [
        "envs", "afa_ray.noise", "afa_ray.output", "afa_ray.progress", "afa_ray.data",
        "afa_ray.models",
    ],
    "afa_ray.training": [
        "afa_ray.__version__",
        "envs", "afa_ray.errors", "afa_ray.noise", "afa_ray.config", "afa_ray.policy",
        "afa_ray.losses", "afa_ray.progress", "afa_ray.models", "afa_ray.data",
        "afa_ray.evaluation",
    ],
    "tune": [
        "afa_ray.errors", "afa_ray.config", "afa_ray.complaints", "afa_ray.command_line",
        "afa_ray.progress", "afa_ray.data", "afa_ray.training", "afa_ray.evaluation",
        "afa_ray.track",
    ],
}  # fmt: skip
LIGHT = ("envs", "afa_ray.policy", "afa_ray.losses", "afa_ray.noise")
HEAVY = ("ray", "mlflow", "transformers")


def imports_of(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "afa_ray":
            names |= {f"afa_ray.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def files_of(module: str) -> list[Path]:
    path = ROOT / module.replace(".", "/")
    return sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]


def within(name: str, module: str) -> bool:
    return name == module or name.startswith(module + ".")


@pytest.mark.parametrize("module", LAYERS)
def test_imports_run_one_way(module: str) -> None:
    allowed = [module, *LAYERS[module]]
    for path in files_of(module):
        ours = {n for n in imports_of(path) if n.split(".")[0] in ("envs", "afa_ray", "tune")}
        wrong = {n for n in ours if not any(within(n, a) for a in allowed)}
        assert not wrong, f"{path.relative_to(ROOT)} imports {sorted(wrong)}"


@pytest.mark.parametrize("module", LIGHT)
def test_the_mathematics_imports_no_framework(module: str) -> None:
    for path in files_of(module):
        wrong = {n for n in imports_of(path) if n.split(".")[0] in HEAVY}
        assert not wrong, f"{path.relative_to(ROOT)} imports {sorted(wrong)}"


def test_training_imports_no_models_of_transformers() -> None:
    """Each process would pay as much for them as for PyTorch."""
    heavy = ("transformers.modeling_utils", "torch._dynamo", "torch.distributed.tensor", "scipy")
    code = (
        "import sys, afa_ray.training.worker, afa_ray.training.ray_run, afa_ray.train\n"
        f"print(*[name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "", done.stdout + done.stderr


def test_the_core_works_where_ray_and_mlflow_are_not_installed() -> None:
    code = (
        "import sys\n"
        "sys.modules['ray'] = sys.modules['mlflow'] = None\n"
        "import envs, afa_ray.policy, afa_ray.losses, afa_ray.models, afa_ray.training.learner\n"
        "import afa_ray.training.worker, afa_ray.train\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
