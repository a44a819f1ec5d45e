"""Retention of originals, in the media folder and in a bucket: also beside a drawing or an import in progress."""

import hashlib
import os
import time
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from django.core.files.storage import storages
from django.utils import timezone

from evaluation.extractors.feature_store import FeatureStore
from generators.images import originals
from generators.models import Prompt
from generators.orphans import prune_originals
from generators.pruning import Pruned
from tests import builders
from tests.generators.images.test_originals import place, s3  # noqa: F401  # fixtures

pytestmark = pytest.mark.django_db

DATA = b"bytes of an image"
DIGEST = hashlib.sha256(DATA).hexdigest()


def prune(*, dry_run: bool = False) -> Pruned:
    return sum(prune_originals(30, dry_run=dry_run, forget=lambda digest: None), Pruned())


@pytest.fixture
def _later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pruning happens 40 days after everything was stored."""
    later = timezone.now() + timedelta(days=40)
    monkeypatch.setattr("generators.orphans.timezone.now", lambda: later)


def age(file: Path) -> None:
    then = time.time() - 40 * 86400
    os.utime(file, (then, then))


def is_stored() -> bool:
    try:
        return originals.read(DIGEST) == DATA
    except FileNotFoundError:
        return False


def test_a_new_file_stays(place: str) -> None:  # noqa: F811
    originals.store(DATA)
    assert prune() == Pruned()
    assert is_stored()


@pytest.mark.usefixtures("_later")
def test_an_old_file_that_no_row_names_goes(place: str) -> None:  # noqa: F811
    originals.store(DATA)
    assert prune(dry_run=True) == Pruned(1, len(DATA))
    assert is_stored()
    assert prune() == Pruned(1, len(DATA))
    assert not is_stored()
    assert prune() == Pruned()


@pytest.mark.usefixtures("_later")
@pytest.mark.parametrize("use", ["original", "source", "mask"])
def test_a_file_that_a_row_names_stays(place: str, use: str) -> None:  # noqa: F811
    originals.store(DATA)
    board = builders.make_board(drawn=use == "original")
    if use == "original":
        board.image_models.first().generations.update(original=DIGEST)  # type: ignore[union-attr]
    else:
        named = {"sources": [DIGEST]} if use == "source" else {"sources": ["0" * 64], "mask": DIGEST}
        Prompt.objects.update(**named)
    prune()
    assert is_stored()


def test_storing_the_same_bytes_again_renews_the_age() -> None:
    file = originals.path(originals.store(DATA))
    age(file)
    originals.store(DATA)
    assert prune() == Pruned()
    assert is_stored()


@pytest.mark.usefixtures("place")
def test_storing_again_in_a_bucket_renews_the_age(monkeypatch: pytest.MonkeyPatch) -> None:
    originals.store(DATA)
    saved: list[str] = []
    if "originals" not in originals.settings.STORAGES:
        return
    bucket = storages["originals"]
    monkeypatch.setattr(bucket, "save", lambda name, content: saved.append(name))
    originals.store(DATA)
    assert saved == []
    monkeypatch.setattr(originals, "RENEW_AFTER", timedelta(0))
    originals.store(DATA)
    assert saved == [f"{DIGEST[:2]}/{DIGEST}"]


def test_a_file_that_is_stored_again_while_it_is_removed_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """At any moment: before the old file is put aside, and after."""
    replace = os.replace
    for first in (True, False):
        file = originals.path(originals.store(DATA))
        age(file)

        def replace_around(source: Path, target: Path, first: bool = first) -> None:
            monkeypatch.setattr(os, "replace", replace)
            if first:
                originals.store(DATA)
            replace(source, target)
            if not first:
                originals.store(DATA)

        monkeypatch.setattr(os, "replace", replace_around)
        prune()
        assert is_stored()


def test_a_file_that_a_killed_process_put_aside_comes_back() -> None:
    file = originals.path(originals.store(DATA))
    file.rename(file.with_name(originals.ASIDE + DIGEST))
    assert prune() == Pruned()
    assert is_stored()


@pytest.mark.usefixtures("_later")
def test_the_features_of_a_deleted_original_go_with_it(tmp_path: Path) -> None:
    features = FeatureStore(tmp_path)
    identity, other = {"name": "one"}, "f" * 64
    for digest in (DIGEST, other):
        features.write(identity, digest, np.ones(3, np.float32))
    features.write({"name": "two"}, DIGEST, {"text": "a record"})
    originals.store(DATA)
    list(prune_originals(30, dry_run=True, forget=features.forget))
    assert features.has(identity, DIGEST)
    list(prune_originals(30, dry_run=False, forget=features.forget))
    assert not features.has(identity, DIGEST)
    assert not features.has({"name": "two"}, DIGEST)
    assert features.has(identity, other)
