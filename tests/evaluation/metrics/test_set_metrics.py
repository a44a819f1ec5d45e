"""Properties of all metrics that compare a run with a reference set."""

import numpy as np
import pytest

from evaluation.extractors.base import UnreadableInputError
from evaluation.metrics.base import SetMetric, UnscoredError
from evaluation.metrics.features.moments import Moments, Sums
from evaluation.metrics.features.reference import ReferenceStatistics
from evaluation.metrics.registry import build_metric
from tests.evaluation.metrics.set_samples import EXTRACTOR, draw_features, make_reference, make_sample, make_samples

NAMES = ["fid", "fid-infinity", "kid", "cmmd", "precision", "recall", "density", "coverage"]
ON_ROWS = [name for name in NAMES if not name.startswith("fid")]

every = pytest.mark.parametrize("name", NAMES)


def build(name: str) -> SetMetric:
    metric = build_metric(name, {"extractor": EXTRACTOR, "reference": "photos"})
    assert isinstance(metric, SetMetric)
    return metric


@every
def test_statistics_merged_from_workers_give_the_same_value(name: str) -> None:
    metric, reference = build(name), make_reference(draw_features(60, 8, seed=1, shift=0.4))
    samples = make_samples(draw_features(50, 8))
    whole = metric.compute(metric.summarize(samples), reference)
    parts = [metric.summarize(iter(samples[start::3])) for start in (2, 0, 1)]
    assert metric.compute(parts[0] + parts[1] + parts[2], reference) == pytest.approx(whole, rel=1e-9, abs=1e-9)
    empty = metric.summarize([])
    assert metric.compute(empty + metric.summarize(samples) + empty, reference) == pytest.approx(whole, rel=1e-9)


@every
def test_a_similar_set_has_a_better_value(name: str) -> None:
    metric, reference = build(name), make_reference(draw_features(200, 8, seed=1))
    near, far = (
        metric.compute(metric.summarize(make_samples(rows)), reference)
        for rows in (draw_features(200, 8), draw_features(200, 8) * [1, -1, 1, -1, 1, -1, 1, -1])
    )
    assert near > far if metric.declaration.higher_is_better else near < far


@every
@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_images_are_unscored(name: str, n: int) -> None:
    metric = build(name)
    with pytest.raises(UnscoredError, match=rf"at least \d images, there are {n}"):
        metric.compute(metric.summarize(make_samples(draw_features(n, 8))), make_reference(draw_features(60, 8)))


@every
def test_an_unsuitable_reference_set_is_unscored(name: str) -> None:
    metric = build(name)
    statistic = metric.summarize(make_samples(draw_features(50, 8)))
    with pytest.raises(UnscoredError, match="no reference set 'photos' for clip-image/tiny"):
        metric.compute(statistic)
    with pytest.raises(UnscoredError, match="8 features per image, the reference set 9"):
        metric.compute(statistic, make_reference(draw_features(60, 9)))
    with pytest.raises(UnscoredError, match="at least 2 images, the reference set has 1"):
        metric.compute(statistic, make_reference(draw_features(1, 8)))


@pytest.mark.parametrize("name", ON_ROWS)
def test_most_distances_need_features_of_the_reference_set(name: str) -> None:
    imported = ReferenceStatistics(Moments(Sums(None, np.zeros(8), np.eye(8))))
    metric = build(name)
    with pytest.raises(UnscoredError, match="has no features, only mean and covariance"):
        metric.compute(metric.summarize(make_samples(draw_features(50, 8))), imported)


@pytest.mark.parametrize("name", ["fid", "fid-infinity"])
def test_frechet_distances_need_only_moments_of_the_reference_set(name: str) -> None:
    rows = draw_features(80, 8, seed=1).astype(np.float64)
    imported = ReferenceStatistics(Moments(Sums(None, rows.mean(0), np.cov(rows, rowvar=False))))
    metric = build(name)
    statistic = metric.summarize(make_samples(draw_features(50, 8)))
    assert metric.compute(statistic, imported) == pytest.approx(
        metric.compute(statistic, make_reference(rows)), rel=1e-9
    )


@every
def test_a_constant_set_has_a_value(name: str) -> None:
    metric = build(name)
    statistic = metric.summarize(make_samples(np.repeat(draw_features(1, 8), 40, axis=0)))
    assert np.isfinite(metric.compute(statistic, make_reference(draw_features(60, 8, seed=1))))


@pytest.mark.parametrize("name", [*NAMES, "vendi"])
def test_samples_that_cannot_be_in_the_set_give_a_reason(name: str) -> None:
    parameters = {"extractor": EXTRACTOR} | ({} if name == "vendi" else {"reference": "photos"})
    metric = build_metric(name, parameters)
    assert isinstance(metric, SetMetric)
    assert metric.image_extractors() == (EXTRACTOR,)
    assert metric.reference_name == parameters.get("reference")
    features = draw_features(1, 8)[0]
    metric.check(make_sample(features))
    for sample, reason in (
        (make_sample(features * np.nan), "NaN or infinity"),
        (make_sample(UnreadableInputError("cut off")), "cut off"),
        (make_sample(None), "there is no output of"),
        (make_sample({"text": "STOP"}), "does not return a feature vector"),
        (make_sample(features, outcome="failed", reason="timeout"), r"no image: failed \(timeout\)"),
    ):
        with pytest.raises(UnscoredError, match=reason):
            metric.check(sample)
