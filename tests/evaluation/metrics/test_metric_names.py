"""Names of metrics in reports: they follow the network that a suite chooses."""

from typing import Any

import pytest

from evaluation.extractors.base import Identity
from evaluation.metrics.computing.evaluating import describe_outcome, evaluate_metric
from evaluation.metrics.registry import METRICS, build_metric, find_metric
from evaluation.reports.html import to_html
from evaluation.reports.json import to_json
from evaluation.reports.junit import to_junit
from evaluation.reports.markdown import to_markdown
from evaluation.results import MetricOutcome
from evaluation.suites.gate import Rule
from tests.evaluation.metrics.set_samples import make_samples
from tests.evaluation.reports.sample_reports import make_report, read_image

REFERENCE = {"reference": "photos"}
LITE = {"extractor": "efficientnet-lite0"}
# The parameter that chooses a network, and three values of it.
CHOICES = {
    "extractor": ("inception-v3/clean", "clip-image/mine", "dinov2/vit-s-14"),
    "model": ("vit-b-32", "vit-l-14", "mine"),
    "checker": ("sketch-checker", "detector/rtdetr-r50", "detector/mine"),
}
CHOOSING = [(name, key) for name in METRICS for key in CHOICES if key in find_metric(name).model_fields]


def complete(name: str, parameters: dict[str, Any]) -> dict[str, Any]:
    return parameters | (REFERENCE if "reference" in find_metric(name).model_fields else {})


def name_metric(name: str, **parameters: Any) -> str:
    return build_metric(name, complete(name, parameters)).title


@pytest.mark.parametrize(
    ("name", "extractor", "title"),
    [
        ("fid", "inception-v3/clean", "Fréchet Inception distance (FID)"),
        ("fid", "inception-v3/legacy-tensorflow", "Fréchet Inception distance (FID)"),
        ("fid", "inception-v3/torchmetrics:64", "Fréchet distance, Inception-v3, first 64 features (FD-Inception64)"),
        ("fid", "efficientnet-lite0", "Fréchet distance, EfficientNet-Lite0 features (FD-EffNetLite0)"),
        ("fid", "dinov2/vit-l-14", "Fréchet distance, DINOv2 vit-l-14 features (FD-DINOv2-vit-l-14)"),
        ("fid", "clip-image/vit-b-32", "Fréchet distance, CLIP vit-b-32 features (FD-CLIP-vit-b-32)"),
        (
            "fid-infinity",
            "inception-v3/clean",
            "Fréchet Inception distance for infinitely many images (FID∞)",
        ),
        (
            "fid-infinity",
            "efficientnet-lite0",
            "Fréchet distance for infinitely many images, EfficientNet-Lite0 features (FD∞-EffNetLite0)",
        ),
        ("kid", "inception-v3/clean", "Kernel Inception distance (KID)"),
        ("kid", "efficientnet-lite0", "Kernel distance, EfficientNet-Lite0 features (KD-EffNetLite0)"),
        ("cmmd", "clip-image/vit-l-14-336", "CLIP maximum mean discrepancy (CMMD)"),
        ("cmmd", "clip-image/vit-b-32", "Maximum mean discrepancy, CLIP vit-b-32 features (MMD-CLIP-vit-b-32)"),
        ("recall", "efficientnet-lite0", "Recall, EfficientNet-Lite0 features"),
        ("coverage", "dinov2/vit-s-14", "Coverage, DINOv2 vit-s-14 features"),
        ("vendi", "efficientnet-lite0", "Vendi score, EfficientNet-Lite0 features"),
        ("prompt-vendi", "clip-image/mine", "Vendi score within a prompt, CLIP mine features"),
    ],
)
def test_a_distance_has_its_published_name_only_with_its_network(name: str, extractor: str, title: str) -> None:
    assert name_metric(name, extractor=extractor) == title


def test_a_clip_score_names_its_network() -> None:
    assert name_metric("clip-score") == "CLIPScore, CLIP vit-b-32 features"
    assert name_metric("clip-score", model="vit-l-14") == "CLIPScore, CLIP vit-l-14 features"
    assert name_metric("clip-score-100") == "CLIPScore (of 100), CLIP vit-l-14 features"
    assert name_metric("clip-retrieval-rank", model="mine") == "Retrieval rank of the right prompt, CLIP mine features"


@pytest.mark.parametrize(("name", "key"), CHOOSING)
def test_another_network_gives_another_name(name: str, key: str) -> None:
    names = CHOICES[key][1:] if name == "cmmd" else CHOICES[key]
    names = ("clip-image/mine", "clip-image/other") if name == "cmmd" else names
    built = [build_metric(name, complete(name, {key: chosen})) for chosen in names]
    assert len({metric.title for metric in built}) == len(names)
    assert all(metric.network and metric.declaration.title for metric in built)
    for metric in built[1:]:
        assert metric.network in metric.title
        assert "FID" not in metric.title
        assert "Inception" not in metric.title


def test_all_metrics_with_features_are_among_these() -> None:
    assert {name for name, _ in CHOOSING} >= {
        *("fid", "fid-infinity", "kid", "cmmd", "precision", "recall", "density", "coverage"),
        *("vendi", "prompt-vendi", "prompt-similarity", "clip-score", "clip-score-100", "clip-retrieval-rank"),
        *("composition", "composition-objects", "composition-counts", "composition-colors", "composition-positions"),
    }


@pytest.mark.parametrize("name", [name for name in METRICS if name not in dict(CHOOSING)])
def test_a_metric_without_a_choice_has_its_title(name: str) -> None:
    parameters = {"expected": "refused"} if name == "refusal-rate" else {}
    metric = build_metric(name, parameters)
    assert (metric.title, metric.network) == (metric.declaration.title, "")


def make_outcome(name: str, **parameters: Any) -> MetricOutcome:
    metric = build_metric(name, complete(name, parameters))
    identity: Identity = {}
    return describe_outcome(metric, evaluate_metric(metric, make_samples([])), None, name, identity)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["fid", "kid", "precision", "vendi"])
def test_every_report_and_the_gate_name_the_network(name: str) -> None:
    outcome = make_outcome(name, **LITE)
    report = make_report(outcomes=(outcome,), policy=(Rule(metric=name, at_most=3),))
    [rule] = report.verdict.rules if report.verdict else []
    assert rule.rule.startswith(f"{name} with EfficientNet-Lite0 at most 3")
    for text in (to_markdown(report), to_junit(report), to_json(report), to_html(report, read_image)):
        assert outcome.title in text
        assert f"{name} with EfficientNet-Lite0 at most 3" in text
        assert "Inception" not in text
