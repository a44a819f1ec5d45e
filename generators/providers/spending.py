"""Spending and state of providers, as shown to operators."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Count, Q, Sum
from django.utils import timezone

from generators import database_time
from generators.adapters.registry import list_providers
from generators.models import Budget, Charge, Generation, ImageModel, Price, Provider
from generators.providers.circuit_breaker import BREAK_AFTER
from generators.providers.servers import Server, find_server

Status = Generation.Status


@dataclass(frozen=True)
class ProviderStatus:
    """State of a provider's server. ``paused_until`` is None if it may be called; ``broken``: paused after failures."""

    provider: Provider
    paused_until: datetime | None
    broken: bool
    n_waiting: int
    n_running: int


@dataclass(frozen=True)
class ModelSpending:
    """Spending on a model. ``spent`` counts reserved and possibly billed calls (``n_unknown``) at their estimates."""

    model: ImageModel
    price: Price | None
    spent: Decimal
    n_unknown: int
    images: Counter[str]

    @property
    def left(self) -> Decimal | None:
        return None if self.model.budget is None else self.model.budget - self.spent


def read_providers() -> list[ProviderStatus]:
    """The servers of providers that have models or were called."""
    now = database_time.now()
    servers = {m.pk: find_server(m) for m in ImageModel.objects.filter(adapter__in=list_providers())}
    waiting: Counter[tuple[Server | None, str]] = Counter()
    for (model, status), n in _count_images(["model", "status"]).items():
        waiting[servers.get(model), status] += n
    known = {Server(provider.slug, provider.host): provider for provider in Provider.objects.all()}
    statuses = []
    for server in sorted({*known, *filter(None, servers.values())}):
        provider = known.get(server) or Provider(slug=server.slug, host=server.host)
        paused_until = provider.resume_at if provider.resume_at and provider.resume_at > now else None
        statuses.append(
            ProviderStatus(
                provider,
                paused_until,
                provider.failures >= BREAK_AFTER,
                waiting[server, Status.PENDING],
                waiting[server, Status.RUNNING],
            )
        )
    return statuses


def read_model_spending() -> list[ModelSpending]:
    """All paid models, highest spending first."""
    today = timezone.now().date()
    images: dict[int, Counter[str]] = defaultdict(Counter)
    for (model, status), n in _count_images(["model", "status"]).items():
        images[model][status] = n
    prices: dict[int, Price] = {}
    for price in Price.objects.filter(valid_from__lte=today).order_by("valid_from"):
        prices[price.model_id] = price
    paid = ImageModel.objects.filter(Q(adapter__in=list_providers()) | Q(charges__isnull=False))
    spent = paid.annotate(
        spent=Sum("charges__amount"), n_unknown=Count("charges", filter=Q(charges__state=Charge.State.UNKNOWN))
    )
    rows = [ModelSpending(m, prices.get(m.pk), m.spent or Decimal(0), m.n_unknown, images[m.pk]) for m in spent]
    return sorted(rows, key=lambda row: (-row.spent, row.model.slug))


def read_budgets() -> list[tuple[Budget, Decimal]]:
    """The budgets of runs, newest first, with the amount spent from each."""
    budgets = Budget.objects.annotate(spent=Sum("charges__amount")).order_by("-pk")
    return [(budget, budget.spent or Decimal(0)) for budget in budgets]


def read_failures(limit: int = 20) -> list[dict[str, Any]]:
    """Counts of refused and failed generations by model, reason and code of the provider, most frequent first."""
    ended = Generation.objects.filter(status__in=[Status.REFUSED, Status.FAILED])
    groups = ended.values("model__slug", "reason", "code").annotate(n=Count("pk")).order_by("-n", "model__slug")
    return [dict(group) for group in groups[:limit]]


def _count_images(by: list[str]) -> Counter[tuple[Any, ...]]:
    rows = Generation.objects.filter(model__adapter__in=list_providers()).values_list(*by).annotate(n=Count("pk"))
    return Counter({tuple(key): n for *key, n in rows})
