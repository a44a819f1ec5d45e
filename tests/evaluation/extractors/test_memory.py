"""Memory of a worker: bounded for the largest images, in any batch."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SIDE = 3000
# Decoding takes 11 bytes a pixel, 94 MiB for one of these images. Several are decoded at once, up to 512 MiB.
MOST_MIB = 600

PROGRAM = """
import hashlib, sys
from pathlib import Path
from evaluation.extractors.feature_store import FeatureStore
from evaluation.extractors.pipeline import extract_all
from evaluation.extractors.registry import load_extractor

def read_peak():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024

folder, extractor = Path(sys.argv[1]), load_extractor(sys.argv[2], Path())
files = sorted(folder.glob("*.png"))
sources = [(hashlib.sha256(file.read_bytes()).hexdigest(), file.read_bytes) for file in files]
store = FeatureStore(folder / sys.argv[2].replace("/", "-"))
list(extract_all(extractor, sources[:1], store))
before = read_peak()
failed = [str(found) for _, found in extract_all(extractor, sources[1:], store) if isinstance(found, Exception)]
assert not failed, failed
print(read_peak() - before)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small image, then eight large ones of small files."""
    folder = tmp_path_factory.mktemp("images")
    for number in range(9):
        side = SIDE if number else 64
        image = Image.new("RGBA", (side, side), "teal")
        noise = np.random.default_rng(number).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        image.paste(Image.fromarray(noise), (0, 0))
        out = io.BytesIO()
        image.save(out, "PNG", compress_level=1)
        (folder / f"{number}.png").write_bytes(out.getvalue())
    return folder


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells the peak of a process")
@pytest.mark.parametrize("specification", ["pixels", "nsfw", "efficientnet-lite0"])
def test_large_images_take_a_bounded_amount_of_memory(folder: Path, specification: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder), specification],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[3],
    )
    if "MissingWeightsError" in done.stderr:
        pytest.skip(done.stderr.splitlines()[-1])
    assert done.returncode == 0, done.stderr[-2000:]
    assert float(done.stdout) < MOST_MIB
