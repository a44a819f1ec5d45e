"""Stability AI's v2beta service: one multipart request, the image's bytes as the answer.

Each model is one address, so that no row of a leaderboard mixes two networks: the provider's inpainting is a service of
its own, whatever model drew the image, and is therefore a model here.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import httpx2
from pydantic import Field

from generators.adapters import provider_http
from generators.adapters.base import (
    AdapterError,
    AdapterSettings,
    Capabilities,
    GeneratedImage,
    GenerationRequest,
    Outcome,
)
from generators.adapters.one_call import OneCallGenerator
from generators.adapters.sizes import nearest_ratio

Model = Literal["core", "ultra", "sd3.5-large", "sd3.5-large-turbo", "sd3.5-medium", "inpaint"]
RATIOS = ("1:1", "5:4", "4:5", "3:2", "2:3", "16:9", "9:16", "21:9", "9:21")
# Zero asks the provider for a seed of its own choice, so seeds are counted from one.
SEEDS = 4_294_967_294
MODERATION = "content_moderation"
FILTERED = "CONTENT_FILTERED"


class StabilitySettings(AdapterSettings):
    model: Model = "ultra"
    base_url: provider_http.Address = "https://api.stability.ai"
    strength: float = Field(0.6, ge=0, le=1, description="of an edit: 0 keeps the source, 1 forgets it")
    timeout: float = Field(180, ge=1, lt=600, description="seconds to wait for an answer")


class StabilityGenerator(OneCallGenerator):
    """Draws with one of the provider's models; ultra and sd3.5 also start from an image, inpaint fills a masked one."""

    Settings: ClassVar[type[StabilitySettings]] = StabilitySettings

    @staticmethod
    def capabilities(settings: StabilitySettings) -> Capabilities:
        return Capabilities(max_sources=0 if settings.model == "core" else 1, masks=settings.model == "inpaint")

    def _draw(self, request: GenerationRequest) -> GeneratedImage:
        self._check_sources(request)
        parameters = self._choose_parameters(request)
        parts: dict[str, Any] = {
            name: (None, str(value)) for name, value in {"prompt": request.prompt, **parameters}.items()
        }
        for source in request.sources:
            parts["image"] = ("image", source, provider_http.media_type_of_source(source))
        if request.mask is not None:
            parts["mask"] = ("mask", request.mask, provider_http.media_type_of_source(request.mask))
        response = self._post(parts)
        if not response.is_success:
            raise self._read_fault(response)
        return self._read_image(response, {**parameters, "model": self.settings.model})

    def _check_sources(self, request: GenerationRequest) -> None:
        able, masked = self.capabilities(self.settings), request.mask is not None
        if len(request.sources) > able.max_sources or (masked and not able.masks):
            text = f"Model {self.settings.model} takes {able.max_sources} images to edit and no mask."
        elif self.settings.model == "inpaint" and not (request.sources and masked):
            text = "Model inpaint only edits: it needs an image and a mask."
        else:
            return
        raise AdapterError(Outcome.INVALID, text, code="sources")

    def _choose_parameters(self, request: GenerationRequest) -> dict[str, str | int | float]:
        model, is_edit = self.settings.model, bool(request.sources)
        parameters: dict[str, str | int | float] = {"seed": 1 + request.seed % SEEDS, "output_format": "png"}
        if model.startswith("sd3"):
            parameters |= {"model": model, "mode": "image-to-image" if is_edit else "text-to-image"}
        if is_edit and model != "inpaint":
            parameters["strength"] = self.settings.strength
        # An image that is started from, or filled, brings its own shape; only ultra is told one all the same.
        if not is_edit or model == "ultra":
            parameters["aspect_ratio"] = nearest_ratio(request.width, request.height, RATIOS)
        return parameters

    def _post(self, parts: Mapping[str, Any]) -> httpx2.Response:
        path = (
            "edit/inpaint" if self.settings.model == "inpaint" else f"generate/{self.settings.model.partition('.')[0]}"
        )
        url = f"{self.settings.base_url}/v2beta/stable-image/{path}"
        headers = {"Authorization": f"Bearer {provider_http.reveal_key(self.key)}", "Accept": "image/*"}
        try:
            return self.http.post(url, headers=headers, files=parts)
        except (httpx2.RequestError, httpx2.InvalidURL) as error:
            raise provider_http.fault_of_transport(error) from error

    def _read_fault(self, response: httpx2.Response) -> AdapterError:
        try:
            body = response.json()
        except ValueError:
            body = None
        body = body if isinstance(body, dict) else {"errors": response.text}
        name, errors = str(body.get("name") or ""), body.get("errors") or ""
        words = provider_http.hide_key(
            "; ".join(map(str, errors)) if isinstance(errors, list) else str(errors), self.key
        )
        request_id = str(body.get("id") or response.headers.get("x-request-id", ""))
        if response.status_code == 403 and name == MODERATION:
            reported = {"request_id": request_id} if request_id else {}
            text = f"The provider refused: {words[:500] or name}"
            return AdapterError(Outcome.REFUSED, text, stage="prompt", code=name, reported=reported)
        return provider_http.fault_of_status(
            response.status_code,
            response.headers,
            words,
            code=provider_http.hide_key(name, self.key),
            request_id=request_id,
        )

    def _read_image(self, response: httpx2.Response, parameters: Mapping[str, Any]) -> GeneratedImage:
        reported: dict[str, Any] = {"parameters": dict(parameters)}
        if request_id := response.headers.get("x-request-id"):
            reported["request_id"] = request_id
        if (seed := response.headers.get("seed", "")).isdecimal():
            reported["parameters"]["seed"] = int(seed)
        if response.headers.get("finish-reason") == FILTERED:
            # The provider charges what it finished, and it finished this one: what came is the image, blurred.
            text = "The provider refused: the image was filtered."
            raise AdapterError(
                Outcome.REFUSED, text, stage="image", code=FILTERED, billed={"image": 1}, reported=reported
            )
        found = provider_http.identify_image(response.content)
        if found is None:
            raise provider_http.fault_of_body("it is no PNG, JPEG or WebP.")
        return GeneratedImage(response.content, found[0], reported, {"image": 1})
