"""The gpt-image models of OpenAI and Azure: request bodies, sizes, masks."""

from io import BytesIO
from math import sqrt
from typing import Any, Literal

from PIL import Image
from pydantic import Field

from generators.adapters.base import AdapterError, Capabilities, GenerationRequest, Outcome, SourceRules
from generators.adapters.openai_api.answers import TOKEN_UNITS
from generators.adapters.openai_api.images import EDIT, GENERATE, Call, ImagesSettings, attach_image
from generators.adapters.sizes import nearest_size

# Models of the first generation draw in fixed sizes; the others take any size within the limits below.
FIXED_SIZE_MODELS = ("gpt-image-1", "chatgpt-image")
FIXED_SIZES = ((1024, 1024), (1536, 1024), (1024, 1536))
STEP = 16
LONGEST_EDGE = 3840
FEWEST_PIXELS, MOST_PIXELS = 655_360, 3840 * 2160
MOST_ELONGATED = 3.0

GPT_IMAGE = Capabilities(max_sources=16, masks=True, seeded=False, max_batch=10)
GPT_IMAGE_UNITS = ("image", *TOKEN_UNITS)
GPT_IMAGE_SOURCES = SourceRules(max_bytes=50_000_000)


class GptImageSettings(ImagesSettings):
    """``model`` is the provider's name for it, and decides which sizes it can draw."""

    model: str = Field(min_length=1)
    quality: Literal["auto", "low", "medium", "high", "xhigh", "max"] | None = None
    background: Literal["auto", "opaque", "transparent"] | None = None
    moderation: Literal["auto", "low"] | None = None
    input_fidelity: Literal["low", "high"] | None = None
    output_format: Literal["png", "jpeg", "webp"] | None = None
    output_compression: int | None = Field(default=None, ge=0, le=100)


def describe_gpt_image_call(settings: GptImageSettings, request: GenerationRequest, n: int) -> Call:
    """A JSON request to draw, a form to edit. Only drawing takes ``moderation``, only editing ``input_fidelity``."""
    width, height = choose_size(settings.model, request.width, request.height)
    wanted = {"quality", "background", "output_format", "output_compression"}
    wanted.add("input_fidelity" if request.sources else "moderation")
    body: dict[str, Any] = {"model": settings.model, "prompt": request.prompt, "n": n, "size": f"{width}x{height}"}
    body |= settings.model_dump(include=wanted, exclude_none=True)
    if not request.sources:
        return Call(GENERATE, body)
    field = "image" if len(request.sources) == 1 else "image[]"
    files = [attach_image(field, source) for source in request.sources]
    if request.mask is not None:
        files.append(("mask", ("mask.png", make_alpha_mask(request.mask), "image/png")))
    return Call(EDIT, body, files)


def choose_size(model: str, width: int, height: int) -> tuple[int, int]:
    """The size in pixels that ``model`` can draw, nearest to the wanted one in aspect ratio, then in area."""
    if model.startswith(FIXED_SIZE_MODELS):
        return nearest_size(width, height, FIXED_SIZES)
    ratio = min(max(width / height, 1 / MOST_ELONGATED), MOST_ELONGATED)
    pixels = min(max(width * height, FEWEST_PIXELS), MOST_PIXELS)
    shrink = min(1.0, LONGEST_EDGE / sqrt(pixels * max(ratio, 1 / ratio)))
    steps_across, steps_down = (int(sqrt(pixels * r) * shrink) // STEP for r in (ratio, 1 / ratio))
    around = [
        (across * STEP, down * STEP)
        for across in range(steps_across - 1, steps_across + 3)
        for down in range(steps_down - 1, steps_down + 3)
    ]
    return nearest_size(width, height, [size for size in around if _is_legal(*size)])


def _is_legal(width: int, height: int) -> bool:
    shorter, longer = sorted((width, height))
    return (
        FEWEST_PIXELS <= width * height <= MOST_PIXELS and longer <= LONGEST_EDGE and longer <= MOST_ELONGATED * shorter
    )


def make_alpha_mask(mask: bytes) -> bytes:
    """Convert a mask (white: may change) to the PNG that these models take: transparent where the source may change.

    Raises AdapterError (invalid) for a mask that is not an image.
    """
    try:
        with Image.open(BytesIO(mask)) as opened:
            kept = opened.convert("L").point(lambda level: 0 if level >= 128 else 255)
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise AdapterError(
            Outcome.INVALID, "The mask cannot be read as an image. Make it a PNG, JPEG or WebP."
        ) from error
    converted = Image.new("RGBA", kept.size)
    converted.putalpha(kept)
    buffer = BytesIO()
    converted.save(buffer, "PNG")
    return buffer.getvalue()
