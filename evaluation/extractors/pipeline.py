"""Extraction pipeline: reads stored features, and prepares and extracts the other inputs in batches."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import structlog

from evaluation.extractors.base import (
    Extracted,
    ExtractionError,
    Extractor,
    Identity,
    MissingWeightsError,
    UnavailableInputError,
)
from evaluation.extractors.feature_store import FeatureStore
from evaluation.extractors.memory_budget import MemoryBudget

log = structlog.get_logger(__name__)

MOST_THREADS: Final = 16
Answer = Extracted | ExtractionError | UnavailableInputError
Read = Callable[[], Any]


@dataclass
class _Prepared:
    """A prepared input, which is taken out once, so that no future keeps it in memory."""

    value: Any

    def take(self) -> Any:
        value, self.value = self.value, None
        return value


@dataclass
class _Pending:
    """An input in progress. ``copies`` counts how often the sources name it; it is extracted once."""

    number: int
    digest: str
    future: "Future[Answer | _Prepared]"
    copies: int = 1


@dataclass(frozen=True)
class _ExtractorStore:
    """The feature store, limited to one extractor."""

    store: FeatureStore
    identity: Identity

    def read(self, digest: str) -> Extracted | None:
        return self.store.read(self.identity, digest)

    def keep(self, digest: str, answer: Answer) -> Answer:
        """Store the features. Returns them, or an ExtractionError if they are invalid (NaN, for example)."""
        if isinstance(answer, ExtractionError | UnavailableInputError):
            return answer
        try:
            self.store.write(self.identity, digest, answer)
        except ValueError as error:
            return ExtractionError(str(error))
        return answer


def extract_all(
    extractor: Extractor,
    sources: Iterable[tuple[str, Read]],
    store: FeatureStore,
    on_progress: Callable[[int], None] | None = None,
) -> Iterator[tuple[str, Answer]]:
    """Extract features of all sources; yields (sha256, features or error) in any order.

    The error is an ExtractionError, or the UnavailableInputError that ``read`` raised. Features are stored, errors are
    not, so an interrupted run continues where it stopped. Another order of the sources, or another batch size, changes
    new features by float rounding (at most 1e-5 of the largest value); stored features do not change.

    Args:
        extractor: Any extractor.
        sources: (sha256, read) pairs. ``read`` returns the bytes of an image, or a text, and is only called if the
            store has no features for that sha256.
        store: Where features are read from and written to.
        on_progress: Called with the number of finished sources.

    Raises:
        MissingWeightsError: The files of the network are missing or wrong.
        Exception: Any error that the extractor itself raises.
    """
    # Computing the identity hashes whole weight files: do it once, before threads start.
    stored = _ExtractorStore(store, extractor.identity)
    in_progress: dict[str, _Pending] = {}
    n_done = 0
    pool = ThreadPoolExecutor(min(os.cpu_count() or 1, MOST_THREADS), "prepare")
    budget = MemoryBudget()
    try:
        fetch = partial(_fetch, extractor, stored, budget)
        ahead = _look_ahead(pool, fetch, 2 * extractor.batch_size, sources, in_progress)
        for digest, answer in _answer(extractor, ahead, stored, budget):
            for _ in range(in_progress.pop(digest).copies):
                n_done += 1
                if on_progress:
                    on_progress(n_done)
                yield digest, answer
    finally:
        budget.close()
        pool.shutdown(cancel_futures=True)


def _look_ahead(
    pool: ThreadPoolExecutor,
    fetch: Callable[[int, str, Read], Answer | _Prepared],
    depth: int,
    sources: Iterable[tuple[str, Read]],
    in_progress: dict[str, _Pending],
) -> Iterator[_Pending]:
    """Submit sources in order, at most ``depth`` ahead of the network."""
    queue: deque[_Pending] = deque()
    number = 0
    for digest, read in sources:
        if digest in in_progress:
            in_progress[digest].copies += 1
            continue
        pending = _Pending(number, digest, pool.submit(fetch, number, digest, read))
        number += 1
        in_progress[digest] = pending
        queue.append(pending)
        if len(queue) > depth:
            yield queue.popleft()
    while queue:
        yield queue.popleft()


def _fetch(
    extractor: Extractor, stored: _ExtractorStore, budget: MemoryBudget, number: int, digest: str, read: Read
) -> Answer | _Prepared:
    try:
        return _prepare(extractor, stored, budget, number, digest, read)
    finally:
        # Later inputs wait for their turn.
        budget.leave_out(number)


def _prepare(
    extractor: Extractor, stored: _ExtractorStore, budget: MemoryBudget, number: int, digest: str, read: Read
) -> Answer | _Prepared:
    if (kept := stored.read(digest)) is not None:
        return kept
    try:
        source = read()
    except UnavailableInputError as error:
        return type(error)(*error.args)
    except Exception as error:
        # Files, buckets and archives fail in many ways. One unreadable input must not end the run.
        return ExtractionError(f"It cannot be read: {str(error) or type(error).__name__}")
    budget.let_in(number, source)
    prepared: Any = None
    try:
        prepared = extractor.prepare(source)
        return _Prepared(prepared)
    except ExtractionError as error:
        # A new exception has no traceback, which would keep the whole image in memory.
        return type(error)(*error.args)
    except MissingWeightsError:
        raise
    except Exception as error:
        log.exception("input_not_prepared", sha256=digest)
        return ExtractionError(f"It cannot be prepared: {type(error).__name__}: {error}")
    finally:
        budget.note(number, prepared)


def _answer(
    extractor: Extractor, ahead: Iterable[_Pending], stored: _ExtractorStore, budget: MemoryBudget
) -> Iterator[tuple[str, Answer]]:
    """The answers, batch by batch. A batch is full if it has the extractor's size, or takes half of the budget."""
    batch = _Batch(extractor, stored, budget)
    for pending in ahead:
        if not budget.wait(pending.future):
            yield from batch.extract()
        fetched = pending.future.result()
        budget.collect(pending.number)
        if not isinstance(fetched, _Prepared):
            yield pending.digest, fetched
            continue
        batch.add(pending.digest, fetched.take())
        if batch.is_full or budget.is_half_full:
            yield from batch.extract()
    yield from batch.extract()


class _Batch:
    """Prepared inputs that are extracted together."""

    def __init__(self, extractor: Extractor, stored: _ExtractorStore, budget: MemoryBudget) -> None:
        self.extractor, self.stored, self.budget = extractor, stored, budget
        self.size, self.is_proven = extractor.batch_size, False
        self.digests: list[str] = []
        self.prepared: list[Any] = []

    def add(self, digest: str, prepared: Any) -> None:
        self.digests.append(digest)
        self.prepared.append(prepared)

    @property
    def is_full(self) -> bool:
        return len(self.digests) == self.size

    def extract(self) -> list[tuple[str, Answer]]:
        """Extract the inputs, and empty the batch. All results are stored before the first is returned."""
        if not self.digests:
            return []
        answers = _extract_apart(self.extractor, self.prepared, is_proven=self.is_proven)
        self.is_proven = self.is_proven or not all(isinstance(answer, Exception) for answer in answers)
        found = [
            (digest, self.stored.keep(digest, answer)) for digest, answer in zip(self.digests, answers, strict=True)
        ]
        self.digests, self.prepared = [], []
        self.budget.release_batch()
        return found


def _extract_apart(
    extractor: Extractor, prepared: Sequence[Any], *, is_proven: bool
) -> list[Extracted | ExtractionError]:
    """Extract a batch. If that fails, extract its inputs one by one, so that one odd input does not spoil the others.

    Raises the error of the extractor if it fails on every input, unless the batch has only one and earlier batches
    succeeded (``is_proven``).
    """
    try:
        return extractor.extract(prepared)
    except MissingWeightsError:
        raise
    except Exception as error:
        if len(prepared) == 1 and not is_proven:
            raise
        log.warning("batch_not_extracted", error=str(error))
    answers: list[Extracted | ExtractionError] = []
    failure: Exception | None = None
    for one in prepared:
        try:
            answers += extractor.extract([one])
        except MissingWeightsError:
            raise
        except Exception as error:
            failure = error
            answers.append(ExtractionError(f"It cannot be measured: {type(error).__name__}: {error}"))
    is_odd = is_proven and len(prepared) == 1
    if failure and not is_odd and all(isinstance(answer, ExtractionError) for answer in answers):
        raise failure
    return answers
