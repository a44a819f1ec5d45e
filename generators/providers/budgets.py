"""Budgets of models and runs: their declaration, what is spent from them, and the check before a paid call."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet, Sum

from generators.dollars import format_dollars
from generators.input_files.fields import Declaration, Dollars, Slug
from generators.models import Budget, Charge, ImageModel


class BudgetDeclaration(Declaration):
    """The budget of a run."""

    slug: Slug
    limit: Dollars


class BudgetExhaustedError(Exception):
    """The call might exceed a budget, so it is not made. The message names the budget and the amounts."""


def declare_budget(declared: Mapping[str, Any] | BudgetDeclaration) -> Budget:
    """Create or update a budget. What is spent from it stays spent.

    Raises:
        pydantic.ValidationError: The declaration is invalid.
    """
    declaration = BudgetDeclaration.model_validate(declared)
    return Budget.objects.update_or_create(slug=declaration.slug, defaults={"limit": declaration.limit})[0]


def spent_on(model: ImageModel) -> Decimal:
    """US dollars spent on a model, including reserved and possibly billed calls at their estimates."""
    return _sum(Charge.objects.filter(model=model))


def spent_from(budget: Budget) -> Decimal:
    """US dollars spent from the budget of a run, counted as in ``spent_on``."""
    return _sum(Charge.objects.filter(budget=budget))


def expect_room(owner: str, limit: Decimal, spent: Decimal, estimate: Decimal) -> None:
    """Check that a call still fits into a budget.

    Args:
        owner: "model SLUG" or "run SLUG", for the message.
        limit: US dollars of the budget.
        spent: US dollars spent or reserved.
        estimate: US dollars that the call may cost.

    Raises:
        BudgetExhaustedError: ``spent + estimate`` exceeds ``limit``.
    """
    if spent + estimate > limit:
        raise BudgetExhaustedError(
            f"The budget of {owner} is {format_dollars(limit)}; {format_dollars(spent)} is spent or reserved, and the"
            f" call may cost {format_dollars(estimate)}. Raise the budget, then run paragone retry_generations."
        )


def _sum(charges: "QuerySet[Charge, Charge]") -> Decimal:
    total: dict[str, Any] = charges.aggregate(amount=Sum("amount"))
    return total["amount"] or Decimal(0)
