"""The Celery application of a worker under test: the project's own, the adapter and the extractor that a test can
hold, and a place at which a drawing can be held.

``PARAGONE_TEST_PAUSE`` is "POINT FOLDER": the worker stops there, once, until it is killed or the latch opens.
"""

import os
from pathlib import Path
from typing import Any

from arena.celery import app  # noqa: F401  (celery finds it here: -A tests.worker_app)
from evaluation.extractors.registry import EXTRACTORS
from evaluation.metrics.registry import METRICS
from generators.adapters.registry import ADAPTERS

ADAPTERS["slow"] = "tests.fake_adapters.SlowGenerator"
EXTRACTORS["held"] = "tests.evaluation.held.HeldShade"
METRICS["held-shade"] = "tests.evaluation.held.HeldMean"

if wanted := os.environ.get("PARAGONE_TEST_PAUSE"):
    from celery.signals import worker_process_init

    # The parent starts children again when they die: each is held, and each in its own process.
    @worker_process_init.connect
    def hold_here(**kwargs: Any) -> None:
        from tests.generators.workers.pause_points import hold

        point, _, folder = wanted.partition(" ")
        hold(point, Path(folder))
