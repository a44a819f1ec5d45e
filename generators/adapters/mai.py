"""Microsoft's MAI-Image models on a Foundry resource. A call makes one image; an edit has one source."""

from math import sqrt
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from generators.adapters.base import AdapterDeclaration, Capabilities, GenerationRequest, SourceRules
from generators.adapters.openai_api.answers import TOKEN_UNITS
from generators.adapters.openai_api.images import EDIT, GENERATE, Call, ImagesGenerator, ImagesSettings, attach_image
from generators.adapters.provider_http import Address, authorize

if TYPE_CHECKING:
    from openai import OpenAI

SHORTEST_EDGE = 768
# The documented limits differ between models; this is the lowest.
MOST_PIXELS = 1024 * 1024


class MaiSettings(ImagesSettings):
    """``endpoint`` is the resource (https://NAME.services.ai.azure.com), ``model`` the deployment's name there."""

    endpoint: Address
    model: str = Field(min_length=1)
    api_version: str = Field(default="preview", pattern=r"^[\w.-]+$")


class MaiGenerator(ImagesGenerator):
    declaration: ClassVar[AdapterDeclaration] = AdapterDeclaration(
        extra="providers",
        key="PARAGONE_MAI_KEY",
        # The resources of all customers, as Azure names them.
        hosts=("*.services.ai.azure.com", "*.cognitiveservices.azure.com"),
        paid=True,
        units=("image", *TOKEN_UNITS),
        sources=SourceRules(),
    )
    Settings: ClassVar[type[MaiSettings]] = MaiSettings

    @staticmethod
    def capabilities(settings: MaiSettings) -> Capabilities:
        return Capabilities(max_sources=1, seeded=False)

    def _make_client(self, **options: Any) -> "OpenAI":
        from openai import OpenAI

        return OpenAI(
            base_url=f"{self.settings.endpoint}/mai/v1",
            default_query={"api-version": self.settings.api_version},
            **options,
        )

    def _authorize(self) -> dict[str, str]:
        return authorize(self.key, "api-key", "")

    def _describe_call(self, request: GenerationRequest, n: int) -> Call:
        body: dict[str, Any] = {"model": self.settings.model, "prompt": request.prompt}
        if request.sources:
            return Call(EDIT, body, [attach_image("image", request.sources[0])])
        width, height = fit_size(request.width, request.height)
        return Call(GENERATE, {**body, "width": width, "height": height})


def fit_size(width: int, height: int) -> tuple[int, int]:
    """The wanted size in pixels, scaled into the models' limits. An aspect ratio beyond them is shortened."""
    scale = min(max(1.0, SHORTEST_EDGE / min(width, height)), sqrt(MOST_PIXELS / (width * height)))
    shorter = max(SHORTEST_EDGE, int(min(width, height) * scale))
    longer = max(shorter, min(int(max(width, height) * scale), MOST_PIXELS // shorter))
    return (longer, shorter) if width >= height else (shorter, longer)
