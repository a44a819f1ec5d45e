"""Extraction pipeline: batches, stored features, interruptions and unreadable inputs."""

import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluation.extractors import feature_store
from evaluation.extractors.base import Extracted, ExtractionError, MissingWeightsError, UnreadableInputError
from evaluation.extractors.feature_store import FeatureStore, digest_text
from evaluation.extractors.images.decoding import BYTES_PER_PIXEL, decode_stored, estimate_bytes
from evaluation.extractors.memory_budget import MemoryBudget
from evaluation.extractors.pipeline import extract_all
from tests.concurrency import wait_until
from tests.evaluation.extractors.images.encoded_images import encode, make_noise
from tests.evaluation.extractors.tiny_networks import find_inception

Source = tuple[str, Callable[[], Any]]


class Lengths:
    """An extractor of the lengths of texts, which records its inputs."""

    batch_size = 4

    def __init__(self) -> None:
        self.identity = {"extractor": "lengths"}
        self.batches: list[int] = []
        self.threads: set[int] = set()

    def prepare(self, source: str) -> str:
        self.threads.add(threading.get_ident())
        if "corrupt" in source:
            raise UnreadableInputError("it is cut off")
        return source

    def extract(self, prepared: Sequence[str]) -> list[Extracted | ExtractionError]:
        self.batches.append(len(prepared))
        return [self.look(text) for text in prepared]

    def look(self, text: str) -> Extracted | ExtractionError:
        if "empty" in text:
            return ExtractionError("there is nothing to see")
        return np.array([np.nan if "nan" in text else len(text)], dtype=np.float32)


def make_sources(texts: Sequence[str], reads: list[str] | None = None) -> Iterator[Source]:
    for text in texts:

        def read(text: str = text) -> str:
            if reads is not None:
                reads.append(text)
            if "gone" in text:
                raise FileNotFoundError(2, "No such file", text)
            return text

        yield digest_text(text), read


def describe(answers: Iterator[tuple[str, Any]]) -> dict[str, Any]:
    return {digest: str(answer) if isinstance(answer, Exception) else answer.tolist() for digest, answer in answers}


def test_errors_of_some_inputs_do_not_affect_the_others(tmp_path: Path) -> None:
    texts = [f"{'x' * n}" for n in range(1, 40)]
    texts[7:7] = ["corrupt", "gone", "empty", "nan"]
    found = describe(extract_all(Lengths(), make_sources(texts), FeatureStore(tmp_path)))
    assert len(found) == len(texts)
    assert found[digest_text("xxx")] == [3.0]
    assert found[digest_text("corrupt")] == "it is cut off"
    assert found[digest_text("gone")] == "It cannot be read: [Errno 2] No such file: 'gone'"
    assert found[digest_text("empty")] == "there is nothing to see"
    assert found[digest_text("nan")] == "The features contain NaN or infinity."


def test_a_second_run_reads_only_inputs_that_failed(tmp_path: Path) -> None:
    texts = [*(f"text {n}" for n in range(30)), "corrupt", "empty"]
    store = FeatureStore(tmp_path)
    first = describe(extract_all(Lengths(), make_sources(texts), store))
    reads: list[str] = []
    extractor = Lengths()
    assert describe(extract_all(extractor, make_sources(texts, reads), FeatureStore(tmp_path))) == first
    assert sorted(reads) == ["corrupt", "empty"]
    assert extractor.batches == [1]


def test_an_interrupted_run_continues(tmp_path: Path) -> None:
    texts = [f"text {n}" for n in range(100)]
    run = extract_all(Lengths(), make_sources(texts), FeatureStore(tmp_path))
    assert len(list(islice(run, 50))) == 50
    run.close()  # type: ignore[attr-defined]
    extractor = Lengths()
    assert len(describe(extract_all(extractor, make_sources(texts), FeatureStore(tmp_path)))) == 100
    # The current batch was stored completely.
    assert sum(extractor.batches) == 48


def test_batches_are_full_and_equal_inputs_are_extracted_once(tmp_path: Path) -> None:
    texts = [f"text {n}" for n in range(10)] + ["the same"] * 7 + ["the last"]
    extractor, reads, done = Lengths(), list[str](), list[int]()
    answers = list(extract_all(extractor, make_sources(texts, reads), FeatureStore(tmp_path), done.append))
    assert extractor.batches == [4, 4, 4]
    assert len(reads) == 12
    assert len([digest for digest, _ in answers if digest == digest_text("the same")]) == 7
    assert done == list(range(1, 19))


def test_at_most_two_batches_are_prepared_ahead(tmp_path: Path) -> None:
    reads: list[str] = []

    class Slow(Lengths):
        def extract(self, prepared: Sequence[str]) -> list[Extracted | ExtractionError]:
            if not self.batches:
                wait_until(lambda: len(reads) > self.batch_size, "inputs are read while the first batch is extracted")
            ahead.append(len(reads) - sum(self.batches))
            return super().extract(prepared)

    ahead: list[int] = []
    extractor = Slow()
    list(extract_all(extractor, make_sources([f"text {n}" for n in range(80)], reads), FeatureStore(tmp_path)))
    assert threading.get_ident() not in extractor.threads
    assert max(ahead) <= 4 * extractor.batch_size


class Pixels(Lengths):
    """An extractor that keeps the pixels of images until they are extracted, and records how many bytes it holds."""

    def __init__(self, batch_size: int = 32) -> None:
        super().__init__()
        self.batch_size = batch_size
        self.held: dict[int, int] = {}
        self.most_held = 0
        self.lock = threading.Lock()

    def prepare(self, source: bytes) -> Any:
        self.hold(source, estimate_bytes(source))
        try:
            pixels = decode_stored(source)
        except UnreadableInputError:
            self.hold(source, 0)
            raise
        self.hold(source, pixels.nbytes)
        return pixels

    def hold(self, source: bytes, n_bytes: int) -> None:
        with self.lock:
            self.held[hash(source)] = n_bytes
            self.most_held = max(self.most_held, sum(self.held.values()))

    def extract(self, prepared: Sequence[Any]) -> list[Extracted | ExtractionError]:
        self.batches.append(len(prepared))
        with self.lock:
            for pixels in prepared:
                del self.held[self.find(pixels)]
        return [np.array([pixels.mean()], dtype=np.float32) for pixels in prepared]

    def find(self, pixels: Any) -> int:
        return next(key for key, n_bytes in self.held.items() if n_bytes == pixels.nbytes)


@pytest.mark.parametrize("cores", [1, 2, 16])
@pytest.mark.parametrize(("side", "n"), [(1200, 12), (400, 40), (100, 80)])
def test_inputs_in_memory_are_bounded_whatever_the_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cores: int, side: int, n: int
) -> None:
    """Decoding 1,200 × 1,200 pixels takes more than the budget: one at a time."""
    most = 10 << 20
    monkeypatch.setattr("evaluation.extractors.pipeline.MemoryBudget", lambda: MemoryBudget(most))
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    images = [encode(np.full((side, side, 3), n, dtype=np.uint8)) for n in range(n)]
    images[3:3] = [b"", b"no image", encode(make_noise(side, side))[:-500]]
    # Some are stored already, and some are the same.
    store, extractor = FeatureStore(tmp_path), Pixels()
    sources = [(hashlib.sha256(image).hexdigest(), lambda image=image: image) for image in images]
    assert len(dict(extract_all(Pixels(), sources[6:9], store))) == 3
    found = list(extract_all(extractor, [*sources, *sources[8:12]], store))
    assert len(found) == n + 7
    assert sum(isinstance(answer, Exception) for _, answer in found) == 3
    largest = BYTES_PER_PIXEL * side * side
    assert largest <= extractor.most_held <= max(most, largest + most / 8) + 3 * side * side
    assert max(extractor.batches) <= 32
    assert (max(extractor.batches) == 32) == (side < 300)


def test_a_pipeline_that_is_closed_early_ends_its_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evaluation.extractors.pipeline.MemoryBudget", lambda: MemoryBudget(1))
    images = [encode(np.full((30, 30, 3), n, dtype=np.uint8)) for n in range(40)]
    sources = [(hashlib.sha256(image).hexdigest(), lambda image=image: image) for image in images]
    run = extract_all(Pixels(1), sources, FeatureStore(tmp_path))
    next(run)
    run.close()  # type: ignore[attr-defined]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("prepare")]


@pytest.mark.parametrize("step", ["prepare", "extract"])
@pytest.mark.parametrize("odd", [0, 5, 12])
def test_an_input_that_breaks_the_extractor_does_not_spoil_the_others(tmp_path: Path, step: str, odd: int) -> None:
    class Fragile(Lengths):
        def prepare(self, source: str) -> str:
            return self.expect_even(source) if step == "prepare" else source

        def extract(self, prepared: Sequence[str]) -> list[Extracted | ExtractionError]:
            return super().extract([self.expect_even(text) for text in prepared])

        def expect_even(self, text: str) -> str:
            if "odd" in text:
                raise RuntimeError("index out of range")
            return text

    texts = [f"text {n:02}" for n in range(12)]
    texts.insert(odd, "odd")
    found = describe(extract_all(Fragile(), make_sources(texts), FeatureStore(tmp_path)))
    assert "RuntimeError: index out of range" in found.pop(digest_text("odd"))
    assert list(found.values()) == [[7.0]] * 12


def test_an_extractor_that_fails_on_every_input_ends_the_run(tmp_path: Path) -> None:
    class Broken(Lengths):
        def extract(self, prepared: Sequence[str]) -> list[Extracted | ExtractionError]:
            raise RuntimeError("no memory")

    with pytest.raises(RuntimeError, match="no memory"):
        list(extract_all(Broken(), make_sources(["a", "b", "c"]), FeatureStore(tmp_path)))


def test_a_full_disk_does_not_lose_features(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill_up(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(feature_store, "write_atomically", fill_up)
    texts = [f"{'x' * n}" for n in range(1, 12)]
    found = describe(extract_all(Lengths(), make_sources(texts), FeatureStore(tmp_path)))
    assert sorted(found.values()) == [[float(n)] for n in range(1, 12)]


def test_missing_weights_end_the_run(tmp_path: Path) -> None:
    class Weightless(Lengths):
        def prepare(self, source: str) -> str:
            raise MissingWeightsError("pip install something")

    with pytest.raises(MissingWeightsError, match="pip install"):
        list(extract_all(Weightless(), make_sources(["text"]), FeatureStore(tmp_path)))
    assert list(extract_all(Lengths(), [], FeatureStore(tmp_path))) == []


def test_images_of_all_sizes_modes_and_formats_share_a_batch(tmp_path: Path) -> None:
    extractor = find_inception("clean:64")
    images = [
        encode(make_noise(20, 30)),
        encode(make_noise(64, 64), "JPEG"),
        encode(make_noise(9, 200)[:, :, 0], "WEBP"),
        encode(make_noise(40, 40))[:500],
        b"",
        encode(np.dstack([make_noise(33, 21), make_noise(33, 21)[:, :, :1]])),
    ]
    sources = [(hashlib.sha256(image).hexdigest(), lambda image=image: image) for image in images]
    found = dict(extract_all(extractor, sources, FeatureStore(tmp_path)))
    unreadable = [isinstance(found[digest], UnreadableInputError) for digest, _ in sources]
    assert unreadable == [False, False, False, True, True, False]
    assert all(
        found[digest].shape == (64,) for (digest, _), fault in zip(sources, unreadable, strict=True) if not fault
    )
