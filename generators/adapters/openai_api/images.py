"""What the providers that speak OpenAI's image API have in common: one paid call, through the package ``openai``.

The SDK's own retries are off (the worker decides about another try), no redirect is followed, and the key is in no
message: where a provider repeats it, it is taken out before anything is read.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import httpx2
from pydantic import Field, SecretStr

from generators.adapters import provider_http
from generators.adapters.base import AdapterError, AdapterSettings, Answer, Capabilities, GenerationRequest, Outcome
from generators.adapters.openai_api.answers import read_answers, read_faults

if TYPE_CHECKING:
    from openai import OpenAI

GENERATE, EDIT = "/images/generations", "/images/edits"
# A server that does not take the connection by then is away; drawing takes minutes only after that.
CONNECT_SECONDS = 10.0
# For fetching an image that is finished.
FETCH_SECONDS = 30.0
# An image that goes out with a form: the field's name, then the file's name, bytes and media type.
FormFile = tuple[str, tuple[str, bytes, str]]


class ImagesSettings(AdapterSettings):
    """What these providers share. Settings that are not set are not sent: the provider's own default holds.

    ``timeout``: seconds that the server may stay silent. ``image_hosts``: where images are fetched from when a provider
    answers with their addresses (patterns: ``*.x.ai``).
    """

    timeout: float = Field(default=180.0, gt=0, lt=600)
    image_hosts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Call:
    """One request to the provider: JSON, or a form where there are ``files``.

    ``parameters`` is what of it is worth keeping with the image.
    """

    path: str
    body: Mapping[str, Any]
    files: Sequence[FormFile] = ()

    @property
    def parameters(self) -> dict[str, Any]:
        return {name: value for name, value in self.body.items() if name not in {"prompt", "image", "images"}}


class ImagesGenerator(ABC):
    """Base of the adapters whose providers speak OpenAI's image API: variants of one prompt are one call."""

    # What an image is when neither the provider nor the settings say.
    media_type = "image/png"

    def __init__(self, settings: Any, key: SecretStr) -> None:
        self.settings = settings
        self.key = key

    @staticmethod
    @abstractmethod
    def capabilities(settings: Any) -> Capabilities: ...

    @abstractmethod
    def _make_client(self, **options: Any) -> "OpenAI":
        """The SDK's client for this provider."""

    @abstractmethod
    def _describe_call(self, request: GenerationRequest, n: int) -> Call:
        """How this provider is asked for ``n`` images."""

    def _authorize(self) -> dict[str, str]:
        """The headers that carry the key."""
        return {"Authorization": f"Bearer {provider_http.reveal_key(self.key)}"}

    def generate(self, requests: Sequence[GenerationRequest]) -> Sequence[Answer]:
        """An answer for each variant, from one call. Raises AdapterError where one answer holds for all."""
        request = requests[0]
        _expect_capable(request, self.capabilities(self.settings))
        call = self._describe_call(request, len(requests))
        response = self._send(call)
        if not response.is_success:
            return read_faults(response, len(requests), secret=self.key)
        return read_answers(
            response,
            len(requests),
            parameters=call.parameters,
            media_type=self.media_type,
            fetch=lambda url, billed: provider_http.fetch_image(
                self._http, url, hosts=self.settings.image_hosts, billed=billed
            ),
        )

    def close(self) -> None:
        if "_http" in vars(self):
            self._http.close()

    @cached_property
    def _http(self) -> httpx2.Client:
        """The connections, without a key of their own: the address of an image may be fetched through them."""
        return provider_http.open_client(FETCH_SECONDS)

    @cached_property
    def _client(self) -> "OpenAI":
        try:
            return self._make_client(
                api_key=provider_http.reveal_key(self.key),
                max_retries=0,
                timeout=httpx2.Timeout(self.settings.timeout, connect=min(CONNECT_SECONDS, self.settings.timeout)),
                http_client=self._http,
            )
        except ImportError as error:
            text = "The package openai is not installed here. Install it: pip install 'paragone[workers]'."
            raise AdapterError(Outcome.INVALID, text) from error

    def _send(self, call: Call) -> httpx2.Response:
        """Whatever the provider answered, success or not. Raises AdapterError where no whole answer came back."""
        client = self._client
        from openai import APIConnectionError, APIStatusError, Omit

        # The SDK fills these from the environment; what is meant for OpenAI is no other provider's business.
        headers: dict[str, str | Omit] = dict.fromkeys(
            ("Authorization", "OpenAI-Organization", "OpenAI-Project"), Omit()
        )
        headers |= self._authorize()
        if call.files:
            headers["Content-Type"] = "multipart/form-data"
        try:
            return client.post(
                call.path,
                cast_to=httpx2.Response,
                body=dict(call.body),
                files=list(call.files) or None,
                options={"headers": headers},
            )
        except APIStatusError as error:
            return error.response
        except APIConnectionError as error:
            fault = provider_http.fault_of_transport(error.__cause__ or error)
        # Raised out here, so that it does not drag the request and its headers along.
        raise fault


def _expect_capable(request: GenerationRequest, capabilities: Capabilities) -> None:
    if len(request.sources) > capabilities.max_sources:
        text = f"{len(request.sources)} source images came; this model takes {capabilities.max_sources}."
        raise AdapterError(Outcome.INVALID, text)
    if request.mask is not None and not (capabilities.masks and request.sources):
        text = "A mask came; this model takes one only with a source image, if at all."
        raise AdapterError(Outcome.INVALID, text)


def attach_image(field: str, data: bytes) -> FormFile:
    """A source image as a part of a form."""
    media_type = provider_http.media_type_of_source(data)
    return (field, (f"{field.removesuffix('[]')}.{media_type.partition('/')[2]}", data, media_type))
