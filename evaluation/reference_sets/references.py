"""Reference sets: what a run's images are held against. Built from images, or imported, and then never changed.

::

    ReferenceSetError          a set cannot be made: the message is for whoever asked for it
      ReferenceSetChangedError      one of that name exists, of other images or with another identity
"""

import hashlib
import os
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_slug

from evaluation.extractors.base import Extracted, ExtractionError, Extractor, Identity
from evaluation.extractors.feature_store import FeatureStore
from evaluation.extractors.pipeline import extract_all
from evaluation.metrics.base import UnscoredError
from evaluation.metrics.features.moments import Moments, Sums
from evaluation.metrics.features.reference import ReferenceStatistics
from evaluation.metrics.features.rows import FeatureRows, Features
from evaluation.models import ReferenceSet
from evaluation.reference_sets.image_archives import UnreadableImageError, walk_images

# Features of more images than this are summed up and not kept: 160 MB, at 2,048 numbers an image.
MOST_ROWS: Final = 20_000
# A larger share of images that cannot be read is a broken download, and not a few bad files.
MOST_UNREADABLE: Final = 0.05
# What makes files of statistics, and the extractor here whose features are theirs.
MAKERS: Final = {"clean-fid": "inception-v3/clean", "pytorch-fid": "inception-v3/legacy-pytorch"}
# In the identity of an imported set, beside what decides its features.
MADE_BY: Final = "made_by"
BLOCK: Final = 512

Found: TypeAlias = tuple[str, Extracted | ExtractionError]


class ReferenceSetError(Exception):
    """A reference set cannot be made. The message says what came, and what to do."""


class ReferenceSetChangedError(ReferenceSetError):
    """A reference set of this name and extractor exists, and is another one."""


@dataclass(frozen=True)
class Summary:
    """Of a collection of images. ``faults`` are (name, reason) of those left out; equal files count once."""

    statistics: ReferenceStatistics
    faults: tuple[tuple[str, str], ...]
    n_copies: int


def summarize_images(
    path: Path, extractor: Extractor, store: FeatureStore, on_image: Callable[[], object] = lambda: None
) -> Summary:
    """The statistics of a folder or archive; ``on_image`` is called for each of its images.

    What the store knows is not extracted again, so that a second call goes on where a first was stopped. Raises
    ImageArchiveError, MissingWeightsError, and ReferenceSetError where too much cannot be read or too little is left.
    """
    walk = _Walk(path, on_image)
    digests, blocks, moments = list[str](), list[Features](), Moments()
    for names, rows in walk.stack(extract_all(extractor, walk.list_sources(), store)):
        digests += names
        moments = moments.add(rows)
        blocks = [*blocks, rows] if len(digests) <= MOST_ROWS else []
    n, n_faults = len(digests), len(walk.faults)
    if n_faults > MOST_UNREADABLE * (n + n_faults):
        told = "".join(f"\n  {name}: {reason}" for name, reason in walk.faults[:10])
        raise ReferenceSetError(f"{n_faults:,} of {n + n_faults:,} images cannot be read, which is too many.{told}")
    if n < 2:
        raise ReferenceSetError(f"A reference set needs at least 2 different images; {path} has {n}.")
    kept = None
    if blocks:
        # In the one order of ``stack``, so that the same images have the same moments to the bit.
        stacked = FeatureRows(tuple(blocks)).stack()
        moments = Moments()
        for start in range(0, n, BLOCK):
            moments = moments.add(stacked[start : start + BLOCK])
        kept = FeatureRows((stacked,))
    statistics = ReferenceStatistics(moments, kept, tuple(sorted(digests)))
    return Summary(statistics, tuple(walk.faults), walk.n_copies)


@dataclass
class _Walk:
    """Through a collection: which images went to the extractor, in order, and which could not."""

    path: Path
    on_image: Callable[[], object]
    faults: list[tuple[str, str]] = field(default_factory=list)
    n_copies: int = 0
    names: dict[str, str] = field(default_factory=dict)  # by sha256
    waiting: deque[str] = field(default_factory=deque)

    def list_sources(self) -> Iterator[tuple[str, Callable[[], bytes]]]:
        """(sha256, read) of each different image."""
        for name, content in walk_images(self.path):
            self.on_image()
            if isinstance(content, UnreadableImageError):
                self.faults.append((name, str(content)))
                continue
            digest = hashlib.sha256(content).hexdigest()
            if digest in self.names:
                self.n_copies += 1
                continue
            self.names[digest] = name
            self.waiting.append(digest)
            yield digest, partial(bytes, content)

    def stack(self, found: Iterable[Found]) -> Iterator[tuple[list[str], Features]]:
        """(sha256 of each, (n, d)) of up to 512 images at once, without those that have no features."""
        digests, rows = list[str](), list[Features]()
        for digest, features in self._put_in_order(found):
            if isinstance(features, dict):
                raise ReferenceSetError("This extractor gives records and no features; wanted one that gives a vector.")
            if isinstance(features, ExtractionError):
                self.faults.append((self.names[digest], str(features)))
            else:
                digests.append(digest)
                rows.append(features)
            if len(rows) == BLOCK:
                yield digests, np.stack(rows)
                digests, rows = [], []
        if rows:
            yield digests, np.stack(rows)

    def _put_in_order(self, found: Iterable[Found]) -> Iterator[Found]:
        """Answers come as they are ready; sums that must be the same each time are made in the order of the images."""
        early: dict[str, Extracted | ExtractionError] = {}
        for digest, features in found:
            early[digest] = features
            while self.waiting and self.waiting[0] in early:
                first = self.waiting.popleft()
                yield first, early.pop(first)


def import_statistics(file: Path, n: int | None = None) -> ReferenceStatistics:
    """Statistics that pytorch-fid or clean-fid wrote, of ``n`` images, if that is known. Raises ReferenceSetError."""
    try:
        with file.open("rb") as stream:
            found = ReferenceStatistics.load(stream)
    except (OSError, ValueError) as error:
        raise ReferenceSetError(f"{file} cannot be imported: {error}") from error
    if n is None or found.moments.n == n:
        return found
    if n < 2 or found.moments.n is not None:
        raise ReferenceSetError(f"{file} is of {found.moments.n or 'an unknown number of'} images, and not of {n:,}.")
    sums = Sums(n, found.moments.mean, found.moments.covariance * (n - 1))
    return ReferenceStatistics(Moments(sums), found.rows, found.digests)


def store_reference(
    name: str, extractor: str, identity: Identity, statistics: ReferenceStatistics, source: str
) -> tuple[ReferenceSet, bool]:
    """The reference set, and whether it is new. Storing the same again changes nothing. Raises ReferenceSetError."""
    try:
        validate_slug(name)
    except ValidationError as error:
        raise ReferenceSetError(f"{name!r} is no name; wanted letters, digits, hyphens and underscores.") from error
    with _written(statistics) as (file, digest):
        known = ReferenceSet.objects.filter(name=name, extractor=extractor).first()
        if known is not None and (known.digest, known.identity) != (digest, dict(identity)):
            other = "statistics" if known.digest != digest else "identity"
            raise ReferenceSetChangedError(
                f"Reference set {known} exists, made on {known.created_at:%Y-%m-%d} of {known.source};"
                f" its {other} is another. A reference set never changes: give this one another name."
            )
        # Also of one that is known: its file may be damaged.
        os.replace(file, _path(digest))
    return ReferenceSet.objects.get_or_create(
        name=name,
        extractor=extractor,
        defaults={"identity": dict(identity), "digest": digest, "n": statistics.moments.n, "source": source},
    )


def find_reference(name: str, extractor: str, identity: Identity) -> tuple[ReferenceStatistics, ReferenceSet]:
    """The reference set that was made with this extractor. Raises UnscoredError where there is none that may be compared."""
    row = ReferenceSet.objects.filter(name=name, extractor=extractor).first()
    build = f"paragone build_reference {name} FOLDER --extractor {extractor}"
    if row is None:
        raise UnscoredError(f"there is no reference set {name!r} for {extractor}; make it: {build}")
    known = {key: value for key, value in row.identity.items() if key != MADE_BY}
    if differing := sorted(key for key in known.keys() | identity.keys() if known.get(key) != identity.get(key)):
        fields = ", ".join(f"{key} {known.get(key)!r} and here {identity.get(key)!r}" for key in differing)
        raise UnscoredError(f"reference set {row} was made with another extractor: {fields}")
    try:
        with _path(row.digest).open("rb") as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() != row.digest:
                raise UnscoredError(f"the file of reference set {row} is damaged; make it again: {build}")
            stream.seek(0)
            return ReferenceStatistics.load(stream), row
    except OSError as error:
        raise UnscoredError(
            f"the file of reference set {row} cannot be read: {error.strerror}; make it: {build}"
        ) from error


def _path(digest: str) -> Path:
    return Path(settings.MEDIA_ROOT) / "references" / f"{digest}.npz"


@contextmanager
def _written(statistics: ReferenceStatistics) -> Iterator[tuple[Path, str]]:
    """(file, sha256), in the folder of reference sets, whole and on disk. It is gone afterwards unless it was moved."""
    folder = _path("").parent
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".part-") as unfinished:
        file = Path(unfinished) / "statistics.npz"
        with file.open("w+b") as stream:
            statistics.save(stream)
            stream.flush()
            os.fsync(stream.fileno())
            stream.seek(0)
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        yield file, digest
