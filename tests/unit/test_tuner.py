"""What a search that was killed hands to its search algorithm when it starts again."""

from pathlib import Path

from afa_ray.config import Settings
from afa_ray.dotted import override, to_yaml
from tune.options import SearchOptions
from tune.space import for_tune, parse_space
from tune.study import Study, _places
from tune.tuner import _algorithm

TEXT = "afa.k=1:8 afa.lambda_adv=0.1:1:log"


def begun(folder: Path, number: int, **values: float) -> None:
    """The folder of a trial that has begun."""
    trial = folder / "trials" / f"trial-{number:03}"
    trial.mkdir(parents=True)
    settings = override(Settings(), {f"afa.{name}": value for name, value in values.items()})
    (trial / "config.yaml").write_text(to_yaml(settings))


def test_optuna_is_given_what_was_drawn_and_fills_the_gaps(tmp_path: Path) -> None:
    """Number 1 had no folder yet when the search was killed."""
    begun(tmp_path, 0, k=2, lambda_adv=0.3)
    begun(tmp_path, 2, k=7, lambda_adv=0.9)
    begun(tmp_path, 1000, k=5, lambda_adv=0.5)
    space = parse_space(TEXT, Settings(), [])
    study = Study(Settings(), tmp_path, None, None, 2, None)
    algorithm = _algorithm(study, SearchOptions(algorithm="optuna"), space)
    algorithm.set_search_properties("score", "max", for_tune(space))
    drawn = [algorithm.suggest(str(number)) for number in range(1001)]
    assert drawn[0] == {"afa.k": 2, "afa.lambda_adv": 0.3}
    assert drawn[1].keys() == {"afa.k", "afa.lambda_adv"}
    assert drawn[2] == {"afa.k": 7, "afa.lambda_adv": 0.9}
    assert drawn[1000] == {"afa.k": 5, "afa.lambda_adv": 0.5}


def test_random_trials_run_at_once_as_far_as_is_wanted(tmp_path: Path) -> None:
    """Tune ignores its own limit for them; 0 is as many as there is room for."""
    study, space = (
        Study(Settings(), tmp_path, None, None, 2, None),
        parse_space(TEXT, Settings(), []),
    )
    for wanted in (0, 1):
        assert (
            _algorithm(study, SearchOptions(max_concurrent=wanted), space).max_concurrent == wanted
        )


def test_how_many_runs_a_node_has_room_for() -> None:
    assert _places(4, 1) == 4
    assert _places(4, 3) == 1
    assert _places(0, 1) == 0
    assert _places(2, 0.5) == 4
    assert _places(2, 0.6) == 2  # not 3: each GPU has room for one
