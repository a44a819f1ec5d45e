"""Pages while the disk or the bucket of the images is away: 503 with a sentence, never 500, and no battle ends."""

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from arena.models import Battle, Board, Vote
from generators.images import originals
from tests import builders
from tests.generations import return_or_raise


@contextmanager
def disk_away() -> Iterator[None]:
    """Nothing under the media folder can be read or written, and none of it is lost."""
    media = originals.path("0" * 64).parents[2]
    aside = media.with_name("aside")
    media.rename(aside)
    media.touch()  # a file: everything below it fails with ENOTDIR
    try:
        yield
    finally:
        media.unlink()
        aside.rename(media)


@contextmanager
def bucket_away() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(originals, "read", lambda digest: return_or_raise(originals.StorageError("The bucket is away.")))
        yield


@contextmanager
def disk_not_mounted() -> Iterator[None]:
    """The media folder is an empty mount point."""
    media = originals.path("0" * 64).parents[2]
    aside = media.with_name("aside")
    media.rename(aside)
    media.mkdir()
    try:
        yield
    finally:
        shutil.rmtree(media)
        aside.rename(media)


AWAY = pytest.mark.parametrize("away", [disk_away, bucket_away, disk_not_mounted])


def open_battle(client: Client, board: Board) -> Battle:
    """A battle of this browser that is not closed, whatever the page says."""
    client.get(reverse("open_battle", args=[board.slug]), follow=True)
    return Battle.objects.latest("id")


@AWAY
def test_a_battle_says_so_and_stays_open(client: Client, board: Board, away) -> None:
    with away():
        response = client.get(reverse("open_battle", args=[board.slug]), follow=True)
        assert response.status_code == 503
        assert response["Retry-After"]
        assert b"The images cannot be read at the moment" in response.content
        fragment = client.get(reverse("open_battle", args=[board.slug]), headers={"HX-Request": "true"})
        assert fragment.status_code == 503
        assert b"<html" not in fragment.content
    page = client.get(reverse("open_battle", args=[board.slug]), follow=True)
    assert page.status_code == 200
    assert b'data-stage="ready"' in page.content


@AWAY
def test_its_images_say_so(board: Board, away) -> None:
    battle = builders.make_battle(board)
    client = builders.make_client(battle.owner)
    address = reverse("battle_image", args=[battle.token, "a"])
    with away():
        assert client.get(address).status_code == 503
    response = client.get(address)
    assert response.status_code == 200
    response.close()


@AWAY
def test_a_vote_is_stored_and_its_result_shown(client: Client, board: Board, away) -> None:
    battle = open_battle(client, board)
    with away():
        response = client.post(reverse("vote", args=[battle.token]), {"winner": "tie"}, headers={"HX-Request": "true"})
    assert Vote.objects.get().battle == battle
    assert response.status_code == 200
    assert b'data-stage="revealed"' in response.content


def test_an_original_that_is_gone_is_not_a_disk_that_is_away(board: Board) -> None:
    battle = builders.make_battle(board)
    client = builders.make_client(battle.owner)
    originals.path(battle.generation_a.original).unlink()
    assert client.get(reverse("battle_image", args=[battle.token, "a"])).status_code == 404


def test_a_full_disk_keeps_derivatives_from_being_made(
    client: Client, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as full:
        full.setattr("tempfile.mkstemp", lambda **options: return_or_raise(OSError(28, "No space left on device")))
        assert client.get(reverse("open_battle", args=[board.slug]), follow=True).status_code == 503
    assert client.get(reverse("open_battle", args=[board.slug]), follow=True).status_code == 200


@AWAY
def test_operators_read_that_an_original_cannot_be_read(client: Client, board: Board, away, tmp_path: Path) -> None:
    client.force_login(User.objects.create_superuser("ada", password=str(uuid.uuid4())))
    generation = builders.make_battle(board).generation_a
    with away():
        assert client.get(reverse("original", args=[generation.pk])).status_code == 503
    assert client.get(reverse("original", args=[generation.pk])).status_code == 200
