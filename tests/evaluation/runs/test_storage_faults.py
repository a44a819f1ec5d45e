"""Images that cannot be read from the store: tried again, then unscored until the run is scored again."""

from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage

from evaluation.models import Run, Score
from evaluation.runs import lifecycle
from evaluation.runs.replays import replay
from evaluation.runs.sample_inputs import register_vote_source
from generators.images import originals
from generators.models import Generation, ImageModel
from tests import builders
from tests.clock import Clock
from tests.evaluation.runs.scored_runs import draw, finish, result_of
from tests.evaluation.shades import write_suite

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("shades")]

Status = Run.Status
GATE = '[[gate]]\nmetric = "mean-shade"\nat_least = 2\nmax_unscored = 0\n'


class FaultyStore(FileSystemStorage):
    """A bucket. The reads of each original in ``faults`` fail so often, each as its ``kind`` says."""

    faults: ClassVar[Counter[str]] = Counter()
    kind: ClassVar[str] = ""
    reads: ClassVar[list[str]] = []

    def open(self, name: str, mode: str = "rb") -> Any:
        digest = name.rpartition("/")[2]
        FaultyStore.reads.append(digest)
        if FaultyStore.faults[digest] <= 0:
            return super().open(name, mode)
        FaultyStore.faults[digest] -= 1
        if FaultyStore.kind == "half":
            return ContentFile(b"half of the bytes")
        raise {"away": ConnectionError("bucket away"), "missing": FileNotFoundError(name)}[FaultyStore.kind]


@pytest.fixture
def store(tmp_path: Path, settings: Any) -> type[FaultyStore]:
    FaultyStore.faults, FaultyStore.kind, FaultyStore.reads = Counter(), "away", []
    backend = f"{__name__}.{FaultyStore.__name__}"
    options = {"location": str(tmp_path / "bucket")}
    settings.STORAGES = {**settings.STORAGES, "originals": {"BACKEND": backend, "OPTIONS": options}}
    return FaultyStore


def start(tmp_path: Path, model: ImageModel, **options: Any) -> tuple[Run, list[str]]:
    """A run whose images are drawn, and its originals."""
    run = lifecycle.start(write_suite(tmp_path, more=GATE), model, **options)
    draw(run)
    lifecycle.advance()
    return run, list(run.samples.order_by("pk").values_list("generation__original", flat=True))


def score(run: Run) -> Run:
    lifecycle.score(run.pk)
    run.refresh_from_db()
    return run


def score_to_the_end(run: Run, clock: Clock, settings: Any) -> int:
    """Score the run as often as it is put off. Returns how often it was."""
    for n in range(100):
        if score(run).status != Status.SCORING:
            return n
        assert "bucket" in run.message
        clock.advance(settings.REDISPATCH_SECONDS - 1)
        assert lifecycle.advance() == 0
        clock.advance(1)
        assert lifecycle.advance() == 1
    raise AssertionError("the run is put off without end")


@pytest.mark.parametrize("kind", ["away", "missing", "half"])
@pytest.mark.parametrize("n", [1, 2])
def test_reads_that_fail_once_or_twice_are_repeated_in_the_same_scoring(
    tmp_path: Path, model: ImageModel, sent: list[int], store: type[FaultyStore], kind: str, n: int
) -> None:
    run, digests = start(tmp_path, model)
    store.kind, store.faults = kind, Counter(dict.fromkeys(digests[:5], n))
    score(run)
    assert (run.status, run.verdict, run.put_offs, run.message) == (Status.DONE, "pass", 0, "")
    assert (result_of(run, "mean-shade").value, result_of(run, "spread").value) == (7.5, 13)
    assert not Score.objects.exclude(error="").exists()
    assert "unread" not in run.record


def test_reads_that_fail_for_a_while_are_repeated_by_later_attempts(
    tmp_path: Path, model: ImageModel, sent: list[int], store: type[FaultyStore], clock: Clock, settings: Any
) -> None:
    run, digests = start(tmp_path, model)
    store.faults = Counter(dict.fromkeys(digests[:5], 7))
    assert score_to_the_end(run, clock, settings) == 2
    assert (run.status, run.verdict, run.message) == (Status.DONE, "pass", "")
    assert result_of(run, "mean-shade").n_unscored == 0


def test_a_store_that_stays_away_leaves_samples_unscored_until_the_run_is_scored_again(
    tmp_path: Path, model: ImageModel, sent: list[int], store: type[FaultyStore], clock: Clock, settings: Any
) -> None:
    run, digests = start(tmp_path, model)
    broken = Generation.objects.get(original=digests[7])
    broken.original = digests[7] = originals.store(b"no image at all")
    broken.save()
    store.faults = Counter(dict.fromkeys(digests[:5], 10**6))
    assert score_to_the_end(run, clock, settings) == lifecycle.MAX_PUT_OFFS
    assert (run.status, run.verdict) == (Status.DONE, "inconclusive")
    for label in ("mean-shade", "spread"):
        found = result_of(run, label)
        assert (found.n_scored, found.n_unscored) == (2, 6)
        assert sorted(found.outcome["reasons"].values()) == [1, 5]
        assert "The bucket of originals cannot be used: ConnectionError." in found.outcome["reasons"]
    unread = Score.objects.filter(label="mean-shade", is_unread=True)
    assert set(unread.values_list("sample__generation__original", flat=True)) == set(digests[:5])
    assert run.record["unread"].keys() == set(digests[:5])
    stays = {score.pk: score.error or score.value for score in Score.objects.filter(is_unread=False)}

    store.faults.clear()
    again = lifecycle.start(write_suite(tmp_path, more=GATE), model)
    assert (again.pk, again.status, again.put_offs) == (run.pk, Status.PREPARING, 0)
    lifecycle.advance()
    lifecycle.advance()
    score(run)
    assert (run.status, run.verdict) == (Status.DONE, "inconclusive")
    found = result_of(run, "mean-shade")
    assert (found.n_scored, found.n_unscored) == (7, 1)
    assert "got text" in next(iter(found.outcome["reasons"]))
    assert not Score.objects.filter(is_unread=True).exists()
    assert {score.pk: score.error or score.value for score in Score.objects.filter(pk__in=stays)} == stays
    assert "unread" not in run.record
    assert replay(run, on_progress=lambda *_: None) == []
    # A sample that is unscored because of its content is no reason to score the run again.
    assert not lifecycle.resume(run)


@pytest.mark.parametrize("error", [TimeoutError(), OSError(5, "Input/output error"), RuntimeError("connection reset")])
def test_any_error_of_a_read_is_one_of_the_store(
    tmp_path: Path, model: ImageModel, sent: list[int], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    run, digests = start(tmp_path, model)
    read, faults = originals.read, Counter(dict.fromkeys(digests[:5], 4))

    def fail(digest: str) -> bytes:
        faults[digest] -= 1
        if faults[digest] >= 0:
            raise error
        return read(digest)

    monkeypatch.setattr(originals, "read", fail)
    assert (score(run).status, run.put_offs) == (Status.SCORING, 1)
    assert (str(error) or "TimeoutError") in run.message
    assert (score(run).status, run.verdict) == (Status.DONE, "pass")


def test_a_lost_original_is_scored_once_it_is_restored(tmp_path: Path, model: ImageModel, sent: list[int]) -> None:
    run, digests = start(tmp_path, model)
    kept = {digest: originals.read(digest) for digest in digests[:2]}
    originals.path(digests[0]).unlink()
    originals.path(digests[1]).write_bytes(b"half")
    score(run)
    assert (run.status, run.put_offs) == (Status.DONE, 0)
    reasons = " ".join(result_of(run, "mean-shade").outcome["reasons"])
    assert f"The original {digests[0]} is not in the store." in reasons
    assert f"The original {digests[1]} is damaged" in reasons
    assert Score.objects.filter(label="mean-shade", is_unread=True).count() == 2
    for digest, data in kept.items():
        originals.path(digest).write_bytes(data)
    again = finish(lifecycle.start(write_suite(tmp_path, more=GATE), model))
    assert (again.pk, again.verdict) == (run.pk, "pass")


def test_other_samples_keep_their_votes_when_a_run_is_scored_again_for_lost_images(
    tmp_path: Path, model: ImageModel, sent: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evaluation.runs.sample_inputs._vote_sources", [])
    run, digests = start(tmp_path, model)
    data = originals.read(digests[0])
    originals.path(digests[0]).unlink()
    score(run)
    before = {sample.pk: sample.inputs for sample in run.samples.all()}
    originals.path(digests[0]).write_bytes(data)
    register_vote_source(lambda ids: pytest.fail("votes are read again"))
    finish(lifecycle.start(write_suite(tmp_path, more=GATE), model))
    assert {sample.pk: sample.inputs for sample in run.samples.all()} == before


def test_images_of_the_baseline_that_could_not_be_read_are_read_again(
    tmp_path: Path, model: ImageModel, sent: list[int]
) -> None:
    other = builders.make_model(adapter="scripted")
    baseline = finish(lifecycle.start(write_suite(tmp_path, more=GATE), other))
    run, digests = start(tmp_path, model, baseline=baseline)
    data = originals.read(digests[0])
    for folder in Path(originals.path(digests[0])).parents[2].glob("features/*"):
        for file in folder.glob("??/*"):
            file.unlink()
    originals.path(digests[0]).unlink()
    score(run)
    assert result_of(run, "mean-shade").outcome["comparison"]["n_samples"] < 8
    originals.path(digests[0]).write_bytes(data)
    finish(lifecycle.start(write_suite(tmp_path, more=GATE), model, baseline=baseline))
    assert result_of(run, "mean-shade").outcome["comparison"]["n_samples"] == 8


def test_a_slow_fault_is_not_paid_for_by_every_image(
    tmp_path: Path, model: ImageModel, sent: list[int], store: type[FaultyStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, digests = start(tmp_path, model)
    store.faults = Counter(dict.fromkeys(digests, 10**6))
    monkeypatch.setattr("evaluation.runs.image_reader.MAX_FAILING_SECONDS", -1.0)
    store.reads.clear()
    score(run)
    assert (run.status, run.put_offs) == (Status.SCORING, 1)
    assert store.reads == []
