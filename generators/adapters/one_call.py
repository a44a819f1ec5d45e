"""What adapters share whose provider is asked once for each image."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import httpx2
from pydantic import SecretStr

from generators.adapters import provider_http
from generators.adapters.base import GeneratedImage, GenerationRequest


class OneCallGenerator(ABC):
    """Base of such an adapter, which says what it can do and how it draws one image."""

    def __init__(self, settings: Any, key: SecretStr) -> None:
        self.settings = settings
        self.key = key

    @cached_property
    def http(self) -> httpx2.Client:
        """The connections, opened at the first call. They carry no key of their own."""
        return provider_http.open_client(self.settings.timeout)

    def generate(self, requests: Sequence[GenerationRequest]) -> list[GeneratedImage]:
        """One image for one request. Raises AdapterError as the provider's answer says."""
        return [self._draw(request) for request in requests]

    def close(self) -> None:
        if "http" in vars(self):
            self.http.close()

    @abstractmethod
    def _draw(self, request: GenerationRequest) -> GeneratedImage:
        """The image, or AdapterError."""
