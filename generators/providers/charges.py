"""Charges for paid requests: reserved before the call, settled after it.

The Charge is in the database before the request is sent. If the worker is lost in between, the sweeper sees that the
provider may have billed the request, and does not repeat it.
"""

from decimal import Decimal

from django.db import transaction
from django.utils import timezone

from generators.adapters.base import AdapterError, Billed, Outcome
from generators.models import Budget, Charge, Generation, ImageModel
from generators.providers.budgets import expect_room, spent_from, spent_on


@transaction.atomic
def reserve_charge(generation: Generation) -> Charge:
    """Reserve the estimated price of this attempt, within the budgets of the model and of the run.

    Raises:
        BudgetExhaustedError: The estimate exceeds what is left in a budget.
        AdapterError: (invalid) The model has no price for today.
    """
    # Every worker locks these rows in this order, so two calls cannot exceed a budget together.
    model = ImageModel.objects.select_for_update(no_key=True).get(pk=generation.model_id)
    budgets = Budget.objects.select_for_update(no_key=True)
    budget = budgets.get(pk=generation.budget_id) if generation.budget_id else None
    price = model.price_on(timezone.now().date())
    if price is None:
        raise AdapterError(
            Outcome.INVALID,
            f"Model {model.slug} has no price for today. Declare one with paragone sync_models (0 if it is free).",
            code="no_price",
        )
    if model.budget is not None:
        expect_room(f"model {model.slug}", model.budget, spent_on(model), price.estimate)
    if budget is not None:
        expect_room(f"run {budget.slug}", budget.limit, spent_from(budget), price.estimate)
    return Charge.objects.create(
        generation=generation,
        attempt=generation.attempts,
        model=model,
        budget=budget,
        price=price,
        amount=price.estimate,
    )


def settle_charge(generation: Generation, billed: Billed | None, *, drawn: bool = False) -> None:
    """Record what the attempt cost. Does nothing if no charge was reserved for it.

    If none of the billed units has a price, an image is charged at the estimate; anything else costs nothing, such as a
    refusal that bills tokens while the price is per image.

    Args:
        generation: The generation with the number of the attempt.
        billed: Units that the provider billed: {} for nothing, None if unknown (the estimate stands).
        drawn: Whether the attempt produced an image.
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
    """US dollars that ``n_images`` cost at most at today's price, or None if the model has no price."""
    price = model.price_on(timezone.now().date())
    return None if price is None else price.estimate * n_images
