"""Safety check of images drawn for raters' prompts, by a real classifier: a tiny one with random weights."""

import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from django.urls import reverse

from arena import tasks
from arena.models import Battle, Board, FailedSafetyCheck
from arena.rater_prompts import safety
from arena.rater_prompts.safety import ClassifierError, check_waiting_images
from arena.votes.casting import BattleNotOpenError, cast_vote
from arena.votes.counts import read_counts
from generators.images import originals
from tests import builders
from tests.clock import Clock
from tests.generations import return_or_raise
from tests.processes import child_environment

pytest.importorskip("transformers")


def make_classifier(folder: Path, *, predicts: str, labels: tuple[str, str] = ("safe", "unsafe")) -> str:
    """A tiny vision transformer that predicts one label for every image."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import torch
        from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessorPil

        small = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
        names = {"id2label": dict(enumerate(labels)), "label2id": {label: i for i, label in enumerate(labels)}}
        config = ViTConfig(image_size=32, patch_size=16, **small, **names)
        network = ViTForImageClassification(config)
        with torch.no_grad():
            network.classifier.bias.copy_(torch.tensor([20.0 if label == predicts else -20.0 for label in labels]))
        network.save_pretrained(folder)
        ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    return str(folder)


@pytest.fixture(autouse=True)
def _no_classifier_is_kept() -> None:
    safety._load_classifier.cache_clear()


@pytest.fixture
def board(db: None) -> Board:
    return builders.make_board(n_models=2, n_prompts=1, drawn=True, rater_prompts="not_counted")


def page_of(battle: Battle) -> str:
    return builders.make_client(battle.owner).get(battle.get_absolute_url()).content.decode()


def image_statuses(battle: Battle) -> list[int]:
    client = builders.make_client(battle.owner)
    responses = [client.get(reverse("battle_image", args=[battle.token, side])) for side in "ab"]
    # Reading to the end, as a browser does, closes the files.
    return [response.status_code for response in responses if b"".join(response)]


def test_images_appear_once_the_classifier_passes_both(board: Board, settings, tmp_path) -> None:
    settings.SAFETY_MODEL = make_classifier(tmp_path / "safe", predicts="safe")
    battle = builders.make_rater_battle(board)
    assert 'data-stage="drawing"' in page_of(battle)
    assert "Both images are drawn and being checked" in page_of(battle)
    assert image_statuses(battle) == [404, 404]
    with pytest.raises(BattleNotOpenError):
        cast_vote(battle, battle.owner, "tie")
    tasks.check_images()
    assert 'data-stage="ready"' in page_of(battle)
    assert image_statuses(battle) == [200, 200]
    assert check_waiting_images() == 0


@pytest.mark.parametrize("labels", [("safe", "unsafe"), ("normal", "nsfw"), ("porn", "NEUTRAL")])
def test_an_unsafe_image_closes_the_battle_permanently(
    board: Board, settings, tmp_path, labels: tuple[str, str]
) -> None:
    unsafe = next(label for label in labels if label.lower() not in safety.SAFE_LABELS)
    settings.SAFETY_MODEL = make_classifier(tmp_path / "unsafe", predicts=unsafe, labels=labels)
    battle = builders.make_rater_battle(board)
    assert check_waiting_images() == 1
    battle.refresh_from_db()
    assert (battle.closure, battle.checked) == ("blocked", False)
    page = page_of(battle)
    assert "These images cannot be shown." in page
    assert "Thank you" not in page
    assert image_statuses(battle) == [404, 404]
    settings.SAFETY_MODEL = ""
    assert image_statuses(battle) == [404, 404]
    assert "<img" not in page_of(battle)
    assert check_waiting_images() == 0


def test_pool_battles_and_half_drawn_battles_are_not_checked(board: Board, settings, tmp_path) -> None:
    settings.SAFETY_MODEL = make_classifier(tmp_path / "unsafe", predicts="unsafe")
    prepared = builders.make_battle(board)
    builders.make_rater_battle(board, drawn=False)
    assert check_waiting_images() == 0
    assert 'data-stage="ready"' in page_of(prepared)
    assert image_statuses(prepared) == [200, 200]


def test_a_missing_image_closes_the_battle_as_damaged(board: Board, settings, tmp_path) -> None:
    settings.SAFETY_MODEL = make_classifier(tmp_path / "safe", predicts="safe")
    battle = builders.make_rater_battle(board)
    originals.path(battle.generation_b.original).unlink()
    check_waiting_images()
    battle.refresh_from_db()
    assert (battle.closure, battle.checked) == ("damaged", False)


@pytest.mark.parametrize(("predicts", "reason"), [("unsafe", "unsafe"), ("safe", "reported_image")])
def test_a_vote_cast_before_the_check_is_excluded(board: Board, settings, tmp_path, predicts: str, reason: str) -> None:
    """The classifier was configured while the battle was open: one image is unsafe, or missing."""
    board.rater_prompts = "counted"
    board.save()
    battle = builders.make_rater_battle(board)
    cast_vote(Battle.objects.get(pk=battle.pk), battle.owner, "tie")
    settings.SAFETY_MODEL = make_classifier(tmp_path / predicts, predicts=predicts)
    if predicts == "safe":
        originals.path(battle.generation_b.original).unlink()
    safety.check_images(battle)
    assert {name: counts.n_votes for name, counts in read_counts(board).excluded.items()} == {reason: 1}
    battle.refresh_from_db()
    assert battle.closure == "vote"


def test_a_battle_whose_check_fails_is_put_aside_and_the_later_ones_are_checked(
    board: Board, settings, tmp_path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SAFETY_MODEL = make_classifier(tmp_path / "safe", predicts="safe")
    bad, good = builders.make_rater_battle(board), builders.make_rater_battle(board)
    check = safety.check_images

    def fail(battle: Battle) -> None:
        if battle == bad:
            raise RuntimeError("the classifier ran out of memory")
        check(battle)

    monkeypatch.setattr(safety, "check_images", fail)
    for failures in range(1, safety.MAX_FAILURES + 1):
        check_waiting_images()
        assert FailedSafetyCheck.objects.get().failures == failures
        check_waiting_images()  # not due yet
        assert FailedSafetyCheck.objects.get().failures == failures
        clock.advance(60)
    bad.refresh_from_db()
    good.refresh_from_db()
    assert (bad.closure, bad.checked, good.checked) == ("blocked", False, True)
    assert FailedSafetyCheck.objects.get().error == "RuntimeError: the classifier ran out of memory"
    assert check_waiting_images() == 0


def test_a_disk_that_is_away_ends_no_battle(board: Board, settings, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.SAFETY_MODEL = make_classifier(tmp_path / "safe", predicts="safe")
    battles = [builders.make_rater_battle(board) for _ in range(2)]
    for _ in range(safety.MAX_FAILURES + 1):
        with monkeypatch.context() as away:
            away.setattr(originals, "read", lambda digest: return_or_raise(originals.StorageError("away")))
            assert check_waiting_images() == 2
    assert check_waiting_images() == 2
    for battle in battles:
        battle.refresh_from_db()
        assert (battle.checked, battle.closure) == (True, "")


@pytest.mark.parametrize("labels", [("cat", "dog"), ("safe", "sfw")])
def test_a_classifier_without_usable_labels_passes_nothing(
    board: Board, settings, tmp_path, labels: tuple[str, str]
) -> None:
    settings.SAFETY_MODEL = make_classifier(tmp_path / "odd", predicts=labels[0], labels=labels)
    battle = builders.make_rater_battle(board)
    with pytest.raises(ClassifierError, match=labels[1]):
        check_waiting_images()
    assert 'data-stage="drawing"' in page_of(battle)


def test_a_missing_folder_is_not_looked_up_on_the_network(board: Board, settings, tmp_path) -> None:
    settings.SAFETY_MODEL = "someone/a-classifier"
    builders.make_rater_battle(board)
    with pytest.raises(ClassifierError, match=r"config\.json"):
        check_waiting_images()


def test_without_a_classifier_images_are_shown_at_once(board: Board) -> None:
    assert 'data-stage="ready"' in page_of(builders.make_rater_battle(board))


@pytest.mark.parametrize(("folder", "ticks"), [("", False), ("/models/safety", True)])
def test_the_beat_task_runs_only_with_a_classifier_and_the_site_never_imports_torch(folder: str, ticks: bool) -> None:
    code = (
        "import sys, django; django.setup(); from django.conf import settings; import arena.urls, arena.tasks;"
        "print('check_images' in settings.CELERY_BEAT_SCHEDULE, 'torch' in sys.modules, 'transformers' in sys.modules)"
    )
    environment = child_environment() | {"DJANGO_SETTINGS_MODULE": "arena.settings", "PARAGONE_SAFETY_MODEL": folder}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(ticks), "False", "False"]
