"""Pixels in blocks: the same numbers as from the whole image, in bounded memory."""

import tracemalloc
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from evaluation.extractors.images import piqe as piqe_blocks
from evaluation.extractors.images import rows
from evaluation.extractors.images.colors import name_color
from evaluation.extractors.images.piqe import compute_piqe
from evaluation.extractors.images.resizing import RESIZES, resize
from evaluation.extractors.images.rows import measure_spread, resize_floats, split_rows
from evaluation.extractors.pixels import measure_clipped, measure_colorfulness, measure_piqe, measure_sharpness

SIZES = [(700, 500), (500, 700), (60, 900), (1100, 90), (1100, 400), (97, 61), (3, 1500), (1500, 3)]
SIDE = 4000
MEBIBYTE = 2**20


def make_image(height: int, width: int) -> NDArray[np.uint8]:
    """Smooth and noisy parts, and black and white areas."""
    rng = np.random.default_rng(height * width)
    image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    image[: height // 2, : width // 2] = np.linspace(0, 255, width // 2)[None, :, None]
    image[height // 2 :, : width // 3] = 255
    return image


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From its call on, blocks have few pixels."""

    def shrink() -> None:
        monkeypatch.setattr(rows, "BLOCK", 5000)
        monkeypatch.setattr(piqe_blocks, "BLOCK", 5000)

    return shrink


@pytest.mark.parametrize("size", [(299, 299), (512, 900), (30, 1200), (900, 64)], ids=str)
@pytest.mark.parametrize("resampling", [Image.Resampling.BICUBIC, Image.Resampling.BILINEAR])
@pytest.mark.parametrize("shape", SIZES, ids=str)
def test_blocks_are_resized_as_pillow_resizes_the_whole(
    shape: tuple[int, int], size: tuple[int, int], resampling: Image.Resampling, small_blocks: Callable[[], None]
) -> None:
    small_blocks()
    image = make_image(*shape)
    found = resize_floats(image, lambda block: block[:, :, 1].astype(np.float32), size, resampling)
    whole = Image.fromarray(image[:, :, 1].astype(np.float32)).resize(size, resampling)
    np.testing.assert_array_equal(found, np.asarray(whole))


@pytest.mark.parametrize("name", RESIZES)
@pytest.mark.parametrize("shape", SIZES, ids=str)
def test_blocks_change_no_feature(name: str, shape: tuple[int, int], small_blocks: Callable[[], None]) -> None:
    image = make_image(*shape)
    whole = resize(name, image, 299)
    small_blocks()
    np.testing.assert_array_equal(resize(name, image, 299), whole)


@pytest.mark.parametrize(
    "measure", [measure_sharpness, measure_colorfulness, measure_clipped, lambda image: measure_piqe(image)[0]]
)
@pytest.mark.parametrize("shape", [shape for shape in SIZES if min(shape) > 3], ids=str)
def test_blocks_change_no_pixel_statistic(
    shape: tuple[int, int], measure: Callable[[NDArray[np.uint8]], float], small_blocks: Callable[[], None]
) -> None:
    image = make_image(*shape)
    whole = measure(image)
    small_blocks()
    assert measure(image) == pytest.approx(whole, rel=1e-13)


@pytest.mark.parametrize("shape", [(64, 64), (61, 130), (130, 61), (333, 200)], ids=str)
def test_piqe_equals_the_package_bit_for_bit(shape: tuple[int, int], small_blocks: Callable[[], None]) -> None:
    from pypiqe import piqe

    gray = make_image(*shape)[:, :, 0]
    with np.errstate(all="ignore"):
        expected = piqe(gray)[0]
    assert compute_piqe(gray) == expected
    small_blocks()
    assert compute_piqe(gray) == expected


def test_blocks_change_no_colour_name(small_blocks: Callable[[], None]) -> None:
    patch = np.zeros((300, 200, 3), dtype=np.uint8)
    patch[:160] = (255, 0, 0)
    patch[160:] = (0, 0, 255)
    small_blocks()
    assert name_color(patch) == "red"
    assert name_color(patch[::-1]) == "red"
    assert name_color(patch[60:]) == "blue"


def test_spreads_of_blocks_are_merged() -> None:
    values = np.random.default_rng(0).normal(1e6, 1.0, (1000, 7))
    assert measure_spread([values]) == (values.mean(), values.var())
    mean, variance = measure_spread(block for block in np.array_split(values, 13))
    assert (mean, variance) == (pytest.approx(values.mean(), rel=1e-13), pytest.approx(values.var(), rel=1e-8))


def test_blocks_cover_all_rows_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "BLOCK", 30)
    image = np.arange(70).reshape(10, 7)
    assert np.concatenate(list(split_rows(image))).tolist() == image.tolist()
    assert [block[:, 0].tolist() for block in split_rows(image[:, :3], margin=2)] == [list(range(0, 70, 7))]
    assert [len(block) for block in split_rows(image, margin=2)] == [6, 6]


@pytest.fixture
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("measure", "most"),
    [
        (measure_sharpness, 90),
        (measure_colorfulness, 90),
        (measure_clipped, 30),
        (name_color, 130),
        *((lambda image, name=name: resize(name, image, 299), 60) for name in RESIZES),
    ],
)
def test_floating_point_copies_are_bounded(
    measure: Callable[[NDArray[np.uint8]], object], most: int, traced: None
) -> None:
    """One float32 copy of these 16 million pixels takes 183 MiB, a float64 copy 366."""
    image = np.zeros((SIDE, SIDE, 3), dtype=np.uint8)
    image[:, ::3] = 200
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    measure(image)
    assert tracemalloc.get_traced_memory()[1] - before < most * MEBIBYTE


def test_piqe_needs_one_byte_a_pixel_and_a_block(traced: None) -> None:
    image = np.zeros((SIDE // 4, 4 * SIDE, 3), dtype=np.uint8)
    image[:, :16] = np.random.default_rng(0).integers(0, 256, (SIDE // 4, 16, 3), dtype=np.uint8)
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    assert measure_piqe(image)[0] is not None
    assert tracemalloc.get_traced_memory()[1] - before < 160 * MEBIBYTE
