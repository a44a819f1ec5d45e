"""System checks of the models in the database: problems that would otherwise show when the first image is drawn.

docs/settings.md lists their ids, which never change meaning. Retired models are not checked, because they draw nothing.
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
from generators.adapters.registry import find_key_variable, is_provider, validate_settings
from generators.models import ImageModel, Price


@register(Tags.models)
def check_models(**kwargs: Any) -> list[CheckMessage]:
    """Check every model that can draw. Without a database there is nothing to check; other checks report that."""
    prices = Price.objects.filter(model=OuterRef("pk"), valid_from__lte=timezone.now().date())
    drawing = ImageModel.objects.exclude(adapter="").exclude(lifecycle=ImageModel.Lifecycle.RETIRED)
    try:
        priced = list(drawing.annotate(has_price=Exists(prices)))
    except (DatabaseError, InterfaceError):
        return []
    from_providers = [model for model in priced if is_provider(model.adapter)]
    return [
        *_check_settings(priced),
        *_check_keys(from_providers),
        *_check_prices([model.slug for model in from_providers if not model.has_price]),
    ]


def _check_settings(models: Sequence[ImageModel]) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    for model in models:
        try:
            validate_settings(model.adapter, model.settings)
        except AdapterError as error:
            found.append(
                Error(
                    f"Model {model.slug} cannot draw: {error.message}",
                    hint="Correct it in the file that declares it, and run paragone sync_models.",
                    id="generators.E001",
                )
            )
    return found


def _check_keys(models: Sequence[ImageModel]) -> list[CheckMessage]:
    without_key: defaultdict[str, list[str]] = defaultdict(list)
    for model in models:
        try:
            variable = find_key_variable(model.adapter, model.settings)
        except AdapterError:
            continue  # E001 says so
        if variable and not settings.PROVIDER_KEYS.get(variable):
            without_key[variable].append(model.slug)
    return [
        Warning(
            f"{variable} is not set, so these models cannot draw: {', '.join(slugs)}.",
            hint=f"Set {variable}, or {variable}_FILE to a file that holds it, or retire the models.",
            id="generators.W001",
        )
        for variable, slugs in without_key.items()
    ]


def _check_prices(slugs: list[str]) -> list[CheckMessage]:
    if not slugs:
        return []
    return [
        Warning(
            f"These models have no price for today, so they do not draw: {', '.join(slugs)}.",
            hint="Declare a price (0 if it costs nothing) and run paragone sync_models.",
            id="generators.W002",
        )
    ]
