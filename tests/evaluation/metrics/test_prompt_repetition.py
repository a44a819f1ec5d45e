"""Similarity of the images of a prompt."""

import numpy as np
import pytest

from evaluation.extractors.base import UnreadableInputError
from evaluation.metrics.base import UnscoredError
from evaluation.metrics.diversity import PromptSimilarity, PromptVendi
from tests.evaluation.metrics.set_samples import EXTRACTOR, make_sample

# Cosines: 0.6 between the first two; 0 and 0.8 with the third.
ROWS = [np.array(row, dtype=np.float32) for row in ([2.0, 0.0], [0.6, 0.8], [0.0, 5.0])]


def samples_of(*features):
    return [make_sample(row, seed=seed) for seed, row in enumerate(features)]


def test_similarity_is_the_mean_over_pairs() -> None:
    measured = PromptSimilarity(extractor=EXTRACTOR).measure(samples_of(*ROWS))
    assert measured.values == (pytest.approx((0.6 + 0.0 + 0.8) / 3, rel=1e-6),)
    assert measured.note == ""


def test_vendi_within_a_prompt_by_hand() -> None:
    shares = np.array([0.8, 0.2])
    measured = PromptVendi(extractor=EXTRACTOR).measure(samples_of(*ROWS[:2]))
    assert measured.values == (pytest.approx(np.exp(-(shares * np.log(shares)).sum()), rel=1e-6),)


@pytest.mark.parametrize(("metric", "alike"), [(PromptSimilarity, 1.0), (PromptVendi, 1.0)])
def test_equal_images_have_the_extreme_value(metric, alike: float) -> None:
    assert metric(extractor=EXTRACTOR).measure(samples_of(*ROWS[:1] * 4)).values == (pytest.approx(alike, rel=1e-9),)


@pytest.mark.parametrize("metric", [PromptSimilarity, PromptVendi])
def test_available_images_are_measured_and_missing_ones_noted(metric) -> None:
    built = metric(extractor=EXTRACTOR)
    broken = samples_of(*ROWS[:2], UnreadableInputError("cut off"), ROWS[2] * np.nan)
    measured = built.measure(broken)
    assert measured.values == built.measure(samples_of(*ROWS[:2])).values
    assert measured.note == "2 of 4 images; cut off"


@pytest.mark.parametrize("metric", [PromptSimilarity, PromptVendi])
def test_one_image_is_unscored_with_the_reason(metric) -> None:
    built = metric(extractor=EXTRACTOR)
    assert built.image_extractors() == (EXTRACTOR,)
    with pytest.raises(UnscoredError, match=r"at least 2 images, there are 1$"):
        built.measure(samples_of(ROWS[0]))
    refused = make_sample(None, outcome="refused", reason="policy")
    with pytest.raises(UnscoredError, match=r"there are 1; no image: refused \(policy\)"):
        built.measure([*samples_of(ROWS[0]), refused])
    with pytest.raises(UnscoredError, match=r"there are 0; the features are all zero"):
        built.measure(samples_of(ROWS[0] * 0))
