"""Imports run one way, and the core needs neither Ray nor MLflow."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ORDER = (  # a room may import those above it, and itself
    ("envs", "afa_ray.errors", "afa_ray.importing", "afa_ray.metrics", "afa_ray.noise",
     "afa_ray.output", "afa_ray.supervision"),
    ("afa_ray.yaml_files",),
    ("afa_ray.config",),
    ("afa_ray.arguments", "afa_ray.dotted", "afa_ray.hub", "afa_ray.json_files", "afa_ray.method",
     "afa_ray.names", "afa_ray.progress", "afa_ray.redaction", "afa_ray.values",
     "afa_ray.whole_files"),
    ("afa_ray.report",),
    ("afa_ray.complaints", "afa_ray.models"),
    ("afa_ray.data",),
    ("afa_ray.recipe", "afa_ray.objectives", "afa_ray.explainers"),
    ("afa_ray.classifier", "afa_ray.evaluation"),
    ("afa_ray.records",),
    ("afa_ray.training",),
    ("afa_ray.console", "afa_ray.command_line", "afa_ray.explaining", "afa_ray.serving"),
    ("afa_ray.track", "afa_ray.explain", "afa_ray.serve", "afa_ray.audit"),
    ("afa_ray.train", "afa_ray.cli"),
    ("afa_ray.benchmark",),
    ("tune",),
    ("studies",),
)  # fmt: skip
ANYWHERE = ("afa_ray.__version__",)
LIGHT = ("envs", "afa_ray.objectives.policy", "afa_ray.objectives.losses", "afa_ray.noise")
HOUSE = ("envs", "afa_ray", "tune", "studies")
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


@pytest.mark.parametrize("level", range(len(ORDER)))
def test_imports_run_one_way(level: int) -> None:
    above = [room for rooms in ORDER[:level] for room in rooms]
    for room in ORDER[level]:
        allowed = [room, *above, *ANYWHERE]
        for path in files_of(room):
            ours = {n for n in imports_of(path) if n.split(".")[0] in HOUSE}
            wrong = {n for n in ours if not any(within(n, a) for a in allowed)}
            assert not wrong, f"{path.relative_to(ROOT)} imports {sorted(wrong)}"


def test_the_order_knows_every_file() -> None:
    known = {path for rooms in ORDER for room in rooms for path in files_of(room)}
    known |= {ROOT / "afa_ray/__init__.py", *files_of("afa_ray.configs")}
    missing = {p for wing in HOUSE for p in (ROOT / wing).rglob("*.py")} - known
    assert not missing


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
        "import envs, afa_ray.objectives.policy, afa_ray.objectives.losses, afa_ray.models\n"
        "import afa_ray.training.learner, afa_ray.training.worker, afa_ray.train\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
