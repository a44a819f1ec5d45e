"""Benchmark of the metrics of text in images against torchmetrics and plain Python: strings per second, and ratios.

    python benchmarks/texts.py [--images 2000]

Signs have one to three target strings of two to five words, infographics twelve of six. The simulated readings have
wrong, missing and doubled letters, and line breaks in other places. A string is the whole reading of one image: it is
cleaned and compared with all its target strings. The requirement is for signs. The other packages get fewer strings,
already cleaned.
"""

import argparse
import random
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import cast

from evaluation.metrics.base import PromptInputs, SampleInputs, SampleMetric
from evaluation.metrics.registry import METRICS, build_metric, find_metric
from evaluation.metrics.text_rendering.folding import fold_text
from evaluation.metrics.text_rendering.reading import TextMetric
from figures import print_line

WORDS = [
    *("grand", "opening", "fresh", "bread", "daily", "coffee", "to", "go", "please", "mind", "the", "step"),
    *("café", "perché", "no", "museum", "of", "glass", "sale"),
]
REQUIRED = 5_000
PEERS_STRINGS = 100


def misread(text: str, rng: random.Random) -> str:
    letters = []
    for letter in text:
        chance = rng.random()
        if chance < 0.03:
            letters.append(rng.choice("aeionrst"))
        elif chance > 0.02 + 0.03:
            letters.append(letter)
        if chance > 0.98:
            letters.append(letter)
    return "".join(letters)


def make_samples(n: int, targets: tuple[int, int], words: tuple[int, int], rng: random.Random) -> list[SampleInputs]:
    samples = []
    for k in range(n):
        texts = tuple(
            " ".join(rng.choices(WORDS, k=rng.randint(*words))).capitalize() for _ in range(rng.randint(*targets))
        )
        lines = [line for text in texts for line in misread(text, rng).split(" the ") if line]
        prompt = PromptInputs(key=str(k), text="a sign", targets=texts, language="en")
        read = {"lines": [{"text": line, "confidence": 0.9, "box": []} for line in lines]}
        samples.append(SampleInputs(prompt=prompt, seed=0, extracted={"ocr": read}))
    return samples


def rate(run: Callable[[], object], n: int) -> float:
    """Strings per second, the best of three runs."""
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return n / min(seconds)


def show_metrics(samples: Sequence[SampleInputs], required: int | None) -> dict[str, float]:
    found = {}
    for name in sorted(name for name in METRICS if issubclass(find_metric(name), TextMetric)):
        measure_all = cast(SampleMetric, build_metric(name, {})).measure_all
        found[name] = rate(partial(measure_all, samples), len(samples))
        verdict = (found[name] >= required, f"≥ {required:,} strings/s") if required else ()
        print_line(f"  {name}", f"{found[name]:,.0f} strings/s", *verdict)
    return found


def distance_in_python(a: str, b: str) -> int:
    """Edit distance by the textbook algorithm, row by row, as in most published programs."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row = row, [i]
        for j, y in enumerate(b, 1):
            row.append(min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (x != y)))
    return row[-1]


def show_peers(samples: Sequence[SampleInputs], ours: dict[str, float]) -> None:
    from torchmetrics.functional.text import char_error_rate, word_error_rate

    samples = samples[:PEERS_STRINGS]
    expected = [fold_text(" ".join(sample.prompt.targets)) for sample in samples]
    read = [fold_text(" ".join(entry["text"] for entry in sample.look_up("ocr")["lines"])) for sample in samples]
    pairs = list(zip(read, expected, strict=True))
    peers: dict[str, tuple[str, Callable[[], object]]] = {
        "cer": ("torchmetrics", lambda: char_error_rate(read, expected)),
        "wer": ("torchmetrics", lambda: word_error_rate(read, expected)),
        "oneig-ed": ("plain Python", lambda: [distance_in_python(a, b) for a, b in pairs]),
    }
    for name, (peer, run) in peers.items():
        theirs = rate(run, len(samples))
        print_line(f"    {name}: {peer}", f"{theirs:,.0f} strings/s = {ours[name] / theirs:.1f}x")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=2_000)
    options = parser.parse_args()
    rng = random.Random(0)
    for title, targets, words, required in [
        ("signs", (1, 3), (2, 5), REQUIRED),
        ("infographics", (12, 12), (6, 6), None),
    ]:
        samples = make_samples(options.images, targets, words, rng)
        letters = sum(len(" ".join(sample.prompt.targets)) for sample in samples) / len(samples)
        print(f"{options.images:,} {title}, {letters:.0f} letters on average")
        show_peers(samples, show_metrics(samples, required))


if __name__ == "__main__":
    main()
