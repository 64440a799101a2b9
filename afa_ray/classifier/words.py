"""The words of a text, and which of a tokenizer's pieces each of them was read in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tokenizers import Encoding

Unit = Literal["word", "token"]


@dataclass(frozen=True)
class Units:
    """What a text's scores belong to: its words, or its tokens.

    Attributes:
        spans: (start, end) in the text, in characters, of each unit; tokens: the positions in the
            sequence of each unit's pieces.
        specials: the positions of special tokens.
        cut: where reading ended, in characters, for a text that is too long; else None.
    """

    spans: list[tuple[int, int]]
    tokens: list[list[int]]
    specials: list[int]
    cut: int | None


def find_units(text: str, encoding: Encoding, unit: Unit) -> Units:
    """The units of an encoded text, in order.

    A word is what the tokenizer takes for one, and ends at a space even where that goes on. Pieces
    of one character, as tokenizers of bytes have them, stay together in either unit. Spaces around
    a unit are no part of it.
    """
    spans: list[tuple[int, int]] = []
    tokens: list[list[int]] = []
    specials: list[int] = []
    end, last = 0, None
    rows = zip(encoding.offsets, encoding.word_ids, encoding.special_tokens_mask, strict=True)
    for position, ((start, stop), word, special) in enumerate(rows):
        if special:
            specials.append(position)
            continue
        joined = (
            bool(tokens)
            and (
                start < end  # they share a character
                or (unit == "word" and word == last and not text[end:stop][:1].isspace())
            )
        )
        if joined:
            tokens[-1].append(position)
            spans[-1] = (spans[-1][0], max(stop, spans[-1][1]))
        else:
            tokens.append([position])
            spans.append((start, stop))
        end, last = max(end, stop), word
    if unit == "word":
        _give_spaces_away(text, spans, tokens)
    cut = end if encoding.overflowing else None
    return Units([_trimmed(text, *span) for span in spans], tokens, specials, cut)


def _give_spaces_away(text: str, spans: list[tuple[int, int]], tokens: list[list[int]]) -> None:
    """Pieces of nothing but spaces go to the word behind them, at the end to the last one."""
    for at in reversed(range(len(spans))):
        start, stop = spans[at]
        if len(spans) > 1 and not text[start:stop].strip():
            to = at if at + 1 < len(spans) else at - 1
            del spans[at]
            moved = tokens.pop(at)
            tokens[to] = sorted([*tokens[to], *moved])


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """The span without spaces at its ends; as it is where there is nothing else."""
    inner = text[start:end].strip()
    if not inner:
        return start, end
    start += text[start:end].index(inner)
    return start, start + len(inner)
