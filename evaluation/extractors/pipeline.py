"""From many inputs to what an extractor makes of each: kept features first, the rest read and prepared in threads."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from evaluation.extractors.base import Extracted, ExtractionError, Extractor, Identity
from evaluation.extractors.feature_store import FeatureStore

MOST_THREADS: Final = 16
Answer = Extracted | ExtractionError
Read = Callable[[], Any]


@dataclass(frozen=True)
class _Prepared:
    value: Any


@dataclass
class _Pending:
    """An input on its way. ``copies``: the sources may name it several times; it is looked at once."""

    digest: str
    future: "Future[Answer | _Prepared]"
    copies: int = 1


@dataclass(frozen=True)
class _Shelf:
    """What the store holds of one extractor."""

    store: FeatureStore
    identity: Identity

    def read(self, digest: str) -> Extracted | None:
        return self.store.read(self.identity, digest)

    def keep(self, digest: str, answer: Answer) -> Answer:
        """The answer, or the fault that it is: not a number, say."""
        if isinstance(answer, ExtractionError):
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
    """For each (sha256, read) of ``sources`` the sha256 and the features, or why there are none. In any order.

    ``read`` gives the bytes of an image, or a text; it is called only for what the store does not hold. What is found
    is stored, unless it is a fault, so that a run that was stopped goes on where it was. ``on_progress`` is told how
    many are done. The batches follow from the order of the sources: another order, or size, changes features by float
    noise at most (1e-5 of the largest), and features that are stored stay what they are.

    Raises MissingWeightsError, and what is wrong with the extractor itself.
    """
    # The identity reads whole files of weights: once, before there are threads.
    shelf = _Shelf(store, extractor.identity)
    on_their_way: dict[str, _Pending] = {}
    n_done = 0
    pool = ThreadPoolExecutor(min(os.cpu_count() or 1, MOST_THREADS), "prepare")
    try:
        ahead = _look_ahead(pool, extractor, sources, shelf, on_their_way)
        for digest, answer in _answer(extractor, ahead, shelf):
            for _ in range(on_their_way.pop(digest).copies):
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
    shelf: _Shelf,
    on_their_way: dict[str, _Pending],
) -> Iterator[_Pending]:
    """In order. While the network works on a batch two more are prepared: no more, whatever the number of sources."""
    queue: deque[_Pending] = deque()
    depth = 2 * extractor.batch_size
    for digest, read in sources:
        if digest in on_their_way:
            on_their_way[digest].copies += 1
            continue
        pending = _Pending(digest, pool.submit(_fetch, extractor, shelf, digest, read))
        on_their_way[digest] = pending
        queue.append(pending)
        if len(queue) > depth:
            yield queue.popleft()
    while queue:
        yield queue.popleft()


def _fetch(extractor: Extractor, shelf: _Shelf, digest: str, read: Read) -> Answer | _Prepared:
    if (kept := shelf.read(digest)) is not None:
        return kept
    try:
        source = read()
    except Exception as error:
        # Files, buckets and archives fail in many ways: one input is lost, and the run goes on.
        return ExtractionError(f"It cannot be read: {str(error) or type(error).__name__}")
    try:
        return _Prepared(extractor.prepare(source))
    except ExtractionError as fault:
        # Without its traceback, which would hold on to the whole image.
        return type(fault)(*fault.args)


def _answer(extractor: Extractor, ahead: Iterable[_Pending], shelf: _Shelf) -> Iterator[tuple[str, Answer]]:
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
            yield from _extract(extractor, digests, prepared, shelf)
            digests, prepared = [], []
    if digests:
        yield from _extract(extractor, digests, prepared, shelf)


def _extract(
    extractor: Extractor, digests: Sequence[str], prepared: Sequence[Any], shelf: _Shelf
) -> list[tuple[str, Answer]]:
    """All of the batch are stored before the first is handed out."""
    answers = extractor.extract(prepared)
    return [(digest, shelf.keep(digest, answer)) for digest, answer in zip(digests, answers, strict=True)]
