"""Extractions of a run: runs each extractor once over the images and texts, and looks up the results.

Features stay in the feature store until a metric reads them, so that memory does not grow with the run. Inputs that
cannot be read are tried again after pauses.
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import structlog

from evaluation.extractors.base import (
    Extracted,
    Extractor,
    Identity,
    LostInputError,
    MissingWeightsError,
    UnavailableInputError,
)
from evaluation.extractors.feature_store import FeatureStore, digest_text
from evaluation.extractors.pipeline import extract_all
from evaluation.extractors.registry import load_extractor
from evaluation.metrics.base import UnscoredError

log = structlog.get_logger(__name__)

Source = tuple[str, Callable[[], Any]]
OnProgress = Callable[[int, int], None]
Found = Extracted | Exception
# Seconds before inputs that could not be read are tried again, in the same scoring.
RETRY_PAUSES: Final = (1.0, 4.0)


class Extractions:
    """Results so far, by extractor specification and by the sha256 of the image or text.

    ``identities`` holds the extractors that ran, ``missing`` the reasons why others could not, and ``warnings`` those
    that truncated their input. ``alphabets`` holds the characters that readers of text can return. ``unread`` holds the
    inputs that could not be read, by sha256, with the reason. Unless ``is_last``, only inputs that are lost get there:
    a store that fails raises UnavailableInputError.
    """

    def __init__(self, store: FeatureStore, weights: Path, *, is_last: bool = False) -> None:
        self.store, self.weights, self.is_last = store, weights, is_last
        self.unread: dict[str, str] = {}
        self.identities: dict[str, Identity] = {}
        self.missing: dict[str, str] = {}
        self.warnings: dict[str, str] = {}
        self.alphabets: dict[str, Collection[str]] = {}
        # Results that are not in the store: errors, and features that it could not write.
        self._kept: dict[tuple[str, str], Found] = {}
        self._stored: set[tuple[str, str]] = set()

    def extract_images(self, specification: str, sources: Sequence[Source], on_progress: OnProgress) -> None:
        """Run the extractor on the images (sha256, read) that it has not seen yet."""
        if extractor := self._load(specification):
            self._extract(specification, extractor, sources, on_progress)

    def extract_texts(self, specification: str, texts: Sequence[str], on_progress: OnProgress) -> None:
        """Run the extractor on the texts that it has not seen yet, and count those that it truncates."""
        if extractor := self._load(specification):
            sources = [(digest_text(text), partial(str, text)) for text in texts]
            self._extract(specification, extractor, sources, on_progress)
            is_truncated = getattr(extractor, "is_truncated", None)
            if is_truncated and (n := sum(map(is_truncated, texts))):
                self.warnings[specification] = (
                    f"{n} of {len(texts)} texts are too long for {specification} and were truncated."
                )

    def _load(self, specification: str) -> Extractor | None:
        try:
            extractor = load_extractor(specification, self.weights)
            if (alphabet := getattr(extractor, "alphabet", None)) is not None:
                self.alphabets[specification] = alphabet
            self.identities[specification] = extractor.identity
        except (MissingWeightsError, ImportError, ValueError) as error:
            self.missing[specification] = str(error)
            return None
        return extractor

    def _extract(
        self, specification: str, extractor: Extractor, sources: Sequence[Source], on_progress: OnProgress
    ) -> None:
        on_progress(0, len(sources))
        unread = self._extract_once(specification, extractor, sources, on_progress)
        for pause in RETRY_PAUSES:
            # An input that stayed unread for an earlier extractor is not worth another pause.
            if not unread.keys() - self.unread.keys():
                break
            time.sleep(pause)
            again = [source for source in sources if source[0] in unread]
            unread = self._extract_once(specification, extractor, again, _shift(on_progress, len(sources) - len(again)))
        faults = [error for error in unread.values() if not isinstance(error, LostInputError)]
        if faults and not self.is_last:
            raise faults[0]
        self.unread |= {digest: str(error) for digest, error in unread.items()}

    def _extract_once(
        self, specification: str, extractor: Extractor, sources: Sequence[Source], on_progress: OnProgress
    ) -> dict[str, UnavailableInputError]:
        """Run the extractor on each source. Returns the inputs that could not be read, by sha256."""
        unread: dict[str, UnavailableInputError] = {}
        answers = self._stop_at_failure(specification, extract_all(extractor, sources, self.store))
        for n, (digest, found) in enumerate(answers, start=1):
            if isinstance(found, UnavailableInputError):
                unread[digest] = found
            if isinstance(found, Exception) or not self.store.has(extractor.identity, digest):
                self._kept[specification, digest] = found
            else:
                self._kept.pop((specification, digest), None)
                self._stored.add((specification, digest))
            on_progress(n - len(unread), len(sources))
        return unread

    def _stop_at_failure(self, specification: str, answers: Iterator[tuple[str, Found]]) -> Iterator[tuple[str, Found]]:
        """The answers until the extractor raises, so that only the metrics that need it are unscored."""
        try:
            yield from answers
        except Exception as error:
            log.exception("extractor_failed", extractor=specification)
            reason = str(error) if isinstance(error, MissingWeightsError) else f"{type(error).__name__}: {error}"
            self.missing[specification] = reason
            self.identities.pop(specification, None)

    def expect(self, specifications: Sequence[str]) -> None:
        """Raise UnscoredError with the reason if one of these extractors could not run."""
        for specification in specifications:
            if specification in self.missing:
                raise UnscoredError(self.missing[specification])

    def warn(self, specifications: Sequence[str]) -> list[str]:
        """The warnings of these extractors."""
        return [self.warnings[specification] for specification in specifications if specification in self.warnings]

    def look_up(self, specification: str, digest: str) -> Found | None:
        """The result of the extractor, the error, or None if it has not run on this input."""
        if specification in self.missing:
            return UnscoredError(self.missing[specification])
        if (specification, digest) in self._kept:
            return self._kept[specification, digest]
        if specification not in self.identities:
            return None
        found = self.store.read(self.identities[specification], digest)
        if found is None and (specification, digest) in self._stored:
            raise UnavailableInputError(f"The features of {specification} were stored, but cannot be read now.")
        return found

    def of_image(self, digest: str) -> Mapping[str, Found]:
        """Results for one image, by specification."""
        return _Lookup(lambda specification: self.look_up(specification, digest))

    def of_texts(self) -> Mapping[tuple[str, str], Found]:
        """Results for texts, by specification and text."""
        return _Lookup(lambda pair: self.look_up(pair[0], digest_text(pair[1])))


def _shift(on_progress: OnProgress, n_before: int) -> OnProgress:
    """Progress of a part of the inputs, as progress of all."""
    return lambda n_done, n: on_progress(n_before + n_done, n_before + n)


class _Lookup(Mapping[Any, Found]):
    """A mapping that supports look-up only."""

    def __init__(self, look_up: Callable[[Any], Found | None]) -> None:
        self._look_up = look_up

    def __getitem__(self, key: Any) -> Found:
        found = self._look_up(key)
        if found is None:
            raise KeyError(key)
        return found

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __len__(self) -> int:
        return 0
