"""Models of the evaluation: runs of suites with their samples, scores and metric results; reference sets."""

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from generators.models import Budget, Generation, ImageModel


class ReferenceSet(models.Model):
    """Statistics of a set of images that distances are measured to. A reference set never changes."""

    name = models.SlugField(max_length=100)
    extractor = models.CharField(max_length=200, help_text="specification of the extractor")
    identity = models.JSONField(help_text="identity of the extractor; of an imported set, as far as known")
    digest = models.CharField(max_length=64, help_text="sha256 of the stored statistics")
    n = models.PositiveIntegerField(null=True, help_text="number of images; empty if an imported file does not say")
    source = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint("name", "extractor", name="one_reference_set_per_extractor"),
            models.CheckConstraint(condition=Q(n__isnull=True) | Q(n__gte=2), name="reference_set_has_two_images"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.extractor})"


class Run(models.Model):
    """One execution of a suite on one model. Only ``runs/lifecycle.py`` changes its state."""

    class Status(models.TextChoices):
        PREPARING = "preparing"
        DRAWING = "drawing"
        SCORING = "scoring"
        DONE = "done"
        FAILED = "failed"

    class Verdict(models.TextChoices):
        NONE = "", "no verdict"
        PASS = "pass"  # noqa: S105
        FAIL = "fail"
        INCONCLUSIVE = "inconclusive"

    OPEN: ClassVar = (Status.PREPARING, Status.DRAWING, Status.SCORING)

    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    suite = models.CharField(max_length=100)
    suite_digest = models.CharField(max_length=64)
    model = models.ForeignKey(ImageModel, models.PROTECT, related_name="runs")
    baseline = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="compared")
    commit = models.CharField(max_length=100, blank=True, help_text="commit of the training code")
    spec = models.JSONField(help_text="everything the numbers depend on, recorded at the start")
    budget = models.ForeignKey(Budget, models.PROTECT, null=True, blank=True, related_name="runs")

    status = models.CharField(max_length=10, choices=Status, default=Status.PREPARING)
    verdict = models.CharField(max_length=12, choices=Verdict, default=Verdict.NONE, blank=True)
    judgement = models.JSONField(default=dict, blank=True, help_text="verdict of each rule")
    record = models.JSONField(default=dict, blank=True, help_text="versions and digests used for scoring")
    attempts = models.PositiveSmallIntegerField(default=0, help_text="number of times that scoring has started")
    put_offs = models.PositiveSmallIntegerField(
        default=0, help_text="number of times that scoring was put off because images could not be read"
    )
    # While scoring: start and end of a worker's claim. Without a claim, due_at is when to dispatch the run (again).
    claimed_at = models.DateTimeField(null=True, blank=True)
    due_at = models.DateTimeField(null=True, blank=True)
    progress = models.JSONField(default=dict, blank=True, help_text="current stage, with the numbers done and in total")
    message = models.TextField(blank=True, help_text="why the run failed, or why its scoring waits")
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-created_at"]
        indexes: ClassVar = [models.Index(F("created_at").desc(), name="run_newest")]
        constraints: ClassVar = [
            models.UniqueConstraint(
                "suite", "suite_digest", "model", "commit", "baseline", name="one_run_per_checkpoint_and_baseline"
            ),
            models.UniqueConstraint(
                "suite", "suite_digest", "model", "commit", name="one_run_per_checkpoint", condition=Q(baseline=None)
            ),
            models.CheckConstraint(
                condition=Q(status__in=["preparing", "drawing", "scoring", "done", "failed"]), name="run_status_known"
            ),
            models.CheckConstraint(
                condition=Q(verdict__in=["", "pass", "fail", "inconclusive"]), name="run_verdict_known"
            ),
            models.CheckConstraint(condition=Q(verdict="") | Q(status="done"), name="run_verdict_when_done"),
            models.CheckConstraint(condition=~Q(status="failed") | ~Q(message=""), name="run_failure_has_a_message"),
        ]

    def __str__(self) -> str:
        return f"{self.suite} on {self.model_id}: {self.status}"

    @property
    def is_open(self) -> bool:
        """Whether the run has not ended."""
        return self.status in self.OPEN


class Sample(models.Model):
    """Run × prompt × seed. Runs of one model share their generations."""

    run = models.ForeignKey(Run, models.CASCADE, related_name="samples")
    generation = models.ForeignKey(Generation, models.PROTECT, related_name="samples")
    # Taken when the run is scored, so that later votes, prices and retries do not change a replay.
    inputs = models.JSONField(default=dict, blank=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint("run", "generation", name="one_sample_per_generation")]

    def __str__(self) -> str:
        return f"sample {self.pk} of run {self.run_id}"


class Score(models.Model):
    """A metric's value for one sample, or the reason why it has none."""

    sample = models.ForeignKey(Sample, models.CASCADE, related_name="scores")
    label = models.CharField(max_length=100, help_text="label of the metric in the suite")
    value = models.FloatField(null=True)
    columns = models.JSONField(default=list, blank=True, help_text="all measured numbers, the value first")
    note = models.TextField(blank=True)
    error = models.TextField(blank=True)
    is_unread = models.BooleanField(
        default=False, help_text="there is no value because the image could not be read from the store"
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint("sample", "label", name="one_score_per_metric"),
            models.CheckConstraint(
                condition=Q(value__isnull=True) & ~Q(error="") | Q(value__isnull=False) & Q(error=""),
                name="score_is_a_value_or_an_error",
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["label", "value"], name="score_values")]

    def __str__(self) -> str:
        return f"{self.label}: {self.error or self.value}"


class MetricResult(models.Model):
    """A metric over a whole run: the MetricOutcome, and the fields that pages sort and filter by."""

    run = models.ForeignKey(Run, models.CASCADE, related_name="results")
    label = models.CharField(max_length=100)
    value = models.FloatField(null=True)
    ci_low = models.FloatField(null=True)
    ci_high = models.FloatField(null=True)
    n_scored = models.PositiveIntegerField()
    n_unscored = models.PositiveIntegerField()
    reason = models.TextField(blank=True, help_text="why the metric has no value")
    outcome = models.JSONField()

    class Meta:
        ordering: ClassVar = ["pk"]
        constraints: ClassVar = [
            models.UniqueConstraint("run", "label", name="one_result_per_metric"),
            models.CheckConstraint(
                condition=Q(value__isnull=False) | ~Q(reason=""), name="metric_result_has_a_value_or_a_reason"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.label}: {self.reason or self.value}"
