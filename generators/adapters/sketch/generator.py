"""The adapter "sketch": procedural pictures for the demo and for tests, drawn with Pillow, without a neural network.

It reads colours, shapes, counts, positions and quoted text from an English prompt and draws them as pictograms, on its
own ground or onto the source of an edit. Its settings add errors on purpose, so that a demo arena has models of known
quality. The same settings and request give the same bytes.
"""

import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import asdict
from io import BytesIO
from random import Random
from typing import Any, ClassVar

from PIL import Image
from pydantic import SecretStr

from generators.adapters.base import (
    AdapterDeclaration,
    AdapterError,
    Capabilities,
    GeneratedImage,
    GenerationRequest,
    Outcome,
    SourceRules,
)
from generators.adapters.sketch.abstract import draw_abstract
from generators.adapters.sketch.additions import add_things
from generators.adapters.sketch.drawing import draw_plan, enlarge
from generators.adapters.sketch.edits import change_tone, fill_hole, find_room, open_mask, open_picture, read_edit
from generators.adapters.sketch.finish import degrade
from generators.adapters.sketch.layout import Layout
from generators.adapters.sketch.mistakes import Plan, describe_place, plan_drawing, plan_tone
from generators.adapters.sketch.reader import read_scene
from generators.adapters.sketch.scene import Scene, SceneObject
from generators.adapters.sketch.settings import SketchSettings
from generators.adapters.sketch.styles import STYLES

DRAWN_BY = "procedural drawing, no neural network"
SMALLEST_SIDE = 64
LARGEST_SIDE = 2048


class SketchGenerator:
    """Draws the parts of a prompt that it understands."""

    declaration: ClassVar[AdapterDeclaration] = AdapterDeclaration(
        sources=SourceRules(("image/png", "image/jpeg", "image/webp", "image/avif"))
    )
    Settings: ClassVar[type[SketchSettings]] = SketchSettings

    def __init__(self, settings: SketchSettings, key: SecretStr | None) -> None:
        self.settings = settings

    @staticmethod
    def capabilities(settings: SketchSettings) -> Capabilities:
        return Capabilities(max_sources=1, masks=True)

    def generate(self, requests: Sequence[GenerationRequest]) -> list[GeneratedImage]:
        """Draw one picture per request. Raises AdapterError (invalid) for a size or a source that it does not take."""
        return [self._draw(request) for request in requests]

    def close(self) -> None:
        """Nothing to free."""

    def _draw(self, request: GenerationRequest) -> GeneratedImage:
        _check_size(request)
        image, report = self._edit(request) if request.sources else self._compose(request)
        settings = self.settings
        report["degradations"] += _list_whole_picture_mistakes(settings)
        image = degrade(image, noise=settings.noise, blur=settings.blur, rng=self._make_random("degrading", request))
        if mask := open_mask(request):
            image = Image.composite(image, open_picture(request), mask)
        reported = {"drawn_by": DRAWN_BY, "style": settings.style, "scene": report}
        return GeneratedImage(_encode(image), "image/png", reported)

    def _compose(self, request: GenerationRequest) -> tuple[Image.Image, dict[str, Any]]:
        """Draw the prompt's scene, or an abstract picture. Returns the picture and its report."""
        size, settings = (request.width, request.height), self.settings
        scene = read_scene(request.prompt)
        rng = self._make_random("drawing", request)
        if scene.is_empty:
            image, motifs = draw_abstract(settings.style, size, settings.missing_objects, rng)
            return image, {"understood": False, "abstract": motifs, "degradations": []}
        plan = plan_drawing(scene, settings, self._make_random("plan", request))
        image, layout = draw_plan(plan, scene.backdrop, settings.style, size, rng)
        return image, _describe(scene, plan, layout, enlarge(size))

    def _edit(self, request: GenerationRequest) -> tuple[Image.Image, dict[str, Any]]:
        """Edit the source as the prompt says. Returns the picture and its report."""
        settings, picture, mask = self.settings, open_picture(request), open_mask(request)
        edit, rng = read_edit(request.prompt), self._make_random("drawing", request)
        plan = plan_drawing(edit.additions, settings, self._make_random("plan", request))
        tone, mistakes = plan_tone(edit.tone, settings, self._make_random("tone", request))
        if edit.removes and mask:
            picture = fill_hole(picture, mask)
        elif edit.removes:
            mistakes.append({"mistake": "nothing_to_remove_without_a_mask"})
        if tone:
            picture = change_tone(picture, tone, STYLES[settings.style])
        picture, layout = add_things(picture, plan, settings.style, find_room(mask), rng)
        report = _describe(edit.additions, plan, layout, enlarge(picture.size))
        report |= {"understood": not edit.is_empty, "tone": edit.tone, "removes": edit.removes}
        report["degradations"] += mistakes
        return picture, report

    def _make_random(self, purpose: str, request: GenerationRequest) -> Random:
        """One random stream per purpose, so that one error does not change everything after it."""
        key = "\0".join((purpose, self.settings.model_dump_json(), str(request.seed), request.prompt))
        return Random(hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest())


def _check_size(request: GenerationRequest) -> None:
    for name, value in (("width", request.width), ("height", request.height)):
        if not SMALLEST_SIDE <= value <= LARGEST_SIDE:
            raise AdapterError(
                Outcome.INVALID,
                f"The sketch adapter draws {name}s from {SMALLEST_SIDE} to {LARGEST_SIDE} pixels, not {value}.",
            )


def _encode(image: Image.Image) -> bytes:
    buffer = BytesIO()
    # Run-length encoding gives files as small as the default for these pictures, in a third of the time.
    image.save(buffer, "PNG", compress_type=zlib.Z_RLE)
    return buffer.getvalue()


def _list_whole_picture_mistakes(settings: SketchSettings) -> list[dict[str, Any]]:
    amounts = {"noise": settings.noise, "blur": settings.blur}
    return [{"mistake": mistake, "amount": amount} for mistake, amount in amounts.items() if amount]


def _describe(scene: Scene, plan: Plan, layout: Layout, canvas: tuple[int, int]) -> dict[str, Any]:
    """The report of what was requested and drawn, as JSON values. Places are fractions of the picture."""
    objects = []
    for index, planned in enumerate(plan.objects):
        drawn = []
        for placed in (thing for thing in layout.placed if thing.index == index):
            thing = planned.things[placed.instance]
            drawn.append(
                {
                    "color": thing.color,
                    "center": [round(placed.x / canvas[0], 3), round(placed.y / canvas[1], 3)],
                    "size": [round(placed.width / canvas[0], 3), round(placed.height / canvas[1], 3)],
                    "texts": [lettering.text for lettering in thing.lettering],
                }
            )
        objects.append({**_describe_request(planned.asked), "drawn": drawn})
    return {
        "understood": True,
        "backdrop": asdict(scene.backdrop),
        "objects": objects,
        "texts": list(scene.texts),
        "degradations": list(plan.mistakes),
    }


def _describe_request(asked: SceneObject) -> dict[str, Any]:
    return {
        "kind": asked.kind,
        "count": asked.count,
        "colors": list(asked.colors),
        "size": asked.size,
        "texts": list(asked.texts),
        "implied": asked.implied,
        **describe_place(asked),
    }
