"""Access to views: every view requires a signed-in user unless a decorator says otherwise."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from django.conf import settings
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

View = TypeVar("View", bound=Callable[..., HttpResponseBase])


def for_raters(view: View) -> View:
    """Open a view to everyone if the arena is public (PARAGONE_PUBLIC), otherwise to signed-in users."""
    view.for_raters = True  # type: ignore[attr-defined]  # read by SignInMiddleware
    return view


def for_operators(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Restrict a view that names models, providers or costs to staff, on public arenas too."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.is_staff:
            raise PermissionDenied("This page is for operators. Sign in with a staff account.")
        return view(request, *args, **kwargs)

    return guarded


class SignInMiddleware(LoginRequiredMiddleware):
    def process_view(
        self, request: HttpRequest, view_func: Callable[..., Any], view_args: Any, view_kwargs: Any
    ) -> HttpResponseBase | None:
        if settings.PUBLIC and getattr(view_func, "for_raters", False):
            return None
        response: HttpResponseBase | None = super().process_view(request, view_func, view_args, view_kwargs)
        htmx: HtmxDetails = request.htmx  # type: ignore[attr-defined]  # set by its middleware
        if response is None or not htmx:
            return response
        try:
            page = htmx.current_url_abs_path or "/"
        except ValueError:  # the header is no address
            page = "/"
        # htmx would follow the redirect and put the sign-in page in the place of a battle.
        return HttpResponseClientRedirect(redirect_to_login(page).url)
