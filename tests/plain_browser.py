"""A plain browser for forms: it keeps cookies and follows only its first redirect. Every page is loaded over HTTP."""

import http.client
import re
from collections.abc import Iterable
from urllib.parse import urlencode

from tests.concurrency import PATIENCE


class Page:
    def __init__(self, status: int, location: str, text: str) -> None:
        self.status, self.location, self.text = status, location, text

    @property
    def stage(self) -> str:
        return self._find(r'data-stage="(\w+)"')

    @property
    def vote_path(self) -> str:
        return self._find(r'action="(/battles/[^"]+/vote/)"')

    @property
    def csrf_token(self) -> str:
        return self._find(r'name="csrfmiddlewaretoken" value="(\w+)"')

    def _find(self, pattern: str) -> str:
        found = re.search(pattern, self.text)
        assert found, f"no {pattern} in the response {self.status}: {self.text[:2000]}"
        return found[1]


class Browser:
    """A minimal browser for plain forms: it keeps cookies and follows only its first redirect."""

    def __init__(self, port: int, cookies: Iterable[tuple[str, str]] = ()) -> None:
        self.port, self.cookies = port, dict(cookies)

    def copy(self) -> "Browser":
        """Another tab with the present cookies."""
        return Browser(self.port, self.cookies.items())

    def get(self, path: str) -> Page:
        page = self._send("GET", path, None, {})
        # The first page sets the cookie and asks for it.
        return self._send("GET", page.location, None, {}) if page.status == 302 else page

    def vote(self, page: Page, winner: str, *, htmx: bool = False) -> Page:
        """Submit the vote form of a battle page."""
        body = urlencode({"csrfmiddlewaretoken": page.csrf_token, "winner": winner})
        headers = {"Content-Type": "application/x-www-form-urlencoded"} | ({"HX-Request": "true"} if htmx else {})
        return self._send("POST", page.vote_path, body, headers)

    def _send(self, method: str, path: str, body: str | None, headers: dict[str, str]) -> Page:
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
            link.request(method, path, body, headers | ({"Cookie": cookies} if cookies else {}))
            response = link.getresponse()
            text = response.read().decode(errors="replace")
        finally:
            link.close()
        for cookie in response.headers.get_all("Set-Cookie", []):
            name, _, value = cookie.split(";")[0].partition("=")
            self.cookies[name] = value
        return Page(response.status, response.headers.get("Location", ""), text)
