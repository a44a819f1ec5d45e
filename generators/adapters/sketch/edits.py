"""Edits of a picture: adding things, changing the tone, removing what a mask marks.

``read_edit`` parses an English instruction and ignores everything else in it.
"""

import re
from dataclasses import dataclass

from PIL import Image, ImageChops, ImageOps

from generators.adapters.base import AdapterError, GenerationRequest, Outcome
from generators.adapters.sketch.ground import LIGHT_OF_TIME
from generators.adapters.sketch.reader import QUOTATION, read_scene
from generators.adapters.sketch.scene import Scene
from generators.adapters.sketch.shapes import Box
from generators.adapters.sketch.styles import Style, mix
from generators.adapters.sketch.vocabulary import COLOR_OF_WORD, KIND_OF_WORD, TIME_OF_WORD, find_singular
from generators.images.decoding import UnusableImageError
from generators.images.srgb import decode_mask, decode_shown

_REMOVALS = "remove|erase|delete|take away"
_VERBS = rf"add|put|place|draw|write|give|include|insert|make|turn|paint|tint|colou?r|{_REMOVALS}"
_CLAUSE_END = re.compile(rf"(?:[.;!?,]|\b(?:and|then)\b)[\s,]*(?:(?:and|then)\s+)*(?=(?:please )?(?:{_VERBS})\b)")
_REMOVAL = re.compile(rf"\W*(?:please )?(?:{_REMOVALS})\b")
_WHOLE = r"(?:it|this|everything|(?:the|this) (?:(?:whole|entire) )?(?:image|picture|photo|scene|drawing))"
_TONING = re.compile(rf"\W*(?:please )?(?:make|turn|paint|tint|colou?r) {_WHOLE}\b(.*)")
_TONES = COLOR_OF_WORD | {word: time for word, time in TIME_OF_WORD.items() if time != "day"}
_TONES |= {"sepia": "brown", "monochrome": "gray", "grayscale": "gray", "greyscale": "gray"}
STRENGTH = 0.75  # of a tint; the rest of the picture's own colours keeps its things distinguishable


@dataclass(frozen=True)
class Edit:
    """A parsed instruction. ``tone`` is a colour's name ("gray" removes all colour), "dusk" or "night"."""

    additions: Scene
    tone: str | None = None
    removes: bool = False

    @property
    def is_empty(self) -> bool:
        return not (self.additions.objects or self.tone or self.removes)


def read_edit(instruction: str) -> Edit:
    """Read the edit from an instruction. Never fails; an instruction without a known word is an empty edit."""
    additions, tone, removes = [], None, False
    for clause in _split_clauses(instruction):
        spoken = _hide_quotations(clause).lower()
        if _REMOVAL.match(spoken):
            removes = True
        elif found := _read_tone(spoken):
            tone = tone or found
        else:
            additions.append(clause)
    return Edit(read_scene(". ".join(additions), onto_picture=True), tone, removes)


def _split_clauses(instruction: str) -> list[str]:
    ends = [match.span() for match in _CLAUSE_END.finditer(_hide_quotations(instruction).lower())]
    starts = [0, *(end for _, end in ends)]
    stops = [*(start for start, _ in ends), len(instruction)]
    return [instruction[start:stop] for start, stop in zip(starts, stops, strict=True)]


def _hide_quotations(text: str) -> str:
    """Blank quoted text, which is drawn and not obeyed. The length stays the same, so that positions stay valid."""
    return QUOTATION.sub(lambda match: "_" * len(match[0]), text)


def _read_tone(clause: str) -> str | None:
    if not (asked := _TONING.match(clause)):
        return None
    words = re.findall(r"[a-z]+", asked[1])
    if any(find_singular(word) in KIND_OF_WORD for word in words):
        return None  # "make it a picture with a red ball"
    if {"black", "white"} <= set(words):
        return "gray"
    return next((_TONES[word] for word in words if word in _TONES), None)


def open_picture(request: GenerationRequest) -> Image.Image:
    """The first source in the requested size, cropped if its aspect ratio differs.

    Raises AdapterError (invalid) for an unusable image, and for more than one.
    """
    if len(request.sources) > 1:
        text = f"The sketch adapter edits one image at a time, not {len(request.sources)}."
        raise AdapterError(Outcome.INVALID, text, code="source")
    return ImageOps.fit(_open_source(request), (request.width, request.height))


def open_mask(request: GenerationRequest) -> Image.Image | None:
    """The mask in the requested size, or None. Raises AdapterError (invalid) if it does not fit the source."""
    if request.mask is None:
        return None
    if not request.sources:
        raise AdapterError(Outcome.INVALID, "A mask came without the source that it is of.", code="mask")
    try:
        mask = decode_mask(request.mask)
    except UnusableImageError as error:
        raise AdapterError(Outcome.INVALID, f"The mask of an edit cannot be used: {error}", code="mask") from error
    source = _open_source(request)
    if mask.size != source.size:
        text = f"The mask has {mask.width} × {mask.height} pixels, its source {source.width} × {source.height}."
        raise AdapterError(Outcome.INVALID, text, code="mask")
    return ImageOps.fit(mask, (request.width, request.height))


def _open_source(request: GenerationRequest) -> Image.Image:
    try:
        return decode_shown(request.sources[0])
    except UnusableImageError as error:
        raise AdapterError(Outcome.INVALID, f"The source of an edit cannot be used: {error}", code="source") from error


def find_room(mask: Image.Image | None) -> Box | None:
    """The part of the picture that the mask allows to change, in fractions; None for all of it."""
    if mask is None or not (box := mask.getbbox()):
        return None
    return box[0] / mask.width, box[1] / mask.height, box[2] / mask.width, box[3] / mask.height


def change_tone(picture: Image.Image, tone: str, style: Style) -> Image.Image:
    """Darken the whole picture, or tint it with the style's ink of a colour."""
    if tone in LIGHT_OF_TIME:
        return picture.point([round(value * light) for light in LIGHT_OF_TIME[tone] for value in range(256)])
    lightness = picture.convert("L")
    if tone == "gray":
        return lightness.convert("RGB")
    ink = style.inks[tone]
    toned = ImageOps.colorize(lightness, mix(ink, (0, 0, 0), 0.75), mix(ink, (255, 255, 255), 0.85), mid=ink)
    return Image.blend(picture, toned, STRENGTH)


def fill_hole(picture: Image.Image, hole: Image.Image) -> Image.Image:
    """Fill the white part of ``hole`` with the colours around it."""
    layers = [picture.copy()]
    layers[0].putalpha(ImageChops.invert(hole))
    while max(layers[-1].size) > 1:
        width, height = layers[-1].size
        # Pillow premultiplies alpha, so that nothing inside the hole gets into the smaller layer.
        layers.append(layers[-1].resize((max(1, width // 2), max(1, height // 2)), Image.Resampling.BOX))
    filled = layers.pop().convert("RGB")
    for layer in reversed(layers):
        filled = filled.resize(layer.size, Image.Resampling.BICUBIC)
        filled.paste(layer.convert("RGB"), mask=layer.getchannel("A"))
    return filled
