"""One rate limit for all workers: a token bucket, kept as the moment at which it would be full again.

The generic cell rate algorithm: a request moves that moment on by one interval, and is let through while it lies less
than a burst ahead of now. In Redis one script does so at once; in the database one guarded UPDATE.
"""

from datetime import timedelta
from functools import lru_cache

import structlog
from django.conf import settings
from django.utils import timezone
from redis import Redis, RedisError

from generators.models import Provider

log = structlog.get_logger(__name__)

# Returns microseconds to wait, 0 when the request may go out. Redis' own clock: workers' clocks differ.
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


def take_turn(provider: Provider) -> float:
    """Seconds until a request may go to this provider; 0 when it may now, and then its turn is taken."""
    if settings.REDIS_URL:
        try:
            interval = 60_000_000 / provider.requests_per_minute
            wait = _redis(settings.REDIS_URL).eval(TAKE, 1, f"paragone:turns:{provider.slug}", interval, provider.burst)
            return float(wait) / 1e6
        except RedisError as error:
            log.warning("rate_limit_without_redis", provider=provider.slug, error=type(error).__name__)
    return _take_in_database(provider)


def _take_in_database(provider: Provider) -> float:
    interval = timedelta(seconds=60 / provider.requests_per_minute)
    while True:
        was = Provider.objects.values_list("caught_up_at", flat=True).get(pk=provider.pk)
        now = timezone.now()  # after a read that may have waited
        full = max(was, now)
        wait = full - now - interval * (provider.burst - 1)
        if wait > timedelta(0):
            return wait.total_seconds()
        # Another worker may have taken a turn since: then look again.
        if Provider.objects.filter(pk=provider.pk, caught_up_at=was).update(caught_up_at=full + interval):
            return 0.0


@lru_cache(maxsize=1)
def _redis(url: str) -> Redis:
    return Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2)
