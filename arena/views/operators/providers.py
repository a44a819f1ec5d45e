"""Pages for operators: providers with their spending, and one generation with its provenance."""

import json

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.cache import patch_cache_control
from django.views.decorators.http import require_POST, require_safe

from arena.views.access import for_operators
from generators.images import originals
from generators.models import Generation, Provider
from generators.providers import circuit_breaker, spending


@for_operators
@require_safe
def providers(request: HttpRequest) -> HttpResponse:
    context = {
        "providers": spending.read_providers(),
        "models": spending.read_model_spending(),
        "budgets": spending.read_budgets(),
        "failures": spending.read_failures(),
    }
    return render(request, "arena/providers.html", context)


@for_operators
@require_POST
def call_again(request: HttpRequest, pk: int) -> HttpResponse:
    """Close the circuit breaker of a provider's server, so that it is called again at once."""
    circuit_breaker.close_breaker(get_object_or_404(Provider, pk=pk))
    return HttpResponseRedirect(reverse("providers"))


@for_operators
@require_safe
def show_generation(request: HttpRequest, pk: int) -> HttpResponse:
    """One generation with its parameters, provenance and cost. Raters have no access."""
    generation = get_object_or_404(Generation.objects.select_related("model", "prompt"), pk=pk)
    details = {"Reported by the provider": generation.reported, "Found in the file": generation.provenance}
    context = {
        "generation": generation,
        "charges": generation.charges.order_by("attempt"),
        "details": {
            title: json.dumps(found, indent=2, ensure_ascii=False) for title, found in details.items() if found
        },
    }
    return render(request, "arena/generation.html", context)


@for_operators
@require_safe
def original(request: HttpRequest, pk: int) -> HttpResponse:
    """The original file. The headers keep a browser from treating it as anything but an image."""
    generation = get_object_or_404(Generation.objects.ready(), pk=pk)
    try:
        data = originals.read(generation.original)
    except (FileNotFoundError, originals.CorruptOriginalError) as error:
        raise Http404(f"The original is gone or damaged: {error}") from error
    response = HttpResponse(data, content_type=generation.media_type)
    response["Content-Disposition"] = f'inline; filename="{generation.original}"'
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    patch_cache_control(response, private=True, immutable=True, max_age=3600)
    return response
