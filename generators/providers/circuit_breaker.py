"""Circuit breaker of a provider's server: opens after five consecutive failures, or at once on an account error.

While it is open, no worker calls the server; other servers with the same API are called as before. After the break one
call is tried: an answer closes the breaker, another failure doubles the break.
"""

from collections.abc import Iterable
from datetime import timedelta

from django.db.models import F, QuerySet

from generators import database_time
from generators.adapters.base import AUTHENTICATION, STORAGE, AdapterError, Answer, Outcome
from generators.models import Provider
from generators.providers.rate_limits import take_turn
from generators.providers.servers import Server

BREAK_AFTER = 5
# Seconds without calls. The break doubles with each further failure.
SHORTEST_BREAK, LONGEST_BREAK = 30.0, 900.0
# Seconds after an authentication or billing error, which only the operator can fix.
ACCOUNT_BREAK = 300.0


def find_wait(server: Server) -> float:
    """Seconds until the server may be called. 0 means now, and takes a turn of the rate limit."""
    provider, _ = Provider.objects.get_or_create(slug=server.slug, host=server.host)
    now = database_time.now()
    if provider.resume_at and provider.resume_at > now:
        return (provider.resume_at - now).total_seconds()
    if provider.failures >= BREAK_AFTER:
        # One worker tries a call, the others wait.
        probing = Provider.objects.filter(pk=provider.pk, resume_at=provider.resume_at)
        if not probing.update(resume_at=now + timedelta(seconds=SHORTEST_BREAK)):
            return SHORTEST_BREAK
    return take_turn(provider)


def note_answers(server: Server, answers: Iterable[Answer]) -> None:
    """Open or close the breaker after one call. Any answer, also a refusal, closes it."""
    # A source image that cannot be read says nothing of the provider.
    answers = [answer for answer in answers if not (isinstance(answer, AdapterError) and answer.code == STORAGE)]
    errors = [answer for answer in answers if isinstance(answer, AdapterError) and _concerns_provider(answer)]
    providers = Provider.objects.filter(slug=server.slug, host=server.host)
    if len(errors) < len(answers):
        # This ends a break, but not a pause that the provider asked for.
        providers.filter(failures__gte=BREAK_AFTER).update(resume_at=None)
        providers.update(failures=0, answered_at=database_time.now())
    elif errors:
        _note_error(providers, errors[0])


def close_breaker(provider: Provider) -> None:
    """Allow calls again now, after the operator has fixed the cause."""
    Provider.objects.filter(pk=provider.pk).update(failures=0, resume_at=None, last_error="")


def _concerns_provider(error: AdapterError) -> bool:
    """Whether the error concerns the provider rather than one request."""
    return error.code == AUTHENTICATION or error.outcome in {
        Outcome.RATE_LIMITED,
        Outcome.QUOTA,
        Outcome.TRANSIENT,
        Outcome.TIMEOUT,
    }


def _note_error(providers: "QuerySet[Provider]", error: AdapterError) -> None:
    """Count the error of a call to the only server of ``providers``."""
    now = database_time.now()
    if error.outcome is Outcome.RATE_LIMITED:
        # Not a failure. With Retry-After, all workers wait.
        if error.retry_after:
            seconds = min(error.retry_after, LONGEST_BREAK)
            providers.update(resume_at=now + timedelta(seconds=seconds), failed_at=now, last_error=_describe(error))
        return
    providers.update(failures=F("failures") + 1, failed_at=now, last_error=_describe(error))
    if error.code == AUTHENTICATION or error.outcome is Outcome.QUOTA:
        providers.update(failures=BREAK_AFTER, resume_at=now + timedelta(seconds=ACCOUNT_BREAK))
        return
    failures = providers.values_list("failures", flat=True).get()
    if failures >= BREAK_AFTER:
        seconds = min(SHORTEST_BREAK * 2.0 ** min(failures - BREAK_AFTER, 10), LONGEST_BREAK)
        providers.update(resume_at=now + timedelta(seconds=seconds))


def _describe(error: AdapterError) -> str:
    return f"{error.outcome.value}: {error.message}"[:500]
