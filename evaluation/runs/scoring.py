"""Scoring of a run: extracts features, computes metrics, compares with the baseline, and judges.

It reads the database and does not write to it. ``lifecycle.py`` stores the results; ``replays.py`` compares them with
stored ones.
"""

import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from django.conf import settings

from evaluation.extractors.base import UnavailableInputError
from evaluation.extractors.feature_store import FeatureStore
from evaluation.metrics.base import (
    Measurement,
    Metric,
    SampleInputs,
    SetMetric,
    UnreadSampleError,
    UnscoredError,
)
from evaluation.metrics.computing.comparing import compare_with_baseline
from evaluation.metrics.computing.evaluating import Evaluation, describe_outcome, evaluate_metric
from evaluation.models import Run, Sample, Score
from evaluation.reference_sets.references import find_reference
from evaluation.results import Comparison, MetricOutcome, Verdict
from evaluation.runs.extractions import Extractions
from evaluation.runs.image_reader import ImageReader
from evaluation.runs.sample_inputs import UNREAD, Snapshot, restore_inputs, snapshot_inputs
from evaluation.suites.gate import judge
from evaluation.suites.suite import Suite, SuiteMetric

# (stage, done, total)
OnProgress = Callable[[str, int, int], None]
# Packages whose version can change a number although images, weights and parameters are the same.
PACKAGES = ("numpy", "scipy", "torch", "onnxruntime", "transformers", "pillow", "rapidocr", "rapidfuzz", "pypiqe")


@dataclass(frozen=True, kw_only=True)
class Scoring:
    """Results of a scoring. ``inputs`` are by primary key of the sample; ``record`` holds versions and extractors."""

    outcomes: tuple[MetricOutcome, ...]
    scores: tuple[Score, ...]
    inputs: Mapping[int, Snapshot]
    verdict: Verdict | None
    record: dict[str, Any]


def score_run(run: Run, *, on_progress: OnProgress, is_last: bool = False) -> Scoring:
    """Score a run whose images are drawn, from a snapshot of its inputs and the stored one of its baseline.

    The snapshot is new, unless images could not be read when the run was scored before: then only these change.
    """
    return score_snapshot(run, snapshot_inputs(run), on_progress=on_progress, is_last=is_last)


def score_snapshot(
    run: Run, inputs: Mapping[int, Snapshot], *, on_progress: OnProgress, is_last: bool = False
) -> Scoring:
    """Score a run from a snapshot of its inputs. Only originals and features are read besides it.

    Args:
        run: The run.
        inputs: The snapshot, by primary key of the sample.
        on_progress: Called with (stage, done, total).
        is_last: Leave samples unscored whose images cannot be read, because the run is not scored later.

    Raises:
        UnavailableInputError: The disk or the bucket fails, and this is not the last attempt.
    """
    suite = Suite.model_validate(run.spec["suite"])
    store = FeatureStore(Path(settings.MEDIA_ROOT) / "features")
    extractions = Extractions(store, Path(settings.WEIGHTS), is_last=is_last)
    samples = list(run.samples.select_related("generation__prompt").order_by("pk"))
    own = [restore_inputs(inputs[sample.pk], sample.generation.prompt, extractions) for sample in samples]
    others = list(run.baseline.samples.select_related("generation__prompt").order_by("pk")) if run.baseline else []
    scored = [sample for sample in others if sample.inputs]
    baseline = [restore_inputs(sample.inputs, sample.generation.prompt, extractions) for sample in scored]
    metrics = [declared.build() for declared in suite.metrics]
    digests = [inputs[sample.pk]["original"] for sample in samples]
    digests += [sample.inputs["original"] for sample in scored]
    _extract(metrics, [*own, *baseline], digests, extractions, on_progress)
    comparing = partial(_compare, run.baseline, own, baseline, suite.confidence)
    outcomes, scores = [], []
    for n, (declared, metric) in enumerate(zip(suite.metrics, metrics, strict=True)):
        on_progress(f"metric {declared.label}", n, len(metrics))
        evaluation, outcome = _evaluate(declared, metric, own, extractions, suite.confidence, comparing)
        outcomes.append(outcome)
        scores += _list_scores(declared.label, samples, evaluation)
    return Scoring(
        outcomes=tuple(outcomes),
        scores=tuple(scores),
        inputs=inputs,
        verdict=judge(outcomes, suite.gate) if suite.gate else None,
        record={
            "versions": find_versions(),
            "extractors": dict(extractions.identities),
            **({UNREAD: extractions.unread} if extractions.unread else {}),
        },
    )


def _extract(
    metrics: Sequence[Metric],
    samples: Sequence[SampleInputs],
    digests: Sequence[str],
    extractions: Extractions,
    on_progress: OnProgress,
) -> None:
    """Run each extractor once on each image and text."""
    reader = ImageReader()
    needs = _find_needs(metrics, samples)
    for specification in _unique(spec for specs in needs.values() for spec in specs):
        of_this = [
            digest
            for sample, digest in zip(samples, digests, strict=True)
            if digest and specification in needs[sample.prompt.key]
        ]
        sources = [(digest, partial(reader.read, digest)) for digest in _unique(of_this)]
        extractions.extract_images(specification, sources, partial(on_progress, f"extractor {specification}"))
    texts = _unique(pair for metric in metrics for sample in samples for pair in metric.texts(sample.prompt))
    for specification in _unique(spec for spec, _ in texts):
        of_this = [text for spec, text in texts if spec == specification]
        extractions.extract_texts(specification, of_this, partial(on_progress, f"extractor {specification}"))


def _find_needs(metrics: Sequence[Metric], samples: Sequence[SampleInputs]) -> dict[str, list[str]]:
    """The image extractors that the metrics need, by the key of the prompt."""
    prompts = {sample.prompt.key: sample.prompt for sample in samples}
    return {
        key: _unique(
            spec for metric in metrics if metric.applies_to(prompt) for spec in metric.prompt_extractors(prompt)
        )
        for key, prompt in prompts.items()
    }


def _unique(items: Iterable[Any]) -> list[Any]:
    return list(dict.fromkeys(items))


def _evaluate(
    declared: SuiteMetric,
    metric: Metric,
    samples: Sequence[SampleInputs],
    extractions: Extractions,
    confidence: float,
    comparing: Callable[[Metric, Any], Comparison | None],
) -> tuple[Evaluation, MetricOutcome]:
    needs = _find_needs([metric], samples)
    of_texts = _unique(spec for sample in samples for spec, _ in metric.texts(sample.prompt))
    specifications = _unique([*(spec for specs in needs.values() for spec in specs), *of_texts])
    identity: dict[str, Any] = {
        "metric": declared.metric,
        "parameters": metric.model_dump(mode="json"),
        "extractors": {s: dict(extractions.identities[s]) for s in specifications if s in extractions.identities},
        **metric.replay_inputs(),
    }
    reference = None
    try:
        extractions.expect([*metric.image_extractors(), *of_texts])
        if isinstance(metric, SetMetric) and metric.reference_name is not None:
            (specification,) = metric.image_extractors()
            known = extractions.identities[specification]
            reference, row = find_reference(metric.reference_name, specification, known)
            identity["reference"] = {"name": row.name, "digest": row.digest, "n": row.n}
        evaluation = evaluate_metric(metric, samples, reference=reference, confidence=confidence)
        evaluation = replace(evaluation, warnings=(*evaluation.warnings, *extractions.warn(specifications)))
        comparison = comparing(metric, reference)
    except UnscoredError as reason:
        evaluation, comparison = _leave_unscored(reason, len(samples), confidence), None
    except UnavailableInputError as error:
        if not extractions.is_last:
            raise
        evaluation, comparison = _leave_unscored(UnreadSampleError(str(error)), len(samples), confidence), None
    if isinstance(metric, SetMetric):
        # Distances between distributions depend on the number of images.
        identity["n"] = evaluation.n_scored
    return evaluation, describe_outcome(metric, evaluation, comparison, declared.label, identity)


def _leave_unscored(reason: UnscoredError, n: int, confidence: float) -> Evaluation:
    """The evaluation of a metric that cannot be computed."""
    return Evaluation(
        n_scored=0,
        n_unscored=n,
        n_prompts=0,
        reasons={str(reason): n},
        scores=(reason,) * n,
        confidence=confidence,
        reason=str(reason),
    )


def _compare(
    baseline: Run | None,
    own: Sequence[SampleInputs],
    others: Sequence[SampleInputs],
    confidence: float,
    metric: Metric,
    reference: Any,
) -> Comparison | None:
    if baseline is None:
        return None
    if baseline.status != Run.Status.DONE:
        return Comparison(reason=f"the run of the baseline is {baseline.status}. {baseline.message}".strip())
    return compare_with_baseline(metric, own, others, reference=reference, confidence=confidence)


def _list_scores(label: str, samples: Sequence[Sample], evaluation: Evaluation) -> list[Score]:
    return [
        _describe_score(label, sample, found)
        for sample, found in zip(samples, evaluation.scores, strict=True)
        if found is not None
    ]


def _describe_score(label: str, sample: Sample, found: Measurement | UnscoredError) -> Score:
    if isinstance(found, UnscoredError):
        is_unread = isinstance(found, UnreadSampleError)
        return Score(sample=sample, label=label, error=str(found), is_unread=is_unread)
    return Score(sample=sample, label=label, value=found.values[0], columns=list(found.values), note=found.note)


def find_versions() -> dict[str, str]:
    """Installed versions of Python and of the packages that compute."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions


def as_json(found: MetricOutcome | Verdict) -> dict[str, Any]:
    """The outcome or verdict as stored in the database."""
    return asdict(found)
