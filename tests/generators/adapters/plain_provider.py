"""The smallest provider: one HTTP call, no edits, no client package. The shared tests hold for it, too."""

from typing import ClassVar

import httpx2
from pydantic import Field
from pytest_httpserver import HTTPServer

from generators.adapters import provider_http
from generators.adapters.base import (
    AdapterDeclaration,
    AdapterSettings,
    Capabilities,
    GeneratedImage,
    GenerationRequest,
)
from generators.adapters.one_call import OneCallGenerator
from tests.generators.adapters.provider_servers import PNG, ProviderServer


class PlainSettings(AdapterSettings):
    base_url: provider_http.Address = "https://api.plain.example"
    timeout: float = Field(180, ge=1, lt=600)


class PlainGenerator(OneCallGenerator):
    declaration: ClassVar[AdapterDeclaration] = AdapterDeclaration(
        key="PARAGONE_PLAIN_KEY", paid=True, units=("image", "plain_point")
    )
    Settings: ClassVar[type[PlainSettings]] = PlainSettings

    @staticmethod
    def capabilities(settings: PlainSettings) -> Capabilities:
        return Capabilities()

    def _draw(self, request: GenerationRequest) -> GeneratedImage:
        headers = {"Authorization": f"Bearer {provider_http.read_key(self.key)}"}
        body = {"prompt": request.prompt, "seed": request.seed}
        try:
            response = self.http.post(f"{self.settings.base_url}/draw", headers=headers, json=body)
        except (httpx2.RequestError, httpx2.InvalidURL) as error:
            raise provider_http.make_transport_error(error) from error
        if not response.is_success:
            text = provider_http.hide_key(response.text, self.key)
            raise provider_http.make_status_error(response.status_code, response.headers, text)
        found = provider_http.identify_image(response.content)
        if found is None:
            raise provider_http.make_body_error("it is not a PNG, JPEG or WebP.")
        return GeneratedImage(response.content, found[0], {}, {"image": 1, "plain_point": 3})


def _answer(server: HTTPServer, path: str) -> None:
    server.expect_request(path, method="POST").respond_with_data(PNG, content_type="image/png")


SERVER = ProviderServer("plain", "/draw", _answer)
