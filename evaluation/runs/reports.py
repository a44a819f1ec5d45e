"""Report of a run, read from the database and the feature store."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from pydantic import TypeAdapter

from evaluation.extractors.feature_store import FeatureStore
from evaluation.models import Run, Sample, Score
from evaluation.reports.report import (
    FoundObject,
    ReadLine,
    ReportedModel,
    ReportedSuite,
    RunReport,
    SampleReport,
    SampleScore,
)
from evaluation.results import MetricOutcome, Verdict
from evaluation.runs.sample_inputs import UNREAD
from evaluation.suites.suite import Suite

OUTCOME, VERDICT = TypeAdapter(MetricOutcome), TypeAdapter(Verdict)
# The extractors whose findings are drawn over the images.
READERS, DETECTORS = ("ocr",), ("sketch-checker", "detector")


def make_report(run: Run) -> RunReport:
    """The report of a run, finished or not."""
    suite = Suite.model_validate(run.spec["suite"])
    samples = list(run.samples.select_related("generation__prompt").order_by("pk"))
    snapshots = [sample.inputs or _describe_unscored(sample) for sample in samples]
    outcomes = Counter(snapshot["outcome"] for snapshot in snapshots)
    costs = [snapshot["usd"] for snapshot in snapshots if snapshot.get("usd") is not None]
    scores, findings = _group_scores(run), _Findings(run)
    return RunReport(
        run=str(run.key),
        suite=ReportedSuite(name=suite.name, version=suite.version, digest=run.suite_digest, title=suite.title),
        model=_describe_model(run),
        baseline=_describe_model(run.baseline) if run.baseline else None,
        commit=run.commit,
        status=run.status,
        started=run.created_at.isoformat(),
        finished=run.finished_at.isoformat() if run.finished_at else "",
        n_samples=len(samples),
        n_drawn=outcomes["ok"],
        n_refused=outcomes["refused"],
        n_failed=outcomes["failed"],
        usd=sum(costs) if costs else None,
        outcomes=tuple(OUTCOME.validate_python(result.outcome) for result in run.results.all()),
        policy=suite.gate,
        verdict=VERDICT.validate_python(run.judgement) if run.judgement else None,
        samples=tuple(
            _describe_sample(sample, snapshot, scores[sample.pk], findings)
            for sample, snapshot in zip(samples, snapshots, strict=True)
        ),
        spec={**run.spec, "record": run.record},
        warnings=tuple(list_warnings(run)),
    )


def list_warnings(run: Run) -> list[str]:
    """Warnings for readers of a run's results: why it failed or waits, and images that could not be read."""
    warnings = [run.message] if run.message else []
    if n := len(run.record.get(UNREAD, {})):
        images = "1 image" if n == 1 else f"{n:,} images"
        warnings.append(
            f"{images} could not be read from the store, and metrics that need them are unscored there. When the store"
            f" is available again: paragone resume_run {str(run.key)[:8]}"
        )
    return warnings


def _describe_unscored(sample: Sample) -> dict[str, Any]:
    """The inputs known of a sample that has not been scored."""
    generation = sample.generation
    named = {"ok": "ok", "refused": "refused", "failed": "failed"}.get(generation.status, "waiting")
    return {"outcome": named, "seed": generation.seed, "reason": generation.reason, "original": generation.original}


def _describe_model(run: Run) -> ReportedModel:
    return ReportedModel(slug=run.model.slug, name=run.model.name, revision=run.model.revision, run=str(run.key))


def _group_scores(run: Run) -> Mapping[int, dict[str, SampleScore]]:
    grouped: dict[int, dict[str, SampleScore]] = defaultdict(dict)
    for score in Score.objects.filter(sample__run=run).order_by("pk"):
        grouped[score.sample_id][score.label] = SampleScore(
            value=score.value, note=score.note, error=score.error, is_unread=score.is_unread
        )
    return grouped


class _Findings:
    """Text and objects found in the images, from the feature store."""

    def __init__(self, run: Run) -> None:
        self.store = FeatureStore(Path(settings.MEDIA_ROOT) / "features")
        self.identities: Mapping[str, Any] = run.record.get("extractors", {})

    def find(self, names: tuple[str, ...], digest: str, key: str) -> list[Any]:
        """The findings of the first extractor with one of these names that saw this image."""
        for specification, identity in self.identities.items():
            if specification.partition("/")[0] in names and digest:
                found = self.store.read(identity, digest)
                if isinstance(found, dict):
                    return list(found[key])
        return []


def _describe_sample(
    sample: Sample, snapshot: Mapping[str, Any], scores: Mapping[str, SampleScore], findings: _Findings
) -> SampleReport:
    prompt, digest = sample.generation.prompt, snapshot["original"]
    return SampleReport(
        prompt_key=prompt.key,
        prompt=prompt.text,
        category=prompt.category,
        language=prompt.language,
        targets=tuple(prompt.targets),
        seed=snapshot["seed"],
        status=snapshot["outcome"],
        reason=" ".join(filter(None, (snapshot["reason"], snapshot.get("message", "")))),
        image=digest,
        scores=scores,
        lines=tuple(
            ReadLine(text=line["text"], box=tuple(map(tuple, line["box"])), confidence=line["confidence"])
            for line in findings.find(READERS, digest, "lines")
        ),
        objects=tuple(
            FoundObject(
                label=found["label"],
                box=tuple(found["box"]),
                color=found.get("color") or "",
                confidence=found.get("confidence"),
            )
            for found in findings.find(DETECTORS, digest, "objects")
        ),
    )
