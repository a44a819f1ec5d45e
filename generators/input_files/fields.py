"""Field types of declared files: slugs, single lines, amounts in US dollars, and the base class of all declarations."""

import re
import unicodedata
from decimal import Decimal
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

# Control characters except tab and line breaks, halves of surrogate pairs, and the characters that force a direction
# of writing (embeddings, overrides, isolates), which could disturb the page around the prompt. Right-to-left scripts
# do not need them; their marks (U+200E, U+200F, U+061C) and the joiners of emoji are allowed.
FORBIDDEN: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")


def check_characters(text: str, what: str) -> str:
    """The text, unchanged. Raises ValueError for its first forbidden character; ``what`` is the name of the text."""
    if found := FORBIDDEN.search(text):
        name = unicodedata.name(found[0], "a control character")
        raise ValueError(
            f"The {what} has U+{ord(found[0]):04X} ({name}) at character {found.start() + 1}; wanted text without"
            " control characters other than tab and line breaks. Remove it."
        )
    return text


def _expect_visible(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("blank", "Text should have more than blanks")
    return text


Slug = Annotated[str, Field(pattern=r"^[-a-zA-Z0-9_]+$", max_length=100)]
Line = Annotated[
    str, Field(max_length=200, pattern=r"^[^\t\r\n]*$"), AfterValidator(lambda text: check_characters(text, "text"))
]
FilledLine = Annotated[Line, Field(min_length=1), AfterValidator(_expect_visible)]
Dollars = Annotated[Decimal, Field(ge=0, max_digits=14, decimal_places=6)]


class Declaration(BaseModel):
    """Base of declarations. An unknown key is an error. Errors quote no value: it may be a provider's secret."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)
