"""What may stand in a prompt, whoever wrote it: a prompt file, a manifest, or a rater."""

import re
import unicodedata
from typing import Final

MAX_PROMPT: Final = 10_000
# Control characters but for tab and line breaks, halves of surrogate pairs, and the characters that turn the direction
# of writing by force (embeddings, overrides, isolates): these could disturb the page around the prompt. Right-to-left
# scripts need none of them; their marks (U+200E, U+200F, U+061C) and the joiners of emoji stay allowed.
FORBIDDEN: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")
INVISIBLE: Final = {"Zs", "Zl", "Zp", "Cc", "Cf"}


def check_prompt(text: str) -> str:
    """The text, unchanged, if it can be drawn from. Raises ValueError saying what came and what is wanted."""
    if len(text) > MAX_PROMPT:
        raise ValueError(f"The prompt has {len(text):,} characters; at most {MAX_PROMPT:,} are taken. Shorten it.")
    check_characters(text, "prompt")
    if all(unicodedata.category(character) in INVISIBLE for character in text):
        raise ValueError(f"The prompt has {len(text)} characters and none that can be seen. Say what to draw.")
    return text


def check_characters(text: str, what: str) -> str:
    """The text, unchanged, or ValueError naming the first character that must not be in ``what``."""
    if found := FORBIDDEN.search(text):
        name = unicodedata.name(found[0], "a control character")
        raise ValueError(
            f"The {what} has U+{ord(found[0]):04X} ({name}) at character {found.start() + 1}; wanted text without"
            " control characters other than tab and line breaks. Remove it."
        )
    return text
