"""Networks of requests: a keyed hash in place of the address, which is neither stored nor logged.

The network is the /24 of an IPv4 address or the /48 of an IPv6 address. Its hash depends on a random key of the month:
once that key is deleted, a hash cannot be traced to its network. At the turn of a month each network gets another
hash, and its limits begin anew.
"""

from datetime import timedelta
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

import structlog
from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import salted_hmac

from arena.models import NetworkKey

log = structlog.get_logger(__name__)

KEEP_KEYS: Final = timedelta(days=60)
# Stands for every address that cannot be read: these requests share their limits.
UNKNOWN: Final = "unknown"


def find_network(request: HttpRequest) -> str:
    """The hash of the network that the request comes from: 32 characters."""
    month = timezone.now().date().replace(day=1)
    key, _ = NetworkKey.objects.get_or_create(month=month)
    network = _widen(_find_address(request))
    # With the secret key too: a copy of the database alone does not lead back to networks.
    return salted_hmac(key.value, network, algorithm="sha256").hexdigest()[:32]


def list_expired_keys() -> QuerySet[NetworkKey]:
    """Keys that retention deletes."""
    return NetworkKey.objects.filter(month__lt=(timezone.now() - KEEP_KEYS).date())


def _find_address(request: HttpRequest) -> str:
    """The address of the client, of which it can choose no part.

    A proxy appends the address that it was called from to X-Forwarded-For. Entries further left came with the request.
    """
    peer: str = request.META.get("REMOTE_ADDR", "")
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "")
    if not settings.BEHIND_PROXY:
        if forwarded and _is_local(peer):
            _warn_of_proxy()
        return peer
    entries = [entry.strip() for entry in forwarded.split(",")]
    # With too few entries, the request did not pass all proxies.
    return entries[-settings.TRUSTED_PROXIES] if forwarded and len(entries) >= settings.TRUSTED_PROXIES else peer


def _widen(address: str) -> str:
    parsed = _parse(address)
    if parsed is None:
        return UNKNOWN
    return str(ip_network((parsed, 24 if parsed.version == 4 else 48), strict=False))


def _parse(address: str) -> IPv4Address | IPv6Address | None:
    """An address that may have a port ("192.0.2.1:443", "[2001:db8::1]:443"); None if it is something else."""
    if address.startswith("["):
        address = address[1:].partition("]")[0]
    elif address.count(":") == 1:
        address = address.partition(":")[0]
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return (parsed.ipv4_mapped or parsed) if isinstance(parsed, IPv6Address) else parsed


def _is_local(address: str) -> bool:
    parsed = _parse(address)
    return parsed is None or parsed.is_private


@lru_cache(maxsize=1)
def _warn_of_proxy() -> None:
    """Once per process: behind such a proxy, all raters share the limits of one network."""
    log.warning("proxy_not_declared", advice="Set PARAGONE_BEHIND_PROXY=1 if a proxy forwards all requests.")
