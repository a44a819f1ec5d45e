"""Redaction of keys: a provider's key never reaches a log, a message or a page, even if the provider repeats it."""

from typing import Any

from django.conf import settings

# Characters. A shorter value is a placeholder, and may be part of ordinary words.
SHORTEST_KEY = 8


def redact(text: str) -> str:
    """The text without the keys of providers."""
    for key in settings.PROVIDER_KEYS.values():
        if len(key) >= SHORTEST_KEY:
            text = text.replace(key, "[key]")
    return text


def redact_line(logger: Any, method: str, line: str) -> str:
    """Redact a log line, tracebacks included. The last structlog processor of every line."""
    return redact(line)
