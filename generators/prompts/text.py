"""What may stand in a prompt, whoever wrote it: a prompt file, a manifest, or a rater."""

import unicodedata
from typing import Final

from generators.input_files.fields import check_characters

MAX_PROMPT: Final = 10_000
INVISIBLE: Final = {"Zs", "Zl", "Zp", "Cc", "Cf"}


def check_prompt(text: str) -> str:
    """The text, unchanged, if it can be drawn from. Raises ValueError saying what came and what is wanted."""
    if len(text) > MAX_PROMPT:
        raise ValueError(f"The prompt has {len(text):,} characters; at most {MAX_PROMPT:,} are taken. Shorten it.")
    check_characters(text, "prompt")
    if all(unicodedata.category(character) in INVISIBLE for character in text):
        raise ValueError(f"The prompt has {len(text)} characters and none that can be seen. Say what to draw.")
    return text
