"""FLUX by Black Forest Labs: submits a task, polls it until it ends, downloads its image.

Only the submission is paid, so only that is never repeated.
"""

import base64
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import httpx2
from pydantic import AfterValidator, Field

from generators.adapters import provider_http
from generators.adapters.base import (
    AdapterDeclaration,
    AdapterError,
    Billed,
    Capabilities,
    GeneratedImage,
    GenerationRequest,
    Outcome,
    SourceRules,
)
from generators.adapters.one_call import OneCallGenerator
from generators.adapters.servers import ServerSettings, list_key_hosts
from generators.adapters.sizes import fit_size, nearest_ratio

MEGAPIXEL = 1_000_000
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 2.0
# The provider takes any ratio from 21:9 to 9:21; these are the common ones.
RATIOS = ("1:1", "5:4", "4:5", "4:3", "3:4", "3:2", "2:3", "16:9", "9:16", "21:9", "9:21")
REFUSALS: Mapping[str, Literal["prompt", "image"]] = {"Request Moderated": "prompt", "Content Moderated": "image"}
FAILURES = {"Error", "Failed"}


@dataclass(frozen=True)
class Family:
    """Limits of the models that share one request schema, as the provider documents them."""

    max_sources: int
    step: int = 0  # both sides are multiples of this many pixels; 0: the request names an aspect ratio
    shortest: int = 0
    longest: int = 0
    area: int = 0


FLUX_1 = Family(max_sources=0, step=32, shortest=256, longest=1440, area=1440 * 1440)
FLUX_2 = Family(max_sources=8, step=16, shortest=64, longest=2048, area=2048 * 2048)
FLUX_2_KLEIN = Family(max_sources=4, step=16, shortest=64, longest=2048, area=2048 * 2048)
KONTEXT = Family(max_sources=4)
ULTRA = Family(max_sources=0)
MODELS: Mapping[str, Family] = {
    "flux-2-pro": FLUX_2,
    "flux-2-max": FLUX_2,
    "flux-2-flex": FLUX_2,
    "flux-2-klein-4b": FLUX_2_KLEIN,
    "flux-2-klein-9b": FLUX_2_KLEIN,
    "flux-kontext-pro": KONTEXT,
    "flux-kontext-max": KONTEXT,
    "flux-pro-1.1": FLUX_1,
    "flux-pro-1.1-ultra": ULTRA,
    "flux-dev": FLUX_1,
}


def check_model(model: str) -> str:
    """Return the model's name. Raises ValueError for an unknown one."""
    if model not in MODELS:
        raise ValueError(f"there is no FLUX model {model!r}; known: {', '.join(MODELS)}")
    return model


class FluxSettings(ServerSettings):
    model: Annotated[str, AfterValidator(check_model)] = "flux-2-pro"
    base_url: provider_http.Address = "https://api.bfl.ai"
    # Hosts that images may be downloaded from, without the key.
    image_hosts: tuple[str, ...] = ("*.bfl.ai",)
    safety_tolerance: int = Field(2, ge=0, le=6, description="0 is the strictest")
    # None: the model's default, which differs between models.
    prompt_upsampling: bool | None = None
    timeout: float = Field(180, ge=1, lt=500, description="seconds from the submission to the finished image's address")


class FluxGenerator(OneCallGenerator):
    """Draws with one of the provider's models, and edits with those that take images."""

    declaration: ClassVar[AdapterDeclaration] = AdapterDeclaration(
        key="PARAGONE_FLUX_KEY",
        hosts=("*.bfl.ai",),
        paid=True,
        units=("image", "megapixel", "credit"),
        sources=SourceRules(max_bytes=20_000_000),
    )
    Settings: ClassVar[type[FluxSettings]] = FluxSettings

    @staticmethod
    def capabilities(settings: FluxSettings) -> Capabilities:
        return Capabilities(max_sources=MODELS[settings.model].max_sources)

    def _draw(self, request: GenerationRequest) -> GeneratedImage:
        deadline = time.monotonic() + self.settings.timeout
        parameters = self._choose_parameters(request)
        headers = {**provider_http.authorize(self.key, "x-key", ""), "Accept": "application/json"}
        task = self._submit(headers, parameters | self._encode_sources(request))
        end = self._await_end(headers, task, deadline)
        asked = {"model": self.settings.model} | {name: parameters[name] for name in parameters if name != "prompt"}
        answer = task | {name: value for name, value in end.items() if value is not None}
        return self._read_end(answer, asked, request)

    def _choose_parameters(self, request: GenerationRequest) -> dict[str, Any]:
        settings, family = self.settings, MODELS[self.settings.model]
        parameters: dict[str, Any] = {
            "prompt": request.prompt,
            "seed": request.seed,
            "output_format": "png",
            "safety_tolerance": settings.safety_tolerance,
        }
        if settings.prompt_upsampling is not None:
            parameters["prompt_upsampling"] = settings.prompt_upsampling
        if not family.step:
            return parameters | {"aspect_ratio": nearest_ratio(request.width, request.height, RATIOS)}
        width, height = fit_size(
            request.width,
            request.height,
            step=family.step,
            shortest=family.shortest,
            longest=family.longest,
            area=family.area,
        )
        return parameters | {"width": width, "height": height}

    def _encode_sources(self, request: GenerationRequest) -> dict[str, str]:
        names = ("input_image", *(f"input_image_{number}" for number in range(2, len(request.sources) + 1)))
        return {name: base64.b64encode(source).decode() for name, source in zip(names, request.sources, strict=False)}

    def _submit(self, headers: Mapping[str, str], body: Mapping[str, Any]) -> dict[str, Any]:
        url = f"{self.settings.base_url}/v1/{self.settings.model}"
        try:
            response = self.http.post(url, headers=headers, json=body)
        except (httpx2.RequestError, httpx2.InvalidURL) as error:
            raise provider_http.make_transport_error(error) from error
        if not response.is_success:
            raise self._read_error(response)
        task = provider_http.read_object(response, self.key)
        if not isinstance(task.get("polling_url"), str):
            raise provider_http.make_body_error("it has no polling_url.")
        return task

    def _await_end(self, headers: Mapping[str, str], task: Mapping[str, Any], deadline: float) -> dict[str, Any]:
        """Poll the task until it is ready, refused or failed. Polls are free, so temporary errors are retried.

        Raises AdapterError (``billed`` None) if the task does not end in time.
        """
        url, pause, last = task["polling_url"], FIRST_PAUSE, "nothing"
        # A poll carries the key.
        provider_http.check_host(url, list_key_hosts(self.declaration, self.settings), billed=None)
        while (left := deadline - time.monotonic()) > 0:
            try:
                response = self.http.get(url, headers=headers, timeout=left)
                answer = self._read_poll(response)
                last = str(answer.get("status"))
                if last in {"Ready", *REFUSALS, *FAILURES}:
                    return answer
                wait = max(pause, provider_http.read_retry_after(response.headers) or 0.0)
            except httpx2.RequestError as error:
                last, wait = type(error).__name__, pause
            time.sleep(min(wait, max(0.0, deadline - time.monotonic())))
            pause = min(LONGEST_PAUSE, pause * 1.5)
        text = f"The task did not end within {self.settings.timeout:g} s. Its last status: {last[:100]}."
        raise AdapterError(Outcome.TIMEOUT, text, billed=None, reported=_name_request(task))

    def _read_poll(self, response: httpx2.Response) -> dict[str, Any]:
        """The task's state, or one whose status is an error worth retrying. Raises AdapterError for other errors."""
        status = response.status_code
        if response.is_success or status == 404:  # a new task may not be found yet; the body says so
            try:
                return provider_http.read_object(response, self.key)
            except AdapterError:
                return {"status": f"HTTP {status}, no JSON"}
        if status >= 500 or status in provider_http.PASSING:
            return {"status": f"HTTP {status}"}
        error = self._read_error(response)
        # The task was accepted, so it may be billed although its end is unknown.
        raise AdapterError(error.outcome, error.message, code=error.code, billed=None)

    def _read_end(self, answer: Mapping[str, Any], asked: dict[str, Any], request: GenerationRequest) -> GeneratedImage:
        status, reported = str(answer["status"]), _name_request(answer)
        # The provider names the cost when it accepts the task, and documents no refund for a refusal.
        cost: Billed = {"credit": float(answer["cost"])} if provider_http.is_amount(answer.get("cost")) else {}
        if stage := REFUSALS.get(status):
            text = f"The provider refused: {status}."
            raise AdapterError(Outcome.REFUSED, text, stage=stage, code=status, billed=cost, reported=reported)
        if status in FAILURES:
            text = f"The provider's task failed: {str(answer.get('details') or status)[:500]}"
            raise AdapterError(Outcome.TRANSIENT, text, code=status, reported=reported)
        result = answer.get("result")
        if not isinstance(result, dict) or not isinstance(result.get("sample"), str):
            raise provider_http.make_body_error("the task is ready but has no image.")
        charged: dict[str, float] = {"image": 1, **cost}
        if "width" in asked:
            charged["megapixel"] = asked["width"] * asked["height"] / MEGAPIXEL
        data = provider_http.fetch_image(self.http, result["sample"], hosts=self.settings.image_hosts, billed=charged)
        found = provider_http.identify_image(data)
        if found is None:
            text = "The provider's image is not a PNG, JPEG or WebP."
            raise AdapterError(Outcome.TRANSIENT, text, code="no_image", billed=charged, reported=reported)
        media_type, width, height = found
        charged["megapixel"] = width * height / MEGAPIXEL
        return GeneratedImage(data, media_type, reported | _read_report(result, asked, request), charged)

    def _read_error(self, response: httpx2.Response) -> AdapterError:
        body = provider_http.read_error_object(response, self.key)
        words = str(body.get("detail", body)) if body else provider_http.hide_key(response.text, self.key)
        return provider_http.make_status_error(response.status_code, response.headers, words, key=self.key)


def _name_request(answer: Mapping[str, Any]) -> dict[str, Any]:
    return {"request_id": str(answer["id"])} if answer.get("id") else {}


def _read_report(result: Mapping[str, Any], asked: dict[str, Any], request: GenerationRequest) -> dict[str, Any]:
    """The provider's report on a finished image: its seed, the revised prompt, the seconds it took."""
    report: dict[str, Any] = {"parameters": asked | ({"seed": result["seed"]} if "seed" in result else {})}
    revised = result.get("prompt")
    if isinstance(revised, str) and revised not in {"", request.prompt}:
        report["revised_prompt"] = revised
    if provider_http.is_amount(result.get("duration")):
        report["seconds"] = result["duration"]
    return report
