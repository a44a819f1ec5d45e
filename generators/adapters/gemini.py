"""Gemini's image models, called through the google-genai SDK. An edit is the same call with images before the text.

A refusal is a successful response (HTTP 200) without a candidate, or whose candidate ends without an image.
"""

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import httpx2
from pydantic import Field

from generators.adapters import provider_http
from generators.adapters.base import (
    AUTHENTICATION,
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
from generators.adapters.packages import make_import_error
from generators.adapters.servers import ServerSettings
from generators.adapters.sizes import nearest_ratio
from generators.adapters.sources import identify_media_type

if TYPE_CHECKING:
    from google.genai import Client
    from google.genai.errors import APIError
    from google.genai.types import Content, GenerateContentConfig, GenerateContentResponse, Part

RATIOS = ("1:1", "5:4", "4:5", "4:3", "3:4", "3:2", "2:3", "16:9", "9:16", "21:9")
SEEDS = 2**31  # the API's seed is an int32
NO_IMAGE = "NO_IMAGE"
# Finish reasons that are a decision of the provider or the model. Any other may not recur.
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


class GeminiSettings(ServerSettings):
    model: str = Field("gemini-2.5-flash-image", pattern=r"^[a-z0-9.-]+$")
    base_url: provider_http.Address = "https://generativelanguage.googleapis.com"
    # None: the model's default, the only size of gemini-2.5-flash-image.
    image_size: Literal["512", "1K", "2K", "4K"] | None = None
    timeout: float = Field(180, ge=1, lt=600, description="seconds to wait for an answer")


class GeminiGenerator(OneCallGenerator):
    """Draws and edits, with one call per image."""

    declaration: ClassVar[AdapterDeclaration] = AdapterDeclaration(
        extra="providers",
        key="PARAGONE_GEMINI_KEY",
        hosts=("generativelanguage.googleapis.com",),
        paid=True,
        units=("image", "input_token", "output_token", "thought_token"),
        sources=SourceRules(),
    )
    Settings: ClassVar[type[GeminiSettings]] = GeminiSettings

    @staticmethod
    def capabilities(settings: GeminiSettings) -> Capabilities:
        # The provider documents 14 source images for the third generation and recommends at most 3 for the second.
        # The seed is passed on, but the provider does not promise the same image.
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
        # The error is returned, not raised here: its context would be the SDK's error, which quotes the provider.
        from google.genai import errors

        try:
            return client.models.generate_content(model=self.settings.model, contents=content, config=config)
        except errors.APIError as error:
            return self._read_error(error)
        except (httpx2.RequestError, httpx2.InvalidURL) as error:
            return provider_http.make_transport_error(error)
        except ValueError:  # raised by the SDK and by pydantic for an unexpected body
            return provider_http.make_body_error("the provider's SDK does not accept it.")

    @cached_property
    def _client(self) -> "Client":
        # The SDK insists on a key.
        key = "none" if self.key is None else provider_http.read_key(self.key)
        try:
            from google import genai
        except ImportError as error:
            raise make_import_error(error, self.declaration.extra) from error
        if self.key is None:
            self.http.event_hooks["request"] = [_remove_key]
        # Without retry_options the SDK sends one request. Options set here are not read from the environment.
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
            # Both would make further paid calls.
            automatic_continuation=False,
            automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        )

    def _write_content(self, request: GenerationRequest) -> "Content":
        from google.genai import types

        images = [
            types.Part.from_bytes(data=source, mime_type=identify_media_type(source)) for source in request.sources
        ]
        return types.Content(role="user", parts=[*images, types.Part.from_text(text=request.prompt)])

    def _read_error(self, error: "APIError") -> AdapterError:
        words = provider_http.hide_key(error.message if isinstance(error.message, str) else "", self.key)
        status = provider_http.hide_key(error.status if isinstance(error.status, str) else "", self.key)
        headers = getattr(error.response, "headers", None) or {}
        details = _read_details(error.details)
        if any(detail.get("reason") == "API_KEY_INVALID" for detail in details):
            return provider_http.make_status_error(401, headers, "", key=self.key)
        read = provider_http.make_status_error(error.code, headers, words, key=self.key, code=status)
        if read.code == AUTHENTICATION and "billing" not in words.lower():
            return read
        read.retry_after = next(filter(None, map(_read_delay, details)), read.retry_after)
        # A rate limit names the wait. A message about billing without one means that the account has to be topped up.
        if error.code in {400, 403, 429} and "billing" in words.lower() and read.retry_after is None:
            return AdapterError(Outcome.QUOTA, f"HTTP {error.code}: {words[:500]}", code=status)
        return read

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
                    raise provider_http.make_body_error("the image is not a PNG, JPEG or WebP.")
                return GeneratedImage(part.inline_data.data, found[0], reported, {"image": 1, **billed})
        candidate = response.candidates[0] if response.candidates else None
        reason = candidate.finish_reason.value if candidate and candidate.finish_reason else "no candidate"
        if reason == "STOP" and reported.get("text"):
            reason = NO_IMAGE  # text instead of an image is a refusal
        text = f"The response has no image: {reason}. {reported.get('text', '')[:500]}".strip()
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


def _remove_key(request: httpx2.Request) -> None:
    request.headers.pop("x-goog-api-key", None)


def _list_parts(response: "GenerateContentResponse") -> list["Part"]:
    """The parts of the first candidate, without its thoughts."""
    content = response.candidates[0].content if response.candidates else None
    return [part for part in (content and content.parts) or [] if not part.thought]


def _read_usage(response: "GenerateContentResponse") -> Billed:
    usage = response.usage_metadata
    if usage is None:
        return {}
    counts = {
        "input_token": usage.prompt_token_count,
        "output_token": usage.candidates_token_count,
        "thought_token": usage.thoughts_token_count,  # priced as text, unlike the tokens of an image
    }
    return {name: count for name, count in counts.items() if count}


def _read_details(body: object) -> list[dict[str, Any]]:
    error = body.get("error") if isinstance(body, dict) else None
    details = error.get("details") if isinstance(error, dict) else None
    return [detail for detail in details if isinstance(detail, dict)] if isinstance(details, list) else []


def _read_delay(detail: dict[str, Any]) -> float | None:
    """Seconds of a RetryInfo, given as "34s" or "1.5s"."""
    try:
        return max(0.0, float(str(detail.get("retryDelay", "")).removesuffix("s")))
    except ValueError:
        return None
