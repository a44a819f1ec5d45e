"""Pages in a real browser: voting by key, the reveal, the next battle, the leaderboard; on desktop and phone."""

from pathlib import Path

import pytest
from django.conf import settings as project
from playwright.sync_api import expect

from arena.boards import seed
from arena.leaderboards.snapshots import rate_board
from arena.models import Battle, Board, Vote
from generators.workers import drawing
from tests import builders
from tests.arena.views.chromium import (
    PHONE,
    SCREENSHOTS,
    SIZES,
    OpenContext,
    expect_no_overflow,
    expect_shown,
    finish_animations,
    open_page,
)

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@SIZES
def test_a_rater_votes_by_key_and_reads_the_leaderboard(
    open_context: OpenContext, live_server, arena: Board, name: str, size: dict[str, int]
) -> None:
    context = open_context(size)
    page = open_page(context, live_server.url)
    page.screenshot(path=SCREENSHOTS / f"{name}-home.png")
    page.get_by_role("link", name="Compare images").click()
    for number, (key, answer) in enumerate(
        {"ArrowLeft": "model_a", "ArrowRight": "model_b", "ArrowDown": "tie", "ArrowUp": "both_bad"}.items()
    ):
        expect(page.locator("#battle")).to_have_attribute("data-stage", "ready")
        expect_shown(page)
        assert not any(model.name in page.content() for model in arena.image_models.all())
        if number == 0:
            page.screenshot(path=SCREENSHOTS / f"{name}-battle.png")
        page.keyboard.press(key)
        expect(page.locator("#battle")).to_have_attribute("data-stage", "revealed")
        vote = Vote.objects.latest("id")
        assert (vote.winner, Vote.objects.count()) == (answer, number + 1)
        for model in (vote.model_a, vote.model_b):
            expect(page.locator(".model .name", has_text=model.name)).to_be_visible()
        if number == 0:
            expect_shown(page)
            finish_animations(page)
            page.screenshot(path=SCREENSHOTS / f"{name}-revealed.png")
        page.keyboard.press("Enter")
    expect(page.locator("#battle")).to_have_attribute("data-stage", "ready")
    for _ in range(30):
        builders.make_vote(arena, "model_a")
    rate_board(arena)
    page.get_by_role("link", name="Leaderboard").click()
    expect(page.get_by_role("rowheader", name="Fresco 2")).to_be_visible()
    page.locator(".plot").scroll_into_view_if_needed()
    expect(page.locator(".plot .main-svg").first).to_be_visible()
    page.screenshot(path=SCREENSHOTS / f"{name}-leaderboard.png", full_page=True)
    expect_no_overflow(page)
    assert page.complaints == []


@pytest.fixture
def edits(live_server) -> Board:
    """The demo's edit board with two of its models, drawn."""
    seed(Path(project.BASE_DIR) / "fixtures" / "demo.toml")
    board = Board.objects.get(task=Board.Task.IMAGE_EDIT)
    board.image_models.set(board.image_models.filter(slug__in=["fresco-2", "scribble-mini"]))
    builders.draw(board)
    return board


@SIZES
def test_a_rater_sees_the_source_beside_both_edits(
    open_context: OpenContext, live_server, edits: Board, name: str, size: dict[str, int]
) -> None:
    context = open_context(size)
    page = open_page(context, f"{live_server.url}/boards/{edits.slug}/battle/")
    expect_shown(page)
    page.screenshot(path=SCREENSHOTS / f"{name}-edit.png")
    images = [page.get_by_role("img", name=alt) for alt in ("Before the edit", "Image A", "Image B")]
    for image in images:
        assert image.evaluate("image => image.naturalWidth") == edits.canvas_width
    source, left, right = (image.bounding_box() for image in images)
    assert left["width"] == right["width"] > 1.4 * source["width"]
    answers = [button.bounding_box() for button in page.locator(".vote button").all()]
    for box in (source, left, right):
        assert box["y"] + box["height"] <= min(answer["y"] for answer in answers), "a button covers an image"
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= size["width"]
    if name == "desktop":
        assert source["x"] + source["width"] < left["x"] < right["x"]
    else:
        assert source["y"] + source["height"] < left["y"] < right["y"]
    images[0].click()
    zoomed = [image.bounding_box()["width"] for image in images]
    assert zoomed == pytest.approx([2.5 * box["width"] for box in (source, left, right)], rel=0.01)
    images[0].click()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#battle")).to_have_attribute("data-stage", "revealed")
    expect_shown(page)
    finish_animations(page)
    page.screenshot(path=SCREENSHOTS / f"{name}-edit-revealed.png")
    expect(images[0]).to_be_visible()
    assert Vote.objects.get().winner == "model_b"
    expect_no_overflow(page)
    assert page.complaints == []


def test_the_source_is_shown_while_the_edits_are_drawn(open_context: OpenContext, live_server) -> None:
    board = builders.make_edit_board(n_prompts=1, canvas_width=256, canvas_height=256)
    context = open_context()
    page = open_page(context, f"{live_server.url}/boards/{board.slug}/battle/")
    expect(page.locator("#battle")).to_have_attribute("data-stage", "drawing")
    expect(page.locator(".source img")).to_have_css("opacity", "1")
    page.screenshot(path=SCREENSHOTS / "desktop-edit-drawing.png")
    battle = Battle.objects.get()
    for generation in (battle.generation_a, battle.generation_b):
        drawing.produce(generation.pk)
    expect(page.locator("#battle")).to_have_attribute("data-stage", "ready")
    expect_shown(page)
    assert page.complaints == []


def test_the_vote_buttons_fit_a_phone(open_context: OpenContext, live_server, arena: Board) -> None:
    context = open_context(PHONE)
    page = open_page(context, f"{live_server.url}/boards/painters/battle/")
    expect_shown(page)
    boxes = [button.bounding_box() for button in page.locator(".vote button").all()]
    assert len(boxes) == 4
    for box in boxes:
        assert box["height"] >= 44
        assert box["y"] + box["height"] <= PHONE["height"]
    for image in page.locator(".picture img").all():
        box = image.bounding_box()
        assert box["y"] + box["height"] <= min(b["y"] for b in boxes), "a button covers an image"


def test_voting_works_without_javascript(open_context: OpenContext, live_server, arena: Board) -> None:
    context = open_context(java_script_enabled=False)
    page = open_page(context, f"{live_server.url}/boards/painters/battle/")
    page.get_by_role("button", name="B is better").click()
    expect(page.locator("#battle")).to_have_attribute("data-stage", "revealed")
    vote = Vote.objects.get()
    assert (vote.winner, vote.how, vote.seconds_shown) == ("model_b", "form", None)
    page.get_by_role("link", name="Next pair").click()
    expect(page.locator("#battle")).to_have_attribute("data-stage", "ready")
    assert Battle.objects.count() == 2


def test_the_next_pair_is_preloaded(open_context: OpenContext, live_server, arena: Board) -> None:
    context = open_context()
    page = open_page(context, f"{live_server.url}/boards/painters/battle/")
    expect_shown(page)
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#battle")).to_have_attribute("data-stage", "revealed")
    expect(page.locator("#battle div[hidden] img")).to_have_count(2)
    # Not wait_for_function, which the site's CSP forbids.
    page.evaluate("Promise.all([...document.querySelectorAll('#battle div[hidden] img')].map(image => image.decode()))")
    fetched: list[str] = []
    page.on("request", lambda request: fetched.append(request.url))
    page.keyboard.press("Enter")
    expect(page.locator("#battle")).to_have_attribute("data-stage", "ready")
    expect_shown(page)
    served = [url for url in fetched if url.endswith(".jpg")]
    assert len(served) <= 2
    images = "performance.getEntriesByType('resource').filter(e => e.name.endsWith('.jpg'))"
    sizes = page.evaluate(f"{images}.slice(4).map(e => e.transferSize)")
    assert not any(sizes), "an image of the next pair was downloaded twice"


def test_the_page_updates_when_both_images_are_drawn(open_context: OpenContext, live_server) -> None:
    board = builders.make_board(n_models=2, n_prompts=1, canvas_width=256, canvas_height=256)
    context = open_context(color_scheme="dark")
    page = open_page(context, f"{live_server.url}/boards/{board.slug}/battle/")
    expect(page.locator("#battle")).to_have_attribute("data-stage", "drawing")
    page.screenshot(path=SCREENSHOTS / "desktop-drawing-dark.png")
    battle = Battle.objects.get()
    drawing.produce(battle.generation_a_id)
    for _ in range(2):  # the first answer may have been on its way before
        with page.expect_response(lambda response: battle.token in response.url):
            pass
    expect(page.locator("#battle img")).to_have_count(0)
    drawing.produce(battle.generation_b_id)
    expect(page.locator("#battle")).to_have_attribute("data-stage", "ready")
    expect_shown(page)
    assert page.complaints == []


def test_a_click_zooms_both_images_and_does_not_vote(open_context: OpenContext, live_server, arena: Board) -> None:
    context = open_context()
    page = open_page(context, f"{live_server.url}/boards/painters/battle/")
    expect_shown(page)
    before = [image.bounding_box()["width"] for image in page.locator(".picture img").all()]
    page.locator(".picture").first.click()
    zoomed = [image.bounding_box()["width"] for image in page.locator(".picture img").all()]
    assert zoomed == pytest.approx([2.5 * width for width in before], rel=0.01)
    page.locator(".picture").first.click()
    assert [image.bounding_box()["width"] for image in page.locator(".picture img").all()] == before
    assert not Vote.objects.exists()


def test_the_theme_is_remembered_and_shortcuts_are_listed(open_context: OpenContext, live_server, arena: Board) -> None:
    context = open_context(color_scheme="light")
    page = open_page(context, f"{live_server.url}/boards/painters/battle/")
    expect_shown(page)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Escape")
    assert not Vote.objects.exists()
    page.get_by_role("button", name="Dark").click()
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect_shown(page)
    page.screenshot(path=SCREENSHOTS / "desktop-battle-dark.png")


@SIZES
def test_a_rater_types_a_prompt_sees_it_drawn_and_votes(
    open_context: OpenContext, live_server, arena: Board, name: str, size: dict[str, int]
) -> None:
    arena.rater_prompts = "not_counted"
    arena.save()
    context = open_context(size)
    page = open_page(context, f"{live_server.url}/boards/painters/battle/")

    def shoot(stage: str) -> None:
        # Playwright hides the caret with an inline style, which the site's CSP forbids.
        page.screenshot(path=SCREENSHOTS / f"{name}-own-prompt-{stage}.png", full_page=True, caret="initial")

    expect_shown(page)
    page.get_by_text("Your own prompt").click()
    prompt = page.get_by_label("What should two models draw?")
    prompt.press_sequentially("a green pyramid")
    expect(page.locator(".own .count")).to_have_text("15 / 1000")
    page.keyboard.press("ArrowLeft")  # moves the cursor, does not vote
    shoot("folded")
    prompt.fill("a p0rn film")
    page.get_by_role("button", name="Draw it").click()
    expect(page.get_by_role("alert")).to_contain_text("Change the prompt")
    expect(prompt).to_have_value("a p0rn film")
    shoot("refused")
    assert all("403 (Forbidden)" in complaint for complaint in page.complaints), page.complaints
    page.complaints.clear()
    prompt.fill("a green pyramid between two yellow moons")
    page.get_by_role("button", name="Draw it").click()
    expect(page.locator("#battle")).to_have_attribute("data-stage", "drawing")
    battle = Battle.objects.get(custom_prompt=True)
    expect(page).to_have_url(f"{live_server.url}{battle.get_absolute_url()}")
    expect(page.get_by_text("Waiting for a worker")).to_be_visible()
    drawing.produce(battle.generation_b_id)
    expect(page.get_by_text("1 of 2 images drawn")).to_be_visible()
    expect(page.locator("#battle img")).to_have_count(0)
    shoot("drawing")
    drawing.produce(battle.generation_a_id)
    expect(page.locator("#battle")).to_have_attribute("data-stage", "ready")
    expect_shown(page)
    shoot("ready")
    assert not Vote.objects.exists()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#battle")).to_have_attribute("data-stage", "revealed")
    assert Vote.objects.get().battle == battle
    finish_animations(page)
    shoot("revealed")
    expect_no_overflow(page)
    assert page.complaints == []
