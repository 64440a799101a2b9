"""The one door to data: a generated corpus, a public set by name, or the user's own files."""

from __future__ import annotations

from afa_ray.config import DataSettings
from afa_ray.data.facts import FACT_NAMES, generate_facts
from afa_ray.data.generated import MOCK_NAMES, generate_mock, generate_reviews
from afa_ray.data.lexicon import DEFAULT, read_lexicon
from afa_ray.data.messages import did_you_mean
from afa_ray.data.named import LABEL_NAMES, check_protocol, load_named
from afa_ray.data.texts import RawCorpus
from afa_ray.data.user_files import load_user_files
from afa_ray.errors import UserError

WITH_LEXICON = ("reviews", *MOCK_NAMES)
GENERATED_NAMES: tuple[str, ...] = (*WITH_LEXICON, *FACT_NAMES)
DATASET_NAMES: tuple[str, ...] = (*GENERATED_NAMES, *LABEL_NAMES)

OF_FILES = ("validation_file", "test_file", "query_column", "marks_column", "keep_na")


def load_raw(data: DataSettings, *, seed: int) -> RawCorpus:
    """The labelled texts of a run.

    With `train_file` (and `validation_file`, `test_file`) they are the user's, from the named
    columns, and `name` is only what the run calls them. Otherwise `name` is one of DATASET_NAMES: a
    generated corpus, made from `lexicon_file` where given, or a public set from `dir`, AFA_DATA_DIR
    or the hub, split by `protocol` where it has several. The same settings and files give the same
    corpus.

    Raises:
        UserError: for everything that is wrong with the settings or the data, also for a setting
            that the chosen source would not use (`dir` apart).
    """
    name = data.name
    if data.train_file is not None:
        _refuse("your own files", data, "protocol", "lexicon_file")
        return load_user_files(data, seed)
    if name not in DATASET_NAMES:
        raise UserError(
            f"There is no data set {name!r}.{did_you_mean(name, DATASET_NAMES)} Allowed are "
            f"{', '.join(DATASET_NAMES)}. For your own data give a training file."
        )
    _refuse(f"the set {name} (it goes with a training file)", data, *OF_FILES)
    check_protocol(name, data.protocol)
    if name not in WITH_LEXICON:
        _refuse(f"the set {name}", data, "lexicon_file")
    if name in LABEL_NAMES:
        return load_named(name, data.dir, data.protocol, seed)
    if name in FACT_NAMES:
        return generate_facts(name, seed)
    lexicon = DEFAULT if data.lexicon_file is None else read_lexicon(data.lexicon_file)
    if name == "reviews":
        return generate_reviews(seed, lexicon)
    return generate_mock(name, seed, lexicon)


def _refuse(source: str, data: DataSettings, *settings: str) -> None:
    """UserError where one of the settings is given."""
    for setting in settings:
        value = getattr(data, setting)
        if value not in (None, False):
            raise UserError(f"data.{setting} = {value}: has no use with {source}; leave it out")
