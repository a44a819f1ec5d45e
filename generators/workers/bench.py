"""Benchmark of a local model: the worker's whole path against a plain loop over the same pipeline.

Both draw the same number of images of the same size with the same settings, in turn, so that a machine that gets hot
or busy slows both alike. All rows are rolled back. Originals go to a temporary folder.
"""

import contextlib
import secrets
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from django.conf import settings
from django.db import transaction
from django.test.utils import override_settings

from generators.adapters.base import GenerationRequest
from generators.adapters.diffusers.diffusers_logging import silence_diffusers_logging
from generators.adapters.diffusers.generator import DiffusersGenerator, describe_call
from generators.adapters.diffusers.pipelines import Task
from generators.generations import request_generations
from generators.models import Generation, ImageModel, Prompt, PromptSet
from generators.workers.drawing import produce
from generators.workers.generator_cache import evict_all, get_generator

VARIANTS = 5
REPEATS = 3  # of the variants; their median counts


class BenchmarkError(ValueError):
    """The model or its prompts cannot be measured. The message says why."""


@dataclass
class Timing:
    """Seconds from request to image, for each image. Images of one batch arrive together."""

    latencies: list[float] = field(default_factory=list)
    seconds: float = 0.0
    peak_bytes: int = 0
    variants: list[float] = field(default_factory=list)

    @property
    def images_per_second(self) -> float:
        return len(self.latencies) / self.seconds

    @property
    def variants_seconds(self) -> float:
        return statistics.median(self.variants)

    def percentile(self, q: float) -> float:
        return float(np.percentile(self.latencies, q))


@dataclass
class Benchmark:
    """The result. ``in_pipeline``: seconds of the worker's time spent in the pipeline itself."""

    device: str
    dtype: str
    batch: int
    worker: Timing = field(default_factory=Timing)
    loop: Timing = field(default_factory=Timing)
    in_pipeline: float = 0.0

    @property
    def overhead(self) -> float:
        """The time that claiming, encoding, storing and settling add, as a share of ``in_pipeline``."""
        return self.worker.seconds / self.in_pipeline - 1


def measure_model(
    model: ImageModel, texts: Sequence[str], *, images: int, width: int, height: int, batch: int | None = None
) -> Benchmark:
    """Draw ``images`` images each way, in batches of ``batch`` (default: the model's ``max_batch``).

    Raises:
        BenchmarkError: The model has another adapter than "diffusers", or fails to draw.
        AdapterError: The model cannot be loaded.
    """
    if model.adapter != "diffusers":
        text = f"{model.slug} has adapter {model.adapter!r}. Only models of adapter 'diffusers' can be measured."
        raise BenchmarkError(text)
    with _rolled_back():
        return _Bench(model, texts, (width, height), batch).run(images)


class _Bench:
    def __init__(self, model: ImageModel, texts: Sequence[str], size: tuple[int, int], batch: int | None) -> None:
        slug = f"bench-{secrets.token_hex(8)}"
        declared = {**model.settings, **({"max_batch": batch} if batch else {})}
        self.model = ImageModel.objects.create(
            slug=slug, name=slug, family=slug, adapter="diffusers", settings=declared
        )
        prompt_set = PromptSet.objects.create(slug=slug, version="1", title=slug)
        self.prompts = [
            Prompt.objects.create(prompt_set=prompt_set, key=str(number), text=text)
            for number, text in enumerate(texts)
        ]
        self.size, self.seed = size, 0
        self.generator = cast(DiffusersGenerator, get_generator(self.model))
        self.pipeline = self.generator.pipelines.find(Task.TEXT)
        device, dtype = str(self.generator.pipelines.device), str(self.generator.pipelines.dtype)
        self.result = Benchmark(device, dtype.removeprefix("torch."), self.generator.settings.max_batch)

    def run(self, images: int) -> Benchmark:
        """Warm up, then measure. The order alternates from round to round."""
        result = self.result
        self._draw_by_worker(self._request(result.batch), Timing())
        self._draw_by_loop(1, Timing())
        result.in_pipeline = 0.0
        for number, start in enumerate(range(0, images, result.batch)):
            count = min(result.batch, images - start)
            for by_worker in (True, False) if number % 2 == 0 else (False, True):
                if by_worker:
                    self._draw_by_worker(self._request(count), result.worker)
                else:
                    self._draw_by_loop(count, result.loop)
        in_pipeline = result.in_pipeline
        for _ in range(REPEATS):
            for timing, draw in ((result.worker, self._vary_by_worker), (result.loop, self._vary_by_loop)):
                timing.variants.append(draw())
        result.in_pipeline = in_pipeline
        return result

    def _request(self, count: int, prompt: Prompt | None = None) -> list[Generation]:
        first = self.seed
        self.seed += count
        wanted = [
            (self.model, prompt or self.prompts[seed % len(self.prompts)], seed) for seed in range(first, self.seed)
        ]
        return request_generations(wanted, width=self.size[0], height=self.size[1])

    def _draw_by_worker(self, rows: Sequence[Generation], timing: Timing) -> None:
        """Draw as a worker does that receives a message for each row. Rows drawn in an earlier batch are skipped."""
        self.generator.pipelines.forget_peak()
        began = time.monotonic()
        for row in rows:
            produce(row.pk)
        seconds = time.monotonic() - began
        self._note_memory(timing)
        drawn = Generation.objects.filter(pk__in=[row.pk for row in rows])
        if failed := drawn.exclude(status=Generation.Status.OK).first():
            raise BenchmarkError(f"The model does not draw: {failed.reason} {failed.message}")
        self.result.in_pipeline += sum(row.reported["seconds"] for row in drawn)
        timing.latencies += [seconds] * len(rows)
        timing.seconds += seconds

    def _draw_by_loop(self, count: int, timing: Timing, prompt: Prompt | None = None) -> None:
        requests = []
        for seed in range(self.seed, self.seed + count):
            text = (prompt or self.prompts[seed % len(self.prompts)]).text
            requests.append(GenerationRequest(text, seed, *self.size))
        calls = [describe_call(self.pipeline, self.generator.settings, Task.TEXT, [request]) for request in requests]
        self.generator.pipelines.forget_peak()
        with silence_diffusers_logging():
            for call in calls:
                began = time.monotonic()
                self.pipeline(**call)
                timing.latencies.append(time.monotonic() - began)
                timing.seconds += timing.latencies[-1]
        self._note_memory(timing)

    def _vary_by_worker(self) -> float:
        timing = Timing()
        self._draw_by_worker(self._request(VARIANTS, self.prompts[0]), timing)
        return timing.seconds

    def _vary_by_loop(self) -> float:
        timing = Timing()
        self._draw_by_loop(VARIANTS, timing, self.prompts[0])
        return timing.seconds

    def _note_memory(self, timing: Timing) -> None:
        timing.peak_bytes = max(timing.peak_bytes, self.generator.pipelines.describe_memory()["peak_bytes"])


@contextlib.contextmanager
def _rolled_back() -> Iterator[None]:
    """Roll back all rows and delete all originals at the end, also after an error."""
    storages: dict[str, Any] = {name: value for name, value in settings.STORAGES.items() if name != "originals"}
    with tempfile.TemporaryDirectory() as folder, override_settings(MEDIA_ROOT=folder, STORAGES=storages):
        try:
            with transaction.atomic():
                yield
                transaction.set_rollback(True)
        finally:
            evict_all()
