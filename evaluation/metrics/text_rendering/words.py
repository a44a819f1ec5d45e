"""Words, characters and cleaning: what the metrics of text in images compare.

Chinese, Japanese, Thai, Lao, Khmer and Burmese put no spaces between words. Metrics that count words count characters
there. A prompt's language decides; where it states none, Chinese characters or kana in its targets do.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Final

UNSPACED: Final = frozenset({"zh", "yue", "ja", "th", "lo", "km", "my"})
HAN: Final = re.compile(r"[\u4e00-\u9fff]")
HAN_OR_KANA: Final = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")

# What OneIG-Bench and LongText-Bench, which are in English and Chinese, leave of a text: of Chinese what Unicode had
# until version 4.0, of accented letters those of French. So "così" and "cos" are the same to them.
PUBLISHED_LANGUAGES: Final = frozenset({"", "en", "zh"})
FOREIGN_TO_PUBLISHED: Final = re.compile(r"[^\u4e00-\u9fa5a-zA-Z0-9\sàâäéèêëîïôöùûüçÀÂÄÉÈÊËÎÏÔÖÙÛÜÇ]")

QUOTED: Final = re.compile(
    r"""(?<!\w)'(.+?)'(?!\w) | "(.+?)" | (?<!\w)‘(.+?)’(?!\w) | “(.+?)” | «(.+?)» | 「(.+?)」 | 『(.+?)』""",
    re.VERBOSE,
)


def base_language(language: str) -> str:
    """``zh`` of ``zh-Hant-TW``."""
    return re.split("[-_]", language, maxsplit=1)[0].lower()


def is_unspaced(language: str, texts: Sequence[str]) -> bool:
    """Whether words are not told apart by spaces: by the language, or by the script where none is stated."""
    if language:
        return base_language(language) in UNSPACED
    return any(HAN_OR_KANA.search(text) for text in texts)


def tidy(text: str) -> str:
    """Unicode's composed form (NFC), each run of white space one space, none at the ends."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def fold(text: str) -> str:
    """Without case and typographic form: NFKC, case folding, NFKC again, white space as in ``tidy``."""
    return " ".join(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).split())


def strip_marks(text: str, language: str) -> str:
    """Without punctuation and symbols; case kept, white space as in ``tidy``.

    English and Chinese texts keep what OneIG-Bench and LongText-Bench keep. Other languages keep their letters, the
    marks on them, and digits.
    """
    if base_language(language) in PUBLISHED_LANGUAGES:
        return " ".join(FOREIGN_TO_PUBLISHED.sub("", text).split())
    kept = "".join(c for c in text if c.isspace() or unicodedata.category(c)[0] in "LMN")
    return " ".join(kept.split())


def has_han(text: str) -> bool:
    """Whether there is a Chinese character in it."""
    return HAN.search(text) is not None


def split_words(text: str, unspaced: bool) -> list[str]:
    """What white space parts; of a text without spaces between words its characters, white space left out."""
    return list("".join(text.split())) if unspaced else text.split()


def find_quoted(text: str) -> tuple[str, ...]:
    """What stands in quotation marks, in order. A single quote inside a word, an apostrophe, opens none."""
    return tuple(next(part for part in match.groups() if part) for match in QUOTED.finditer(text))


def count_shared(wanted: Sequence[str], read: Sequence[str]) -> int:
    """How many of ``wanted`` were read, each as often as it is wanted at most."""
    return (Counter(wanted) & Counter(read)).total()


def edit_distance(a: Sequence[str], b: Sequence[str]) -> int:
    """Levenshtein's: the fewest insertions, deletions and replacements of a character (of a word, of two lists)."""
    from rapidfuzz.distance import Levenshtein

    return Levenshtein.distance(a, b)
