"""Folding: the differences in typography and case that our own text metrics ignore, in targets and readings alike.

Equal after folding are::

    width and forms     ５０％ = 50%, ﬁ = fi, … = ..., é as one or two code points (Unicode NFKC), 1½ = 1 1/2
    quotation marks     “Open” = „Open“ = «Open» = "Open", don’t = don't
    dashes, dots        8–12 = 8 — 12 = 8 - 12, 〜 = ~, ・ = ·
    hyphens             soft hyphens, and hyphens at the end of a line, are removed with the line break
    invisible           zero-width spaces and joiners, direction marks, variation selectors are removed
    case                by the rules of the language; ß = ss
    white space         any run of it is one space

Letters, accents, digits and all other signs stay as they are: C++ is not C, $5.00 not 500, piñata not pinata.
"""

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from evaluation.metrics.text_rendering.words import base_language

# Part of the identity of values: raise the number if the same texts may compare differently.
FOLDING: Final = "typography and case by language (2)"

# Languages in which the capital of i is İ, and the small letter of I is ı.
DOTTED: Final = frozenset({"tr", "az", "crh", "gag"})
GREEK: Final = frozenset({"el", "grc"})

# NFKC would make a space with an accent of ´, and two single marks of ″.
_BEFORE: Final = str.maketrans({"`": "'", "´": "'", "″": '"', "‶": '"', "⋯": "…"})
_AFTER: Final = str.maketrans(
    {
        **dict.fromkeys("‘’‚‛′‵ʹʻʼʽˈꞌ՚׳‹›", "'"),
        **dict.fromkeys("“”„‟«»〝〞〟״", '"'),
        **dict.fromkeys("‐‑‒–—―−⁃⸺⸻", "-"),
        **dict.fromkeys("〜∼", "~"),
        # NFKC writes ½ with a fraction slash.
        **dict.fromkeys("⁄∕", "/"),
        **dict.fromkeys("・⋅∙•‧", "·"),
    }
)
_MARKS: Final = re.compile("[" + "".join(map(chr, sorted({*_BEFORE, *_AFTER}))) + "]")
# A soft hyphen is drawn only at the end of a line, and goes with the line break.
_INVISIBLE: Final = re.compile(
    "\u00ad\\s*|[\u034f\u061c\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\U000e0000-\U000e0fff]"
)
# Without a space, 1½ would be 11/2.
_MIXED_NUMBER: Final = re.compile(r"(?<=\d)(?=[¼-¾⅐-⅞↉])")
_GUILLEMETS: Final = re.compile(r"(?<=[«‹])\s+|\s+(?=[»›])")
_LONG_DASH: Final = re.compile(r"\s*([‒–—―⸺⸻])\s*")
_LETTER: Final = r"[^\W\d_]"
# A hyphen with spaces around it, except one that follows a letter: it may be at the end of a line.
_SPACED_HYPHEN: Final = re.compile(rf"\s+-\s*|(?<!{_LETTER})-\s+|-\s+(?!{_LETTER})")
_HYPHEN_AT_LINE_END: Final = re.compile(rf"(?<!{_LETTER})({_LETTER}+)- (?=({_LETTER}+))")
_DOT_OF_I: Final = re.compile("(?<=[ijį])\u0307")
_GREEK_ACCENTS: Final = re.compile("[\u0300\u0301\u0313\u0314\u0342]")


def fold_text(text: str, language: str = "") -> str:
    """The text without differences in typography and case. A hyphen before a space may be at a line's end: see below.

    Args:
        text: Lines may be joined with any white space.
        language: As in a prompt: Turkish, Azerbaijani, Crimean Tatar and Gagauz have a dotless I, and Lithuanian keeps
            the dot of i below accents. The default rules hold for all others.
    """
    base = base_language(language)
    if text.isascii():
        text = _fold_case(text.replace("`", "'"), base)
    else:
        text = _MIXED_NUMBER.sub(" ", _INVISIBLE.sub("", text))
        if _MARKS.search(text):
            text = _LONG_DASH.sub(r"\1", _GUILLEMETS.sub("", text.translate(_BEFORE)))
        text = _fold_case(unicodedata.normalize("NFKC", text), base)
        text = unicodedata.normalize("NFKC", text)
        if _MARKS.search(text):
            text = text.translate(_AFTER)
    text = " ".join(text.split())
    return _SPACED_HYPHEN.sub("-", text) if "-" in text else text


def fold_both(expected: Iterable[str], read: Iterable[str], language: str = "") -> tuple[str, str]:
    """Expected and read lines as one folded text each.

    A hyphen at the end of a line is removed with the line break. In the read text it stays, without the break, if the
    expected text has the word with the hyphen: "Coca-" and "Cola" is Coca-Cola if that was asked for.

    Greek capitals have no accents: they are ignored in Greek if one of the texts is in capitals.
    """
    expected, read = " ".join(expected), " ".join(read)
    folded, found = fold_text(expected, language), fold_text(read, language)
    if base_language(language) in GREEK and (expected.isupper() or read.isupper()):
        folded, found = _strip_greek_accents(folded), _strip_greek_accents(found)
    if "- " not in folded and "- " not in found:
        return folded, found
    folded = _HYPHEN_AT_LINE_END.sub(r"\1", folded)

    def join(broken: re.Match[str]) -> str:
        return f"{broken[1]}-" if f"{broken[1]}-{broken[2]}" in folded else broken[1]

    return folded, _HYPHEN_AT_LINE_END.sub(join, found)


def _fold_case(text: str, language: str) -> str:
    if language in DOTTED:
        text = text.replace("İ", "i").replace("I", "ı")
    text = text.casefold()
    return _DOT_OF_I.sub("", text) if language in DOTTED or language == "lt" else text


def _strip_greek_accents(text: str) -> str:
    return unicodedata.normalize("NFC", _GREEK_ACCENTS.sub("", unicodedata.normalize("NFD", text)))
