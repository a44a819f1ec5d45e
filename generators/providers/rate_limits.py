"""Rate limits of providers' servers, shared by all workers: token buckets, each stored as the time when it is full.

The generic cell rate algorithm: each request moves that time on by one interval, and is allowed while it is less than a
burst ahead of now. Redis does this in one script, the database in one guarded UPDATE.
"""

from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from typing import Annotated, Any

import structlog
from django.conf import settings
from pydantic import Field, StrictInt, ValidationInfo, field_validator
from redis import Redis, RedisError

from generators import database_time
from generators.adapters.registry import find_usual_host, is_provider, list_providers
from generators.adapters.servers import find_host
from generators.input_files.fields import Declaration
from generators.models import Provider

log = structlog.get_logger(__name__)

# Returns microseconds to wait, or 0 if the request is allowed. Uses the clock of Redis, since those of workers differ.
TAKE = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local full = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now)
local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local wait = full - now - interval * (burst - 1)
if wait > 0 then return math.ceil(wait) end
redis.call('SET', KEYS[1], string.format('%.0f', full + interval), 'PX', math.ceil((full + interval - now) / 1000))
return 0
"""


class ProviderDeclaration(Declaration):
    """The rate limit of a provider's server. ``host`` may be left out if all customers of the provider use one."""

    slug: str
    host: Annotated[str, Field(validate_default=True, max_length=255)] = ""
    requests_per_minute: Annotated[StrictInt, Field(ge=1, le=100_000)]
    burst: Annotated[StrictInt, Field(ge=1, le=10_000)] = 5

    @field_validator("slug")
    @classmethod
    def _expect_a_provider(cls, slug: str) -> str:
        if not is_provider(slug):
            raise ValueError(f"There is no provider {slug!r}. Known: {', '.join(sorted(list_providers()))}")
        return slug

    @field_validator("host")
    @classmethod
    def _expect_a_host(cls, host: str, info: ValidationInfo) -> str:
        if "slug" not in info.data:
            return host
        if not (host := host or find_usual_host(info.data["slug"])):
            raise ValueError(f"Each customer of {info.data['slug']} has a host of their own. Declare yours")
        try:
            usual = find_host(f"https://{host}")
        except ValueError:
            usual = ""
        if host != usual:
            raise ValueError("Wanted a host, such as api.openai.com, with its port if that is not 443: images.lab:8443")
        return host


def declare_provider(declared: Mapping[str, Any] | ProviderDeclaration) -> Provider:
    """Create or update the rate limit of a provider's server. The state of its circuit breaker stays.

    Raises:
        pydantic.ValidationError: The declaration is invalid.
    """
    declaration = ProviderDeclaration.model_validate(declared)
    fields = declaration.model_dump(exclude={"slug", "host"})
    return Provider.objects.update_or_create(slug=declaration.slug, host=declaration.host, defaults=fields)[0]


def take_turn(provider: Provider) -> float:
    """Seconds until a request may be sent to the server. 0 means now, and takes the turn."""
    if settings.REDIS_URL:
        try:
            interval = 60_000_000 / provider.requests_per_minute
            turns = f"paragone:turns:{provider.slug}:{provider.host}"
            wait = _redis(settings.REDIS_URL).eval(TAKE, 1, turns, interval, provider.burst)
            return float(wait) / 1e6
        except RedisError as error:
            log.warning("rate_limit_without_redis", provider=str(provider), error=type(error).__name__)
    return _take_in_database(provider)


def _take_in_database(provider: Provider) -> float:
    interval = timedelta(seconds=60 / provider.requests_per_minute)
    while True:
        was = Provider.objects.values_list("caught_up_at", flat=True).get(pk=provider.pk)
        now = database_time.now()  # after a read that may have waited
        full = max(was, now)
        wait = full - now - interval * (provider.burst - 1)
        if wait > timedelta(0):
            return wait.total_seconds()
        # If another worker has taken a turn meanwhile, look again.
        if Provider.objects.filter(pk=provider.pk, caught_up_at=was).update(caught_up_at=full + interval):
            return 0.0


@lru_cache(maxsize=1)
def _redis(url: str) -> Redis:
    return Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2)
