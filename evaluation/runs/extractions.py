"""Extractions of a run: runs each extractor once over the images and texts, and looks up the results.

Features stay in the feature store until a metric reads them, so that memory does not grow with the run.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from evaluation.extractors.base import Extracted, Extractor, Identity, MissingWeightsError, UnavailableInputError
from evaluation.extractors.feature_store import FeatureStore, digest_text
from evaluation.extractors.pipeline import extract_all
from evaluation.extractors.registry import load_extractor
from evaluation.metrics.base import UnscoredError

log = structlog.get_logger(__name__)

Source = tuple[str, Callable[[], Any]]
OnProgress = Callable[[int, int], None]
Found = Extracted | Exception


class Extractions:
    """Results so far, by extractor specification and by the sha256 of the image or text.

    ``identities`` holds the extractors that ran, ``missing`` the reasons why others could not, and ``warnings`` those
    that truncated their input.
    """

    def __init__(self, store: FeatureStore, weights: Path) -> None:
        self.store, self.weights = store, weights
        self.identities: dict[str, Identity] = {}
        self.missing: dict[str, str] = {}
        self.warnings: dict[str, str] = {}
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
            self.identities[specification] = extractor.identity
        except (MissingWeightsError, ImportError, ValueError) as error:
            self.missing[specification] = str(error)
            return None
        return extractor

    def _extract(
        self, specification: str, extractor: Extractor, sources: Sequence[Source], on_progress: OnProgress
    ) -> None:
        on_progress(0, len(sources))
        answers = self._stop_at_failure(specification, extract_all(extractor, sources, self.store))
        for n, (digest, found) in enumerate(answers, start=1):
            if isinstance(found, Exception) or not self.store.has(extractor.identity, digest):
                self._kept[specification, digest] = found
            else:
                self._stored.add((specification, digest))
            on_progress(n, len(sources))

    def _stop_at_failure(self, specification: str, answers: Iterator[tuple[str, Found]]) -> Iterator[tuple[str, Found]]:
        """The answers until the extractor raises, so that only the metrics that need it are unscored."""
        try:
            yield from answers
        except UnavailableInputError:
            raise
        except Exception as error:
            log.exception("extractor_failed", extractor=specification)
            reason = str(error) if isinstance(error, MissingWeightsError) else f"{type(error).__name__}: {error}"
            self.missing[specification] = reason
            del self.identities[specification]

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
