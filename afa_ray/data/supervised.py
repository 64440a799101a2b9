"""What supervised attention asks of a corpus: words to look for, people's gaze, whole words."""

from __future__ import annotations

from transformers import PreTrainedTokenizerFast

from afa_ray.config import Settings
from afa_ray.data.gaze import gaze_texts
from afa_ray.data.lexicon import DEFAULT, Lexicon, read_lexicon
from afa_ray.data.packed import PackedTexts, pack
from afa_ray.data.sources import GENERATED_NAMES
from afa_ray.data.tokenizer import splits_words
from afa_ray.supervision import GAZE, OF_LEXICON, OF_PEOPLE, OF_WORDS


def lexicon_tells_where_to_look(settings: Settings) -> bool:
    """Whether `data.lexicon_file` does, and is not what texts are generated from."""
    generated = settings.data.train_file is None and settings.data.name in GENERATED_NAMES
    return settings.supervision.method in OF_LEXICON and not generated


def reads_people(settings: Settings) -> bool:
    """Whether supervision reads what people marked."""
    return settings.supervision.method in OF_PEOPLE


def counts_words(settings: Settings, tokenizer: PreTrainedTokenizerFast) -> bool:
    """Whether supervision has to know the words that a pretrained Target's tokens are pieces of."""
    counts = settings.supervision.method in OF_WORDS
    return counts and settings.target.pretrained and splits_words(tokenizer)


def lexicon_of(settings: Settings) -> Lexicon | None:
    """The words that supervision looks for, where it does.

    Raises:
        UserError: a file that cannot be used.
    """
    if settings.supervision.method not in OF_LEXICON:
        return None
    file = settings.data.lexicon_file
    return DEFAULT if file is None else read_lexicon(file)


def gaze_of(
    settings: Settings, tokenizer: PreTrainedTokenizerFast, max_length: int
) -> PackedTexts | None:
    """The sentences that people's eyes were followed on, where supervision learns from them.

    Raises:
        UserError: they are not there, or are not as they should be.
    """
    if settings.supervision.method != GAZE:
        return None
    return pack(gaze_texts(settings.data.dir), tokenizer, max_length, human=True)
