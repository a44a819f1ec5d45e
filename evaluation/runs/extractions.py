"""What extractors made of a run's images and texts: each looked once, and the feature store remembers.

Vectors stay in the store until a metric asks for one, so that memory does not grow with the run.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from evaluation.extractors.base import Extracted, Extractor, Identity, MissingWeightsError
from evaluation.extractors.feature_store import FeatureStore, digest_text
from evaluation.extractors.pipeline import extract_all
from evaluation.extractors.registry import load_extractor
from evaluation.metrics.base import UnscoredError

log = structlog.get_logger(__name__)

Source = tuple[str, Callable[[], Any]]
OnProgress = Callable[[int, int], None]
Found = Extracted | Exception


class Extractions:
    """What has been extracted so far, by specification and by the sha256 of the image or text.

    ``identities`` are those of the extractors that looked; ``missing`` says of the others why they cannot.
    ``warnings`` says which did not see all of what they read.
    """

    def __init__(self, store: FeatureStore, weights: Path) -> None:
        self.store, self.weights = store, weights
        self.identities: dict[str, Identity] = {}
        self.missing: dict[str, str] = {}
        self.warnings: dict[str, str] = {}
        # What the store does not hold: faults, and what it could not write.
        self._kept: dict[tuple[str, str], Found] = {}

    def extract_images(self, specification: str, sources: Sequence[Source], on_progress: OnProgress) -> None:
        """Let the extractor look at these (sha256, read) where it has not yet."""
        if extractor := self._load(specification):
            self._extract(specification, extractor, sources, on_progress)

    def extract_texts(self, specification: str, texts: Sequence[str], on_progress: OnProgress) -> None:
        """Let the extractor read these where it has not yet, and count what is too long for it."""
        if extractor := self._load(specification):
            sources = [(digest_text(text), partial(str, text)) for text in texts]
            self._extract(specification, extractor, sources, on_progress)
            is_truncated = getattr(extractor, "is_truncated", None)
            if is_truncated and (n := sum(map(is_truncated, texts))):
                self.warnings[specification] = (
                    f"{n} of {len(texts)} texts are too long for {specification} and were cut."
                )

    def _load(self, specification: str) -> Extractor | None:
        try:
            extractor = load_extractor(specification, self.weights)
            self.identities[specification] = extractor.identity
        except (MissingWeightsError, ImportError, ValueError) as error:
            self.missing[specification] = str(error)
            return None
        return extractor

    def _extract(self, specification: str, extractor: Extractor, sources: Sequence[Source], tell: OnProgress) -> None:
        tell(0, len(sources))
        answers = self._until_it_fails(specification, extract_all(extractor, sources, self.store))
        for n, (digest, found) in enumerate(answers, start=1):
            if isinstance(found, Exception) or not self.store.has(extractor.identity, digest):
                self._kept[specification, digest] = found
            tell(n, len(sources))

    def _until_it_fails(self, specification: str, answers: Iterator[tuple[str, Found]]) -> Iterator[tuple[str, Found]]:
        """An extractor that breaks (damaged weights, a full GPU) costs its own metrics, not those of the others."""
        try:
            yield from answers
        except Exception as error:
            log.exception("extractor_failed", extractor=specification)
            told = str(error) if isinstance(error, MissingWeightsError) else f"{type(error).__name__}: {error}"
            self.missing[specification] = told
            del self.identities[specification]

    def expect(self, specifications: Sequence[str]) -> None:
        """Raise UnscoredError where one of these extractors cannot look at anything, saying why."""
        for specification in specifications:
            if specification in self.missing:
                raise UnscoredError(self.missing[specification])

    def warn(self, specifications: Sequence[str]) -> list[str]:
        """What is to be said of these extractors."""
        return [self.warnings[specification] for specification in specifications if specification in self.warnings]

    def look_up(self, specification: str, digest: str) -> Found | None:
        """What the extractor found, why it found nothing, or None where it never looked."""
        if specification in self.missing:
            return UnscoredError(self.missing[specification])
        if (specification, digest) in self._kept:
            return self._kept[specification, digest]
        if specification not in self.identities:
            return None
        return self.store.read(self.identities[specification], digest)

    def of_image(self, digest: str) -> Mapping[str, Found]:
        """By specification."""
        return _Lookup(lambda specification: self.look_up(specification, digest))

    def of_texts(self) -> Mapping[tuple[str, str], Found]:
        """By specification and text."""
        return _Lookup(lambda pair: self.look_up(pair[0], digest_text(pair[1])))


class _Lookup(Mapping[Any, Found]):
    """A mapping that is asked, never listed."""

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
