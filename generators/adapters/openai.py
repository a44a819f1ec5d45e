"""OpenAI: the gpt-image models, also on other servers with the same API. They take no seed."""

from typing import TYPE_CHECKING, Any, ClassVar

from generators.adapters.base import AdapterDeclaration, Capabilities, GenerationRequest
from generators.adapters.openai_api.gpt_image import (
    GPT_IMAGE,
    GPT_IMAGE_SOURCES,
    GPT_IMAGE_UNITS,
    GptImageSettings,
    describe_gpt_image_call,
)
from generators.adapters.openai_api.images import Call, ImagesGenerator
from generators.adapters.provider_http import Address

if TYPE_CHECKING:
    from openai import OpenAI


class OpenAISettings(GptImageSettings):
    base_url: Address = "https://api.openai.com/v1"


class OpenAIGenerator(ImagesGenerator):
    declaration: ClassVar[AdapterDeclaration] = AdapterDeclaration(
        extra="providers",
        key="PARAGONE_OPENAI_KEY",
        hosts=("api.openai.com", "*.api.openai.com"),
        paid=True,
        units=GPT_IMAGE_UNITS,
        sources=GPT_IMAGE_SOURCES,
    )
    Settings: ClassVar[type[OpenAISettings]] = OpenAISettings

    @staticmethod
    def capabilities(settings: OpenAISettings) -> Capabilities:
        return GPT_IMAGE

    def _make_client(self, **options: Any) -> "OpenAI":
        from openai import OpenAI

        return OpenAI(base_url=self.settings.base_url, **options)

    def _describe_call(self, request: GenerationRequest, n: int) -> Call:
        return describe_gpt_image_call(self.settings, request, n)
