"""How a provider is doing: whether it may be called now, and what its answers say of it.

The circuit breaker: after ``BREAK_AFTER`` calls in a row that the provider failed to answer nobody calls it for a while,
then one call tries. It is open at once when the account has no money left or the key is not accepted.
"""

from collections.abc import Iterable
from datetime import timedelta

from django.db.models import F
from django.utils import timezone

from generators.adapters.base import AUTHENTICATION, AdapterError, Answer, Outcome
from generators.models import Provider
from generators.providers.rate_limits import take_turn

BREAK_AFTER = 5
# Seconds that nobody calls: twice as long each time, up to the longest.
SHORTEST_BREAK, LONGEST_BREAK = 30.0, 900.0
# What nobody but the operator can mend is looked at again this rarely.
ACCOUNT_BREAK = 300.0


def find_wait(slug: str) -> float:
    """Seconds until this provider may be called; 0 when it may be now, and then the turn is taken."""
    provider, _ = Provider.objects.get_or_create(slug=slug)
    now = timezone.now()
    if provider.resume_at and provider.resume_at > now:
        return (provider.resume_at - now).total_seconds()
    if provider.failures >= BREAK_AFTER:
        # One call tries while the others wait on.
        probing = Provider.objects.filter(pk=provider.pk, resume_at=provider.resume_at)
        if not probing.update(resume_at=now + timedelta(seconds=SHORTEST_BREAK)):
            return SHORTEST_BREAK
    return take_turn(provider)


def note_answers(slug: str, answers: Iterable[Answer]) -> None:
    """Let what came back from one call close or open the breaker. Any answer at all closes it."""
    answers = list(answers)
    faults = [answer for answer in answers if isinstance(answer, AdapterError) and _says_something(answer)]
    if len(faults) < len(answers):
        providers = Provider.objects.filter(slug=slug)
        # A pause that the provider asked for is kept; only the break is over.
        providers.filter(failures__gte=BREAK_AFTER).update(resume_at=None)
        providers.update(failures=0, answered_at=timezone.now())
    elif faults:
        _note_fault(slug, faults[0])


def close_breaker(slug: str) -> None:
    """Let the provider be called again now: the operator has mended what was wrong."""
    Provider.objects.filter(slug=slug).update(failures=0, resume_at=None, last_error="")


def _says_something(error: AdapterError) -> bool:
    """Whether this error is about the provider rather than about one request."""
    return error.code == AUTHENTICATION or error.outcome in {
        Outcome.RATE_LIMITED,
        Outcome.QUOTA,
        Outcome.TRANSIENT,
        Outcome.TIMEOUT,
    }


def _note_fault(slug: str, error: AdapterError) -> None:
    now = timezone.now()
    providers = Provider.objects.filter(slug=slug)
    if error.outcome is Outcome.RATE_LIMITED:
        # Not a failure; but where the provider says how long, all of us wait.
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
