"""The usual time to draw an image, and the cost of the pages that wait for images."""

import re
import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from arena.battles.drawing_times import find_usual_seconds
from arena.models import Battle, Board
from generators.models import Generation, ImageModel, Prompt
from tests import builders

pytestmark = pytest.mark.django_db


def add_images(model: ImageModel, prompt: Prompt, seconds: list[float | None]) -> None:
    """Drawn images of the model, oldest first, the newest a minute ago."""
    first_seed = 1000 + model.generations.count()
    now = timezone.now()
    Generation.objects.bulk_create(
        Generation(
            model=model,
            prompt=prompt,
            seed=first_seed + i,
            width=96,
            height=96,
            status="ok",
            original=uuid.uuid4().hex,
            media_type="image/png",
            seconds=duration,
            due_at=now,
            finished_at=now - timedelta(minutes=len(seconds) - i),
        )
        for i, duration in enumerate(seconds)
    )


@pytest.fixture
def undrawn() -> Board:
    return builders.make_board(n_models=3, n_prompts=2)


def test_the_usual_time_is_the_median_of_each_models_newest_image(undrawn: Board) -> None:
    assert find_usual_seconds(undrawn, timezone.now()) is None
    prompt = Prompt.objects.filter(prompt_set__boards=undrawn).first()
    slow, fast, imported = undrawn.image_models.order_by("pk")
    add_images(slow, prompt, [1, 1, 40])
    assert find_usual_seconds(undrawn, timezone.now()) == 40
    add_images(fast, prompt, [90, 90, 2])
    add_images(imported, prompt, [None, None])
    assert find_usual_seconds(undrawn, timezone.now()) == 21
    assert find_usual_seconds(builders.make_board(n_models=2), timezone.now()) is None
    ImageModel.objects.filter(pk=slow.pk).update(lifecycle="retired")
    assert find_usual_seconds(undrawn, timezone.now()) == 2


def test_the_time_that_a_battles_own_image_took_does_not_appear_on_its_page(undrawn: Board, client: Client) -> None:
    prompt = Prompt.objects.filter(prompt_set__boards=undrawn).first()
    for model in undrawn.image_models.all():
        add_images(model, prompt, [5])
    client.get(reverse("open_battle", args=[undrawn.slug]), follow=True)
    battle = Battle.objects.get()
    page = client.get(battle.get_absolute_url()).content
    assert b"usually 5 s each" in page
    for generation in (battle.generation_a, battle.generation_b):
        later = battle.opened_at + timedelta(minutes=1)
        Generation.objects.filter(pk=generation.pk).update(seconds=60, finished_at=later)
    assert client.get(battle.get_absolute_url()).content == page


def list_scans(sql: str) -> list[str]:
    """The parts of a query's plan that read a whole table or index of images."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {'QUERY PLAN ' if connection.vendor == 'sqlite' else ''}{sql}")
        lines = [str(row[-1]) for row in cursor.fetchall()]
        # SQLite prints the alias of a table: U0 stands for a table of a subquery.
        scans = r"SCAN (generators_generation|U0)|Seq Scan on generators_generation"
        return [line for line in lines if re.search(scans, line)]


def expect_no_scan(client: Client, address: str) -> None:
    with CaptureQueriesContext(connection) as queries:
        page = client.get(address, headers={"HX-Request": "true"}).content
    assert b"3 s each" in page
    selects = [query["sql"] for query in queries if query["sql"].startswith("SELECT")]
    assert any('"finished_at" <' in sql for sql in selects)
    assert [scan for sql in selects for scan in list_scans(sql)] == []
    assert len(queries) < 10


def test_no_query_of_a_waiting_page_reads_all_images(undrawn: Board, client: Client) -> None:
    """These pages are loaded every second until the images are drawn."""
    undrawn.rater_prompts = "not_counted"
    undrawn.save()
    prompt = Prompt.objects.filter(prompt_set__boards=undrawn).first()
    for model in undrawn.image_models.all():
        add_images(model, prompt, [3.0] * 1500)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    client.get(reverse("open_battle", args=[undrawn.slug]), follow=True)
    expect_no_scan(client, Battle.objects.get().get_absolute_url())
    typed = reverse("rater_prompt", args=[undrawn.slug])
    expect_no_scan(client, typed)
    client.post(typed, {"prompt": "a heron in the fog"})
    expect_no_scan(client, Battle.objects.get(custom_prompt=True).get_absolute_url())
