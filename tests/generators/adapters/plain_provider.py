"""The smallest complete provider: one JSON call, no edits, no client package. The shared tests hold for it, too."""

import base64
from typing import Any, ClassVar

import httpx2
from pydantic import Field
from pytest_httpserver import HTTPServer

from generators.adapters import provider_http
from generators.adapters.base import (
    AdapterDeclaration,
    AdapterError,
    Capabilities,
    GeneratedImage,
    GenerationRequest,
    Outcome,
)
from generators.adapters.one_call import OneCallGenerator
from generators.adapters.servers import ServerSettings
from tests.generators.adapters.provider_servers import PNG, ProviderServer


class PlainSettings(ServerSettings):
    base_url: provider_http.Address = "https://api.plain.example"
    timeout: float = Field(180, ge=1, lt=600)


class PlainGenerator(OneCallGenerator):
    declaration: ClassVar[AdapterDeclaration] = AdapterDeclaration(
        key="PARAGONE_PLAIN_KEY", hosts=("api.plain.example",), paid=True, units=("image", "plain_point")
    )
    Settings: ClassVar[type[PlainSettings]] = PlainSettings

    @staticmethod
    def capabilities(settings: PlainSettings) -> Capabilities:
        return Capabilities()

    def _draw(self, request: GenerationRequest) -> GeneratedImage:
        parameters = {"seed": request.seed, "width": request.width, "height": request.height}
        body = {"prompt": request.prompt, **parameters}
        try:
            response = self.http.post(
                f"{self.settings.base_url}/draw", headers=provider_http.authorize(self.key), json=body
            )
        except (httpx2.RequestError, httpx2.InvalidURL) as error:
            raise provider_http.make_transport_error(error) from error
        if not response.is_success:
            raise self._read_error(response)
        answer = provider_http.read_object(response, self.key)
        data = provider_http.decode_base64(answer.get("image"))
        found = provider_http.identify_image(data)
        if found is None:
            raise provider_http.make_body_error("the image is not a PNG, JPEG or WebP.")
        billed = {"image": 1.0}
        if provider_http.is_amount(answer.get("points")):
            billed["plain_point"] = answer["points"]
        return GeneratedImage(data, found[0], _name_request(answer) | {"parameters": parameters}, billed)

    def _read_error(self, response: httpx2.Response) -> AdapterError:
        body = provider_http.read_error_object(response, self.key)
        text, code = str(body.get("message", body)), str(body.get("code", ""))
        if code == "moderated":  # the provider charges nothing for a refused prompt
            text = f"The provider refused: {text}"
            return AdapterError(Outcome.REFUSED, text, stage="prompt", code=code, reported=_name_request(body))
        return provider_http.make_status_error(response.status_code, response.headers, text, key=self.key, code=code)


def _name_request(body: dict[str, Any]) -> dict[str, Any]:
    return {"request_id": str(body["id"])} if body.get("id") else {}


def _answer(server: HTTPServer, path: str) -> None:
    body = {"id": "request-1", "image": base64.b64encode(PNG).decode(), "points": 3}
    server.expect_request(path, method="POST").respond_with_json(body)


SERVER = ProviderServer("plain", "/draw", _answer)
