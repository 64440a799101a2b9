"""The one door to data: a generated corpus, a public set by name, or the user's own files."""

from __future__ import annotations

from afa_ray.data.facts import FACT_NAMES, generate_facts
from afa_ray.data.generated import MOCK_NAMES, generate_mock, generate_reviews
from afa_ray.data.lexicon import DEFAULT, read_lexicon
from afa_ray.data.messages import did_you_mean
from afa_ray.data.named import LABEL_NAMES, check_protocol, load_named
from afa_ray.data.texts import RawCorpus
from afa_ray.data.user_files import UserFiles, load_user_files
from afa_ray.errors import UserError

GENERATED_NAMES: tuple[str, ...] = ("reviews", *MOCK_NAMES, *FACT_NAMES)
DATASET_NAMES: tuple[str, ...] = (*GENERATED_NAMES, *LABEL_NAMES)


def load_raw(
    name: str,
    *,
    seed: int,
    data_dir: str | None = None,
    train_file: str | None = None,
    validation_file: str | None = None,
    test_file: str | None = None,
    text_column: str = "text",
    label_column: str = "label",
    query_column: str | None = None,
    marks_column: str | None = None,
    keep_na: bool = False,
    protocol: str | None = None,
    lexicon_file: str | None = None,
) -> RawCorpus:
    """The labelled texts of a run.

    With `train_file` (and `validation_file`, `test_file`) they are the user's, from the named
    columns, and `name` is only what the run calls them; `query_column` has what each text is read
    for; with `keep_na`, "NA" and the like are labels. Otherwise `name` is one of DATASET_NAMES: a
    generated corpus, made from `lexicon_file` where given, or a public set from `data_dir`,
    AFA_DATA_DIR or the hub, split by `protocol` where it has several. The same arguments and files
    give the same corpus.

    Raises UserError for everything that is wrong with the arguments or the data, also for an
    argument that the chosen source would not use (`data_dir` apart).
    """
    if train_file is not None:
        _refuse("your own files", protocol=protocol, lexicon_file=lexicon_file)
        files = UserFiles(
            train=train_file,
            validation=validation_file,
            test=test_file,
            text_column=text_column,
            label_column=label_column,
            query_column=query_column,
            marks_column=marks_column,
            keep_na=keep_na,
        )
        return load_user_files(name, files, seed)
    if name not in DATASET_NAMES:
        raise UserError(
            f"There is no data set {name!r}.{did_you_mean(name, DATASET_NAMES)} Allowed are "
            f"{', '.join(DATASET_NAMES)}. For your own data give a training file."
        )
    _refuse(
        f"the set {name} (it goes with a training file)",
        validation_file=validation_file,
        test_file=test_file,
        query_column=query_column,
        marks_column=marks_column,
        keep_na=keep_na or None,
    )
    check_protocol(name, protocol)
    if name in LABEL_NAMES:
        _refuse(f"the set {name}", lexicon_file=lexicon_file)
        return load_named(name, data_dir, protocol, seed)
    lexicon = DEFAULT if lexicon_file is None else read_lexicon(lexicon_file)
    if name in FACT_NAMES:
        _refuse(f"the set {name}", lexicon_file=lexicon_file)
        return generate_facts(name, seed)
    if name == "reviews":
        return generate_reviews(seed, lexicon)
    return generate_mock(name, seed, lexicon)


def _refuse(source: str, **unused: str | bool | None) -> None:
    """UserError where one of `unused` is given."""
    for setting, value in unused.items():
        if value is not None:
            raise UserError(f"{setting} {value!r} has no use with {source}. Leave it out.")
