"""The Celery application of a worker under test: the project's own, with fake adapters and a pause point.

``PARAGONE_TEST_PAUSE`` is "POINT FOLDER": the worker's processes wait at that point for the latch in that folder.
"""

import os
from pathlib import Path
from typing import Any

from arena.celery import app  # noqa: F401  (Celery finds it here: -A tests.worker_app)
from evaluation.extractors.registry import EXTRACTORS
from evaluation.metrics.registry import METRICS
from generators.adapters.registry import ADAPTERS

ADAPTERS["slow"] = "tests.fake_adapters.SlowGenerator"
EXTRACTORS["held"] = "tests.evaluation.held.HeldShade"
METRICS["held-shade"] = "tests.evaluation.held.HeldMean"

if wanted := os.environ.get("PARAGONE_TEST_PAUSE"):
    from celery.signals import worker_process_init

    # In each process of the pool, since the worker replaces those that die.
    @worker_process_init.connect
    def set_pause_point(**kwargs: Any) -> None:
        from tests.generators.workers.pause_points import pause_at

        point, _, folder = wanted.partition(" ")
        pause_at(point, Path(folder))
