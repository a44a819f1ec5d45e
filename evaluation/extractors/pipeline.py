"""Extraction pipeline: reads stored features, and prepares and extracts the other inputs in batches."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from evaluation.extractors.base import Extracted, ExtractionError, Extractor, Identity, UnavailableInputError
from evaluation.extractors.feature_store import FeatureStore

MOST_THREADS: Final = 16
Answer = Extracted | ExtractionError | UnavailableInputError
Read = Callable[[], Any]


@dataclass(frozen=True)
class _Prepared:
    value: Any


@dataclass
class _Pending:
    """An input in progress. ``copies`` counts how often the sources name it; it is extracted once."""

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
    try:
        ahead = _look_ahead(pool, extractor, sources, stored, in_progress)
        for digest, answer in _answer(extractor, ahead, stored):
            for _ in range(in_progress.pop(digest).copies):
                n_done += 1
                if on_progress:
                    on_progress(n_done)
                yield digest, answer
    finally:
        pool.shutdown(cancel_futures=True)


def _look_ahead(
    pool: ThreadPoolExecutor,
    extractor: Extractor,
    sources: Iterable[tuple[str, Read]],
    stored: _ExtractorStore,
    in_progress: dict[str, _Pending],
) -> Iterator[_Pending]:
    """Submit sources in order, at most two batches ahead of the network, so that memory use stays bounded."""
    queue: deque[_Pending] = deque()
    depth = 2 * extractor.batch_size
    for digest, read in sources:
        if digest in in_progress:
            in_progress[digest].copies += 1
            continue
        pending = _Pending(digest, pool.submit(_fetch, extractor, stored, digest, read))
        in_progress[digest] = pending
        queue.append(pending)
        if len(queue) > depth:
            yield queue.popleft()
    while queue:
        yield queue.popleft()


def _fetch(extractor: Extractor, stored: _ExtractorStore, digest: str, read: Read) -> Answer | _Prepared:
    if (kept := stored.read(digest)) is not None:
        return kept
    try:
        source = read()
    except UnavailableInputError as error:
        return type(error)(*error.args)
    except Exception as error:
        # Files, buckets and archives fail in many ways. One unreadable input must not end the run.
        return ExtractionError(f"It cannot be read: {str(error) or type(error).__name__}")
    try:
        return _Prepared(extractor.prepare(source))
    except ExtractionError as error:
        # A new exception has no traceback, which would keep the whole image in memory.
        return type(error)(*error.args)


def _answer(extractor: Extractor, ahead: Iterable[_Pending], stored: _ExtractorStore) -> Iterator[tuple[str, Answer]]:
    digests: list[str] = []
    prepared: list[Any] = []
    size = extractor.batch_size
    for pending in ahead:
        fetched = pending.future.result()
        if not isinstance(fetched, _Prepared):
            yield pending.digest, fetched
            continue
        digests.append(pending.digest)
        prepared.append(fetched.value)
        if len(digests) == size:
            yield from _extract(extractor, digests, prepared, stored)
            digests, prepared = [], []
    if digests:
        yield from _extract(extractor, digests, prepared, stored)


def _extract(
    extractor: Extractor, digests: Sequence[str], prepared: Sequence[Any], stored: _ExtractorStore
) -> list[tuple[str, Answer]]:
    """Extract a batch. All of it is stored before the first result is returned."""
    answers = extractor.extract(prepared)
    return [(digest, stored.keep(digest, answer)) for digest, answer in zip(digests, answers, strict=True)]
