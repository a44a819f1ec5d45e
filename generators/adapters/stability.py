"""Stability AI's v2beta API: one multipart request, answered with the image's bytes.

Each model is one endpoint, so that no leaderboard row mixes two networks. The provider's inpainting endpoint names no
model, so it is a model of its own here.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import httpx2
from pydantic import Field

from generators.adapters import provider_http
from generators.adapters.base import (
    AdapterDeclaration,
    AdapterError,
    Capabilities,
    GeneratedImage,
    GenerationRequest,
    Outcome,
    SourceRules,
)
from generators.adapters.one_call import OneCallGenerator
from generators.adapters.servers import ServerSettings
from generators.adapters.sizes import nearest_ratio
from generators.adapters.sources import identify_media_type

Model = Literal["core", "ultra", "sd3.5-large", "sd3.5-large-turbo", "sd3.5-medium", "inpaint"]
RATIOS = ("1:1", "5:4", "4:5", "3:2", "2:3", "16:9", "9:16", "21:9", "9:21")
# Seed 0 means a random seed to the provider, so seeds are counted from 1.
SEEDS = 4_294_967_294
MODERATION = "content_moderation"
FILTERED = "CONTENT_FILTERED"


class StabilitySettings(ServerSettings):
    model: Model = "ultra"
    base_url: provider_http.Address = "https://api.stability.ai"
    strength: float = Field(0.6, ge=0, le=1, description="for edits: 0 keeps the source, 1 ignores it")
    timeout: float = Field(180, ge=1, lt=600, description="seconds to wait for an answer")


class StabilityGenerator(OneCallGenerator):
    """Draws with one of the provider's models. ultra and sd3.5 also edit an image; inpaint fills what a mask marks."""

    declaration: ClassVar[AdapterDeclaration] = AdapterDeclaration(
        key="PARAGONE_STABILITY_KEY",
        hosts=("api.stability.ai",),
        paid=True,
        units=("image",),
        # The limit of a whole request.
        sources=SourceRules(max_bytes=10_000_000),
    )
    Settings: ClassVar[type[StabilitySettings]] = StabilitySettings

    @staticmethod
    def capabilities(settings: StabilitySettings) -> Capabilities:
        return Capabilities(max_sources=0 if settings.model == "core" else 1, masks=settings.model == "inpaint")

    def _draw(self, request: GenerationRequest) -> GeneratedImage:
        if self.settings.model == "inpaint" and request.mask is None:
            text = "Model inpaint only edits: it needs an image and a mask."
            raise AdapterError(Outcome.INVALID, text, code="mask")
        parameters = self._choose_parameters(request)
        parts: dict[str, Any] = {
            name: (None, str(value)) for name, value in {"prompt": request.prompt, **parameters}.items()
        }
        for source in request.sources:
            parts["image"] = ("image", source, identify_media_type(source))
        if request.mask is not None:
            parts["mask"] = ("mask", request.mask, identify_media_type(request.mask))
        response = self._post(parts)
        if not response.is_success:
            raise self._read_error(response)
        return self._read_image(response, {**parameters, "model": self.settings.model})

    def _choose_parameters(self, request: GenerationRequest) -> dict[str, str | int | float]:
        model, is_edit = self.settings.model, bool(request.sources)
        parameters: dict[str, str | int | float] = {"seed": 1 + request.seed % SEEDS, "output_format": "png"}
        if model.startswith("sd3"):
            parameters |= {"model": model, "mode": "image-to-image" if is_edit else "text-to-image"}
        if is_edit and model != "inpaint":
            parameters["strength"] = self.settings.strength
        # An edit keeps the aspect ratio of its source; only ultra takes one nevertheless.
        if not is_edit or model == "ultra":
            parameters["aspect_ratio"] = nearest_ratio(request.width, request.height, RATIOS)
        return parameters

    def _post(self, parts: Mapping[str, Any]) -> httpx2.Response:
        path = (
            "edit/inpaint" if self.settings.model == "inpaint" else f"generate/{self.settings.model.partition('.')[0]}"
        )
        url = f"{self.settings.base_url}/v2beta/stable-image/{path}"
        headers = {**provider_http.authorize(self.key), "Accept": "image/*"}
        try:
            return self.http.post(url, headers=headers, files=parts)
        except (httpx2.RequestError, httpx2.InvalidURL) as error:
            raise provider_http.make_transport_error(error) from error

    def _read_error(self, response: httpx2.Response) -> AdapterError:
        body = provider_http.read_error_object(response, self.key)
        body = body or {"errors": provider_http.hide_key(response.text, self.key)}
        name, errors = str(body.get("name") or ""), body.get("errors") or ""
        words = "; ".join(map(str, errors)) if isinstance(errors, list) else str(errors)
        request_id = str(body.get("id") or response.headers.get("x-request-id", ""))
        if response.status_code == 403 and name == MODERATION:
            reported = {"request_id": request_id} if request_id else {}
            text = f"The provider refused: {words[:500] or name}"
            return AdapterError(Outcome.REFUSED, text, stage="prompt", code=name, reported=reported)
        return provider_http.make_status_error(
            response.status_code, response.headers, words, key=self.key, code=name, request_id=request_id
        )

    def _read_image(self, response: httpx2.Response, parameters: Mapping[str, Any]) -> GeneratedImage:
        reported: dict[str, Any] = {"parameters": dict(parameters)}
        if request_id := response.headers.get("x-request-id"):
            reported["request_id"] = request_id
        if (seed := response.headers.get("seed", "")).isdecimal():
            reported["parameters"]["seed"] = int(seed)
        if response.headers.get("finish-reason") == FILTERED:
            # Finished images are charged, and this one is finished: the response holds it blurred.
            text = "The provider refused: the image was filtered."
            raise AdapterError(
                Outcome.REFUSED, text, stage="image", code=FILTERED, billed={"image": 1}, reported=reported
            )
        found = provider_http.identify_image(response.content)
        if found is None:
            raise provider_http.make_body_error("it is not a PNG, JPEG or WebP.")
        return GeneratedImage(response.content, found[0], reported, {"image": 1})
