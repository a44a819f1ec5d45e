"""The base of adapters for OpenAI's image API: one paid request per call, sent with the package ``openai``.

The SDK's own retries are off, because the worker decides when to retry. No redirect is followed. If a response repeats
the key, it is removed before the response is read.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import httpx2
from pydantic import Field, SecretStr

from generators.adapters import provider_http
from generators.adapters.base import AdapterDeclaration, Answer, Capabilities, GenerationRequest
from generators.adapters.openai_api.answers import read_answers, read_errors
from generators.adapters.packages import make_import_error
from generators.adapters.servers import ServerSettings
from generators.adapters.sources import check_sources, identify_media_type

if TYPE_CHECKING:
    from openai import OpenAI

GENERATE, EDIT = "/images/generations", "/images/edits"
# Only drawing takes minutes; connecting does not.
CONNECT_SECONDS = 10.0
# For downloading a finished image.
FETCH_SECONDS = 30.0
# An image in a form: the field's name, then the file's name, bytes and media type.
FormFile = tuple[str, tuple[str, bytes, str]]


class ImagesSettings(ServerSettings):
    """Settings of all these providers. A setting that is not set is not sent, so the provider's default holds.

    ``timeout``: seconds without a byte from the server. ``image_hosts``: hosts that images may be downloaded from if a
    response holds their addresses (patterns: ``*.x.ai``).
    """

    timeout: float = Field(default=180.0, gt=0, lt=600)
    image_hosts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Call:
    """One request to the provider: JSON, or a form if there are ``files``.

    ``parameters`` are the fields that are stored with the image.
    """

    path: str
    body: Mapping[str, Any]
    files: Sequence[FormFile] = ()

    @property
    def parameters(self) -> dict[str, Any]:
        return {name: value for name, value in self.body.items() if name not in {"prompt", "image", "images"}}


class ImagesGenerator(ABC):
    """Base of adapters for OpenAI's image API. Variants of one prompt are one call."""

    declaration: ClassVar[AdapterDeclaration]
    # Assumed if neither the response nor the settings name the media type.
    media_type = "image/png"

    def __init__(self, settings: Any, key: SecretStr | None) -> None:
        self.settings = settings
        self.key = key

    @staticmethod
    @abstractmethod
    def capabilities(settings: Any) -> Capabilities: ...

    @abstractmethod
    def _make_client(self, **options: Any) -> "OpenAI":
        """Create the SDK's client for this provider. Raises ImportError without the package."""

    @abstractmethod
    def _describe_call(self, request: GenerationRequest, n: int) -> Call:
        """The request for ``n`` images."""

    def _authorize(self) -> dict[str, str]:
        """The header that carries the key, if the server is sent one."""
        return provider_http.authorize(self.key)

    def generate(self, requests: Sequence[GenerationRequest]) -> Sequence[Answer]:
        """Return one answer per variant, from one call. Raises AdapterError if one error holds for all."""
        request = requests[0]
        check_sources(request, self.capabilities(self.settings), self.declaration.sources)
        call = self._describe_call(request, len(requests))
        response = self._send(call)
        if not response.is_success:
            return read_errors(response, len(requests), secret=self.key)
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
        """The HTTP client. It carries no key, because images are downloaded through it, too."""
        return provider_http.open_client(FETCH_SECONDS)

    @cached_property
    def _client(self) -> "OpenAI":
        try:
            return self._make_client(
                # The SDK insists on one. What is sent is the header of ``_authorize``.
                api_key="none",
                max_retries=0,
                timeout=httpx2.Timeout(self.settings.timeout, connect=min(CONNECT_SECONDS, self.settings.timeout)),
                http_client=self._http,
            )
        except ImportError as error:
            raise make_import_error(error, self.declaration.extra) from error

    def _send(self, call: Call) -> httpx2.Response:
        """The provider's response, successful or not. Raises AdapterError if no complete response arrived."""
        client = self._client
        from openai import APIConnectionError, APIStatusError, Omit

        # The SDK fills these itself, some from the environment. They must not reach another server.
        headers: dict[str, str | Omit] = dict.fromkeys(
            ("Authorization", "api-key", "OpenAI-Organization", "OpenAI-Project"), Omit()
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
            failed = provider_http.make_transport_error(error.__cause__ or error)
        # Raised outside the handler, so that its context does not hold the request with its headers.
        raise failed


def attach_image(field: str, data: bytes) -> FormFile:
    """A source image as a part of a form."""
    media_type = identify_media_type(data)
    return (field, (f"{field.removesuffix('[]')}.{media_type.partition('/')[2]}", data, media_type))
