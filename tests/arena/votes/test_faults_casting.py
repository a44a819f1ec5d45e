"""Faults around a vote: a site or broker that stops, two tabs, repeated clicks.

In each case, a vote counts once and the page shows the state of the battle.
"""

import os
import sqlite3
import subprocess
import sys
import time
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from arena.models import Battle, Board, Rater, Vote
from generators.models import Generation
from generators.workers.stale_claims import sweep
from tests import builders
from tests.concurrency import run_at_once, wait_until
from tests.latch import Latch
from tests.plain_browser import Browser, Page
from tests.processes import ROOT, Children, RedisServer, Site, child_environment

on_postgresql = pytest.mark.postgres
transactional = pytest.mark.django_db(transaction=True)


@pytest.fixture
def site(children: Children) -> Site:
    return children.start_site()


def open_battle(browser: Browser, board: Board) -> Page:
    return browser.get(reverse("open_battle", args=[board.slug]))


def vote_fifty_times_at_once(browser: Browser, page: Page) -> list[int]:
    """HTTP statuses of fifty concurrent clicks of one rater, each on its own connection with the same cookies."""
    tabs = [browser.copy() for _ in range(50)]
    answers = run_at_once([partial(tab.vote, page, "tie") for tab in tabs])
    if broken := [answer for answer in answers if isinstance(answer, BaseException)]:
        raise ExceptionGroup("some clicks got no answer", broken)
    return [answer.status for answer in answers]


# Repeated clicks


@on_postgresql
@transactional
def test_fifty_concurrent_clicks_are_one_vote_of_one_rater(board: Board, site: Site) -> None:
    browser = site.browser()
    for n_votes in (1, 2):  # the first vote creates the rater, the second finds it
        page = open_battle(browser, board)
        assert set(vote_fifty_times_at_once(browser, page)) == {303}
        assert (Rater.objects.count(), Vote.objects.count()) == (1, n_votes)
    assert Vote.objects.values("battle").distinct().count() == 2


def test_concurrent_votes_count_once_with_sqlite_and_the_embedded_broker(tmp_path: Path) -> None:
    """The set-up of the demo: SQLite and messages in files, without other services."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PARAGONE_", "CELERY_"))}
    environment = kept | {"PARAGONE_VAR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "arena.settings"}
    prepare = (
        "from django.core.management import call_command; call_command('migrate', verbosity=0)\n"
        "from tests import builders; print(builders.make_board(drawn=True).get_absolute_url())"
    )
    command = [sys.executable, "-c", f"import django; django.setup()\n{prepare}"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    children = Children(tmp_path)
    try:
        site = children.start_site(environment)
        browsers = [site.browser() for _ in range(30)]
        pages = [browser.get(f"{done.stdout.split()[-1]}battle/") for browser in browsers]
        clicks = vote_fifty_times_at_once(browsers[0], pages[0])
        votes = [partial(browser.vote, page, "tie") for browser, page in zip(browsers, pages, strict=True)]
        answers = run_at_once(votes)
    finally:
        children.end()
    assert set(clicks) == {answer.status for answer in answers} == {303}
    database = sqlite3.connect(tmp_path / "paragone.sqlite3")
    try:
        assert database.execute("SELECT COUNT(*) FROM arena_vote WHERE winner = 'tie'").fetchall() == [(30,)]
        assert database.execute("SELECT COUNT(DISTINCT rater_id) FROM arena_vote").fetchall() == [(30,)]
        assert database.execute("SELECT COUNT(*) FROM arena_rater").fetchall() == [(30,)]
    finally:
        database.close()


@on_postgresql
@transactional
def test_the_first_of_two_different_votes_in_two_tabs_stands(board: Board, site: Site) -> None:
    browser = site.browser()
    first = open_battle(browser, board)
    other_tab = browser.copy()
    second = open_battle(other_tab, board)
    assert second.vote_path == first.vote_path

    assert browser.vote(first, "tie").status == 303
    late = other_tab.vote(second, "model_a", htmx=True)

    assert (late.status, late.stage) == (200, "revealed")
    assert "Your first vote stands" in late.text
    assert "Your vote: <strong>" + Vote.Winner.TIE.label in late.text
    assert Vote.objects.get().winner == "tie"
    plain = other_tab.vote(second, "model_b")
    assert (plain.status, browser.get(plain.location).stage) == (303, "revealed")
    assert Vote.objects.get().winner == "tie"

    # Four tabs at the same moment.
    page = open_battle(browser, board)
    answers = run_at_once([partial(browser.copy().vote, page, winner, htmx=True) for winner in Vote.Winner.values])
    vote = Vote.objects.get(battle__token=page.vote_path.split("/")[2])
    assert [(answer.status, answer.stage) for answer in answers] == [(200, "revealed")] * 4
    # Every tab shows the vote that counted, whichever button was pressed in it.
    assert all(f"Your vote: <strong>{vote.get_winner_display()}" in answer.text for answer in answers)


@on_postgresql
@transactional
def test_the_database_refuses_a_second_vote(board: Board) -> None:
    vote = builders.make_vote(board)
    vote.pk = None
    with pytest.raises(IntegrityError, match="arena_vote_battle_id_key"), transaction.atomic():
        vote.save(force_insert=True)
    vote.cast_at += timedelta(seconds=1)
    with pytest.raises(IntegrityError, match="one vote, from its owner"), transaction.atomic():
        vote.save(force_insert=True)


# A site that stops


@on_postgresql
@transactional
def test_a_vote_counts_once_if_the_site_crashes_before_and_after_it(board: Board, site: Site) -> None:
    browser = site.browser()
    page = open_battle(browser, board)

    site.crash()
    with pytest.raises(ConnectionRefusedError):
        browser.vote(page, "model_b")
    assert not Rater.objects.exists()

    site.start_again()
    assert browser.vote(page, "model_b").status == 303

    # A browser that got no response before the crash sends its vote again.
    site.crash()
    site.start_again()
    again = browser.vote(page, "model_b")
    assert (again.status, browser.get(again.location).stage) == (303, "revealed")
    assert (Vote.objects.get().winner, Rater.objects.count()) == ("model_b", 1)


# A broker that stops


@pytest.fixture
def undrawn_board(transactional_db: None, latch: Latch) -> Board:
    """Two models and three prompts without any images."""
    latch.open()
    board = builders.make_board(n_models=0, n_prompts=3)
    board.image_models.set([builders.make_model(adapter="slow", settings={"folder": str(latch.folder)}) for _ in "ab"])
    return board


@on_postgresql
@pytest.mark.redis
@transactional
@pytest.mark.usefixtures("sends_to_redis")
def test_a_battle_opens_without_a_broker_and_is_drawn_once_it_returns(
    undrawn_board: Board, children: Children, redis: RedisServer, settings: Any
) -> None:
    worker = children.start_worker(redis.url)
    site = children.start_site(child_environment(PARAGONE_BROKER_URL=redis.url))
    worker.wait_for_log("ready.")
    browser = site.browser()
    redis.stop()

    assert_opens_within(60, browser, undrawn_board)
    redis.start()
    assert sweep(timezone.now() + timedelta(seconds=settings.REDISPATCH_SECONDS)) == 2
    wait_until(lambda: Generation.objects.ready().count() == 2, "both images are drawn")
    assert set(Generation.objects.values_list("attempts", flat=True)) == {1}
    assert open_battle(browser, undrawn_board).stage == "ready"
    assert Battle.objects.count() == 1

    # The site reconnects to the broker too. After the images moved to a seed that the board does not use, the next
    # battle needs new ones, and they are drawn without the sweeper.
    Generation.objects.update(seed=undrawn_board.seeds)
    assert open_battle(site.browser(), undrawn_board).stage == "drawing"
    wait_until(lambda: Generation.objects.ready().count() == 4, "the next two images are drawn")
    assert worker.process.poll() is None


@on_postgresql
@pytest.mark.redis
@transactional
def test_a_battle_opens_while_the_broker_hangs(undrawn_board: Board, children: Children, redis: RedisServer) -> None:
    """The broker accepts connections and never answers, like a swapping machine."""
    site = children.start_site(child_environment(PARAGONE_BROKER_URL=redis.url))
    redis.pause()
    assert_opens_within(60, site.browser(), undrawn_board)


def assert_opens_within(seconds: float, browser: Browser, board: Board) -> None:
    started = time.monotonic()
    page = open_battle(browser, board)
    took = time.monotonic() - started
    assert (page.status, page.stage) == (200, "drawing")
    assert took < seconds
    assert list(Generation.objects.values_list("status", "attempts")) == [(Generation.Status.PENDING, 0)] * 2
