"""Words: normalization, splitting and comparison of texts.

Chinese, Japanese, Thai, Lao, Khmer and Burmese have no spaces between words; there, word metrics count characters. The
language of the prompt decides or, if it is not stated, whether the targets have letters of these scripts.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Final

UNSPACED: Final = frozenset({"zh", "yue", "ja", "th", "lo", "km", "my"})
HAN: Final = re.compile(r"[\u4e00-\u9fff]")
# Chinese characters, kana, Thai, Lao, Burmese and Khmer.
UNSPACED_SCRIPTS: Final = re.compile(
    r"[\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]"
)

# Characters that OneIG-Bench and LongText-Bench (English and Chinese) keep: Chinese characters of Unicode before 4.1,
# and of accented letters only those of French. They do not distinguish "così" and "cos".
PUBLISHED_LANGUAGES: Final = frozenset({"", "en", "zh"})
FOREIGN_TO_PUBLISHED: Final = re.compile(r"[^\u4e00-\u9fa5a-zA-Z0-9\sàâäéèêëîïôöùûüçÀÂÄÉÈÊËÎÏÔÖÙÛÜÇ]")

QUOTED: Final = re.compile(
    r"""(?<!\w)'(.+?)'(?!\w) | "(.+?)" | (?<!\w)‘(.+?)’(?!\w) | “(.+?)” | „(.+?)[“”] |
        «(.+?)» | »(.+?)« | 「(.+?)」 | 『(.+?)』""",
    re.VERBOSE,
)


def base_language(language: str) -> str:
    """The primary subtag of a language: zh for zh-Hant-TW."""
    return re.split("[-_]", language, maxsplit=1)[0].lower()


def is_unspaced(language: str, texts: Sequence[str]) -> bool:
    """Whether words are not separated by spaces, by language or, if it is "", by script."""
    if language:
        return base_language(language) in UNSPACED
    return any(UNSPACED_SCRIPTS.search(text) for text in texts)


def tidy_text(text: str) -> str:
    """Normalize to NFC, collapse white space, and strip it at both ends."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def strip_marks(text: str, language: str) -> str:
    """Remove punctuation and symbols, keep case, and collapse white space as in ``tidy_text``.

    English and Chinese texts keep the characters that OneIG-Bench and LongText-Bench keep; other texts keep letters,
    combining marks and digits.
    """
    if base_language(language) in PUBLISHED_LANGUAGES:
        return " ".join(FOREIGN_TO_PUBLISHED.sub("", text).split())
    kept = "".join(c for c in text if c.isspace() or unicodedata.category(c)[0] in "LMN")
    return " ".join(kept.split())


def has_han(text: str) -> bool:
    """Whether the text contains a Chinese character."""
    return HAN.search(text) is not None


def split_words(text: str, unspaced: bool) -> list[str]:
    """Split at white space; or, if the language has no spaces, into characters without white space."""
    return list("".join(text.split())) if unspaced else text.split()


def find_quoted(text: str) -> tuple[str, ...]:
    """Texts in quotation marks, in order. An apostrophe inside a word is not a quotation mark."""
    return tuple(next(part for part in match.groups() if part) for match in QUOTED.finditer(text))


def count_shared(expected: Sequence[str], read: Sequence[str]) -> int:
    """Size of the intersection of the two multisets."""
    return (Counter(expected) & Counter(read)).total()


def edit_distance(a: Sequence[str], b: Sequence[str]) -> int:
    """Levenshtein distance of two strings, in characters, or of two lists of words, in words."""
    from rapidfuzz.distance import Levenshtein

    return Levenshtein.distance(a, b)
