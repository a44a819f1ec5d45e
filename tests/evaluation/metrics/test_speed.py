"""Latency per call, time for several variants, and price per image."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from evaluation.metrics.base import Measurement, PromptInputs, SampleInputs, UnscoredError
from evaluation.metrics.speed import ImagePrice, Latency, VariantsTime

PROMPT = PromptInputs(key="p", text="a cat")


def sample(seconds: float | None = None, call: object = None, **inputs) -> SampleInputs:
    return SampleInputs(prompt=PROMPT, seed=0, seconds=seconds, call=call, **inputs)


def find_latency(samples: list[SampleInputs], percentile: float) -> float:
    metric = Latency(percentile=percentile)
    measured = [m for m in metric.measure_all(samples) if isinstance(m, Measurement)]
    return metric.aggregate(np.array([m.values for m in measured]))


@given(
    seconds=st.lists(st.floats(0.01, 1e4), min_size=1, max_size=40),
    percentile=st.floats(0.5, 99.5),
)
def test_latency_is_the_nearest_rank_percentile(seconds: list[float], percentile: float) -> None:
    found = find_latency([sample(each) for each in seconds], percentile)
    assert found == np.percentile(seconds, percentile, method="inverted_cdf")


def test_a_call_with_several_images_counts_once() -> None:
    slow = [sample(9.0, call="one") for _ in range(8)]
    fast = [sample(float(n), call=n) for n in (1, 2, 3)]
    assert find_latency(slow + fast, 50) == 2.0
    assert find_latency(slow + fast, 75) == 3.0
    assert find_latency(slow + fast, 76) == 9.0
    assert Latency().measure_all(slow)[0].note == "one of 8 images of a call"


def test_failed_and_untimed_calls_are_unscored() -> None:
    samples = [sample(1.0), sample(None), sample(2.0, outcome="failed", reason="timed out")]
    measured = Latency().measure_all(samples)
    assert measured[0] == Measurement((1.0, 1.0))
    assert [str(m) for m in measured[1:]] == ["the duration is unknown", "no image: failed (timed out)"]
    with pytest.raises(ValidationError):
        Latency(percentile=100)


def test_the_time_for_variants_is_the_sum_over_their_calls() -> None:
    one_call = [sample(12.0, call="a") for _ in range(5)]
    assert VariantsTime().measure(one_call) == Measurement((12.0,), "5 variants in 1 call")
    two_calls = [sample(4.0, call="a")] * 4 + [sample(3.0, call="b")] * 4
    assert VariantsTime().measure(two_calls) == Measurement((7.0,), "5 variants in 2 calls")
    assert VariantsTime(n=4).measure(two_calls).values == (4.0,)
    alone = [sample(1.5), sample(2.5)]
    assert VariantsTime(n=2).measure(alone).values == (4.0,)


def test_too_few_variants_are_unscored() -> None:
    samples = [sample(1.0, call=n) for n in range(4)] + [sample(1.0, outcome="failed")]
    with pytest.raises(UnscoredError, match="4 of 5 images"):
        VariantsTime().measure(samples)


def test_an_unknown_price_is_unscored() -> None:
    assert ImagePrice().measure(sample(usd=0.04)).values == (0.04,)
    assert ImagePrice().measure(sample(usd=0.0)).values == (0.0,)
    with pytest.raises(UnscoredError, match="the price is unknown"):
        ImagePrice().measure(sample())
