"""Benchmark of FID features from encoded images, against a plain PyTorch loop: images per second.

    python benchmarks/features.py [--images 128]

Images are JPEG files of 1024 x 1024 pixels. The plain loop runs the same steps one after another: read, decode, resize
as clean-fid does, and the TorchScript archive with the weights, in batches of 32. Both run on two cores, in turn. If
there is a GPU, the extractor is compared with the bare network on images that are already in its memory.
"""

import argparse
import hashlib
import io
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from evaluation.extractors.feature_store import FeatureStore
from evaluation.extractors.inception.extractor import InceptionV3
from evaluation.extractors.pipeline import extract_all
from figures import print_line

BATCH = 32
ROUNDS = 3
CORES = 2


def measure(run: Callable[[], int]) -> float:
    """Images per second."""
    start = time.perf_counter()
    n = run()
    return n / (time.perf_counter() - start)


def write_images(folder: Path, n: int) -> list[Path]:
    rng = np.random.default_rng(0)
    files = [folder / f"{k}.jpg" for k in range(n)]
    for file in files:
        coarse = Image.fromarray(rng.integers(0, 256, (128, 128, 3), dtype=np.uint8))
        coarse.resize((1024, 1024), Image.Resampling.BICUBIC).save(file, "JPEG", quality=90)
    return files


def list_sources(files: list[Path]) -> Iterator[tuple[str, Callable[[], bytes]]]:
    for file in files:
        yield hashlib.sha256(file.name.encode()).hexdigest(), file.read_bytes


def run_pipeline(extractor: InceptionV3, files: list[Path], store: FeatureStore) -> int:
    return sum(isinstance(features, np.ndarray) for _, features in extract_all(extractor, list_sources(files), store))


def fill_store(extractor: InceptionV3, files: list[Path], store: FeatureStore) -> None:
    for k, (digest, _) in enumerate(list_sources(files)):
        store.write(extractor.identity, digest, np.full(2048, k, dtype=np.float32))


def load_archive(extractor: InceptionV3) -> Any:
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.load(str(extractor.file)).eval()


def run_plain_loop(archive: Any, files: list[Path]) -> int:
    import torch

    features = []
    with torch.no_grad():
        for start in range(0, len(files), BATCH):
            batch = torch.stack([prepare_plainly(file) for file in files[start : start + BATCH]])
            features.append(archive((batch - 128) / 128).numpy())
    return len(np.concatenate(features))


def prepare_plainly(file: Path) -> Any:
    import torch

    pixels = np.asarray(Image.open(io.BytesIO(file.read_bytes())).convert("RGB"))
    planes = [
        np.asarray(Image.fromarray(pixels[:, :, k].astype(np.float32)).resize((299, 299), Image.Resampling.BICUBIC))
        for k in range(3)
    ]
    return torch.from_numpy(np.stack(planes).clip(0, 255))


def show_processor(n: int) -> None:
    """The pipeline and its cache, on two cores."""
    import torch

    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    torch.set_num_threads(CORES)
    extractor = InceptionV3("clean", Path())
    archive = load_archive(extractor)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = write_images(folder, n)
        # The first two batches compile the archive.
        for _ in range(2):
            run_plain_loop(archive, files[:BATCH])
        run_pipeline(extractor, files[:BATCH], FeatureStore(folder / "warm"))
        plain, ours = [], []
        for k in range(ROUNDS):
            store = FeatureStore(folder / f"features-{k}")
            ours.append(measure(lambda store=store: run_pipeline(extractor, files, store)))
            plain.append(measure(lambda: run_plain_loop(archive, files)))
        rate, ratio = max(ours), max(ours) / max(plain)
        print_line(
            "FID features of 1024-pixel JPEG, decoded and stored", f"{rate:.1f} images/s", rate >= 12, "≥ 12 images/s"
        )
        print_line("  a plain PyTorch loop", f"{max(plain):.1f} = {ratio:.2f}x", ratio >= 1.3, "≥ 1.3x")
        absent, store = [folder / f"absent-{k}.jpg" for k in range(4000)], FeatureStore(folder / "features")
        fill_store(extractor, absent, store)
        cached = max(measure(lambda: run_pipeline(extractor, absent, store)) for _ in range(ROUNDS))
        print_line("second run, from the feature store", f"{cached:,.0f} images/s", cached >= 2000, "≥ 2,000 images/s")


def show_gpu() -> None:
    """The extractor on prepared images, against its bare network on images that are already on the GPU."""
    import torch

    if not torch.cuda.is_available():
        print_line("on a GPU", "no GPU found")
        return
    extractor = InceptionV3("clean", Path())
    n = extractor.batch_size
    prepared = list(np.random.default_rng(0).uniform(-1, 1, (n, 3, 299, 299)).astype(np.float32))
    images = torch.from_numpy(np.stack(prepared)).cuda()

    def run_bare() -> int:
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
            for _ in range(20):
                extractor.network(images)
        torch.cuda.synchronize()
        return 20 * n

    def run_extractor() -> int:
        return sum(len(extractor.extract(prepared)) for _ in range(20))

    run_bare(), run_extractor()
    bare, ours = (max(measure(run) for _ in range(ROUNDS)) for run in (run_bare, run_extractor))
    print_line(f"on {torch.cuda.get_device_name()}, prepared images to features", f"{ours:,.0f} images/s")
    print_line("  share of the bare network's throughput", f"{100 * ours / bare:.0f} %", ours >= 0.7 * bare, "≥ 70 %")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=128)
    parser.add_argument("--part", choices=["processor", "gpu"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part == "processor":
        show_processor(options.images)
    elif options.part == "gpu":
        show_gpu()
    else:
        here = [sys.executable, __file__, "--images", str(options.images), "--part"]
        # The first part must not use a GPU.
        processor = os.environ | {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": str(CORES)}
        for part, environment in (("processor", processor), ("gpu", dict(os.environ))):
            subprocess.run([*here, part], env=environment, check=True)


if __name__ == "__main__":
    main()
