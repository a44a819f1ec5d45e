"""System checks of the models in the database: what would otherwise fail at the first drawing.

Their ids are listed in docs/settings.md and never change meaning. A retired model draws nothing, so nothing is wrong
with it.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import DatabaseError, InterfaceError
from django.db.models import Exists, OuterRef
from django.utils import timezone

from generators.adapters.base import AdapterError
from generators.adapters.registry import validate_settings
from generators.models import ImageModel, Price
from generators.providers.circuit_breaker import is_provider


@register(Tags.models)
def check_models(**kwargs: Any) -> list[CheckMessage]:
    """Nothing where there is no database yet: other checks, and the first query, say so."""
    prices = Price.objects.filter(model=OuterRef("pk"), valid_from__lte=timezone.now().date())
    drawing = ImageModel.objects.exclude(adapter="").exclude(lifecycle=ImageModel.Lifecycle.RETIRED)
    try:
        priced = list(drawing.annotate(has_price=Exists(prices)))
    except (DatabaseError, InterfaceError):
        return []
    from_providers = [model for model in priced if is_provider(model.adapter)]
    return [
        *_find_faulty_settings(priced),
        *_find_missing_keys(from_providers),
        *_find_missing_prices([model.slug for model in from_providers if not model.has_price]),
    ]


def _find_faulty_settings(models: Sequence[ImageModel]) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    for model in models:
        try:
            validate_settings(model.adapter, model.settings)
        except AdapterError as error:
            found.append(
                Error(
                    f"Model {model.slug} cannot draw: {error.message}",
                    hint="Mend it in the file that declares it, and run paragone sync_models.",
                    id="generators.E001",
                )
            )
    return found


def _find_missing_keys(models: Sequence[ImageModel]) -> list[CheckMessage]:
    without_key: defaultdict[str, list[str]] = defaultdict(list)
    for model in models:
        if not settings.PROVIDER_KEYS[model.adapter]:
            without_key[f"PARAGONE_{model.adapter.upper()}_KEY"].append(model.slug)
    return [
        Warning(
            f"{variable} is not set, so nothing can be drawn with: {', '.join(slugs)}.",
            hint=f"Set {variable}, or {variable}_FILE to a file that holds it, or retire the models.",
            id="generators.W001",
        )
        for variable, slugs in without_key.items()
    ]


def _find_missing_prices(slugs: list[str]) -> list[CheckMessage]:
    if not slugs:
        return []
    return [
        Warning(
            f"No price holds today, so nothing is drawn with: {', '.join(slugs)}.",
            hint="Declare a price (0 if it costs nothing) and run paragone sync_models.",
            id="generators.W002",
        )
    ]
