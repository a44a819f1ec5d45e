"""Models of generation: image models and prices, prompts, generations, providers, budgets and charges.

Amounts are US dollars with six decimals, since a token costs less than a cent.
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
    # Empty: nothing can be drawn. The images or votes of this model are imported.
    adapter = models.CharField(max_length=50, blank=True)
    settings = models.JSONField(default=dict, blank=True)
    lifecycle = models.CharField(max_length=10, choices=Lifecycle, default=Lifecycle.LIVE)
    budget = models.DecimalField(
        max_digits=14,
        decimal_places=6,
        null=True,
        blank=True,
        help_text="US dollars that may be spent on this model in total; empty: no limit",
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
        """The price that is valid on a day, or None."""
        return self.prices.filter(valid_from__lte=day).order_by("-valid_from").first()


class Price(models.Model):
    """The price of a model from a day on, as declared by the operator."""

    model = models.ForeignKey(ImageModel, models.CASCADE, related_name="prices")
    valid_from = models.DateField()
    units = models.JSONField(help_text='US dollars per billed unit: {"image": "0.04"}')
    estimate = models.DecimalField(max_digits=14, decimal_places=6, help_text="US dollars that one image costs at most")
    source = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint("model", "valid_from", name="one_price_per_day"),
            models.CheckConstraint(condition=Q(estimate__gte=0), name="price_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.model_id} from {self.valid_from}: {self.units}"

    def cost_of(self, billed: dict[str, Any]) -> Decimal | None:
        """US dollars for the billed units, or None if none of them has a price."""
        priced = [Decimal(self.units[unit]) * Decimal(str(billed[unit])) for unit in self.units if unit in billed]
        return sum(priced, Decimal(0)) if priced else None


class PromptSet(models.Model):
    """A collection of prompts. It never changes; new content is a new version."""

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
    # Strings that must be readable in the image, exactly.
    targets = models.JSONField(default=list, blank=True)
    # Of an edit: the source images and the mask of the first one, as digests in the originals store.
    sources = models.JSONField(default=list, blank=True)
    mask = models.CharField(max_length=64, blank=True)
    # For evaluation: tags by which a suite selects prompts, and checks that the image must pass.
    tags = models.JSONField(default=list, blank=True)
    checks = models.JSONField(default=list, blank=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint("prompt_set", "key", name="one_prompt_per_key")]

    def __str__(self) -> str:
        return self.text


class Budget(models.Model):
    """A sum that a run may spend. A call whose estimate exceeds what is left is not made."""

    slug = models.SlugField(max_length=100, unique=True)
    limit = models.DecimalField(max_digits=14, decimal_places=6)

    class Meta:
        constraints: ClassVar = [models.CheckConstraint(condition=Q(limit__gte=0), name="budget_not_negative")]

    def __str__(self) -> str:
        return f"{self.slug}: ${self.limit}"


class GenerationQuerySet(models.QuerySet["Generation"]):
    def ready(self) -> "GenerationQuerySet":
        return self.filter(status=Generation.Status.OK)

    def overdue(self, now: datetime) -> "GenerationQuerySet":
        """Expired claims, and waiting rows that are due."""
        return self.filter(status__in=[Generation.Status.PENDING, Generation.Status.RUNNING], due_at__lte=now)


class Generation(models.Model):
    """One output of one model for one prompt and seed. Only ``generations`` and ``workers`` change its state."""

    class Status(models.TextChoices):
        PENDING = "pending"
        RUNNING = "running"
        OK = "ok"
        REFUSED = "refused"
        FAILED = "failed"

    model = models.ForeignKey(ImageModel, models.PROTECT, related_name="generations")
    prompt = models.ForeignKey(Prompt, models.PROTECT, related_name="generations")
    seed = models.PositiveBigIntegerField(default=0)
    width = models.PositiveIntegerField(help_text="requested pixels")
    height = models.PositiveIntegerField(help_text="requested pixels")

    status = models.CharField(max_length=10, choices=Status, default=Status.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    failures = models.PositiveSmallIntegerField(default=0, help_text="failed attempts, not counting rate limits")
    budget = models.ForeignKey(Budget, models.PROTECT, null=True, blank=True, related_name="generations")
    # PENDING: when a message is sent (again). RUNNING: when the claim expires. The sweeper handles rows that are due.
    due_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, help_text="when the message for this attempt was sent; empty: not yet")
    claimed_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    # The result: the digest of the original, or the reason why there is none.
    original = models.CharField(max_length=64, blank=True, help_text="sha256 of the file in the originals store")
    media_type = models.CharField(max_length=100, blank=True)
    reported = models.JSONField(default=dict, blank=True)
    seconds = models.FloatField(null=True, help_text="duration of the adapter call, for all images of the batch")
    reason = models.CharField(max_length=20, blank=True, help_text="outcome of the last failed attempt")
    stage = models.CharField(max_length=10, blank=True, help_text="what was refused: prompt or image")
    code = models.CharField(max_length=100, blank=True, help_text="the provider's own code of the reason")
    message = models.TextField(blank=True)
    # For researchers only, never shown to raters.
    provenance = models.JSONField(default=dict, blank=True)
    phash = models.CharField(max_length=16, blank=True, help_text="perceptual hash, 64 bits in hexadecimal")
    imported_from = models.CharField(max_length=300, blank=True, help_text="manifest from which the image was imported")

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
            models.Index(F("model"), F("finished_at"), name="generation_drawn", condition=Q(seconds__isnull=False)),
            models.Index(F("original"), name="generation_original"),
            # The rows whose messages wait in a queue: few, while a million may be pending.
            models.Index(F("model"), name="generation_sent", condition=Q(status="pending", sent_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"generation {self.pk}: {self.status}"


class Provider(models.Model):
    """State of one server of a provider, shared by all workers. Its slug is the name of the adapter."""

    slug = models.SlugField(max_length=50)
    host = models.CharField(max_length=255, help_text="with its port if that is not the usual one")
    requests_per_minute = models.PositiveIntegerField(default=60)
    burst = models.PositiveIntegerField(default=5, help_text="requests that may be sent at once after a pause")
    # Rate limit without Redis: the time at which all requests so far would have been sent at the allowed rate.
    caught_up_at = models.DateTimeField(default=timezone.now)
    # Circuit breaker.
    failures = models.PositiveIntegerField(default=0, help_text="consecutive failed calls")
    resume_at = models.DateTimeField(null=True, blank=True, help_text="no call before this time")
    answered_at = models.DateTimeField(null=True, blank=True)
    failed_at = models.DateTimeField(null=True, blank=True)
    last_error = models.TextField(blank=True, help_text="of the last failed call")

    class Meta:
        ordering: ClassVar = ["slug", "host"]
        constraints: ClassVar = [
            models.UniqueConstraint("slug", "host", name="one_provider_per_slug_and_host"),
            models.CheckConstraint(
                condition=Q(requests_per_minute__gte=1, burst__gte=1), name="provider_takes_requests"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.slug} at {self.host}"


class PeriodicTask(models.Model):
    """A task that runs at intervals: when it started and succeeded last, by the clock of the database."""

    name = models.CharField(max_length=50, primary_key=True)
    started_at = models.DateTimeField(null=True, blank=True)
    succeeded_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True, help_text="why the last run failed")

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name


class Charge(models.Model):
    """The cost of one attempt to draw a Generation. The row exists before the provider is called."""

    class State(models.TextChoices):
        RESERVED = "reserved", "the call is in progress"
        SETTLED = "settled", "the provider reported what it billed"
        UNKNOWN = "unknown", "it may have been billed; the estimate counts"
        RELEASED = "released", "nothing was billed"

    generation = models.ForeignKey(Generation, models.PROTECT, related_name="charges")
    attempt = models.PositiveSmallIntegerField()
    model = models.ForeignKey(ImageModel, models.PROTECT, related_name="charges")
    budget = models.ForeignKey(Budget, models.PROTECT, null=True, blank=True, related_name="charges")
    price = models.ForeignKey(Price, models.PROTECT, related_name="charges")
    state = models.CharField(max_length=10, choices=State, default=State.RESERVED)
    # The estimate, until the provider reports what it billed.
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
        return f"${self.amount} for generation {self.generation_id}: {self.state}"
