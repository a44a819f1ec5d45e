"""The settings, each read from an environment variable with its type; docs/settings.md lists them.

``PARAGONE_X_FILE`` may name a file that holds the value of ``PARAGONE_X`` (for secrets).
"""

import os
from importlib.util import find_spec
from pathlib import Path

import dj_database_url
import structlog
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.utils.functional import SimpleLazyObject
from environs import FileAwareEnv, validate

from arena.state_folder import SqliteConnection, read_secret_key
from generators.adapters.registry import ADAPTERS, find_declaration
from generators.adapters.servers import SERVER_KEY_PREFIX
from generators.providers.redaction import redact_line

env = FileAwareEnv(strip_whitespace=True)

# A rating is many small matrix operations: with several BLAS threads on shared cores, a 10 ms fit can take a second.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

BASE_DIR = Path(__file__).resolve().parent.parent
PRODUCTION = env.bool("PARAGONE_PRODUCTION", False)
DEBUG = False


def _find_state_folder() -> Path:
    """``var`` beside manage.py in a checkout; otherwise in the user's state folder, as the XDG specification has it."""
    if (BASE_DIR / "manage.py").exists() and (BASE_DIR / "pyproject.toml").exists():
        return BASE_DIR / "var"
    return Path(env.str("XDG_STATE_HOME", "") or Path.home() / ".local" / "state") / "paragone"


# Nothing is created when this module is imported: each file and folder is made at its first use.
VAR = Path(env.str("PARAGONE_VAR", "") or _find_state_folder()).resolve()
MEDIA_ROOT = env.path("PARAGONE_MEDIA_ROOT", VAR / "media").resolve()
# Folders with suites/, prompts/ and other TOML files that commands find by name: the user's, then the shipped one.
FIXTURES: list[Path] = [
    *(folder.resolve() for folder in env.list("PARAGONE_FIXTURES", [], subcast=Path)),
    (BASE_DIR / "arena" / "fixtures").resolve(),
]

# In production a missing key stays empty: Django then refuses to sign, and check arena.E001 names the reason.
SECRET_KEY = env.str("PARAGONE_SECRET_KEY", "") or (
    "" if PRODUCTION else SimpleLazyObject(lambda: read_secret_key(VAR / "secret_key"))
)
# Earlier keys: what they signed stays valid, and is signed again with the new one. An empty key would sign for anyone.
SECRET_KEY_FALLBACKS: list[str] = list(filter(None, env.list("PARAGONE_SECRET_KEY_FALLBACKS", [], subcast=str.strip)))

# People and their browsers

# True: anyone with the address may vote and read leaderboards. False: people sign in first.
PUBLIC = env.bool("PARAGONE_PUBLIC", not PRODUCTION)
ALLOWED_HOSTS = env.list("PARAGONE_ALLOWED_HOSTS", [] if PRODUCTION else ["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS: list[str] = env.list("PARAGONE_TRUSTED_ORIGINS", [])
HTTPS = env.bool("PARAGONE_HTTPS", PRODUCTION)
BEHIND_PROXY = env.bool("PARAGONE_BEHIND_PROXY", False)
# Each of them appends an entry to X-Forwarded-For. The address of a request is the entry of the outermost.
TRUSTED_PROXIES = env.int("PARAGONE_TRUSTED_PROXIES", 1, validate=validate.Range(min=1))
if BEHIND_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
CSRF_COOKIE_HTTPONLY = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "arena.views.errors.csrf_failure"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "home"
# Digests of the two style elements that plotly 7.1 adds: an empty one that it fills by script, and one of its map
# library. A browser test fails if another version adds others.
PLOTLY_STYLES = [
    "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='",
    "'sha256-ji27qzEtxXZW+7dun6UwjHXJ18e6WAin1VvNtkzIE/o='",
]
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF, *PLOTLY_STYLES],
        "img-src": [SELF, "data:", "blob:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    }
}

# Limits (see arena/raters/limits.py and docs/limits.md). 0: no limit.

_NOT_NEGATIVE = validate.Range(min=0)
# Votes beyond these are stored and excluded.
RATER_VOTES_PER_HOUR = env.int("PARAGONE_RATER_VOTES_PER_HOUR", 120, validate=_NOT_NEGATIVE)
RATER_VOTES_PER_5_MINUTES = env.int("PARAGONE_RATER_VOTES_PER_5_MINUTES", 60, validate=_NOT_NEGATIVE)
NETWORK_VOTES_PER_HOUR = env.int("PARAGONE_NETWORK_VOTES_PER_HOUR", 600, validate=_NOT_NEGATIVE)
NETWORK_NEW_RATERS_PER_HOUR = env.int("PARAGONE_NETWORK_NEW_RATERS_PER_HOUR", 20, validate=_NOT_NEGATIVE)
# Beyond these, no battle is opened.
RATER_OPENINGS_PER_HOUR = env.int("PARAGONE_RATER_OPENINGS_PER_HOUR", 240, validate=_NOT_NEGATIVE)
RATER_OPENINGS_PER_5_MINUTES = env.int("PARAGONE_RATER_OPENINGS_PER_5_MINUTES", 90, validate=_NOT_NEGATIVE)
RATER_SKIPS_PER_HOUR = env.int("PARAGONE_RATER_SKIPS_PER_HOUR", 30, validate=_NOT_NEGATIVE)
NETWORK_OPENINGS_PER_HOUR = env.int("PARAGONE_NETWORK_OPENINGS_PER_HOUR", 1200, validate=_NOT_NEGATIVE)
NETWORK_PROMPTS_PER_HOUR = env.int("PARAGONE_NETWORK_PROMPTS_PER_HOUR", 60, validate=_NOT_NEGATIVE)
# Failed sign-in attempts before further ones are delayed.
SIGN_IN_FAILURES = env.int("PARAGONE_SIGN_IN_FAILURES", 5, validate=_NOT_NEGATIVE)
NETWORK_SIGN_IN_FAILURES = env.int("PARAGONE_NETWORK_SIGN_IN_FAILURES", 50, validate=_NOT_NEGATIVE)

# Checks of the prompts that raters type (see arena/rater_prompts/moderation.py), and the folder of a classifier for the
# images drawn from them (see arena/rater_prompts/safety.py). Empty: these images are not checked.
MODERATION: list[str] = env.list("PARAGONE_MODERATION", ["arena.rater_prompts.moderation.check_words"])
SAFETY_MODEL = env.str("PARAGONE_SAFETY_MODEL", "")

# Storage and queue

DATABASE_URL = env.str("PARAGONE_DATABASE_URL", f"sqlite:///{VAR / 'paragone.sqlite3'}")
DATABASES = {"default": dj_database_url.parse(DATABASE_URL, conn_max_age=60, conn_health_checks=True)}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # With WAL, pages can be read while the worker writes. With IMMEDIATE, a writer waits at BEGIN instead of failing
    # in the middle of a transaction.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        "factory": SqliteConnection,
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

EMBEDDED_BROKER = "embedded://localhost/"
CELERY_BROKER_URL = env.str("PARAGONE_BROKER_URL", EMBEDDED_BROKER)
if CELERY_BROKER_URL == EMBEDDED_BROKER:
    CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, object] = {
        "data_folder_in": str(VAR / "broker" / "messages"),
        "data_folder_out": str(VAR / "broker" / "messages"),
        "control_folder": str(VAR / "broker" / "control"),
        "polling_interval": 0.05,
    }
else:
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        # If the broker does not answer, a page that requests images waits twice this long.
        "socket_connect_timeout": 1,
        "socket_timeout": 1,
    }
# Free megabytes under the media folder below which the site reports that it is not ready.
MIN_FREE_MB = env.int("PARAGONE_MIN_FREE_MB", 1000)
# Number of machines that run workers. More than one needs a database and a broker that all of them can reach.
WORKER_HOSTS = env.int("PARAGONE_WORKER_HOSTS", 1)

# Keys of servers by environment variable: each provider's, which its adapter declares, and those that models name.
_PROVIDER_VARIABLES = {variable for name in ADAPTERS if (variable := find_declaration(name).key)}
_SERVER_VARIABLES = {name.removesuffix("_FILE") for name in os.environ if name.startswith(SERVER_KEY_PREFIX)}
PROVIDER_KEYS = {variable: env.str(variable, "") for variable in sorted(_PROVIDER_VARIABLES | _SERVER_VARIABLES)}
# Redis for the rate limits that all workers share. Empty: the database holds them.
REDIS_URL = env.str("PARAGONE_REDIS_URL", CELERY_BROKER_URL if CELERY_BROKER_URL.startswith("redis") else "")
# Folder of networks that no package contains: clip/NAME, dinov2/NAME, detector/NAME in the Hugging Face layout.
WEIGHTS = env.path("PARAGONE_WEIGHTS", VAR / "weights").resolve()
# Number of local models that a worker process keeps in memory.
CACHED_GENERATORS = env.int("PARAGONE_CACHED_GENERATORS", 1)

# A worker's claim on a generation, and the sweeper that releases expired claims and sends lost messages again.
CLAIM_SECONDS = env.int("PARAGONE_CLAIM_SECONDS", 600)
REDISPATCH_SECONDS = env.int("PARAGONE_REDISPATCH_SECONDS", 60)
MAX_ATTEMPTS = env.int("PARAGONE_MAX_ATTEMPTS", 3)
SWEEP_SECONDS = env.int("PARAGONE_SWEEP_SECONDS", 5)
RATING_SECONDS = env.int("PARAGONE_RATING_SECONDS", 20)
# The longest that the rating of a board may take. Then its process is ended, and the board is rated later.
RATING_CLAIM_SECONDS = env.int("PARAGONE_RATING_CLAIM_SECONDS", 600)
SAFETY_CHECK_SECONDS = 2  # a rater waits for this check
# A worker's claim on the scoring of a run, which it renews while it works.
SCORING_CLAIM_SECONDS = env.int("PARAGONE_SCORING_CLAIM_SECONDS", 600)

# On SIGTERM, the time that tasks have to finish before a worker gives its claims back and ends.
SHUTDOWN_SECONDS = env.float("PARAGONE_SHUTDOWN_SECONDS", 5)

CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "default"
# A row in the database says what is to be done, and a lost message is sent again. A message that stays unacknowledged
# during a long task would only be given to a second worker (Redis), or end the channel (RabbitMQ). The next message,
# which a process fetches ahead, can still do the latter: the worker then opens another channel.
CELERY_TASK_ACKS_LATE = False
CELERY_BROKER_CHANNEL_ERROR_RETRY = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_TIME_LIMIT = CLAIM_SECONDS
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0, "interval_step": 0.2}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"
# Beat writes no file and may be started twice: the database decides whether a periodic task is due (see
# generators/periodic_tasks.py). Beat asks once a minute at least: where it restarts daily, weekly tasks run too.
CELERY_BEAT_SCHEDULER = "celery.beat.Scheduler"
LONGEST_BEAT_SECONDS = 60


def find_expiry(broker_url: str) -> int:
    """Seconds until a message of beat expires, so that messages do not pile up without limit while no worker runs.

    A worker compares the time with its own clock. The embedded broker serves one machine, with one clock; elsewhere it
    takes a clock that is a day wrong to drop a message that is still wanted.
    """
    return LONGEST_BEAT_SECONDS if broker_url == EMBEDDED_BROKER else 24 * 3600


def _beat(task: str, seconds: int, **options: object) -> dict[str, object]:
    options["expires"] = find_expiry(CELERY_BROKER_URL)
    return {"task": task, "schedule": min(seconds, LONGEST_BEAT_SECONDS), "options": options}


# Retention, in days; 0 keeps everything of a kind. docs/operation.md says what is deleted.
KEEP_LEADERBOARDS_DAYS = env.int("PARAGONE_KEEP_LEADERBOARDS_DAYS", 7, validate=_NOT_NEGATIVE)
KEEP_HOURLY_LEADERBOARDS_DAYS = env.int("PARAGONE_KEEP_HOURLY_LEADERBOARDS_DAYS", 60, validate=_NOT_NEGATIVE)
KEEP_BATTLES_DAYS = env.int("PARAGONE_KEEP_BATTLES_DAYS", 30, validate=_NOT_NEGATIVE)
KEEP_TYPED_PROMPTS_DAYS = env.int("PARAGONE_KEEP_TYPED_PROMPTS_DAYS", 30, validate=_NOT_NEGATIVE)
KEEP_DERIVATIVES_DAYS = env.int("PARAGONE_KEEP_DERIVATIVES_DAYS", 30, validate=_NOT_NEGATIVE)
KEEP_FEATURES_DAYS = env.int("PARAGONE_KEEP_FEATURES_DAYS", 90, validate=_NOT_NEGATIVE)
KEEP_ORPHANS_DAYS = env.int("PARAGONE_KEEP_ORPHANS_DAYS", 30, validate=_NOT_NEGATIVE)
PRUNE_SECONDS = 24 * 3600

CELERY_BEAT_SCHEDULE = {
    # Not on the default queue, where a single process would sweep nothing meanwhile.
    "prune": _beat("arena.prune", PRUNE_SECONDS, queue="rating"),
    "sweep": _beat("generators.sweep", SWEEP_SECONDS),
    "advance_runs": _beat("evaluation.advance", SWEEP_SECONDS),
    "rate_boards": _beat("arena.rate_boards", RATING_SECONDS),
}
if SAFETY_MODEL:
    CELERY_BEAT_SCHEDULE["check_images"] = _beat("arena.check_images", SAFETY_CHECK_SECONDS)

# The application

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "csp",
    "django_htmx",
    "django_structlog",
    "generators",
    "evaluation",
    "arena",
]
MIDDLEWARE = [
    "django_structlog.middlewares.RequestMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "arena.views.request_text.RequestTextMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "arena.views.access.SignInMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "arena.views.errors.StorageErrorMiddleware",
]
ROOT_URLCONF = "arena.urls"
WSGI_APPLICATION = "arena.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
            ],
        },
    },
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LANGUAGE_CODE = "en"
USE_I18N = False
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "/static/"
# In production the files are collected once, under names that hold a digest. Otherwise they are served from the
# packages, and no folder is needed.
_STATIC_ROOT = env.str("PARAGONE_STATIC_ROOT", str(VAR / "static") if PRODUCTION else "")
STATIC_ROOT = Path(_STATIC_ROOT).resolve() if _STATIC_ROOT else None
WHITENOISE_USE_FINDERS = not PRODUCTION
# The chart library is in its Python package, which is found without the slow import.
STATICFILES_DIRS = [("plotly", Path(str(find_spec("plotly").origin)).parent / "package_data")]  # type: ignore[union-attr]
STORAGES: dict[str, dict[str, object]] = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if PRODUCTION
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}


def describe_bucket(name: str) -> dict[str, object]:
    """The storage of originals in a bucket. Without a bucket they are in the media folder."""
    if find_spec("storages") is None or find_spec("boto3") is None:
        raise ImproperlyConfigured(
            "PARAGONE_S3_BUCKET needs django-storages, which is not installed. Run: pip install 'paragone[s3]'"
        )
    from botocore.config import Config

    endpoint = env.str("PARAGONE_S3_ENDPOINT", "")
    config = Config(
        # A page waits for the bucket, at most twice this long.
        connect_timeout=3,
        read_timeout=20,
        retries={"total_max_attempts": 2, "mode": "standard"},
        # Every S3-compatible server supports these. Originals have a digest of their own.
        signature_version="s3v4",
        s3={"addressing_style": "path" if endpoint else "auto"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    return {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": name,
            "endpoint_url": endpoint or None,
            "location": env.str("PARAGONE_S3_PREFIX", "originals"),
            # Without keys, boto3 looks in its usual places, such as the role of the machine.
            "access_key": env.str("PARAGONE_S3_ACCESS_KEY", "") or None,
            "secret_key": env.str("PARAGONE_S3_SECRET_KEY", "") or None,
            "client_config": config,
        },
    }


if S3_BUCKET := env.str("PARAGONE_S3_BUCKET", ""):
    STORAGES["originals"] = describe_bucket(S3_BUCKET)

# Logs: one event a line with its request id, as text or as JSON

LOG_FORMAT = env.str("PARAGONE_LOG_FORMAT", "json" if PRODUCTION else "console")
LOG_LEVEL = env.str("PARAGONE_LOG_LEVEL", "INFO")
DJANGO_STRUCTLOG_CELERY_ENABLED = True
DJANGO_STRUCTLOG_TRUST_UPSTREAM_REQUEST_ID = BEHIND_PROXY
DJANGO_STRUCTLOG_IP_LOGGING_ENABLED = False  # raters are anonymous in the logs too
_EVENT_FIELDS: list[structlog.typing.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]
structlog.configure(
    processors=[
        structlog.stdlib.filter_by_level,
        *_EVENT_FIELDS,
        structlog.processors.format_exc_info,
        structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
    ],
    logger_factory=structlog.stdlib.LoggerFactory(),
    cache_logger_on_first_use=True,
)
_RENDERER = structlog.processors.JSONRenderer() if LOG_FORMAT == "json" else structlog.dev.ConsoleRenderer(colors=False)
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "event": {
            "()": structlog.stdlib.ProcessorFormatter,
            "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, _RENDERER, redact_line],
            "foreign_pre_chain": [*_EVENT_FIELDS, structlog.processors.format_exc_info],
        },
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "event"}},
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {"django.server": {"handlers": ["stderr"], "propagate": False}},
}
