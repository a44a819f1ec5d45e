"""Near-duplicate rate: images that resemble one of another prompt."""

import numpy as np
import pytest

from evaluation.metrics.base import Measurement, SampleInputs, UnscoredError
from evaluation.metrics.near_duplicates import NearDuplicateRate
from tests.evaluation.metrics.set_samples import make_sample

FAR, NEAR, OTHER = "ffff0000ffff0000", "ffff0000ffff0007", "0123456789abcdef"


def sample(prompt: str, phash: str, seed: int = 0, **inputs) -> SampleInputs:
    return make_sample(None, prompt=prompt, seed=seed, phash=phash, **inputs)


def test_an_image_similar_to_one_of_another_prompt_counts() -> None:
    samples = [sample("cat", FAR), sample("dog", NEAR, 4), sample("sun", OTHER)]
    found = NearDuplicateRate().measure_all(samples)
    assert found == [
        Measurement((1.0,), "3 of 64 bits from prompt dog, seed 4"),
        Measurement((1.0,), "3 of 64 bits from prompt cat, seed 0"),
        Measurement((0.0,)),
    ]
    rows = np.array([m.values for m in found if isinstance(m, Measurement)])
    assert NearDuplicateRate().aggregate(rows) == pytest.approx(2 / 3)


def test_images_of_one_prompt_do_not_count() -> None:
    samples = [sample("cat", FAR), sample("cat", FAR, 1), sample("dog", OTHER)]
    assert NearDuplicateRate().measure_all(samples) == [Measurement((0.0,))] * 3


def test_the_distance_is_a_parameter() -> None:
    samples = [sample("cat", FAR), sample("dog", NEAR)]
    assert NearDuplicateRate(max_distance=2).measure_all(samples) == [Measurement((0.0,))] * 2


def test_images_without_a_hash_are_unscored_in_place() -> None:
    samples = [sample("cat", ""), sample("cat", FAR), sample("dog", "zz", outcome="refused"), sample("dog", FAR)]
    first, second, third, fourth = NearDuplicateRate().measure_all(samples)
    assert isinstance(first, UnscoredError)
    assert str(first) == "a perceptual hash has 16 hex digits, got ''"
    assert str(third) == "no image: refused"
    assert second == Measurement((1.0,), "0 of 64 bits from prompt dog, seed 0")
    assert fourth == Measurement((1.0,), "0 of 64 bits from prompt cat, seed 0")


def test_a_single_prompt_is_unscored() -> None:
    for samples in ([sample("cat", FAR)], [sample("cat", FAR), sample("cat", OTHER, 1)]):
        found = NearDuplicateRate().measure_all(samples)
        assert [str(reason) for reason in found] == ["there is no image of another prompt"] * len(samples)
    with pytest.raises(UnscoredError, match="no image of another prompt"):
        NearDuplicateRate().measure(sample("cat", FAR))
    assert NearDuplicateRate().measure_all([]) == []
