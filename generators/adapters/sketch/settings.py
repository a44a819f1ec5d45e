"""Settings of the adapter "sketch". The defaults draw without errors."""

from typing import Annotated, Literal

from pydantic import Field

from generators.adapters.base import AdapterSettings

StyleName = Literal["gouache", "crayon", "neon", "blueprint", "woodcut", "pastel"]
Fraction = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]


class SketchSettings(AdapterSettings):
    """A style, and how often or how strongly each kind of error is drawn on purpose (0 to 1)."""

    style: StyleName = "gouache"
    legibility: Fraction = Field(1.0, description="1 draws quoted text exactly; lower values change letters")
    color_errors: Fraction = Field(0.0, description="probability that a thing gets a wrong colour")
    missing_objects: Fraction = Field(0.0, description="probability that a thing is left out")
    position_errors: Fraction = Field(0.0, description="probability that a stated position is drawn wrong")
    noise: Fraction = Field(0.0, description="amount of film grain")
    blur: Fraction = Field(0.0, description="amount of blur")
