"""The sign-in page, with delays after failed attempts (see arena/raters/sign_in.py)."""

from http import HTTPStatus
from typing import Any, Final

from django import forms
from django.conf import settings
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse

from arena.raters import sign_in
from arena.raters.networks import find_network
from arena.raters.rates import say_wait

# Signed: the account that this browser has signed in to, and a random token.
COOKIE: Final = "paragone_known_browser"
ONE_YEAR: Final = 365 * 24 * 3600


class SignInForm(AuthenticationForm):
    """The form of Django, which verifies a password only if no delay applies."""

    wait = 0  # seconds until another attempt may be made

    def clean(self) -> dict[str, Any]:
        name, password = self.cleaned_data.get("username"), self.cleaned_data.get("password")
        if not name or not password or self.request is None:
            return super().clean()
        network = sign_in.network_counter(find_network(self.request))
        account = sign_in.account_counter(name)
        token = _read_token(self.request, name)
        own = sign_in.browser_counter(name, token) if token else account
        self.wait = sign_in.begin_attempt([own] if token else [account, network])
        if self.wait:
            raise forms.ValidationError("Too many attempts.", code="delayed")
        cleaned: dict[str, Any] = super().clean()  # raises ValidationError if the password is wrong
        sign_in.forget_failures(own)
        if not token:
            sign_in.forget_one(network)
        return cleaned


class SignInView(LoginView):
    template_name = "arena/sign_in.html"
    form_class = SignInForm

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs) | {"public": settings.PUBLIC}

    def form_invalid(self, form: SignInForm) -> HttpResponse:  # type: ignore[override]  # form_class
        if not form.wait:
            return super().form_invalid(form)
        context = self.get_context_data(form=form, wait=say_wait(form.wait))
        response = self.render_to_response(context, status=HTTPStatus.TOO_MANY_REQUESTS)
        response["Retry-After"] = str(form.wait)
        return response

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        response = super().form_valid(form)
        name = form.cleaned_data["username"]
        token = _read_token(self.request, name) or sign_in.make_browser_token()
        response.set_signed_cookie(
            COOKIE,
            f"{sign_in.account_counter(name).subject} {token}",
            max_age=ONE_YEAR,
            path=self.request.path,
            httponly=True,
            samesite="Lax",
            secure=settings.HTTPS,
        )
        return response


def _read_token(request: HttpRequest, name: str) -> str:
    """The token of a browser that has signed in to this account before, otherwise empty."""
    cookie = request.get_signed_cookie(COOKIE, default="", max_age=ONE_YEAR) or ""
    account, _, token = cookie.partition(" ")
    return token if account == sign_in.account_counter(name).subject else ""
