"""The Celery application of a worker under test: the project's own, and the adapter that a test can hold."""

from arena.celery import app  # noqa: F401  (celery finds it here: -A tests.worker_app)
from generators.adapters.registry import ADAPTERS

ADAPTERS["slow"] = "tests.slow_adapter.SlowGenerator"
