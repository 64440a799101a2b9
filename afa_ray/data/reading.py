"""What the single layer takes for one word, and for the same word."""

from __future__ import annotations

from dataclasses import dataclass

from tokenizers import Regex
from tokenizers.normalizers import NFC, NFD, BertNormalizer, Lowercase, Normalizer, Replace
from tokenizers.normalizers import Sequence as Normalizers
from tokenizers.pre_tokenizers import BertPreTokenizer, PreTokenizer, Split
from tokenizers.pre_tokenizers import Sequence as PreTokenizers

# Marks upon letters of alphabets, and Hebrew and Arabic vowel points. Those of other scripts are
# no accents: the vowels of Devanagari and Thai, the voicing of Japanese kana.
ACCENTS = (
    "\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a"
    "\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u0711\u0730-\u074a"
    "\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20f0\ufe20-\ufe2f"
)
STYLES = "\ufe00-\ufe0f"  # of a sign before them: coloured or not; they cannot be seen

# Scripts without spaces between words are read in the smallest parts that can be read: a character
# with its marks and small letters; in Thai and Lao with the vowels before and behind it, in Khmer
# with the consonants below it, in Myanmar with the consonant that closes the syllable. Emoji are
# read one by one, too.
PARTS = Regex(
    "(?![\u0001-\u0dff])(?:"  # passes over letters and digits of alphabets at once
    + "|".join(
        (
            "[เแโใไ]?[ก-ฮ]\\p{M}*[ะาำๅ]*\\p{M}*|\\p{Thai}\\p{M}*",
            "[ເແໂໃໄ]?[ກ-ຮໜ-ໟ]\\p{M}*[ະາຳຽ]*\\p{M}*|\\p{Lao}\\p{M}*",
            "\\p{Khmer}\\p{M}*(?:(?<=\u17d2)\\p{Khmer}\\p{M}*)*",
            "\\p{Myanmar}\\p{M}*(?:(?<=\u1039)\\p{Myanmar}\\p{M}*|[က-အ]\u1037?\u103a\\p{M}*)*",
            "[\\p{Hiragana}\\p{Katakana}][ぁぃぅぇぉゃゅょゎァィゥェォャュョヮー\\p{M}]*",
            "[\\p{Han}\\p{Bopomofo}\\p{Yi}\\p{Tai_Tham}\\p{Tai_Le}\\p{New_Tai_Lue}\\p{Tai_Viet}"
            "\\p{Javanese}\\p{Balinese}]\\p{M}*",
            "\\p{RI}\\p{RI}|(?!™)\\p{Emoji}[\\p{Emoji_Modifier}\\p{M}]*",
        )
    )
    + ")"
)


@dataclass(frozen=True)
class Reading:
    """Whether words that differ in case only, or in accents only, are one word."""

    lowercase: bool = True
    strip_accents: bool = True

    def normalizer(self) -> Normalizer:
        """Without control characters; letters and their accents in one form, however stored."""
        clean = BertNormalizer(
            clean_text=True, handle_chinese_chars=False, strip_accents=False, lowercase=False
        )
        if self.strip_accents:
            steps = [clean, NFD(), Replace(Regex(f"[{STYLES}{ACCENTS}]"), "")]
        else:
            steps = [clean, Replace(Regex(f"[{STYLES}]"), "")]
        if self.lowercase:
            steps.append(Lowercase())
        return Normalizers([*steps, NFC()])


FOLDED = Reading()


def pre_tokenizer() -> PreTokenizer:
    """Words end at spaces, around every punctuation mark and, see PARTS, in between."""
    return PreTokenizers([Split(PARTS, "isolated"), BertPreTokenizer()])
