"""Generated stories with a question whose answer takes one, two or three of their sentences.

People walk between rooms and carry things. `facts-1` asks where somebody is, `facts-2` where a
thing is, `facts-3` where a thing was before it came to where it is. The words of the sentences that
are needed are marked. Made in the manner of the first three tasks of bAbI (Weston et al., 2015), in
other words. All are functions of the seed alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from afa_ray.data.texts import RawCorpus, Texts

FACT_NAMES: tuple[str, ...] = ("facts-1", "facts-2", "facts-3")
SIZES = (8_000, 1_000)  # train, test
LENGTHS = {"facts-1": (3, 10), "facts-2": (5, 14), "facts-3": (8, 20)}  # sentences

ROOMS = ("attic", "cellar", "garage", "library", "pantry", "study")
PEOPLE = ("anton", "berta", "clara", "david")
THINGS = ("lamp", "map", "violin")
WALKS = (
    "{who} walks into the {where} .",
    "{who} enters the {where} .",
    "now {who} is in the {where} .",
)
TAKES = ("{who} lifts the {what} .", "{who} takes the {what} along .")
LEAVES = ("{who} puts the {what} down .", "{who} leaves the {what} behind .")
QUESTIONS = {
    "facts-1": "where is {who} ?",
    "facts-2": "where is the {what} ?",
    "facts-3": "where was the {what} before it came to the {where} ?",
}


@dataclass
class _Place:
    """A room, and the numbers of the sentences that say that it is there."""

    room: str
    because: tuple[int, ...]


@dataclass
class _Story:
    """Sentences so far, and what they say of people and things: the places where each thing has
    been, the last one is where it is."""

    sentences: list[str] = field(default_factory=list)
    people: dict[str, _Place] = field(default_factory=dict)
    things: dict[str, list[_Place]] = field(default_factory=dict)
    held: dict[str, tuple[str, int]] = field(default_factory=dict)

    def walk(self, rng: np.random.Generator, who: str, where: str) -> None:
        number = self._say(rng, WALKS, who=who, where=where)
        self.people[who] = _Place(where, (number,))
        for what, (holder, taken) in self.held.items():
            if holder == who:
                self.things[what].append(_Place(where, (taken, number)))

    def take(self, rng: np.random.Generator, who: str, what: str) -> None:
        number, here = self._say(rng, TAKES, who=who, what=what), self.people[who]
        self.held[what] = (who, number)
        place = _Place(here.room, (*here.because, number))
        past = self.things.setdefault(what, [])
        if past and past[-1].room == here.room:
            past[-1] = place
        else:
            past.append(place)

    def leave(self, rng: np.random.Generator, what: str) -> None:
        who, _ = self.held.pop(what)
        self._say(rng, LEAVES, who=who, what=what)

    def _say(self, rng: np.random.Generator, forms: tuple[str, ...], **names: str) -> int:
        self.sentences.append(forms[rng.integers(len(forms))].format(**names))
        return len(self.sentences) - 1


def generate_facts(name: str, seed: int) -> RawCorpus:
    """One of FACT_NAMES: 8,000 stories to train on and 1,000 to test; the classes are ROOMS."""
    rng = np.random.default_rng([seed, FACT_NAMES.index(name)])
    train, test = (_texts(rng, name, size) for size in SIZES)
    return RawCorpus(name, list(ROOMS), train, None, test)


def _texts(rng: np.random.Generator, name: str, size: int) -> Texts:
    drawn = [_drawn(rng, name) for _ in range(size)]
    words, marks, queries, answers = (list(column) for column in zip(*drawn, strict=True))
    labels = np.array([ROOMS.index(answer) for answer in answers], np.int64)
    return Texts([" ".join(each) for each in words], labels, words, marks, queries)


def _drawn(rng: np.random.Generator, name: str) -> tuple[list[str], list[int], str, str]:
    """Words, marks, question and answer; stories that hold no answer are drawn again."""
    while True:
        story = _story(rng, name)
        found = _asked(rng, name, story)
        if found is not None:
            question, answer, because = found
            words, marks = [], []
            for number, sentence in enumerate(story.sentences):
                words += sentence.split()
                marks += [int(number in because)] * len(sentence.split())
            return words, marks, question, answer


def _story(rng: np.random.Generator, name: str) -> _Story:
    """Somebody walks, or takes or leaves a thing that is in the same room or nowhere yet."""
    story = _Story()
    for _ in range(int(rng.integers(LENGTHS[name][0], LENGTHS[name][1] + 1))):
        who = _pick(rng, PEOPLE)
        here = story.people.get(who)
        own = [what for what, (holder, _) in story.held.items() if holder == who]
        near = [w for w in THINGS if here and w not in story.held and _is_near(story, w, here.room)]
        dice = rng.random()
        if name != "facts-1" and near and dice < 0.35:
            story.take(rng, who, _pick(rng, tuple(near)))
        elif own and dice < 0.45:
            story.leave(rng, _pick(rng, tuple(own)))
        else:
            others = tuple(room for room in ROOMS if here is None or room != here.room)
            story.walk(rng, who, _pick(rng, others))
    return story


def _is_near(story: _Story, what: str, room: str) -> bool:
    return what not in story.things or story.things[what][-1].room == room


def _asked(
    rng: np.random.Generator, name: str, story: _Story
) -> tuple[str, str, tuple[int, ...]] | None:
    """Question, answer, and the sentences that it takes; None where none can be asked."""
    form = QUESTIONS[name]
    if name == "facts-1":
        who = _pick(rng, tuple(story.people))
        place = story.people[who]
        return form.format(who=who), place.room, place.because
    if name == "facts-2":
        known = [what for what, past in story.things.items() if len(past[-1].because) == 2]
        if not known:
            return None
        what = _pick(rng, tuple(known))
        place = story.things[what][-1]
        return form.format(what=what), place.room, place.because
    known = [what for what, past in story.things.items() if len(_three(past)) == 3]
    if not known:
        return None
    what = _pick(rng, tuple(known))
    before, now = story.things[what][-2:]
    return form.format(what=what, where=now.room), before.room, _three(story.things[what])


def _three(past: list[_Place]) -> tuple[int, ...]:
    """The sentences that say where a thing was before it came to where it is; the room that it
    came to is not to have been entered before, so that there is one answer."""
    if len(past) < 2 or past[-1].room in {place.room for place in past[:-1]}:
        return ()
    return tuple(sorted({*past[-2].because, *past[-1].because}))


def _pick(rng: np.random.Generator, options: tuple[str, ...]) -> str:
    return options[rng.integers(len(options))]
