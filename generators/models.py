"""Who draws, from what, and what came out."""

from datetime import datetime
from typing import ClassVar

from django.db import models
from django.db.models import F, Q


class ImageModel(models.Model):
    """One revision of a system under test. A new revision is a new contestant, with a row of its own."""

    class Lifecycle(models.TextChoices):
        PRIVATE = "private"
        PREVIEW = "preview"
        LIVE = "live"
        RETIRED = "retired"

    slug = models.SlugField(max_length=100, unique=True)
    name = models.CharField(max_length=200)
    organization = models.CharField(max_length=200, blank=True)
    license = models.CharField(max_length=200, blank=True)
    family = models.CharField(max_length=200)
    revision = models.CharField(max_length=200, default="1")
    in_house = models.BooleanField(default=False)
    # Without an adapter nothing can be drawn here: images or votes of this model were made elsewhere.
    adapter = models.CharField(max_length=50, blank=True)
    settings = models.JSONField(default=dict, blank=True)
    lifecycle = models.CharField(max_length=10, choices=Lifecycle, default=Lifecycle.LIVE)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["slug"]
        constraints: ClassVar = [
            models.UniqueConstraint("family", "revision", name="one_image_model_per_revision"),
        ]

    def __str__(self) -> str:
        return self.name


class PromptSet(models.Model):
    """A collection of prompts that never changes: another content is another version."""

    slug = models.SlugField(max_length=100)
    version = models.CharField(max_length=50)
    title = models.CharField(max_length=200)
    source = models.CharField(max_length=300, blank=True)
    license = models.CharField(max_length=200, blank=True)
    digest = models.CharField(max_length=64)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint("slug", "version", name="one_prompt_set_per_version")]

    def __str__(self) -> str:
        return f"{self.slug} {self.version}"


class Prompt(models.Model):
    prompt_set = models.ForeignKey(PromptSet, models.PROTECT, related_name="prompts")
    key = models.CharField(max_length=200)
    text = models.TextField()
    category = models.CharField(max_length=50, blank=True)
    language = models.CharField(max_length=35, blank=True)
    # The strings that should be readable in the image, exactly.
    targets = models.JSONField(default=list, blank=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint("prompt_set", "key", name="one_prompt_per_key")]

    def __str__(self) -> str:
        return self.text


class GenerationQuerySet(models.QuerySet["Generation"]):
    def ready(self) -> "GenerationQuerySet":
        return self.filter(status=Generation.Status.OK)

    def overdue(self, now: datetime) -> "GenerationQuerySet":
        """Claims that ran out, and waiting rows whose message may be lost."""
        return self.filter(status__in=[Generation.Status.PENDING, Generation.Status.RUNNING], due_at__lte=now)


class Generation(models.Model):
    """One output of one model for one prompt and seed. Its state changes in ``generations.py`` and nowhere else."""

    class Status(models.TextChoices):
        PENDING = "pending"
        RUNNING = "running"
        OK = "ok"
        REFUSED = "refused"
        FAILED = "failed"

    model = models.ForeignKey(ImageModel, models.PROTECT, related_name="generations")
    prompt = models.ForeignKey(Prompt, models.PROTECT, related_name="generations")
    seed = models.PositiveBigIntegerField(default=0)
    width = models.PositiveIntegerField(help_text="pixels asked for")
    height = models.PositiveIntegerField(help_text="pixels asked for")

    status = models.CharField(max_length=10, choices=Status, default=Status.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    # PENDING: when to dispatch again. RUNNING: when the worker's claim ends. The sweeper looks at nothing else.
    due_at = models.DateTimeField()
    claimed_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    # What came out: the untouched original by its digest, or why there is none.
    original = models.CharField(max_length=64, blank=True, help_text="sha256 of the file in the originals store")
    media_type = models.CharField(max_length=100, blank=True)
    reported = models.JSONField(default=dict, blank=True)
    seconds = models.FloatField(null=True, help_text="time the adapter took")
    reason = models.CharField(max_length=20, blank=True, help_text="outcome of the last failed attempt")
    message = models.TextField(blank=True)

    objects = GenerationQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint("model", "prompt", "seed", name="one_generation_per_model_prompt_seed"),
            models.CheckConstraint(
                condition=Q(status__in=["pending", "running", "ok", "refused", "failed"]),
                name="generation_status_known",
            ),
            models.CheckConstraint(
                condition=(Q(status="ok") & ~Q(original="") & ~Q(media_type=""))
                | (~Q(status="ok") & Q(original="") & Q(media_type="")),
                name="generation_ok_has_an_original",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=["refused", "failed"]) | ~Q(reason=""), name="generation_failure_has_a_reason"
            ),
        ]
        indexes: ClassVar = [
            models.Index(F("due_at"), name="generation_open_due_at", condition=Q(status__in=["pending", "running"])),
            models.Index(F("model"), F("prompt"), F("seed"), name="generation_ready", condition=Q(status="ok")),
        ]

    def __str__(self) -> str:
        return f"generation {self.pk}: {self.status}"
