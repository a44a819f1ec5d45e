"""Command bench_generator: compares the speed of a worker with a plain loop."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from generators.adapters.base import AdapterError
from generators.management.model_argument import MODEL_HELP, read_model
from generators.workers.bench import VARIANTS, Benchmark, BenchmarkError, Timing, measure_model

PROMPTS = [
    "a red cube on a blue sphere",
    "three yellow birds above a green hill",
    'a shop sign that reads "OPEN"',
    "a lighthouse at night, oil on canvas",
]


class Command(BaseCommand):
    help = "Measure how fast a local model draws: through the worker, and in a plain loop over its pipeline."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("model", metavar="MODEL", help=MODEL_HELP)
        parser.add_argument("--images", type=int, default=16)
        parser.add_argument("--batch", type=int, help="images per call (default: the model's max_batch)")
        parser.add_argument("--width", type=int, default=512)
        parser.add_argument("--height", type=int, default=512)
        parser.add_argument("--prompts", type=Path, help="file with one prompt per line")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["images"] < 1:
            raise CommandError(f"--images is {options['images']}. Draw at least 1.")
        size = {"width": options["width"], "height": options["height"]}
        try:
            model = read_model(options["model"])
            result = measure_model(
                model, _read_prompts(options["prompts"]), images=options["images"], batch=options["batch"], **size
            )
        except (BenchmarkError, AdapterError, OSError) as error:
            raise CommandError(str(error)) from error
        title = f"{model.slug} on {result.device}, {result.dtype}, {size['width']} x {size['height']} pixels"
        self.stdout.write(f"{title}: {options['images']} images, the worker in batches of up to {result.batch}")
        self.stdout.write("\n".join(format_table(result)))


def format_table(result: Benchmark) -> list[str]:
    """One line per figure: the worker's, the plain loop's, and how many times better the worker's is."""
    worker, loop = result.worker, result.loop
    lines = [
        f"{'':24}{'worker':>12}{'plain loop':>12}{'ratio':>8}",
        _format_line("images per second", worker.images_per_second, loop.images_per_second),
    ]
    lines += [
        _format_line(f"latency p{q}, s", worker.percentile(q), loop.percentile(q), less_is_better=True)
        for q in (50, 95, 99)
    ]
    variants = f"{VARIANTS} variants of a prompt, s"
    lines.append(_format_line(variants, worker.variants_seconds, loop.variants_seconds, less_is_better=True))
    lines.append(_format_memory(result, worker, loop))
    return [*lines, f"The worker's path adds {result.overhead:.1%} to the time in the pipeline."]


def _format_line(name: str, worker: float, loop: float, *, less_is_better: bool = False) -> str:
    ratio = loop / worker if less_is_better else worker / loop
    return f"{name:24}{worker:12.3f}{loop:12.3f}{ratio:8.2f}"


def _format_memory(result: Benchmark, worker: Timing, loop: Timing) -> str:
    if result.device == "cpu":
        # On a CPU the system reports one peak only, of the whole process.
        return f"{'peak memory, MB':24}{max(worker.peak_bytes, loop.peak_bytes) / 1e6:12.0f}  (whole process, both)"
    return _format_line("peak GPU memory, MB", worker.peak_bytes / 1e6, loop.peak_bytes / 1e6, less_is_better=True)


def _read_prompts(file: Path | None) -> list[str]:
    if file is None:
        return PROMPTS
    if prompts := [line.strip() for line in file.read_text().splitlines() if line.strip()]:
        return prompts
    raise BenchmarkError(f"{file} has no prompts. Write one per line.")
