"""Words that carry an opinion: our own list, or one that the user brings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from afa_ray.data.messages import as_one, some_rows
from afa_ray.data.streamed import read_columns
from afa_ray.errors import UserError


@dataclass(frozen=True)
class Lexicon:
    """Single lower-case words by polarity. No word stands twice or on both sides."""

    positive: tuple[str, ...]
    negative: tuple[str, ...]


def read_lexicon(path: str | Path) -> Lexicon:
    """The lexicon in a file with the columns `text` (a word) and `label` (0 negative, 1 positive).

    The file is CSV, TSV, JSON Lines or Parquet. Words are lower-cased, repeats dropped, and words
    that stand on both sides dropped from both. Raises UserError for a missing file or column, a
    label other than 0 and 1, an entry that is not one word, and a side left without a word.
    """
    path = Path(path)
    columns = read_columns(path, ["text", "label"])
    words = ["" if word is None else str(word).strip().lower() for word in columns["text"]]
    labels = [str(label).strip() for label in columns["label"]]

    problems = []
    wrong = [row for row, label in enumerate(labels, start=1) if label not in ("0", "1")]
    if wrong:
        problems.append(
            f"{path}: the label is neither 0 (negative) nor 1 (positive) in {some_rows(wrong)}; "
            f"the first is {labels[wrong[0] - 1]!r}."
        )
    unusable = [row for row, word in enumerate(words, start=1) if len(word.split()) != 1]
    if unusable:
        problems.append(
            f"{path}: not a single word in {some_rows(unusable)}; the first is "
            f"{words[unusable[0] - 1]!r}. Remove such entries."
        )
    if problems:
        raise as_one(problems)

    sides = [
        dict.fromkeys(w for w, label in zip(words, labels, strict=True) if label == side)
        for side in ("0", "1")
    ]
    negative = tuple(word for word in sides[0] if word not in sides[1])
    positive = tuple(word for word in sides[1] if word not in sides[0])
    if not negative or not positive:
        raise UserError(
            f"{path} has {len(positive)} positive and {len(negative)} negative words (words on "
            "both sides do not count). Each side needs at least one."
        )
    return Lexicon(positive=positive, negative=negative)


_POSITIVE = """
accessible accurate admirable adorable affable affordable agreeable alluring amazing amusing
appealing appetizing astonishing attentive attractive authentic awesome balanced beautiful beloved
beneficial bold breathtaking bright brilliant calming capable captivating carefree caring
charismatic charming cheerful classy clean clever comfortable commendable compelling competent
considerate consistent convenient convincing cool cosy courteous creative crisp cute dazzling decent
dedicated delectable delicate delicious delightful dependable desirable devoted durable dynamic
ecstatic effective efficient effortless elegant eloquent enchanting encouraging endearing energetic
engaging engrossing enjoyable enlightening entertaining enthralling enthusiastic excellent
exceptional exciting exemplary exhilarating exquisite extraordinary fabulous fantastic fascinating
faultless favorable fitting flavorful flawless flexible fluent fortunate fragrant fresh friendly
fruitful fulfilling fun funny generous gentle genuine gifted glamorous glorious good gorgeous
graceful gracious grateful great handsome happy healthy heartfelt heartwarming heavenly helpful
heroic hilarious honest humorous ideal imaginative immaculate impeccable impressive incredible
ingenious innovative insightful inspired inspiring intelligent intriguing intuitive inventive
invigorating inviting irresistible joyful joyous kind legendary likable lively lovable lovely loyal
luxurious magical magnificent majestic marvelous masterful memorable meticulous miraculous neat nice
nourishing nutritious optimistic outstanding passionate patient peaceful perfect personable
phenomenal picturesque playful pleasant pleased pleasing pleasurable poetic polished polite popular
powerful practical pristine professional prompt punctual radiant refined refreshing relaxing
reliable remarkable resourceful respectful responsive rewarding robust romantic satisfying seamless
sensational skillful sleek smooth sophisticated spacious sparkling spectacular splendid spotless
stellar stimulating striking stunning sturdy stylish super superb superior tasteful tasty tempting
terrific thorough thoughtful thrilling trustworthy unbeatable unforgettable uplifting useful
valuable vibrant vivid warm welcoming witty wonderful worthwhile yummy
"""

_NEGATIVE = """
abominable absurd abysmal aggravating aggressive agonizing alarming amateurish annoying appalling
atrocious awful awkward bad baffling banal bland bleak blurry bogus boring bothersome brutal buggy
careless chaotic cheesy chilly clumsy cluttered condescending confusing contrived corny creepy crude
crummy cumbersome cynical dangerous deceptive defective deficient deplorable depressing derivative
despicable dingy dire dirty disagreeable disappointing disastrous disgraceful disgusting dishonest
disjointed dismal disorganized displeasing disrespectful distracting distressing disturbing drab
dreadful dreary dull erratic exhausting faulty filthy flawed flimsy forgettable foul frustrating
ghastly gimmicky grating greasy grim gross grubby gruesome grumpy harmful harsh hateful hideous
hopeless horrendous horrible horrid horrific hostile impolite impractical inaccurate inadequate
inane incoherent incompetent incomplete inconsiderate inconsistent inconvenient inedible ineffective
inefficient inexcusable inferior infuriating insincere insufferable insufficient insulting
intolerable intrusive irresponsible irritating jarring joyless laggy lame laughable lazy lifeless
loathsome lousy ludicrous lukewarm mediocre messy mindless miserable misleading monotonous muddled
mundane musty nasty nauseating negligent noisy nonsensical obnoxious obsolete offensive outdated
outrageous overbearing overcooked overpriced overrated painful pathetic perplexing pitiful pointless
poor predictable problematic puzzling repetitive repugnant revolting ridiculous rotten rude shabby
shaky shallow shameful shoddy silly sketchy sloppy slow sluggish smelly sour spoiled stale stingy
stuffy stupid substandard suffocating tacky tasteless tedious terrible terrifying thankless
thoughtless tiresome tragic trashy trite troubling ugly unacceptable unappealing unbearable
uncomfortable unconvincing underwhelming uneven unfair unfortunate unfriendly unhappy unhealthy
unhelpful uninspired uninteresting unkind unoriginal unpleasant unprofessional unreasonable
unreliable unresponsive unsafe unsanitary unsatisfactory unsuitable untidy untrustworthy unusable
unwatchable unwelcoming upsetting useless vague vulgar wasteful weak worthless
"""

DEFAULT = Lexicon(positive=tuple(_POSITIVE.split()), negative=tuple(_NEGATIVE.split()))
