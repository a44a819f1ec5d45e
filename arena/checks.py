"""System checks: misconfigurations that would fail later. docs/settings.md lists their ids, which never change meaning.

``paragone check`` reads the settings; ``paragone check --deploy`` also connects to the broker.
"""

import os
from pathlib import Path
from typing import Any

from celery import current_app
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.utils.module_loading import import_string


@register(Tags.security)
def check_secret_key(**kwargs: Any) -> list[CheckMessage]:
    if not settings.PRODUCTION:
        return []  # the key is made at its first use
    try:
        key = settings.SECRET_KEY
    except ImproperlyConfigured:  # Django raises it for an empty key
        key = ""
    errors: list[CheckMessage] = []
    if any(len(old) < 32 for old in settings.SECRET_KEY_FALLBACKS):
        errors.append(
            Error(
                "A key in PARAGONE_SECRET_KEY_FALLBACKS is shorter than 32 characters, so cookies can be forged.",
                hint="Remove it. People with a cookie under it sign in again, or become new raters.",
                id="arena.E001",
            )
        )
    if len(key) < 32:
        errors.append(
            Error(
                "PARAGONE_SECRET_KEY is missing or shorter than 32 characters, and production needs it.",
                hint="Set it, or set PARAGONE_SECRET_KEY_FILE to a file that contains it.",
                id="arena.E001",
            )
        )
    return errors


@register(Tags.database)
def check_worker_hosts(**kwargs: Any) -> list[CheckMessage]:
    """SQLite and the embedded broker are files, which other machines cannot reach."""
    if settings.WORKER_HOSTS < 2:
        return []
    errors: list[CheckMessage] = []
    if connection.vendor == "sqlite":
        errors.append(
            Error(
                f"SQLite cannot be used by {settings.WORKER_HOSTS} worker hosts.",
                hint="Set PARAGONE_DATABASE_URL to a PostgreSQL database, or PARAGONE_WORKER_HOSTS to 1.",
                id="arena.E002",
            )
        )
    if settings.CELERY_BROKER_URL == settings.EMBEDDED_BROKER:
        errors.append(
            Error(
                f"The embedded broker cannot be used by {settings.WORKER_HOSTS} worker hosts.",
                hint="Set PARAGONE_BROKER_URL to Redis or RabbitMQ, or PARAGONE_WORKER_HOSTS to 1.",
                id="arena.E003",
            )
        )
    return errors


@register(Tags.files)
def check_media_writable(**kwargs: Any) -> list[CheckMessage]:
    folder = Path(settings.MEDIA_ROOT)
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        return [
            Error(
                f"The media folder {folder} is not writable.",
                hint="Make it writable for the user that runs Paragone, or set PARAGONE_MEDIA_ROOT to another folder.",
                id="arena.E004",
            )
        ]
    return []


@register(deploy=True)
def check_broker(**kwargs: Any) -> list[CheckMessage]:
    if reason := broker_fault():
        return [
            Error(
                f"The broker cannot be reached: {reason}",
                hint="Start it, or correct PARAGONE_BROKER_URL.",
                id="arena.E005",
            )
        ]
    return []


@register(deploy=True)
def check_static_files(**kwargs: Any) -> list[CheckMessage]:
    if settings.PRODUCTION and settings.STATIC_ROOT and not (Path(settings.STATIC_ROOT) / "staticfiles.json").exists():
        return [
            Error(
                f"The static files are not collected in {settings.STATIC_ROOT}, so every page would fail.",
                hint="Run paragone collectstatic, now and after each update.",
                id="arena.E007",
            )
        ]
    return []


@register(Tags.security)
def check_allowed_hosts(**kwargs: Any) -> list[CheckMessage]:
    if settings.PRODUCTION and not settings.ALLOWED_HOSTS:
        return [
            Error(
                "PARAGONE_ALLOWED_HOSTS is empty, so production refuses every request.",
                hint="Set it to the host names of the site, separated by commas.",
                id="arena.E006",
            )
        ]
    return []


@register(Tags.security)
def check_moderation(**kwargs: Any) -> list[CheckMessage]:
    errors: list[CheckMessage] = []
    for name in settings.MODERATION:
        try:
            import_string(name)
        except ImportError as error:
            errors.append(
                Error(
                    f"The check {name!r} of raters' prompts cannot be imported: {error}",
                    hint="Set PARAGONE_MODERATION to dotted paths of functions, separated by commas.",
                    id="arena.E008",
                )
            )
    return errors


def broker_fault() -> str:
    """The reason why the broker cannot be reached, without its password; empty if it can."""
    try:
        with current_app.connection_for_write(connect_timeout=2) as link:
            link.ensure_connection(max_retries=1, interval_start=0, interval_step=1, timeout=3)
            # Some transports, Redis among them, connect only at first use.
            with link.channel() as channel:
                if ping := getattr(getattr(channel, "client", None), "ping", None):
                    ping()
    except Exception as error:
        # Each transport raises its own exceptions, and an invalid address raises others.
        return type(error).__name__
    return ""
