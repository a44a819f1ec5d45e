"""Reads the drawings of the shipped sketch adapter back: what is where, in which colour."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from evaluation.extractors.base import Extracted, ExtractionError, Identity
from evaluation.extractors.images.decoding import DECODING, decode_rgb
from evaluation.extractors.sketches.grounds import Mask, Pixels, find_drawn, find_style
from evaluation.extractors.sketches.matches import Match, match
from evaluation.extractors.sketches.templates import digest_templates
from generators.adapters.sketch.generator import SMALLEST_SIDE
from generators.adapters.sketch.pictograms import PICTOGRAMS
from generators.adapters.sketch.styles import STYLES

VERSION: Final = 1
SIDE: Final = 320  # a larger picture is made smaller: its shorter side
# How far apart parts of one thing may be (above 0), and how wide the bridge between two that touch (below 0), in
# pixels. Tried in turn, while what is found looks like no pictogram.
BRIDGES: Final = (6, 0, -2, -4, -7)
SMALLEST: Final = 0.0006  # of the picture
SURE, LEAST = 0.8, 0.5  # agreement from which on nothing better is looked for, and below which nothing is reported
GAIN: Final = 0.05  # how much better the parts of something must agree than the whole
UNEXPLAINED: Final = 0.06  # of the picture: more than this that looks like no pictogram, and the ground is not plain
# What cannot be told apart in a style: a prompt that asks for one of them is then not scored.
LOOK_ALIKE: Final = {"neon": ("ball", "circle")}


class SketchChecker:
    """``{"objects": [{"label", "color", "box", "confidence"}], "labels": [...]}``, the box as x0, y0, x1, y1 in pixels.

    It knows the adapter's pictograms and inks, and looks at pixels alone: the style from the margin, the ground from a
    strip at either side; what is left is cut into parts, and every part held against every pictogram in every colour.
    ``labels`` names the pictograms that can be told apart in the picture's style. It understands grounds without a
    named place, and things that are not inside others; where more than a little looks like no pictogram, as in a
    meadow, or when white things stand on pale paper, the picture is a fault. So is one in none of the adapter's styles.

    ``confidence`` is 0.8 + 0.2 agreement; below an agreement of 0.5 nothing is reported, so that it is 0.9 at least.
    Measured on 963 things of all forty kinds in all fourteen colours, 80 prompts a style at 512 pixels, share with the
    right label / colour: gouache .963 / 1.000, crayon .911 / .943, neon .987 / .893 (brown is taken for gold, gray for
    white), blueprint 1.000 / 1.000, woodcut .963 / 1.000, pastel .988 / .994; 0 to 10 things too many a style, and 3 of
    480 pictures a fault. Labels below 0.95: ball .80 (white ones for hexagons, circles), balloon .90, mountain .92, cat
    and clock .92 (of 12), banner, cactus, mushroom, pine and poster .94.
    """

    batch_size = 8

    def __init__(self, variant: str, weights: Path) -> None:
        if variant:
            raise ValueError(f"The sketch checker has no variants, got {variant!r}. Write: sketch-checker.")

    @cached_property
    def identity(self) -> Identity:
        return {
            "extractor": "sketch-checker",
            "version": VERSION,
            "pictograms": digest_templates(),
            "decoding": DECODING,
            "resize": f"box, shorter side at most {SIDE}",
        }

    def prepare(self, source: Any) -> Pixels:
        return decode_rgb(source)

    def extract(self, prepared: Sequence[Any]) -> list[Extracted | ExtractionError]:
        return [_catch(image) for image in prepared]


def _catch(image: Pixels) -> Extracted | ExtractionError:
    try:
        return read_drawing(image)
    except ExtractionError as fault:
        return fault


def read_drawing(image: Pixels) -> dict[str, Any]:
    """The record of a picture (H, W, 3). Raises ExtractionError."""
    if min(image.shape[:2]) < SMALLEST_SIDE:
        raise ExtractionError("not drawn by the sketch adapter: it has too few pixels")
    small, scale = _shrink(image)
    style = find_style(small)
    found = _explain(small, find_drawn(small, STYLES[style]), style, BRIDGES)
    unexplained = sum(thing.area for thing in found if thing.agreement < LEAST)
    if unexplained > UNEXPLAINED * small.shape[0] * small.shape[1]:
        raise ExtractionError("much of the picture looks like no pictogram: its ground is not plain, or too like them")
    objects = [_describe(thing, scale) for thing in found if thing.agreement >= LEAST]
    return {"objects": objects, "labels": sorted(set(PICTOGRAMS).difference(LOOK_ALIKE.get(style, ())))}


def _shrink(image: Pixels) -> tuple[Pixels, float]:
    """At most SIDE at the shorter side, and how many pixels of the picture one pixel is."""
    scale = max(1.0, min(image.shape[:2]) / SIDE)
    if scale == 1.0:
        return image, scale
    size = (round(image.shape[1] / scale), round(image.shape[0] / scale))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BOX)), scale


def _describe(thing: Match, scale: float) -> dict[str, Any]:
    return {
        "label": thing.label,
        "color": thing.color,
        "box": [round(side * scale, 1) for side in thing.box],
        "confidence": round(0.8 + 0.2 * thing.agreement, 4),
    }


def _explain(image: Pixels, drawn: Mask, style: str, bridges: Sequence[int]) -> list[Match]:
    """What is drawn as pictograms: each part as a whole, or cut finer where its parts agree better."""
    found = []
    for part in _split(drawn, bridges[0]):
        whole = match(image, part, style)
        finer = _explain(image, part, style, bridges[1:]) if whole.agreement < SURE and bridges[1:] else []
        explained = sum(thing.agreement * thing.area for thing in finer if thing.agreement >= LEAST)
        found += finer if explained > (whole.agreement + GAIN) * whole.area else [whole]
    return found


def _split(drawn: Mask, bridge: int) -> Iterator[Mask]:
    """The parts of (H, W) that hang together, each of the same shape, less those that are too small."""
    from scipy.ndimage import binary_dilation, label

    square = np.ones((3, 3), dtype=bool)
    if bridge < 0:
        labels = _cut(drawn, -bridge)
    elif bridge > 0:
        labels = label(binary_dilation(drawn, square, iterations=bridge // 2), square)[0]
    else:
        labels = label(drawn, square)[0]
    sizes = np.bincount(labels[drawn])
    for k in np.flatnonzero(sizes >= SMALLEST * drawn.size):
        if k > 0:
            yield drawn & (labels == k)


def _cut(drawn: Mask, bridge: int) -> Any:
    """(H, W) labels: every pixel is of the nearest core of those that are left with ``bridge`` taken off all round."""
    from scipy.ndimage import binary_erosion, binary_fill_holes, distance_transform_edt, label

    cores, n = label(binary_erosion(binary_fill_holes(drawn), iterations=bridge), np.ones((3, 3), dtype=bool))
    large = np.bincount(cores.ravel(), minlength=n + 1) >= 0.2 * SMALLEST * drawn.size
    cores[~large[cores]] = 0
    if not cores.any():
        return cores
    rows, columns = distance_transform_edt(cores == 0, return_distances=False, return_indices=True)
    return cores[rows, columns]
