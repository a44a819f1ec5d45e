"""Slugs of names: the ASCII identifiers under which models and prompt sets are stored, addressed and linked.

This is the only rule for slugs that are made of names. A slug follows from the name alone, so it is the same in every
file and installation. Names that differ only in case, spaces or punctuation have one slug ("GPT Image", "gpt-image"):
``generators/model_names.py`` refuses the second one.
"""

import hashlib
import re
import unicodedata
from functools import lru_cache
from typing import Final

from generators.input_files.fields import check_characters

LONGEST_SLUG: Final = 100  # as in the database
_DIGITS: Final = 8  # of the hash that distinguishes names whose letters a slug cannot show

_OTHERS = re.compile(r"[^a-z0-9_]+")
_SLUG = re.compile(r"[-a-zA-Z0-9_]+", re.ASCII)


def is_slug(text: str) -> bool:
    return len(text) <= LONGEST_SLUG and _SLUG.fullmatch(text) is not None


@lru_cache(maxsize=4096)
def make_slug(name: str, kind: str = "model") -> str:
    """The slug of a name: lower case, without accents, with "-" for every run of other characters.

    "Midjourney 6.1" is midjourney-6-1. If a letter or digit cannot be shown in ASCII, or the slug would be longer than
    LONGEST_SLUG, the slug ends in a hash of the name: 混元-DiT is dit-bdf2ae7e. Where nothing can be shown, ``kind``
    stands before the hash.

    Raises:
        ValueError: The name has no letter and no digit, has control characters, or starts or ends with a space.
    """
    check_characters(name, "name")
    if name != name.strip():
        raise ValueError("it starts or ends with a space; remove it")
    if not any(map(str.isalnum, name)):
        raise ValueError("it has no letter and no digit to make a slug of")
    # Compatibility forms have no accents, ligatures and full-width characters.
    plain = "".join(c for c in unicodedata.normalize("NFKD", name.casefold()) if unicodedata.category(c) != "Mn")
    slug = _OTHERS.sub("-", plain).strip("-_")
    if slug and len(slug) <= LONGEST_SLUG and not any(c.isalnum() and not c.isascii() for c in plain):
        return slug
    # One hash for the same text in composed and decomposed characters.
    digest = hashlib.sha256(unicodedata.normalize("NFC", name).encode()).hexdigest()[:_DIGITS]
    shown = slug[: LONGEST_SLUG - _DIGITS - 1].rstrip("-_") or kind
    return f"{shown}-{digest}"
