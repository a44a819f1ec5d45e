"""Pages in Chromium: sizes, screenshots, and waiting for what a rater would see."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings as project
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, expect

SCREENSHOTS = Path(project.BASE_DIR) / "var" / "screenshots"
DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
SIZES = pytest.mark.parametrize(("name", "size"), [("desktop", DESKTOP), ("phone", PHONE)])
# Milliseconds: every wait ends by an event, so this bounds only failing tests.
TIMEOUT = 120_000
OpenContext = Callable[..., BrowserContext]


def open_page(context: BrowserContext, address: str) -> Page:
    """A page that collects console errors and warnings (a blocked script or style, an exception) in ``complaints``."""
    page = context.new_page()
    complaints: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning", "trace"}:
            complaints.append(message.text)

    page.on("console", listen)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.complaints = complaints  # type: ignore[attr-defined]
    page.goto(address)
    return page


def expect_shown(page: Page) -> None:
    """Wait until all images are on the screen and the answers, if the page has any, are open."""
    expect(page.locator("#battle .pair.shown")).to_be_visible()
    expect(page.locator("#battle .vote button:disabled")).to_have_count(0)


def finish_animations(page: Page) -> None:
    page.evaluate("Promise.all(document.getAnimations().map(animation => animation.finished))")


def expect_no_overflow(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "wider than the screen"
