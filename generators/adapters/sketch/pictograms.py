"""All pictograms of the sketch adapter by kind."""

from generators.adapters.sketch.nature import LAND, SKY
from generators.adapters.sketch.shapes import Pictogram
from generators.adapters.sketch.things import SHAPES, SURFACES, THINGS

PICTOGRAMS: dict[str, Pictogram] = {**SHAPES, **SKY, **LAND, **THINGS, **SURFACES}
