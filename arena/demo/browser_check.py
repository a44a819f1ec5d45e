"""A browser check: votes over HTTP as a browser's form does, and checks each answer."""

import http.cookiejar
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from html.parser import HTMLParser

from arena.demo.processes import DemoError
from arena.models import Vote


@dataclass
class Page(HTMLParser):
    """The parts of a battle page that a browser uses."""

    stage: str = ""
    action: str = ""
    token: str = ""
    answers: list[str] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    following: str = ""

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        attrs = {name: value or "" for name, value in attributes}
        if tag == "section" and attrs.get("id") == "battle":
            self.stage = attrs.get("data-stage", "")
        elif tag == "form" and attrs.get("class") == "vote":
            self.action = attrs.get("action", "")
        elif tag == "input" and attrs.get("name") == "csrfmiddlewaretoken":
            self.token = attrs.get("value", "")
        elif tag == "button" and attrs.get("name") == "winner":
            self.answers.append(attrs.get("value", ""))
        elif tag == "img" and attrs.get("alt", "").startswith("Image"):
            self.images.append(attrs.get("src", ""))
        elif tag == "img" and attrs.get("alt", "").startswith("Before"):
            self.sources.append(attrs.get("src", ""))
        elif tag == "a" and attrs.get("data-key") == "Enter":
            self.following = attrs.get("href", "")


class Browser:
    """Cookies, GET and form POST against one site."""

    def __init__(self, site: str) -> None:
        self.site = site
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self.opener = urllib.request.build_opener(cookies)

    def get(self, address: str) -> bytes:
        return self._open(urllib.request.Request(urllib.parse.urljoin(self.site, address)))

    def post(self, address: str, form: dict[str, str]) -> bytes:
        target = urllib.parse.urljoin(self.site, address)
        headers = {"Origin": self.site.rstrip("/"), "Referer": target}
        return self._open(urllib.request.Request(target, urllib.parse.urlencode(form).encode(), headers))

    def _open(self, request: urllib.request.Request) -> bytes:
        try:
            with self.opener.open(request, timeout=60) as response:
                body: bytes = response.read()
                return body
        except urllib.error.URLError as error:
            raise DemoError(f"The site did not answer {request.full_url}: {error}") from error


def read_page(html: bytes) -> Page:
    page = Page()
    page.feed(html.decode())
    return page


def vote_over_http(site: str, board: str, n_votes: int) -> None:
    """Open a battle, fetch its images, vote, read the names and go on, ``n_votes`` times.

    Raises DemoError if a step fails.
    """
    browser = Browser(site)
    address = f"/boards/{board}/battle/"
    for number in range(n_votes):
        page = _wait_until_drawn(browser, address)
        for image in [*page.images, *page.sources]:
            if not browser.get(image).startswith(b"\xff\xd8"):
                raise DemoError(f"{image} is not a JPEG, which raters should get.")
        answer = Vote.Winner.values[number % len(Vote.Winner.values)]
        revealed = read_page(browser.post(page.action, {"csrfmiddlewaretoken": page.token, "winner": answer}))
        if revealed.stage != "revealed" or not revealed.following:
            raise DemoError(f"After vote {number + 1} the page did not name the models.")
        address = revealed.following


def _wait_until_drawn(browser: Browser, address: str, seconds: float = 300.0) -> Page:
    deadline = time.monotonic() + seconds
    while True:
        page = read_page(browser.get(address))
        if page.stage == "ready" and len(page.images) == 2 and len(page.answers) == 4:
            return page
        if page.stage != "drawing" or time.monotonic() > deadline:
            raise DemoError(f"The battle page is {page.stage or 'not a battle'} after {seconds:.0f} s, not ready.")
        time.sleep(0.5)
