"""What the metrics of text in images cost, beside torchmetrics and plain Python: strings a second, and ratios.

    python benchmarks/texts.py [--images 2000]

Signs have one to three targets of two to five words, infographics twelve of six; what was read of them has wrong,
missing and doubled letters, and breaks in other places. A string is all that was read in one image: cleaned, compared
with all its targets, and noted. The speed that is wanted is that of signs. Peers are given clean strings, and fewer.
"""

import argparse
import random
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import cast

from evaluation.metrics.base import PromptInputs, SampleInputs, SampleMetric
from evaluation.metrics.registry import METRICS, build_metric, find_metric
from evaluation.metrics.text_rendering.reading import TextMetric
from evaluation.metrics.text_rendering.words import fold

WORDS = [
    *("grand", "opening", "fresh", "bread", "daily", "coffee", "to", "go", "please", "mind", "the", "step"),
    *("café", "perché", "no", "museum", "of", "glass", "sale"),
]
WANTED = 5_000
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
    """Strings a second, the best of three runs."""
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return n / min(seconds)


def line(text: str, figure: str, passed: bool | None = None, wanted: str = "") -> None:
    verdict = "" if passed is None else "PASS" if passed else "MISSED"
    print(f"{text:<44} {figure:<30} {verdict:<7} {wanted}", flush=True)


def show_metrics(samples: Sequence[SampleInputs], wanted: int | None) -> dict[str, float]:
    found = {}
    for name in sorted(name for name in METRICS if issubclass(find_metric(name), TextMetric)):
        measure_all = cast(SampleMetric, build_metric(name, {})).measure_all
        found[name] = rate(partial(measure_all, samples), len(samples))
        verdict = (found[name] >= wanted, f"≥ {wanted:,} strings/s") if wanted else ()
        line(f"  {name}", f"{found[name]:,.0f} strings/s", *verdict)
    return found


def distance_in_python(a: str, b: str) -> int:
    """The table of the textbook, row by row, as most published programs have it."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row = row, [i]
        for j, y in enumerate(b, 1):
            row.append(min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (x != y)))
    return row[-1]


def show_peers(samples: Sequence[SampleInputs], ours: dict[str, float]) -> None:
    from torchmetrics.functional.text import char_error_rate, word_error_rate

    samples = samples[:PEERS_STRINGS]
    wanted = [fold(" ".join(sample.prompt.targets)) for sample in samples]
    read = [fold(" ".join(entry["text"] for entry in sample.look_up("ocr")["lines"])) for sample in samples]
    pairs = list(zip(read, wanted, strict=True))
    peers: dict[str, tuple[str, Callable[[], object]]] = {
        "cer": ("torchmetrics", lambda: char_error_rate(read, wanted)),
        "wer": ("torchmetrics", lambda: word_error_rate(read, wanted)),
        "oneig-ed": ("plain Python", lambda: [distance_in_python(a, b) for a, b in pairs]),
    }
    for name, (peer, run) in peers.items():
        theirs = rate(run, len(samples))
        line(f"    {name}: {peer}", f"{theirs:,.0f} strings/s = {ours[name] / theirs:.1f}x")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=2_000)
    options = parser.parse_args()
    rng = random.Random(0)
    for title, targets, words, wanted in [("signs", (1, 3), (2, 5), WANTED), ("infographics", (12, 12), (6, 6), None)]:
        samples = make_samples(options.images, targets, words, rng)
        letters = sum(len(" ".join(sample.prompt.targets)) for sample in samples) / len(samples)
        print(f"{options.images:,} {title}, {letters:.0f} letters each")
        show_peers(samples, show_metrics(samples, wanted))


if __name__ == "__main__":
    main()
