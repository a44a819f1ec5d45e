"""Alphabets: the scripts of letters, the reader for each script, and the letters that a reader never returns.

A reader's alphabet is its network's dictionary without the letters that it does not return in practice. To find those
of PP-OCRv6-small, each accented letter of its dictionary was drawn in made-up words, and many in real ones, in three
fonts. What is not in ``READ_LATIN`` was read in less than a third of both, as itself or in the other case.
"""

import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from typing import Final

Alphabet = frozenset[str]

DEFAULT: Final = "ocr"
# The specification of the reader for each script, by the first word of the Unicode names of its letters.
READERS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("Latin", "Cjk", "Hiragana", "Katakana", "Ideographic", "Katakana-Hiragana"), DEFAULT),
    "Cyrillic": "ocr/cyrillic",
    "Greek": "ocr/greek",
    "Hangul": "ocr/korean",
    **dict.fromkeys(("Arabic", "Arabic-Indic", "Extended"), "ocr/arabic"),  # "Extended Arabic-Indic Digit"
    "Thai": "ocr/thai",
    "Devanagari": "ocr/devanagari",
    "Tamil": "ocr/tamil",
    "Telugu": "ocr/telugu",
}
_NAMES: Final = {
    **dict.fromkeys(("Cjk", "Ideographic"), "Chinese"),
    "Katakana-Hiragana": "Katakana",
    **dict.fromkeys(("Arabic-Indic", "Extended"), "Arabic"),
}
# Letters of formulas that PP-OCRv6-small reads in Latin text. It does not read Greek words.
FORMULA_LETTERS: Final = frozenset("αβθλμπΦΩ")
READ_LATIN: Final = frozenset(
    "ÀÁÂÃÄÅÇÈÉÊËÌÍÎÑÒÓÔÕÖØÙÚÛÜÝßàáâãäåæçèéêëìíîïðñòóôõöøùúûüýĀāăąĆćċČčĐđēėęěğĠġģħĩīİıļŁłńņňōŐőœ"
    "ŘřŚśŞşŠšţũūůųźŻżŽžƏəưǎǏǐǑǒǔǚșț"
)
# Kana that were never read either; they are historical or rare.
UNREAD_KANA: Final = frozenset("ゕゖヷヸヹヺヽヾヿ")
# Pictographs are in the dictionary too, and are not read.
READ_SYMBOLS: Final = frozenset("°©®")
MOST_NAMED: Final = 8

# What readings have for characters that are drawn otherwise, in most fonts.
_AS_READ: Final = {
    **dict.fromkeys("‘’‚‛ʻʼ′", "'"),
    **dict.fromkeys("“”„‟″", '"'),
    **dict.fromkeys("‐‑‒–−", "-"),
    **{capital: capital.lower() for capital in "ÌŐǏǑ"},
    "…": "...",
    "№": "No",
    "¡": "",
}


@lru_cache(maxsize=4096)
def find_reader(texts: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """The specification of the reader for the scripts of texts, and the characters that it cannot read.

    Digits, punctuation and spaces belong to every script. Latin letters may stand beside those of any other script.
    Characters of scripts that have no reader, and of a second script beside the reader's, cannot be read.
    """
    by_reader: dict[str, list[str]] = defaultdict(list)
    unread = []
    for character in list_characters(texts):
        script = find_script(character)
        reader = DEFAULT if not script or character in FORMULA_LETTERS else READERS.get(script, "")
        if reader:
            by_reader[reader].append(character)
        if not reader or (_is_symbol(character) and character not in READ_SYMBOLS):
            unread.append(character)
    others = sorted((reader for reader in by_reader if reader != DEFAULT), key=lambda each: -len(by_reader[each]))
    chosen = others[0] if others else DEFAULT
    beside = [c for reader in others[1:] for c in by_reader[reader]]
    if others:
        beside += [c for c in by_reader[DEFAULT] if find_script(c) not in ("", "Latin") and c not in FORMULA_LETTERS]
    return chosen, tuple(dict.fromkeys([*unread, *beside]))


def find_unread(texts: tuple[str, ...], alphabet: Collection[str]) -> tuple[str, ...]:
    """Letters, marks and digits of texts that are not in the alphabet, in order."""
    return tuple(c for c in list_characters(texts) if c not in alphabet and not _is_symbol(c))


def describe_characters(characters: Collection[str]) -> str:
    """Characters with their scripts: "к, о, ф (Cyrillic)"."""
    by_script: dict[str, list[str]] = defaultdict(list)
    for character in characters:
        script = find_script(character)
        by_script[_NAMES.get(script, script) or ("symbol" if _is_symbol(character) else "mark")].append(character)
    return " and ".join(
        f"{', '.join(found[:MOST_NAMED])}{', …' if len(found) > MOST_NAMED else ''} ({script})"
        for script, found in by_script.items()
    )


@lru_cache(maxsize=4096)
def list_characters(texts: tuple[str, ...]) -> tuple[str, ...]:
    """The different letters, marks, digits and symbols of texts in Unicode NFKC, in order.

    Variation selectors and letters that stand for an apostrophe (ʻ, ʼ) are none of them.
    """
    found = dict.fromkeys(c for text in texts for c in unicodedata.normalize("NFKC", text))
    return tuple(
        c
        for c in found
        if (unicodedata.category(c)[0] in "LMN" or _is_symbol(c))
        and not unicodedata.name(c, "").startswith(("VARIATION SELECTOR", "MODIFIER LETTER"))
    )


def find_script(character: str) -> str:
    """The first word of the Unicode name of a letter or a digit of a script; "" if it belongs to every script."""
    if unicodedata.category(character)[0] not in "LMN" or character in "0123456789":
        return ""
    first = unicodedata.name(character, "unnamed").split(" ")[0].title()
    return "" if first == "Combining" else first


def write_as_read(text: str) -> str:
    """A text as readings have it if it is drawn perfectly: typographic marks and wide letters in their plain forms."""
    return "".join(map(_write_as_read, unicodedata.normalize("NFC", text)))


def _write_as_read(character: str) -> str:
    if character in _AS_READ:
        return _AS_READ[character]
    if unicodedata.category(character) == "Cf":
        return ""
    wide = unicodedata.east_asian_width(character) in "FH" or "LIGATURE" in unicodedata.name(character, "")
    return unicodedata.normalize("NFKC", character) if wide else character


def restrict(dictionary: Iterable[str]) -> Alphabet:
    """The alphabet of PP-OCRv6-small, from its dictionary."""
    read = READ_LATIN | FORMULA_LETTERS
    return frozenset(
        c
        for c in dictionary
        if c not in UNREAD_KANA and (c.isascii() or c in read or find_script(c) not in ("Latin", "Greek"))
    )


def _is_symbol(character: str) -> bool:
    return unicodedata.category(character) == "So"
