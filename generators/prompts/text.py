"""Text of a prompt: the rules for prompts from files, manifests and raters."""

import unicodedata
from typing import Final

from generators.input_files.fields import check_characters

MAX_PROMPT: Final = 10_000
INVISIBLE: Final = {"Zs", "Zl", "Zp", "Cc", "Cf"}


def check_prompt(text: str) -> str:
    """Return the text unchanged.

    Raises:
        ValueError: The text is too long, has no visible character, or has a forbidden one.
    """
    if len(text) > MAX_PROMPT:
        raise ValueError(f"The prompt has {len(text):,} characters; at most {MAX_PROMPT:,} are allowed. Shorten it.")
    check_characters(text, "prompt")
    if all(unicodedata.category(character) in INVISIBLE for character in text):
        raise ValueError(f"The prompt has {len(text)} characters and none that can be seen. Say what to draw.")
    return text
