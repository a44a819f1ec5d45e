"""Keys of providers never reach a log, a message or a page, whoever repeats them."""

from typing import Any

from django.conf import settings

# Characters. What somebody typed to try things out is no secret, and may stand in any word.
SHORTEST_KEY = 8


def redact(text: str) -> str:
    """The text without any provider's key."""
    for key in settings.PROVIDER_KEYS.values():
        if len(key) >= SHORTEST_KEY:
            text = text.replace(key, "[key]")
    return text


def redact_line(logger: Any, method: str, line: str) -> str:
    """The last step of every log line (a structlog processor): tracebacks and libraries' own lines, too."""
    return redact(line)
