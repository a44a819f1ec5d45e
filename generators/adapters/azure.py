"""Azure OpenAI: the gpt-image models at a deployment of one's own."""

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from generators.adapters.base import AdapterDeclaration, Capabilities, GenerationRequest
from generators.adapters.openai_api.gpt_image import (
    GPT_IMAGE,
    GPT_IMAGE_SOURCES,
    GPT_IMAGE_UNITS,
    GptImageSettings,
    describe_gpt_image_call,
)
from generators.adapters.openai_api.images import Call, ImagesGenerator
from generators.adapters.provider_http import Address, authorize

if TYPE_CHECKING:
    from openai import OpenAI


class AzureSettings(GptImageSettings):
    """``endpoint`` is the resource (https://NAME.openai.azure.com), ``deployment`` the model's name there."""

    endpoint: Address
    deployment: str = Field(pattern=r"^[\w.-]+$")
    api_version: str = Field(default="2025-04-01-preview", pattern=r"^[\w.-]+$")


class AzureGenerator(ImagesGenerator):
    declaration: ClassVar[AdapterDeclaration] = AdapterDeclaration(
        extra="providers",
        key="PARAGONE_AZURE_KEY",
        # The resources of all customers, as Azure names them.
        hosts=("*.openai.azure.com", "*.cognitiveservices.azure.com", "*.services.ai.azure.com"),
        paid=True,
        units=GPT_IMAGE_UNITS,
        sources=GPT_IMAGE_SOURCES,
    )
    Settings: ClassVar[type[AzureSettings]] = AzureSettings

    @staticmethod
    def capabilities(settings: AzureSettings) -> Capabilities:
        return GPT_IMAGE

    def _make_client(self, **options: Any) -> "OpenAI":
        from openai import AzureOpenAI

        return AzureOpenAI(
            azure_endpoint=self.settings.endpoint,
            azure_deployment=self.settings.deployment,
            api_version=self.settings.api_version,
            **options,
        )

    def _authorize(self) -> dict[str, str]:
        return authorize(self.key, "api-key", "")

    def _describe_call(self, request: GenerationRequest, n: int) -> Call:
        return describe_gpt_image_call(self.settings, request, n)
