"""Edit boards: declaration, drawing, pages, votes and ratings."""

import io
import tomllib
import uuid
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from PIL import Image

from arena.battles.pools import fill_pool
from arena.boards import InvalidDeclarationError, declare_board, seed
from arena.leaderboards.snapshots import rate_board
from arena.models import Battle, Board, Leaderboard, Vote
from generators.adapters.base import Capabilities, GeneratedImage, GenerationRequest
from generators.declarations import declare_model
from generators.images import originals
from generators.models import Generation, ImageModel, Prompt
from generators.prompts.packs import declare_prompt_set
from generators.workers import drawing
from tests import builders
from tests.fake_adapters import Script, ScriptedGenerator, paint

pytestmark = pytest.mark.django_db

FIXTURES = Path(__file__).resolve().parents[3] / "fixtures"


@pytest.fixture
def edits() -> Board:
    """Three models, three edits, every image drawn."""
    return builders.make_edit_board(drawn=True)


@pytest.fixture
def two_images(tmp_path: Path) -> Path:
    for name in ("one.png", "two.png"):
        Image.new("RGB", (64, 64), "teal" if name == "one.png" else "navy").save(tmp_path / name)
    Image.new("L", (64, 64), 255).save(tmp_path / "mask.png")
    return tmp_path


def declare_prompts(folder: Path, slug: str = "p", **prompt: Any) -> str:
    text = {"key": "a", "text": "Add a red star", **prompt}
    return str(declare_prompt_set({"slug": slug, "version": "1", "title": "P", "prompts": [text]}, folder))


def declare_edit_board(prompt_set: str, *models: str, **changes: Any) -> Board:
    declared = {"slug": "b", "title": "B", "task": "image_edit", "models": models, "prompt_sets": [prompt_set]}
    return declare_board(declared | changes)


def open_page(board: Board, client: Client) -> str:
    return client.get(reverse("open_battle", args=[board.slug]), follow=True).content.decode()


def test_the_sketch_adapter_understands_every_edit_of_the_demo() -> None:
    board = next(board for board in seed(FIXTURES / "demo.toml") if board.task == Board.Task.IMAGE_EDIT)
    assert board.takes_votes
    assert board.image_models.count() == 4
    declared = tomllib.loads((FIXTURES / "prompts" / "edits.toml").read_text())["prompts"]
    prompts = {prompt.key: prompt for prompt in Prompt.objects.filter(prompt_set__boards=board)}
    assert len(prompts) == len(declared) >= 8
    for entry in declared:
        stored = [originals.read(digest) for digest in prompts[entry["key"]].sources]
        assert stored == [(FIXTURES / "prompts" / name).read_bytes() for name in entry["sources"]]
    fresco = board.image_models.get(slug="fresco-2")
    for generation in Generation.objects.filter(pk__in=fill_pool(board), model=fresco):
        drawing.produce(generation.pk)
        generation.refresh_from_db()
        assert generation.reported["scene"]["understood"], generation.prompt
        assert originals.read(generation.original) not in stored


def test_the_images_of_the_demos_edits_are_small() -> None:
    sizes = [file.stat().st_size for file in (FIXTURES / "prompts" / "images").iterdir()]
    assert max(sizes) < 30_000
    assert sum(sizes) < 300_000


def test_a_model_that_cannot_edit_is_refused_by_name(two_images: Path, script: Script) -> None:
    for slug in ("painter", "drawer", "editor", "elsewhere"):
        adapter = {"editor": "sketch", "elsewhere": ""}.get(slug, "scripted")
        declare_model({"slug": slug, "name": slug, "adapter": adapter})
    prompts = declare_prompts(two_images, sources=["one.png"])
    with pytest.raises(InvalidDeclarationError, match=r"1 source image, .*: drawer, painter\."):
        declare_edit_board(prompts, "painter", "drawer", "editor", "elsewhere")
    assert not Board.objects.exists()
    assert declare_edit_board(prompts, "editor", "elsewhere").image_models.count() == 2
    ImageModel.objects.filter(slug="painter").update(lifecycle="retired")
    assert declare_edit_board(prompts, "editor", "painter").image_models.count() == 2


@pytest.mark.parametrize(
    ("prompt", "able"),
    [
        ({"sources": ["one.png", "two.png"]}, Capabilities(max_sources=1, masks=True)),
        ({"sources": ["one.png"], "mask": "mask.png"}, Capabilities(max_sources=4)),
    ],
)
def test_more_sources_or_a_mask_than_a_model_takes_are_refused(
    two_images: Path, script: Script, monkeypatch: pytest.MonkeyPatch, prompt: dict[str, Any], able: Capabilities
) -> None:
    monkeypatch.setattr(ScriptedGenerator, "capable", able)
    declare_model({"slug": "m", "name": "M", "adapter": "scripted"})
    with pytest.raises(InvalidDeclarationError, match=r"do not support: m\."):
        declare_edit_board(declare_prompts(two_images, **prompt), "m")
    monkeypatch.setattr(ScriptedGenerator, "capable", Capabilities(max_sources=2, masks=True))
    assert declare_edit_board("p 1", "m").image_models.get().slug == "m"


def test_prompts_belong_to_the_boards_task(two_images: Path) -> None:
    drawings = declare_prompts(two_images, "drawings")
    edits = declare_prompts(two_images, "edits", sources=["one.png"])
    with pytest.raises(InvalidDeclarationError, match="Prompt a of drawings 1 has no source image"):
        declare_edit_board(drawings)
    with pytest.raises(InvalidDeclarationError, match="Prompt a of edits 1 has a source image"):
        declare_edit_board(edits, task="text_to_image")
    assert not Board.objects.exists()


def test_an_edit_is_drawn_from_its_source(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ScriptedGenerator, "capable", Capabilities(max_sources=2))

    def draw(request: GenerationRequest) -> GeneratedImage:
        assert len(request.sources) == 2
        return GeneratedImage(request.sources[1], "image/png")

    script(draw)
    board = builders.make_edit_board(n_sources=2, n_prompts=1)
    board.image_models.update(adapter="scripted")
    builders.draw(board)
    second = board.prompt_sets.get().prompts.get().sources[1]
    assert set(Generation.objects.values_list("status", "original")) == {("ok", second)}


def test_a_battle_shows_the_source_and_both_results(edits: Board, client: Client) -> None:
    page = open_page(edits, client)
    battle = Battle.objects.get()
    source, *sides = addresses_of(battle)
    for address in (source, *sides):
        assert f'src="{address}"' in page
    assert 'alt="Before the edit"' in page
    revealed = client.post(reverse("vote", args=[battle.token]), {"winner": "tie"}, follow=True).content.decode()
    assert f'src="{source}"' in revealed
    following = Battle.objects.latest("id")
    assert f'<img src="{addresses_of(following)[0]}" alt="">' in revealed, "the next source is not fetched ahead"


def test_the_source_is_served_like_the_results(edits: Board, client: Client) -> None:
    open_page(edits, client)
    responses = [client.get(address) for address in addresses_of(Battle.objects.get())]
    headers = [dict(response.headers) for response in responses]
    assert headers[0] == headers[1] == headers[2]
    images = [Image.open(io.BytesIO(response.content)) for response in responses]
    assert {(image.format, image.size) for image in images} == {("JPEG", (96, 96))}


def test_only_existing_sources_have_a_url(client: Client) -> None:
    board = builders.make_edit_board(n_sources=3)
    page = open_page(board, client)
    battle = Battle.objects.get()
    numbered = [reverse("battle_source", args=[battle.token, number]) for number in (2, 3)]
    for number, address in enumerate([reverse("battle_source", args=[battle.token]), *numbered], start=1):
        assert f'src="{address}"' in page, "the sources can be seen while the edits are drawn"
        assert f'alt="Before the edit, {number} of 3"' in page
        assert is_served(client, address)
    for number in (0, 4):
        assert client.get(reverse("battle_source", args=[battle.token, number])).status_code == 404


def test_a_battle_without_sources_has_no_source_url(board: Board, client: Client) -> None:
    assert "source" not in open_page(board, client)
    assert client.get(reverse("battle_source", args=[Battle.objects.get().token])).status_code == 404


def test_a_missing_source_closes_the_battle(edits: Board, client: Client) -> None:
    for prompt in Prompt.objects.filter(prompt_set__boards=edits):
        originals.path(prompt.sources[0]).unlink()
    assert 'data-stage="ended"' in open_page(edits, client)
    assert Battle.objects.get().closure == "damaged"


def test_votes_on_edits_count_only_on_their_board(edits: Board) -> None:
    drawings = builders.make_board(n_prompts=3)
    drawings.image_models.set(edits.image_models.all())
    builders.draw(drawings)
    for _ in range(12):
        builders.make_vote(edits, "model_a")
    builders.make_vote(drawings, "tie")
    assert [rate_board(board).n_votes for board in (edits, drawings)] == [12, 1]
    counted = Leaderboard.objects.newest(edits)
    assert counted.ratings.filter(n_votes__gt=0).count() == 3
    assert sum(counted.ratings.values_list("n_votes", flat=True)) == 24


def test_models_without_an_adapter_use_imported_edits(client: Client) -> None:
    board = builders.make_edit_board(n_prompts=1)
    prompt = board.prompt_sets.get().prompts.get()
    board.image_models.update(adapter="")
    assert fill_pool(board) == []
    for seed_, model in enumerate(board.image_models.all()[:2]):
        digest = originals.store(paint(seed_, 64, 64))
        Generation.objects.create(
            model=model, prompt=prompt, width=64, height=64, due_at=prompt.prompt_set.boards.get().created_at,
            status="ok", original=digest, media_type="image/png", imported_from="edits.csv",
        )  # fmt: skip
    assert 'data-stage="ready"' in open_page(board, client)


def test_a_private_model_is_in_no_battle_and_no_pool(edits: Board) -> None:
    private, preview, _ = edits.image_models.all()
    ImageModel.objects.filter(pk=private.pk).update(lifecycle="private")
    ImageModel.objects.filter(pk=preview.pk).update(lifecycle="preview")
    for _ in range(12):
        battle = builders.make_battle(edits)
        assert private not in (battle.model_a, battle.model_b)
    pool = Generation.objects.filter(pk__in=fill_pool(edits))
    assert set(pool.values_list("model", flat=True)) == {m.pk for m in edits.active_models}
    assert set(edits.active_models) == set(edits.image_models.exclude(pk=private.pk))


def test_a_retired_model_keeps_its_rating_but_gets_no_battles(edits: Board, client: Client) -> None:
    key = uuid.uuid4()
    votes = [builders.make_vote(edits, winner, key) for winner in ("model_a", "model_b", "tie") for _ in range(4)]
    retired = votes[0].model_a
    ImageModel.objects.filter(pk=retired.pk).update(lifecycle="retired")
    n_images = retired.generations.ready().count()
    n_votes = Vote.objects.filter(model_a=retired).count() + Vote.objects.filter(model_b=retired).count()
    for _ in range(8):
        later = builders.make_vote(edits)
        assert retired not in (later.model_a, later.model_b)
    rating = rate_board(edits).ratings.get(model=retired)
    assert rating.n_votes == n_votes > 0
    assert retired.generations.ready().count() == n_images == 3
    shown = votes[0].battle
    assert all(is_served(client, address) for address in addresses_of(shown))


def is_served(client: Client, address: str) -> bool:
    response = client.get(address)
    return response.status_code == 200 and response.content.startswith(b"\xff\xd8")


def addresses_of(battle: Battle) -> list[str]:
    """Responses with the source and the two sides."""
    sides = [reverse("battle_image", args=[battle.token, side]) for side in "ab"]
    return [reverse("battle_source", args=[battle.token]), *sides]
