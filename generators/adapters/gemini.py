"""Gemini's image models, over the google-genai SDK. An edit is the same call with images beside the words.

A refusal comes as a success (HTTP 200) whose candidate ended for a reason, or with no candidate at all.
"""

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import httpx2
from pydantic import Field

from generators.adapters import provider_http
from generators.adapters.base import (
    AUTHENTICATION,
    AdapterError,
    AdapterSettings,
    Billed,
    Capabilities,
    GeneratedImage,
    GenerationRequest,
    Outcome,
)
from generators.adapters.one_call import OneCallGenerator
from generators.adapters.sizes import nearest_ratio

if TYPE_CHECKING:
    from google.genai import Client
    from google.genai.errors import APIError
    from google.genai.types import Content, GenerateContentConfig, GenerateContentResponse, Part

RATIOS = ("1:1", "5:4", "4:5", "4:3", "3:4", "3:2", "2:3", "16:9", "9:16", "21:9")
SEEDS = 2**31  # the wire's seed is an int32
NO_IMAGE = "NO_IMAGE"
# The ends that are the provider's or the model's decision; any other without an image may pass.
REFUSALS = {
    "SAFETY",
    "PROHIBITED_CONTENT",
    "RECITATION",
    "BLOCKLIST",
    "SPII",
    "LANGUAGE",
    "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_RECITATION",
    NO_IMAGE,
}


class GeminiSettings(AdapterSettings):
    model: str = Field("gemini-2.5-flash-image", pattern=r"^[a-z0-9.-]+$")
    base_url: provider_http.Address = "https://generativelanguage.googleapis.com"
    # None: the model's own. gemini-2.5-flash-image has no other.
    image_size: Literal["512", "1K", "2K", "4K"] | None = None
    timeout: float = Field(180, ge=1, lt=600, description="seconds to wait for an answer")


class GeminiGenerator(OneCallGenerator):
    """Draws, or edits, with one call for each image."""

    Settings: ClassVar[type[GeminiSettings]] = GeminiSettings

    @staticmethod
    def capabilities(settings: GeminiSettings) -> Capabilities:
        # The provider names 14 reference images for the third generation, and 3 that the one before makes good use of.
        # A seed is passed on, but the provider promises no more than its best effort.
        return Capabilities(max_sources=3 if settings.model.startswith("gemini-2.") else 14, seeded=False)

    def _draw(self, request: GenerationRequest) -> GeneratedImage:
        client = self._client
        config, content = self._choose_config(request), self._write_content(request)
        response = self._ask(client, config, content)
        if isinstance(response, AdapterError):
            raise response
        return self._read_answer(response, config)

    def _ask(
        self, client: "Client", config: "GenerateContentConfig", content: "Content"
    ) -> "GenerateContentResponse | AdapterError":
        # The error is handed back, not raised here: the SDK's own, which quotes the provider, would be a part of it.
        from google.genai import errors

        try:
            return client.models.generate_content(model=self.settings.model, contents=content, config=config)
        except errors.APIError as error:
            return self._read_fault(error)
        except (httpx2.RequestError, httpx2.InvalidURL) as error:
            return provider_http.fault_of_transport(error)
        except ValueError:  # the SDK's word, and pydantic's, for a body that is not what it should be
            return provider_http.fault_of_body("it is not what the provider's SDK expects.")

    @cached_property
    def _client(self) -> "Client":
        key = provider_http.reveal_key(self.key)
        try:
            from google import genai
        except ImportError as error:
            text = "The adapter gemini needs the package google-genai: pip install 'paragone[workers]'"
            raise AdapterError(Outcome.INVALID, text, code="package") from error
        # Without retry_options the SDK asks once. What is set here is not looked up in the environment.
        options = genai.types.HttpOptions(
            base_url=self.settings.base_url,
            api_version="v1beta",
            timeout=round(self.settings.timeout * 1000),
            httpx_client=self.http,
        )
        return genai.Client(vertexai=False, api_key=key, http_options=options)

    def _choose_config(self, request: GenerationRequest) -> "GenerateContentConfig":
        from google.genai import types

        ratio = nearest_ratio(request.width, request.height, RATIOS)
        return types.GenerateContentConfig(
            response_modalities=["TEXT", "IMAGE"],
            image_config=types.ImageConfig(aspect_ratio=ratio, image_size=self.settings.image_size),
            seed=request.seed % SEEDS,
            # Both of these would make further calls, each of them paid.
            automatic_continuation=False,
            automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        )

    def _write_content(self, request: GenerationRequest) -> "Content":
        from google.genai import types

        most = self.capabilities(self.settings).max_sources
        if request.mask is not None or len(request.sources) > most:
            text = f"{self.settings.model} edits at most {most} images and takes no mask."
            raise AdapterError(Outcome.INVALID, text, code="sources")
        images = [
            types.Part.from_bytes(data=source, mime_type=provider_http.media_type_of_source(source))
            for source in request.sources
        ]
        return types.Content(role="user", parts=[*images, types.Part.from_text(text=request.prompt)])

    def _read_fault(self, error: "APIError") -> AdapterError:
        words = provider_http.hide_key(error.message if isinstance(error.message, str) else "", self.key)
        status = provider_http.hide_key(error.status if isinstance(error.status, str) else "", self.key)
        headers = getattr(error.response, "headers", None) or {}
        details = _read_details(error.details)
        if any(detail.get("reason") == "API_KEY_INVALID" for detail in details):
            return provider_http.fault_of_status(401, headers, "")
        fault = provider_http.fault_of_status(error.code, headers, words, code=status)
        if fault.code == AUTHENTICATION and "billing" not in words.lower():
            return fault
        fault.retry_after = next(filter(None, map(_read_delay, details)), fault.retry_after)
        # Who has to wait is told how long. Who is told of billing alone has to pay.
        if error.code in {400, 403, 429} and "billing" in words.lower() and fault.retry_after is None:
            return AdapterError(Outcome.QUOTA, f"HTTP {error.code}: {words[:500]}", code=status)
        return fault

    def _read_answer(self, response: "GenerateContentResponse", config: "GenerateContentConfig") -> GeneratedImage:
        billed, reported = _read_usage(response), self._read_report(response, config)
        if response.prompt_feedback and response.prompt_feedback.block_reason:
            reason = response.prompt_feedback.block_reason.value
            text = f"The provider refused the prompt: {reason}."
            raise AdapterError(Outcome.REFUSED, text, stage="prompt", code=reason, billed=billed, reported=reported)
        for part in _list_parts(response):
            if part.inline_data and part.inline_data.data:
                found = provider_http.identify_image(part.inline_data.data)
                if found is None:
                    raise provider_http.fault_of_body("the image is no PNG, JPEG or WebP.")
                return GeneratedImage(part.inline_data.data, found[0], reported, {"image": 1, **billed})
        candidate = response.candidates[0] if response.candidates else None
        reason = candidate.finish_reason.value if candidate and candidate.finish_reason else "no candidate"
        if reason == "STOP" and reported.get("text"):
            reason = NO_IMAGE  # the model answered with words, which is a refusal in all but name
        text = f"There is no image: {reason}. {reported.get('text', '')[:500]}".strip()
        if reason in REFUSALS:
            raise AdapterError(Outcome.REFUSED, text, stage="image", code=reason, billed=billed, reported=reported)
        raise AdapterError(Outcome.TRANSIENT, text, code=reason, billed=billed, reported=reported)

    def _read_report(self, response: "GenerateContentResponse", config: "GenerateContentConfig") -> dict[str, Any]:
        image = config.image_config
        parameters = {
            "model": self.settings.model,
            "model_version": response.model_version,
            "aspect_ratio": image and image.aspect_ratio,
            "image_size": image and image.image_size,
            "seed": config.seed,
        }
        reported: dict[str, Any] = {
            "parameters": {name: value for name, value in parameters.items() if value is not None}
        }
        if response.response_id:
            reported["request_id"] = response.response_id
        if text := "\n".join(part.text for part in _list_parts(response) if part.text):
            reported["text"] = text
        return reported


def _list_parts(response: "GenerateContentResponse") -> list["Part"]:
    """What the first candidate holds, without the drafts that it thought aloud."""
    content = response.candidates[0].content if response.candidates else None
    return [part for part in (content and content.parts) or [] if not part.thought]


def _read_usage(response: "GenerateContentResponse") -> Billed:
    usage = response.usage_metadata
    if usage is None:
        return {}
    counts = {
        "input_token": usage.prompt_token_count,
        "output_token": usage.candidates_token_count,
        "thought_token": usage.thoughts_token_count,  # priced as words, where an image's tokens are not
    }
    return {name: count for name, count in counts.items() if count}


def _read_details(body: object) -> list[dict[str, Any]]:
    error = body.get("error") if isinstance(body, dict) else None
    details = error.get("details") if isinstance(error, dict) else None
    return [detail for detail in details if isinstance(detail, dict)] if isinstance(details, list) else []


def _read_delay(detail: dict[str, Any]) -> float | None:
    """Seconds of a RetryInfo, which says "34s" or "1.5s"."""
    try:
        return max(0.0, float(str(detail.get("retryDelay", "")).removesuffix("s")))
    except ValueError:
        return None
