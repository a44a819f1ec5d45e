"""Battles on a bad line: no vote on an image that did not load, and no answer is lost that did not arrive."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings as project
from django.utils import timezone
from playwright.sync_api import Page, Route, expect

from arena.boards import seed
from arena.models import Battle, Board, Vote
from arena.models.battles import REPORTS
from generators.workers import drawing
from tests import builders
from tests.arena.views.chromium import (
    DESKTOP,
    SCREENSHOTS,
    SIZES,
    OpenContext,
    expect_no_overflow,
    expect_shown,
    finish_animations,
    open_page,
)

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PROXY_PAGE = "<html><head><title>502</title></head><body><center><h1>502 Bad Gateway</h1></center></body></html>"
Fault = Callable[[Route], None]


class Line:
    """A line to the site that breaks on order: the first ``n_faults`` requests to an address fail."""

    def __init__(self, page: Page, pattern: str, fault: Fault, n_faults: float = 1) -> None:
        self.fault, self.n_faults, self.n_requests = fault, n_faults, 0
        page.route(pattern, self.answer)

    def answer(self, route: Route) -> None:
        self.n_requests += 1
        if self.n_requests <= self.n_faults:
            self.fault(route)
        else:
            route.continue_()


def send_proxy_page(route: Route) -> None:
    route.fulfill(status=502, content_type="text/html", body=PROXY_PAGE)


def send_portal_page(route: Route) -> None:
    """The page of a hotel's network, in the place of the answer."""
    route.fulfill(status=200, content_type="text/html", body=PROXY_PAGE)


def break_before(route: Route) -> None:
    route.abort("connectionreset")


def break_after(route: Route) -> None:
    """The site gets the request and answers, and the answer is lost."""
    route.fetch(max_redirects=0)
    route.abort("connectionreset")


def hang(route: Route) -> None:
    """No answer ever."""


def open_battle(open_context: OpenContext, live_server, board: Board, size: dict[str, int] = DESKTOP) -> Page:
    """A battle that loads without faults, which can be added afterwards."""
    page = open_blank(open_context, size)
    # Chromium starts to intercept requests some time after a page that is open already asks for it.
    page.route("**/never-requested", lambda route: route.continue_())
    page.goto(f"{live_server.url}/boards/{board.slug}/battle/")
    expect_shown(page)
    return page


def open_blank(open_context: OpenContext, size: dict[str, int] = DESKTOP) -> Page:
    """A page to which faults can be added before it goes to a battle."""
    return open_page(open_context(size), "about:blank")


def expect_stage(page: Page, stage: str) -> None:
    expect(page.locator("#battle")).to_have_attribute("data-stage", stage)


def expect_closed(page: Page) -> None:
    expect(page.locator(".vote button:disabled")).to_have_count(4)


# Images


@SIZES
def test_answers_stay_closed_until_a_failed_image_is_loaded_again(
    open_context: OpenContext, live_server, arena: Board, name: str, size: dict[str, int]
) -> None:
    page = open_blank(open_context, size)
    images, votes = Line(page, "**/b.jpg*", break_before, n_faults=2), Line(page, "**/vote/", break_before, 0)
    page.goto(f"{live_server.url}/boards/{arena.slug}/battle/")
    again = page.get_by_role("button", name="Load again")
    expect(again).to_be_visible()
    expect(page.get_by_text("You can answer when both images are on the screen.")).to_be_visible()
    assert images.n_requests == 2, "the page fetches a failed image once more by itself"
    expect_closed(page)
    for key in ("ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"):
        page.keyboard.press(key)
    finish_animations(page)
    page.screenshot(path=SCREENSHOTS / f"{name}-image-missing.png")
    expect_no_overflow(page)
    again.click()
    expect_shown(page)
    expect(again).to_be_hidden()
    assert (images.n_requests, votes.n_requests, Vote.objects.count()) == (3, 0, 0)
    page.keyboard.press("ArrowLeft")
    expect_stage(page, "revealed")
    assert Vote.objects.get().winner == "model_a"


def test_an_image_that_failed_once_is_fetched_again_by_itself(
    open_context: OpenContext, live_server, arena: Board
) -> None:
    page = open_blank(open_context)
    images = Line(page, "**/a.jpg*", send_proxy_page)
    page.goto(f"{live_server.url}/boards/{arena.slug}/battle/")
    expect_shown(page)
    assert images.n_requests == 2


def test_an_image_that_hangs_can_be_loaded_again(open_context: OpenContext, live_server, arena: Board) -> None:
    page = open_blank(open_context)
    page.clock.install()
    images = Line(page, "**/a.jpg*", hang)
    page.goto(f"{live_server.url}/boards/{arena.slug}/battle/", wait_until="domcontentloaded")
    expect_closed(page)
    again = page.get_by_role("button", name="Load again")
    expect(again).to_be_hidden()
    page.clock.fast_forward(15_000)
    expect(again).to_be_visible()
    again.click()
    expect_shown(page)
    assert images.n_requests == 2


def test_answers_wait_for_the_source_of_an_edit(open_context: OpenContext, live_server) -> None:
    seed(Path(project.BASE_DIR) / "fixtures" / "demo.toml")
    board = Board.objects.get(task=Board.Task.IMAGE_EDIT)
    board.image_models.set(board.image_models.filter(slug__in=["fresco-2", "scribble-mini"]))
    builders.draw(board)
    page = open_blank(open_context)
    Line(page, "**/source*.jpg*", break_before, n_faults=2)
    page.goto(f"{live_server.url}/boards/{board.slug}/battle/")
    expect(page.get_by_text("You can answer when all images are on the screen.")).to_be_visible()
    expect(page.get_by_role("button", name="Load again")).to_be_visible()
    expect_closed(page)
    finish_animations(page)
    page.screenshot(path=SCREENSHOTS / "desktop-source-missing.png")
    page.get_by_role("button", name="Load again").click()
    expect_shown(page)


def test_no_form_is_sent_while_the_page_is_still_being_loaded(
    open_context: OpenContext, live_server, arena: Board
) -> None:
    page = open_blank(open_context)
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/htmx*.js", hold)
    votes = Line(page, "**/vote/", break_before, 0)
    page.goto(f"{live_server.url}/boards/{arena.slug}/battle/", wait_until="commit")
    page.get_by_role("button", name="A is better").click(no_wait_after=True)
    page.keyboard.press("ArrowLeft")
    for route in held:
        route.continue_()
    expect_shown(page)
    expect_stage(page, "ready")
    assert votes.n_requests == 0


# The look before a vote


def test_time_in_a_background_tab_does_not_count(open_context: OpenContext, live_server, arena: Board) -> None:
    page = open_blank(open_context)
    page.clock.install()
    page.goto(f"{live_server.url}/boards/{arena.slug}/battle/")
    expect_shown(page)

    def hide(hidden: str) -> None:
        page.evaluate(f"""() => {{
            Object.defineProperty(document, "hidden", {{ value: {hidden}, configurable: true }});
            document.dispatchEvent(new Event("visibilitychange"));
        }}""")

    page.clock.fast_forward(5_000)
    hide("true")
    page.clock.fast_forward(7_200_000)
    hide("false")
    page.clock.fast_forward(2_000)
    # For the server no time has passed: a battle is not shown for longer than it is old.
    Battle.objects.update(opened_at=timezone.now() - timedelta(hours=3))
    page.keyboard.press("ArrowUp")
    expect_stage(page, "revealed")
    vote = Vote.objects.get()
    assert vote.how == "key"
    assert 7 <= vote.seconds_shown < 3_600


def test_a_tap_is_told_from_a_key(open_context: OpenContext, live_server, arena: Board) -> None:
    page = open_battle(open_context, live_server, arena)
    page.get_by_role("button", name="Tie").click()
    expect_stage(page, "revealed")
    vote = Vote.objects.get()
    assert (vote.winner, vote.how) == ("tie", "tap")
    assert vote.seconds_shown > 0


# Requests that do not arrive


@SIZES
def test_the_pair_stays_until_the_answer_has_arrived(
    open_context: OpenContext, live_server, arena: Board, name: str, size: dict[str, int]
) -> None:
    page = open_battle(open_context, live_server, arena, size)
    page.clock.install()
    page.clock.pause_at(page.evaluate("Date.now()") + 1000)  # so that only the button sends
    line = Line(page, "**/vote/", send_proxy_page, n_faults=2)
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("alert")).to_contain_text("Your answer did not arrive.")
    expect_closed(page)
    expect_stage(page, "ready")
    assert "Bad Gateway" not in page.content()
    for image in page.locator(".picture img").all():
        expect(image).to_be_visible()
    for key in ("ArrowRight", "ArrowUp", "ArrowLeft"):
        page.keyboard.press(key)
    page.get_by_text("Report a problem").click()
    page.get_by_role("button", name="An image is broken").click()
    page.get_by_text("Report a problem").click()
    page.screenshot(path=SCREENSHOTS / f"{name}-answer-not-arrived.png")
    expect_no_overflow(page)
    assert (line.n_requests, Vote.objects.count()) == (1, 0)
    leaves = "() => window.dispatchEvent(new Event('beforeunload', { cancelable: true }))"
    assert not page.evaluate(leaves), "leaving the page warns"
    again = page.get_by_role("button", name="Send again")
    again.click()
    expect(again).to_be_enabled()
    assert line.n_requests == 2
    again.click()
    expect_stage(page, "revealed")
    vote = Vote.objects.get()
    assert (vote.winner, vote.how) == ("model_a", "key")
    assert not Battle.objects.filter(closure__in=REPORTS).exists()
    assert page.evaluate(leaves), "nothing is lost by leaving now"


@pytest.mark.parametrize("fault", [send_proxy_page, send_portal_page, break_before, break_after, hang])
def test_an_answer_that_did_not_arrive_is_sent_again_by_itself_and_counts_once(
    open_context: OpenContext, live_server, arena: Board, fault: Fault
) -> None:
    page = open_battle(open_context, live_server, arena)
    page.evaluate("htmx.config.timeout = 1000")
    line = Line(page, "**/vote/", fault, n_faults=2)
    page.keyboard.press("ArrowRight")
    expect_stage(page, "revealed")
    assert line.n_requests == 3
    vote = Vote.objects.get()
    assert (vote.winner, vote.how) == ("model_b", "key")
    assert 0 < vote.seconds_shown < 3_600
    expect(page.get_by_role("alert")).to_have_count(0)


def test_an_answer_that_the_site_refuses_is_not_sent_again(
    open_context: OpenContext, live_server, arena: Board
) -> None:
    page = open_battle(open_context, live_server, arena)
    line = Line(page, "**/vote/", break_before, n_faults=0)
    page.context.clear_cookies(name="paragone_rater")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("alert")).to_contain_text("Allow cookies")
    assert (line.n_requests, Vote.objects.count()) == (1, 0)


@pytest.mark.parametrize("fault", [send_proxy_page, break_before, break_after])
def test_a_report_that_did_not_arrive_is_sent_again(
    open_context: OpenContext, live_server, arena: Board, fault: Fault
) -> None:
    page = open_battle(open_context, live_server, arena)
    line = Line(page, "**/report/", fault)
    page.get_by_text("Report a problem").click()
    page.get_by_role("button", name="An image is unsafe").click()
    expect_stage(page, "ended")
    assert line.n_requests == 2
    assert Battle.objects.get(closure="unsafe")


@pytest.mark.parametrize("fault", [send_proxy_page, send_portal_page, break_before])
def test_the_next_pair_is_asked_for_until_it_comes(
    open_context: OpenContext, live_server, arena: Board, fault: Fault
) -> None:
    page = open_battle(open_context, live_server, arena)
    page.keyboard.press("ArrowRight")
    expect_stage(page, "revealed")
    line = Line(page, "**/boards/*/battle/", fault)
    page.keyboard.press("Enter")
    expect_stage(page, "ready")
    expect_shown(page)
    assert line.n_requests == 2
    assert Vote.objects.count() == 1
    page.keyboard.press("ArrowDown")
    expect_stage(page, "revealed")
    assert Vote.objects.count() == 2


@pytest.mark.parametrize("fault", [send_proxy_page, send_portal_page, break_before])
def test_waiting_for_a_drawing_goes_on_after_a_fault(open_context: OpenContext, live_server, fault: Fault) -> None:
    board = builders.make_board(n_models=2, n_prompts=1, canvas_width=256, canvas_height=256)
    page = open_page(open_context(), f"{live_server.url}/boards/{board.slug}/battle/")
    expect_stage(page, "drawing")
    line = Line(page, "**/battles/*/", fault, n_faults=float("inf"))
    expect(page.get_by_role("alert")).to_contain_text("does not answer")
    expect_stage(page, "drawing")
    expect(page.get_by_role("button", name="Send again")).to_be_hidden()
    battle = Battle.objects.get()
    for generation in (battle.generation_a, battle.generation_b):
        drawing.produce(generation.pk)
    line.n_faults = 0
    expect_shown(page)
    expect_stage(page, "ready")


def test_a_prompt_that_did_not_arrive_stays_in_the_form(open_context: OpenContext, live_server, arena: Board) -> None:
    arena.rater_prompts = "not_counted"
    arena.save()
    page = open_page(open_context(), f"{live_server.url}/boards/{arena.slug}/battle/prompt/")
    Line(page, "**/battle/prompt/", send_proxy_page)
    prompt = page.get_by_label("What should two models draw?")
    prompt.fill("a green pyramid")
    draw = page.get_by_role("button", name="Draw it")
    draw.click()
    expect(page.get_by_role("alert")).to_contain_text("Your prompt did not arrive.")
    expect(prompt).to_have_value("a green pyramid")
    draw.click()
    expect_stage(page, "drawing")
    assert Battle.objects.filter(custom_prompt=True).count() == 1


def test_the_back_button_shows_whole_pages(open_context: OpenContext, live_server, arena: Board) -> None:
    page = open_battle(open_context, live_server, arena)
    page.keyboard.press("ArrowLeft")
    expect_stage(page, "revealed")
    page.keyboard.press("Enter")
    expect_stage(page, "ready")
    page.go_back()
    expect(page.get_by_role("link", name="Paragone")).to_be_visible()
    expect_stage(page, "revealed")


def test_a_rater_who_was_signed_out_returns_to_the_pair_after_signing_in(
    open_context: OpenContext, live_server, arena: Board, settings, django_user_model
) -> None:
    settings.PUBLIC = False
    django_user_model.objects.create_user("ada", password="correct horse")

    def sign_in() -> None:
        page.get_by_label("Name").fill("ada")
        page.get_by_label("Password").fill("correct horse")
        page.get_by_role("button", name="Sign in").click()
        expect_shown(page)

    page = open_page(open_context(), f"{live_server.url}/boards/{arena.slug}/battle/")
    sign_in()
    battle = Battle.objects.get()
    page.goto(f"{live_server.url}{battle.get_absolute_url()}")
    expect_shown(page)
    page.context.clear_cookies(name="sessionid")
    page.keyboard.press("ArrowLeft")
    sign_in()
    expect(page).to_have_url(f"{live_server.url}{battle.get_absolute_url()}")
    assert not Vote.objects.exists()
    page.keyboard.press("ArrowLeft")
    expect_stage(page, "revealed")
    assert Vote.objects.get().winner == "model_a"
