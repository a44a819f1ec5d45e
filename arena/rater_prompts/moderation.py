"""Moderation of prompts that raters type: the checks named in PARAGONE_MODERATION, and the shipped word list.

A check is a function from the text to a reason for refusing it, or None. The rater sees the reason, so it names what is
not drawn here and does not judge the rater. The word list is a first barrier, for English. Behind it are the providers'
own safety systems, and ``safety.py``, which checks the images.
"""

import re
import tomllib
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

from django.conf import settings
from django.utils.module_loading import import_string

# Letters of other scripts that look like Latin ones, after case folding.
LOOKALIKES = str.maketrans("авекмнорстухіјѕԁɡαενορτυχι", "abekmhopctyxijsdgaevoptuxi")
LEET = str.maketrans("034578@$€", "oeastbase")
# Strokes that may stand for i or l; both readings are tried.
STROKES = re.compile(r"[1!|]")
# Strokes between letters stand for letters; elsewhere they are punctuation.
INNER_STROKE = re.compile(r"(?<=[^\W\d_])[!|](?=[^\W_])")
SPELLED_OUT = re.compile(r"\b[^\W_](?: [^\W_]\b){2,}")


def find_objection(text: str) -> str | None:
    """The reason of the first check that refuses the prompt, or None."""
    reasons = (import_string(check)(text) for check in settings.MODERATION)
    return next((reason for reason in reasons if reason), None)


def check_words(text: str) -> str | None:
    """The shipped check: words and phrases of ``moderation.toml``, also in disguised spelling."""
    readings = list(read_words(text))
    for rule in _load_rules():
        if all(any(terms.search(reading) for reading in readings) for terms in rule.terms):
            return rule.reason
    return None


def read_words(text: str) -> Iterator[str]:
    """Normalized readings of the text: lower-case words, separated by single spaces.

    Accents, invisible characters and repeated letters are removed, digits and signs among letters become the letters
    that they resemble, and words spelled out letter by letter are joined.
    """
    text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    text = "".join(c for c in text if unicodedata.category(c) not in {"Mn", "Me", "Cf"}).translate(LOOKALIKES)
    text = INNER_STROKE.sub("1", text)
    for stroke in "il":
        letters = re.sub(r"[\w@$€]+", partial(_read_signs, stroke), text)
        # A sign within a word may separate two words ("well-known") or hide one ("wo.rd").
        for parted in (re.sub(r"[\W_]+", " ", letters), re.sub(r"\s+", " ", re.sub(r"[^\w\s]|_", "", letters))):
            whole = SPELLED_OUT.sub(_join_letters, parted)
            for kept in (r"\1", r"\1\1"):
                yield re.sub(r"(\w)\1{2,}", kept, whole)


def _read_signs(stroke: str, word: re.Match[str]) -> str:
    if not any(c.isalpha() for c in word[0]):
        return word[0]  # a number
    return STROKES.sub(stroke, word[0].translate(LEET))


def _join_letters(spelled: re.Match[str]) -> str:
    joined = spelled[0].replace(" ", "")
    return f"{joined} {joined[1:]}"  # the first letter may be the article "a"


@dataclass(frozen=True)
class Rule:
    """Refuses a prompt in which each of ``terms`` has a match, for this reason."""

    reason: str
    terms: tuple[re.Pattern[str], ...]


@lru_cache(maxsize=1)
def _load_rules() -> tuple[Rule, ...]:
    declared = tomllib.loads(Path(__file__).with_suffix(".toml").read_text())
    return tuple(Rule(rule["reason"], tuple(map(_compile, rule["words"]))) for rule in declared["rules"])


def _compile(terms: list[str]) -> re.Pattern[str]:
    alternatives = "|".join(re.escape(term).replace(r"\*", r"\w*") for term in terms)
    return re.compile(rf"\b(?:{alternatives})\b")
