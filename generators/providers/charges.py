"""What drawing costs: reserved before the provider is called, settled when it answered, and never twice.

A Charge stands in the database before the request goes out. So a worker that is lost in between leaves word of it: the
sweeper sees that the provider may have been paid, and does not let it be called again.
"""

from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import QuerySet, Sum
from django.utils import timezone

from generators.adapters.base import AdapterError, Billed, Outcome
from generators.models import Budget, Charge, Generation, ImageModel


class BudgetExhaustedError(Exception):
    """The call might pass a budget, so it is not made. The message says which, and by how much."""


@transaction.atomic
def reserve_charge(generation: Generation) -> Charge:
    """Set the estimate aside for this attempt, within the budgets of the model and of the run.

    Raises BudgetExhaustedError, or AdapterError (invalid) for a model without a price.
    """
    # The rows are locked in one order by everyone, so that no two calls pass a budget together.
    model = ImageModel.objects.select_for_update(no_key=True).get(pk=generation.model_id)
    budgets = Budget.objects.select_for_update(no_key=True)
    budget = budgets.get(pk=generation.budget_id) if generation.budget_id else None
    price = model.price_on(timezone.now().date())
    if price is None:
        raise AdapterError(
            Outcome.INVALID,
            f"Model {model.slug} has no price for today. Declare one (paragone sync_models): 0 if it costs nothing.",
            code="no_price",
        )
    if model.budget is not None:
        _expect_room(f"model {model.slug}", model.budget, spent_on(model), price.estimate)
    if budget is not None:
        _expect_room(f"run {budget.slug}", budget.limit, spent_from(budget), price.estimate)
    return Charge.objects.create(
        generation=generation,
        attempt=generation.attempts,
        model=model,
        budget=budget,
        price=price,
        amount=price.estimate,
    )


def settle_charge(generation: Generation, billed: Billed | None, *, drawn: bool = False) -> None:
    """Write down what the attempt cost: {} for nothing, None where nobody can know (the estimate stands).

    Where nothing that was billed has a price, an image that was ``drawn`` is charged at the estimate, and anything else
    (a refusal that counts the prompt's tokens, where the price is by image) at nothing. Does nothing where the attempt
    cost nothing to begin with.
    """
    charge = (
        Charge.objects.filter(
            generation=generation,
            attempt=generation.attempts,
            state__in=[Charge.State.RESERVED, Charge.State.UNKNOWN],
        )
        .select_related("price")
        .first()
    )
    if charge is None:
        return
    charge.settled_at = timezone.now()
    charge.billed = dict(billed or {})
    cost = charge.price.cost_of(charge.billed)
    if billed is None or (cost is None and drawn):
        charge.state = Charge.State.UNKNOWN
    elif billed:
        charge.state, charge.amount = Charge.State.SETTLED, cost or Decimal(0)
    else:
        charge.state, charge.amount = Charge.State.RELEASED, Decimal(0)
    charge.save()


def estimate_cost(model: ImageModel, n_images: int) -> Decimal | None:
    """US dollars that so many images cost at most at today's price; None for a model without one."""
    price = model.price_on(timezone.now().date())
    return None if price is None else price.estimate * n_images


def spent_on(model: ImageModel) -> Decimal:
    """US dollars spent on a model, with what is reserved for calls under way and what may have been billed."""
    return _sum(Charge.objects.filter(model=model))


def spent_from(budget: Budget) -> Decimal:
    return _sum(Charge.objects.filter(budget=budget))


def _sum(charges: "QuerySet[Charge, Charge]") -> Decimal:
    total: dict[str, Any] = charges.aggregate(amount=Sum("amount"))
    return total["amount"] or Decimal(0)


def _expect_room(whose: str, limit: Decimal, spent: Decimal, estimate: Decimal) -> None:
    if spent + estimate > limit:
        raise BudgetExhaustedError(
            f"The budget of {whose} is {limit:f} USD; {spent:f} are spent or reserved, the call may cost {estimate:f}."
            " Raise the budget, then run paragone retry_generations."
        )
