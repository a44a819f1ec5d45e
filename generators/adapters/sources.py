"""Source images of an edit: checked before a request is sent, so that no call is paid that cannot succeed."""

from generators.adapters.base import AdapterError, Capabilities, GenerationRequest, Outcome, SourceRules
from generators.adapters.provider_http import identify_image

MEGABYTE = 1_000_000


def check_sources(request: GenerationRequest, capabilities: Capabilities, rules: SourceRules | None) -> None:
    """Raise AdapterError (invalid) if the model cannot take the request's sources or mask.

    The code is "sources" for too many images, "source" for one that breaks ``rules``, "mask" for a mask that the model
    does not take.
    """
    max_sources = capabilities.max_sources if rules else 0
    if len(request.sources) > max_sources:
        text = f"The request has {len(request.sources)} source images; this model takes at most {max_sources}."
        raise AdapterError(Outcome.INVALID, text, code="sources")
    if request.mask is not None and not (capabilities.masks and request.sources):
        text = "a mask needs a source image" if capabilities.masks else "this model takes no mask"
        raise AdapterError(Outcome.INVALID, f"The request has a mask, but {text}.", code="mask")
    if rules is None:
        return
    for number, source in enumerate(request.sources, 1):
        if identify_media_type(source) not in rules.media_types:
            wanted = ", ".join(rules.media_types)
            text = f"Source image {number} is not of a type that this adapter takes ({wanted}). Convert it."
            raise AdapterError(Outcome.INVALID, text, code="source")
        if rules.max_bytes is not None and len(source) > rules.max_bytes:
            size, most = (f"{count / MEGABYTE:.1f} MB" for count in (len(source), rules.max_bytes))
            text = f"Source image {number} has {size}; this adapter takes at most {most}. Reduce it."
            raise AdapterError(Outcome.INVALID, text, code="source")


def identify_media_type(data: bytes) -> str:
    """The media type of a source image or mask. Raises AdapterError (invalid) for anything but PNG, JPEG or WebP."""
    found = identify_image(data)
    if found is None:
        raise AdapterError(Outcome.INVALID, "An image to edit is not a PNG, JPEG or WebP. Convert it.", code="source")
    return found[0]
