"""Reference sets, to which distances are measured: built from images or imported, stored, found. They never change.

::

    ReferenceSetError               the set cannot be made
      ReferenceSetChangedError      a set of that name exists with other images or another identity
"""

import hashlib
import io
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
from PIL import Image

from evaluation.extractors.base import ExtractionError, Extractor, Identity, UnavailableInputError
from evaluation.extractors.feature_store import FeatureStore
from evaluation.extractors.pipeline import Answer, extract_all
from evaluation.metrics.base import UnscoredError
from evaluation.metrics.features.moments import Moments
from evaluation.metrics.features.reference import ReferenceStatistics
from evaluation.metrics.features.rows import FeatureRows, Features
from evaluation.models import ReferenceSet
from generators.images.archives import NoImageError, UnreadableImageError, walk_images
from generators.input_files.faults import describe_files, make_printable

# Features of more images are summed and not kept. This many take 160 MB, at 2,048 numbers per image.
MAX_ROWS: Final = 20_000
# A larger share of unreadable images means a broken download rather than a few bad files. It needs a decision.
MAX_UNREADABLE: Final = 0.05
# Programs that write statistics files, and the extractor whose features they use.
STATISTICS_PROGRAMS: Final = {"clean-fid": "inception-v3/clean", "pytorch-fid": "inception-v3/legacy-pytorch"}
# Key in the identity of an imported set that names its program.
MADE_BY: Final = "made_by"
BLOCK: Final = 512
NO_VECTORS: Final = "This extractor returns records. Reference sets need one that returns vectors."

Found: TypeAlias = tuple[str, Answer]


class ReferenceSetError(Exception):
    """The reference set cannot be made."""


class ReferenceSetChangedError(ReferenceSetError):
    """A different reference set of this name and extractor exists."""


@dataclass(frozen=True)
class Summary:
    """Statistics of a collection of images, and the files that are not in it, as (name, reason).

    Attributes:
        statistics: Of the images, each content once.
        unreadable: Files that should be images, by their bytes or their name, and cannot be read as one still image.
        no_images: The other files that are no images.
        n_copies: Images whose content is that of an earlier one.
    """

    statistics: ReferenceStatistics
    unreadable: tuple[tuple[str, str], ...]
    no_images: tuple[tuple[str, str], ...]
    n_copies: int

    @property
    def n_images(self) -> int:
        """Files that are images or should be."""
        return len(self.statistics.digests) + self.n_copies + len(self.unreadable)


def summarize_images(
    path: Path,
    extractor: Extractor,
    store: FeatureStore,
    on_file: Callable[[], object] = lambda: None,
    *,
    allow_unreadable: bool = False,
) -> Summary:
    """Statistics of the images in a folder or archive.

    Features in the store are not extracted again, so an interrupted call can be repeated.

    Args:
        path: The folder or archive.
        extractor: An extractor that returns vectors.
        store: Where features are read from and written to.
        on_file: Called for each file.
        allow_unreadable: Take the readable images, however few they are of all.

    Raises:
        ImageArchiveError: The folder or archive cannot be read.
        MissingWeightsError: The files of the network are missing or wrong.
        ReferenceSetError: More than 5 % of the images cannot be read and this is not allowed, or fewer than two remain.
    """
    walk = _Walk(path, on_file)
    digests, blocks, moments = list[str](), list[Features](), Moments()
    for names, rows in walk.stack(extract_all(extractor, walk.list_sources(), store)):
        digests += names
        moments = moments.add(rows)
        blocks = [*blocks, rows] if len(digests) <= MAX_ROWS else []
    kept = None
    if blocks:
        # Summed in the order of ``stack``, so that the same images have bit-identical moments.
        stacked = FeatureRows(tuple(blocks)).stack()
        moments = Moments()
        for start in range(0, len(stacked), BLOCK):
            moments = moments.add(stacked[start : start + BLOCK])
        kept = FeatureRows((stacked,))
    # Before the copies are counted, because it removes those of unreadable images.
    unreadable = walk.list_unreadable()
    n_copies = sum(map(len, walk.names.values())) - len(walk.names)
    statistics = ReferenceStatistics(moments, kept, tuple(sorted(digests)))
    summary = Summary(statistics, tuple(unreadable), tuple(walk.no_images), n_copies)
    _expect_enough(summary, path, allow_unreadable=allow_unreadable)
    return summary


def _expect_enough(summary: Summary, path: Path, *, allow_unreadable: bool) -> None:
    """Raise ReferenceSetError if too many images are unreadable, or fewer than two are left."""
    n, n_unreadable, n_images = len(summary.statistics.digests), len(summary.unreadable), summary.n_images
    if n_unreadable > MAX_UNREADABLE * n_images and not allow_unreadable:
        raise ReferenceSetError(
            f"{n_unreadable:,} of {n_images:,} images ({100 * n_unreadable / n_images:.1f} %) cannot be read; at most"
            f" {100 * MAX_UNREADABLE:.0f} % may be. Repair or remove them, or leave them out with --allow-unreadable."
            f"{describe_files(summary.unreadable)}"
        )
    if n < 2:
        left_out = [*summary.unreadable, *summary.no_images]
        raise ReferenceSetError(
            f"A reference set needs at least 2 different images; {path} has {n}, and {len(left_out):,} other files."
            f"{describe_files(left_out)}"
        )


@dataclass
class _Walk:
    """The files of a collection: those sent to the extractor, in order, and those left out."""

    path: Path
    on_file: Callable[[], object]
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    no_images: list[tuple[str, str]] = field(default_factory=list)
    names: dict[str, list[str]] = field(default_factory=dict)  # of the files with the same content, by sha256
    failed: dict[str, str] = field(default_factory=dict)  # reason by sha256
    waiting: deque[str] = field(default_factory=deque)

    def list_sources(self) -> Iterator[tuple[str, Callable[[], bytes]]]:
        """(sha256, read) of each image, without duplicates."""
        for name, content in walk_images(self.path):
            self.on_file()
            if isinstance(content, UnreadableImageError | NoImageError):
                left_out = self.no_images if isinstance(content, NoImageError) else self.unreadable
                left_out.append((name, str(content)))
                continue
            digest = hashlib.sha256(content).hexdigest()
            if digest in self.names:
                self.names[digest].append(name)
                continue
            self.names[digest] = [name]
            self.waiting.append(digest)
            yield digest, partial(bytes, content)

    def stack(self, found: Iterable[Found]) -> Iterator[tuple[list[str], Features]]:
        """Blocks of up to 512 images that have features: their sha256 and their features (n, d)."""
        digests, rows = list[str](), list[Features]()
        for digest, features in self._put_in_order(found):
            if isinstance(features, dict):
                raise ReferenceSetError(NO_VECTORS)
            if isinstance(features, Exception):
                self.failed[digest] = str(features)
            else:
                digests.append(digest)
                rows.append(features)
            if len(rows) == BLOCK:
                yield digests, np.stack(rows)
                digests, rows = [], []
        if rows:
            yield digests, np.stack(rows)

    def list_unreadable(self) -> list[tuple[str, str]]:
        """(name, reason) of all files that cannot be read, and their copies. They are removed from ``names``."""
        failed = [(name, reason) for digest, reason in self.failed.items() for name in self.names.pop(digest)]
        return sorted([*self.unreadable, *failed])

    def _put_in_order(self, found: Iterable[Found]) -> Iterator[Found]:
        """The answers in the order of the images, so that sums are reproducible."""
        early: dict[str, Answer] = {}
        for digest, features in found:
            early[digest] = features
            while self.waiting and self.waiting[0] in early:
                first = self.waiting.popleft()
                yield first, early.pop(first)


def import_statistics(file: Path, extractor: Extractor, n: int | None = None) -> ReferenceStatistics:
    """Statistics written by pytorch-fid or clean-fid, of ``n`` images if known. Raises ReferenceSetError.

    They must have as many features as ``extractor`` returns.
    """
    try:
        with file.open("rb") as stream:
            found = ReferenceStatistics.load(stream)
        if n is not None:
            found = found.count(n)
    except (OSError, ValueError) as error:
        raise ReferenceSetError(f"{file} cannot be imported: {error}") from error
    if found.moments.d != (d := _count_features(extractor)):
        raise ReferenceSetError(
            f"{file} cannot be imported: it has {found.moments.d:,} features, the extractor returns {d:,}. Name the"
            " extractor whose features they are."
        )
    return found


def _count_features(extractor: Extractor) -> int:
    """Number of features of an image. It is tried out if the identity does not state it."""
    stated = extractor.identity.get("features")
    if isinstance(stated, int):
        return stated
    out = io.BytesIO()
    Image.new("RGB", (64, 64), (128, 128, 128)).save(out, "PNG")
    (found,) = extractor.extract([extractor.prepare(out.getvalue())])
    if isinstance(found, dict):
        raise ReferenceSetError(NO_VECTORS)
    if isinstance(found, ExtractionError):
        raise ReferenceSetError(f"This extractor returns nothing for a grey image: {found}")
    return len(found)


def store_reference(
    name: str, extractor: str, identity: Identity, statistics: ReferenceStatistics, source: str
) -> tuple[ReferenceSet, bool]:
    """The reference set, and whether it is new. Raises ReferenceSetError if another one has its name."""
    try:
        validate_slug(name)
    except ValidationError as error:
        raise ReferenceSetError(
            f"{name!r} is not a valid name. Use letters, digits, hyphens and underscores."
        ) from error
    with _written(statistics) as (file, digest):
        known = ReferenceSet.objects.filter(name=name, extractor=extractor).first()
        if known is not None and (known.digest, known.identity) != (digest, dict(identity)):
            other = "statistics" if known.digest != digest else "identity"
            raise ReferenceSetChangedError(
                f"Reference set {known} exists with other {other}, made on {known.created_at:%Y-%m-%d} from"
                f" {known.source}. Give this one another name: reference sets never change."
            )
        # Also for an existing set, whose file may be damaged.
        os.replace(file, _path(digest))
    return ReferenceSet.objects.get_or_create(
        name=name,
        extractor=extractor,
        defaults={
            "identity": dict(identity),
            "digest": digest,
            "n": statistics.moments.n,
            "source": make_printable(source),
        },
    )


def find_reference(name: str, extractor: str, identity: Identity) -> tuple[ReferenceStatistics, ReferenceSet]:
    """The reference set made with this extractor. Raises UnscoredError if there is none with the same identity."""
    row = ReferenceSet.objects.filter(name=name, extractor=extractor).first()
    build = f"paragone build_reference {name} FOLDER --extractor {extractor}"
    if row is None:
        raise UnscoredError(f"there is no reference set {name!r} for {extractor}. Build it: {build}")
    known = {key: value for key, value in row.identity.items() if key != MADE_BY}
    if differing := sorted(key for key in known.keys() | identity.keys() if known.get(key) != identity.get(key)):
        fields = ", ".join(f"{key} is {known.get(key)!r}, here {identity.get(key)!r}" for key in differing)
        raise UnscoredError(f"reference set {row} was made with another extractor: {fields}")
    try:
        with _path(row.digest).open("rb") as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() != row.digest:
                raise UnscoredError(f"the file of reference set {row} is damaged. Build it again: {build}")
            stream.seek(0)
            return ReferenceStatistics.load(stream), row
    except ValueError as error:
        raise UnscoredError(f"the file of reference set {row} cannot be used: {error}") from error
    except FileNotFoundError as error:
        raise UnscoredError(
            f"the file of reference set {row} cannot be read: {error.strerror}. Build it again: {build}"
        ) from error
    except OSError as error:
        raise UnavailableInputError(f"The file of reference set {row} cannot be read now: {error.strerror}") from error


def _path(digest: str) -> Path:
    return Path(settings.MEDIA_ROOT) / "references" / f"{digest}.npz"


@contextmanager
def _written(statistics: ReferenceStatistics) -> Iterator[tuple[Path, str]]:
    """(file, sha256) of the statistics, complete and synced to disk. Deleted afterwards unless it was moved."""
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
