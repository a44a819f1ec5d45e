"""Row blocks of images: floating-point copies are made of one block at a time, so that memory stays bounded."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]

# Pixels of a block. The eight float64 copies that a statistic needs take 64 MB.
BLOCK: Final = 1 << 20


def split_rows(pixels: NDArray[Any], margin: int = 0) -> Iterator[NDArray[Any]]:
    """Blocks of rows of an array (height, width, ...), each with the next ``margin`` rows. They are views."""
    height, width = pixels.shape[:2]
    rows = max(1, BLOCK // width)
    for top in range(0, height - margin, rows):
        yield pixels[top : top + rows + margin]


def measure_spread(blocks: Iterable[NDArray[np.float64]]) -> tuple[float, float]:
    """Mean and variance (divided by n) of all values of the blocks. For one block they are numpy's, bit for bit."""
    n, mean, variance = 0, 0.0, 0.0
    for block in blocks:
        own, share = float(block.mean()), block.size / (n + block.size)
        # Chan, Golub & LeVeque 1983. The first block has the share 1.
        variance += (float(block.var()) - variance) * share + (own - mean) ** 2 * share * (1.0 - share)
        mean += (own - mean) * share
        n += block.size
    return mean, variance


def resize_floats(
    pixels: Pixels,
    read: Callable[[Pixels], NDArray[np.float32]],
    size: tuple[int, int],
    resampling: Image.Resampling,
) -> NDArray[np.float32]:
    """Resize one channel, computed from the pixels, in floating point: as Pillow does it in mode F, bit for bit.

    Pillow resizes along one side and then along the other. Blocks across the first side give the same as the whole.

    Args:
        pixels: An image (height, width, 3).
        read: The channel (height, width) of a part of the pixels.
        size: Width and height of the result.
        resampling: The filter of Pillow.

    Returns:
        The resized channel (height, width).
    """
    height, width = pixels.shape[:2]
    # The rule by which Pillow 13 chooses the first side.
    is_vertical = size[1] < height and height - size[1] > 2 * (width - size[0])
    blocks = (
        (turned.swapaxes(0, 1) for turned in split_rows(pixels.swapaxes(0, 1))) if is_vertical else split_rows(pixels)
    )
    resized = []
    for block in blocks:
        values = np.ascontiguousarray(read(block))
        target = (values.shape[1], size[1]) if is_vertical else (size[0], values.shape[0])
        resized.append(np.asarray(Image.fromarray(values).resize(target, resampling)))
    return np.asarray(Image.fromarray(np.concatenate(resized, axis=int(is_vertical))).resize(size, resampling))
