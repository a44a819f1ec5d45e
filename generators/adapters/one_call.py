"""The base of adapters that make one HTTP call per image."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar

import httpx2
from pydantic import SecretStr

from generators.adapters import provider_http
from generators.adapters.base import AdapterDeclaration, Capabilities, GeneratedImage, GenerationRequest
from generators.adapters.sources import check_sources


class OneCallGenerator(ABC):
    """Base of such adapters. A subclass has a declaration and its models' capabilities, and draws one image."""

    declaration: ClassVar[AdapterDeclaration]

    def __init__(self, settings: Any, key: SecretStr | None) -> None:
        self.settings = settings
        self.key = key

    @cached_property
    def http(self) -> httpx2.Client:
        """The HTTP client, opened at the first call. It carries no key: the key belongs to a request's headers."""
        return provider_http.open_client(self.settings.timeout)

    def generate(self, requests: Sequence[GenerationRequest]) -> list[GeneratedImage]:
        """Draw one image for one request. Raises AdapterError if the request is invalid or fails."""
        for request in requests:
            check_sources(request, self.capabilities(self.settings), self.declaration.sources)
        return [self._draw(request) for request in requests]

    def close(self) -> None:
        if "http" in vars(self):
            self.http.close()

    @staticmethod
    @abstractmethod
    def capabilities(settings: Any) -> Capabilities: ...

    @abstractmethod
    def _draw(self, request: GenerationRequest) -> GeneratedImage:
        """Return the image, or raise AdapterError. The sources and the mask are already checked."""
