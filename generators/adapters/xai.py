"""xAI: the Grok Imagine models. Requests name an aspect ratio and a resolution; edits are JSON."""

import base64
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from generators.adapters.base import AdapterDeclaration, Capabilities, GenerationRequest, SourceRules
from generators.adapters.openai_api.answers import TOKEN_UNITS
from generators.adapters.openai_api.images import EDIT, GENERATE, Call, ImagesGenerator, ImagesSettings
from generators.adapters.provider_http import Address
from generators.adapters.sizes import nearest_ratio
from generators.adapters.sources import identify_media_type

if TYPE_CHECKING:
    from openai import OpenAI

RATIOS = ("1:1", "4:3", "3:4", "3:2", "2:3", "16:9", "9:16", "2:1", "1:2", "20:9", "9:20")


class XaiSettings(ImagesSettings):
    base_url: Address = "https://api.x.ai/v1"
    model: str = Field(min_length=1)
    resolution: Literal["1k", "2k"] = "1k"
    quality: Literal["low", "medium"] | None = None
    # "url": an address that expires within minutes, fetched at once.
    response_format: Literal["b64_json", "url"] = "b64_json"
    image_hosts: tuple[str, ...] = ("*.x.ai",)


class XaiGenerator(ImagesGenerator):
    declaration: ClassVar[AdapterDeclaration] = AdapterDeclaration(
        extra="providers",
        key="PARAGONE_XAI_KEY",
        hosts=("api.x.ai", "*.api.x.ai"),
        paid=True,
        units=("image", "usd_tick", *TOKEN_UNITS),
        sources=SourceRules(),
    )
    Settings: ClassVar[type[XaiSettings]] = XaiSettings
    media_type = "image/jpeg"

    @staticmethod
    def capabilities(settings: XaiSettings) -> Capabilities:
        return Capabilities(max_sources=3, seeded=False, max_batch=10)

    def _make_client(self, **options: Any) -> "OpenAI":
        from openai import OpenAI

        return OpenAI(base_url=self.settings.base_url, **options)

    def _describe_call(self, request: GenerationRequest, n: int) -> Call:
        body: dict[str, Any] = {"model": self.settings.model, "prompt": request.prompt, "n": n}
        body |= self.settings.model_dump(include={"resolution", "quality", "response_format"}, exclude_none=True)
        images = [_make_image_url(source) for source in request.sources]
        if len(images) == 1:
            # The image keeps the aspect ratio of its only source.
            return Call(EDIT, {**body, "image": images[0]})
        body["aspect_ratio"] = nearest_ratio(request.width, request.height, RATIOS)
        return Call(EDIT, {**body, "images": images}) if images else Call(GENERATE, body)


def _make_image_url(source: bytes) -> dict[str, str]:
    encoded = base64.b64encode(source).decode()
    return {"type": "image_url", "url": f"data:{identify_media_type(source)};base64,{encoded}"}
