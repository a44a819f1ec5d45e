"""Who draws, from what, what came out, and what it cost.

Money is in US dollars, to a millionth: a token costs less than a cent.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Any, ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils import timezone


class ImageModel(models.Model):
    """One revision of a system under test. A new revision is a new model, with a row of its own."""

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
    budget = models.DecimalField(
        max_digits=14,
        decimal_places=6,
        null=True,
        blank=True,
        help_text="all that may ever be spent on this model; empty: no limit",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["slug"]
        constraints: ClassVar = [
            models.UniqueConstraint("family", "revision", name="one_image_model_per_revision"),
            models.CheckConstraint(
                condition=Q(lifecycle__in=["private", "preview", "live", "retired"]), name="image_model_lifecycle_known"
            ),
            models.CheckConstraint(
                condition=Q(budget__isnull=True) | Q(budget__gte=0), name="image_model_budget_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def price_on(self, day: date) -> "Price | None":
        """The price that holds on this day."""
        return self.prices.filter(valid_from__lte=day).order_by("-valid_from").first()


class Price(models.Model):
    """What a model's provider charges from a day on. A dated fact that somebody typed in, never code."""

    model = models.ForeignKey(ImageModel, models.CASCADE, related_name="prices")
    valid_from = models.DateField()
    units = models.JSONField(help_text='US dollars by what is billed: {"image": "0.04"}')
    estimate = models.DecimalField(
        max_digits=14, decimal_places=6, help_text="what one image costs at most, as far as one knows before"
    )
    source = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint("model", "valid_from", name="one_price_per_day"),
            models.CheckConstraint(condition=Q(estimate__gte=0), name="price_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.model_id} from {self.valid_from}: {self.units}"

    def cost_of(self, billed: dict[str, Any]) -> Decimal | None:
        """US dollars for what was billed, or None when nothing of it has a price."""
        priced = [Decimal(self.units[unit]) * Decimal(str(billed[unit])) for unit in self.units if unit in billed]
        return sum(priced, Decimal(0)) if priced else None


class PromptSet(models.Model):
    """A collection of prompts that never changes: another content is another version."""

    slug = models.SlugField(max_length=100)
    version = models.CharField(max_length=50)
    title = models.CharField(max_length=200)
    source = models.CharField(max_length=300, blank=True)
    license = models.CharField(max_length=200, blank=True)
    digest = models.CharField(max_length=64, blank=True, help_text="empty: a set that raters add to")

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
    # Of an edit: the images to start from, as digests in the originals store, and where the first of them may change.
    sources = models.JSONField(default=list, blank=True)
    mask = models.CharField(max_length=64, blank=True)
    # Of an evaluation: what a suite may pick prompts by, and what should be true of the image.
    tags = models.JSONField(default=list, blank=True)
    checks = models.JSONField(default=list, blank=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint("prompt_set", "key", name="one_prompt_per_key")]

    def __str__(self) -> str:
        return self.text


class Budget(models.Model):
    """A sum that a run may spend. A call that would pass it by its estimate is not made."""

    slug = models.SlugField(max_length=100, unique=True)
    limit = models.DecimalField(max_digits=14, decimal_places=6)

    class Meta:
        constraints: ClassVar = [models.CheckConstraint(condition=Q(limit__gte=0), name="budget_not_negative")]

    def __str__(self) -> str:
        return f"{self.slug}: {self.limit} USD"


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
    failures = models.PositiveSmallIntegerField(
        default=0, help_text="attempts that failed, but for a provider's rate limit"
    )
    budget = models.ForeignKey(Budget, models.PROTECT, null=True, blank=True, related_name="generations")
    # PENDING: when workers are to be told (again). RUNNING: when the claim ends. The sweeper looks at what is due.
    due_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, help_text="when workers were told of this attempt; empty: not yet")
    claimed_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    # What came out: the untouched original by its digest, or why there is none.
    original = models.CharField(max_length=64, blank=True, help_text="sha256 of the file in the originals store")
    media_type = models.CharField(max_length=100, blank=True)
    reported = models.JSONField(default=dict, blank=True)
    seconds = models.FloatField(null=True, help_text="time the adapter took, for all images of one call")
    reason = models.CharField(max_length=20, blank=True, help_text="outcome of the last failed attempt")
    stage = models.CharField(max_length=10, blank=True, help_text="what was refused: prompt or image")
    code = models.CharField(max_length=100, blank=True, help_text="the provider's own word for the reason")
    message = models.TextField(blank=True)
    # For researchers alone: what the file says of its own making, and what it looks like.
    provenance = models.JSONField(default=dict, blank=True)
    phash = models.CharField(max_length=16, blank=True, help_text="perceptual hash, 64 bits in hexadecimal")
    imported_from = models.CharField(max_length=300, blank=True, help_text="the manifest that brought the image")

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
            models.Index(F("claimed_at"), name="generation_claimed_at"),
        ]

    def __str__(self) -> str:
        return f"generation {self.pk}: {self.status}"


class Provider(models.Model):
    """How an external provider is doing, shared by all workers. Its slug is the name of the adapter."""

    slug = models.SlugField(max_length=50, unique=True)
    requests_per_minute = models.PositiveIntegerField(default=60)
    burst = models.PositiveIntegerField(default=5, help_text="requests that may go out at once after a pause")
    # Of the rate limit where there is no Redis: when all requests so far would have been made at the allowed rate.
    caught_up_at = models.DateTimeField(default=timezone.now)
    # Of the circuit breaker.
    failures = models.PositiveIntegerField(default=0, help_text="calls in a row that the provider failed to answer")
    resume_at = models.DateTimeField(null=True, blank=True, help_text="no call before this moment")
    answered_at = models.DateTimeField(null=True, blank=True)
    failed_at = models.DateTimeField(null=True, blank=True)
    last_error = models.TextField(blank=True, help_text="of the last failed call")

    class Meta:
        ordering: ClassVar = ["slug"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(requests_per_minute__gte=1, burst__gte=1), name="provider_takes_requests"
            )
        ]

    def __str__(self) -> str:
        return self.slug


class Charge(models.Model):
    """What one attempt to draw a Generation cost. It stands here before the provider is called."""

    class State(models.TextChoices):
        RESERVED = "reserved", "the call is under way"
        SETTLED = "settled", "the provider said what it billed"
        UNKNOWN = "unknown", "it may have been billed: the estimate counts"
        RELEASED = "released", "nothing was billed"

    generation = models.ForeignKey(Generation, models.PROTECT, related_name="charges")
    attempt = models.PositiveSmallIntegerField()
    model = models.ForeignKey(ImageModel, models.PROTECT, related_name="charges")
    budget = models.ForeignKey(Budget, models.PROTECT, null=True, blank=True, related_name="charges")
    price = models.ForeignKey(Price, models.PROTECT, related_name="charges")
    state = models.CharField(max_length=10, choices=State, default=State.RESERVED)
    # Until the provider has said what it billed, this is the estimate.
    amount = models.DecimalField(max_digits=14, decimal_places=6)
    billed = models.JSONField(default=dict, blank=True)
    reserved_at = models.DateTimeField(auto_now_add=True)
    settled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint("generation", "attempt", name="one_charge_per_attempt"),
            models.UniqueConstraint("generation", name="one_paid_call_at_a_time", condition=Q(state="reserved")),
            models.CheckConstraint(
                condition=Q(state__in=["reserved", "settled", "unknown", "released"]), name="charge_state_known"
            ),
            models.CheckConstraint(condition=Q(amount__gte=0), name="charge_not_negative"),
            models.CheckConstraint(condition=~Q(state="released") | Q(amount=0), name="charge_released_costs_nothing"),
        ]

    def __str__(self) -> str:
        return f"{self.amount} USD for generation {self.generation_id}: {self.state}"
