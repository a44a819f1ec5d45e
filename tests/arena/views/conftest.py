"""Chromium, and a drawn board to show in it."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, expect, sync_playwright

from arena.models import Board
from tests import builders
from tests.arena.views.chromium import DESKTOP, PHONE, SCREENSHOTS, TIMEOUT, OpenContext


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    # Playwright's event loop runs in this thread, where Django would refuse synchronous queries.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    quiet = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
    expect.set_options(timeout=TIMEOUT)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=quiet)
        yield browser
        browser.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def open_context(chromium: Browser) -> Iterator[OpenContext]:
    """Opens browser contexts of a size, and closes them after the test."""
    contexts: list[BrowserContext] = []

    def open_context(size: dict[str, int] = DESKTOP, **options: Any) -> BrowserContext:
        phone = size == PHONE
        context = chromium.new_context(viewport=size, is_mobile=phone, has_touch=phone, **options)
        context.set_default_timeout(TIMEOUT)
        contexts.append(context)
        return context

    yield open_context
    for context in contexts:
        context.close()


@pytest.fixture
def arena(live_server) -> Board:
    board = builders.make_board(n_models=3, n_prompts=6, canvas_width=512, canvas_height=512)
    names = ("Fresco 2", "Atelier", "Linocut")
    styles = ("gouache", "pastel", "woodcut")
    for model, name, style in zip(board.image_models.all(), names, styles, strict=True):
        model.name, model.organization, model.license = name, "Sketch", "Apache-2.0"
        model.settings, model.in_house = {"style": style}, name == "Fresco 2"
        model.save()
    board.title, board.slug = "Painters' table", "painters"
    board.save()
    builders.draw(board)
    return board
