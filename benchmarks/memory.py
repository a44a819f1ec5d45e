"""Benchmark of memory: the peak of each extractor on images of the largest size, in a process of its own.

    python benchmarks/memory.py [--side 9999] [--images 4] [--extractor SPECIFICATION ...]

Each image is a PNG of ``side`` x ``side`` pixels with an alpha channel, of which a small part has detail. The peak is
that of the whole pipeline: it reads, decodes and measures ``images`` such images in batches. It is given beyond the
process with its networks loaded, in MB and in bytes for each pixel of one image.
"""

import argparse
import hashlib
import io
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from evaluation.extractors.base import MissingWeightsError
from evaluation.extractors.feature_store import FeatureStore
from evaluation.extractors.pipeline import extract_all
from evaluation.extractors.registry import load_extractor
from figures import print_line, read_peak

EXTRACTORS = (
    "pixels",
    "ocr",
    "nsfw",
    "sketch-checker",
    "efficientnet-lite0",
    *(f"inception-v3/{name}" for name in ("clean", "torchmetrics", "legacy-pytorch", "legacy-tensorflow")),
)
# Beyond the process. Decoding takes 11 bytes a pixel, and of one image of the largest size this is 1,100 MB.
MOST_MB = 1500


def make_image(side: int, number: int) -> bytes:
    """A gradient with a noisy corner: a small file, and no shortcut for any extractor."""
    image = Image.linear_gradient("L").resize((side, side)).convert("RGBA")
    noise = np.random.default_rng(number).integers(0, 256, (min(side, 256), min(side, 256), 3), dtype=np.uint8)
    image.paste(Image.fromarray(noise), (0, 0))
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=1)
    return out.getvalue()


def measure(specification: str, side: int, n: int) -> None:
    """Print the peak beyond a process that has measured one small image."""
    try:
        extractor = load_extractor(specification, Path())
    except MissingWeightsError as error:
        print_line(specification, f"skipped: {str(error)[:60]}")
        return
    with tempfile.TemporaryDirectory() as folder:
        sources = []
        for number in range(n + 1):
            data = make_image(64 if number == 0 else side, number)
            file = Path(folder) / f"{number}.png"
            file.write_bytes(data)
            sources.append((hashlib.sha256(data).hexdigest(), file.read_bytes))
        del data
        store = FeatureStore(Path(folder) / "features")
        list(extract_all(extractor, sources[:1], store))
        # Images were made in this process: only what comes now counts.
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        before = read_peak()
        answers = [found for _, found in extract_all(extractor, sources[1:], store)]
    peak = read_peak() - before
    failed = [str(found) for found in answers if isinstance(found, Exception)]
    text = f"{specification}, {n} images of {side} x {side}"
    figure = f"{peak:,.0f} MB, {peak * 2**20 / side**2:.1f} a pixel"
    print_line(text, f"{figure} {failed[:1] or ''}", peak <= MOST_MB, f"≤ {MOST_MB:,} MB beyond {before:,.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=9999)
    parser.add_argument("--images", type=int, default=4)
    parser.add_argument("--extractor", nargs="*", default=EXTRACTORS)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        measure(options.extractor[0], options.side, options.images)
        return
    for specification in options.extractor:
        child = [sys.executable, __file__, "--side", str(options.side), "--images", str(options.images)]
        subprocess.run([*child, "--extractor", specification, "--child"], check=True)


if __name__ == "__main__":
    main()
