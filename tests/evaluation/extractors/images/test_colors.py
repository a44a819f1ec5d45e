"""Names of typical colours."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.extractors.images.colors import BASIC_COLORS, classify_colors, name_color

# CSS colours with that name and similar ones, and colours as they look in photographs.
NAMED = {
    "black": ("000000", "1c1c1c", "2b2b30"),
    "white": ("ffffff", "f5f5f0", "e0e0e0"),
    "gray": ("808080", "a9a9a9", "69696b"),
    "red": ("ff0000", "c21b17", "b22222", "dc143c"),
    "orange": ("ffa500", "ff8c00", "ee7722"),
    "yellow": ("ffff00", "f4d03f", "ffe135"),
    "green": ("008000", "00ff00", "228b22", "556b2f", "2e8b57"),
    "blue": ("0000ff", "1e90ff", "000080", "87ceeb", "4169e1"),
    "purple": ("800080", "8a2be2", "6a0dad", "9370db"),
    "pink": ("ffc0cb", "ff69b4", "ffb6c1", "f4a6b8"),
    "brown": ("8b4513", "654321", "a0522d", "5c3a21"),
}


@pytest.mark.parametrize(("name", "code"), [(name, code) for name, codes in NAMED.items() for code in codes])
def test_colours_have_their_common_names(name: str, code: str) -> None:
    patch = np.full((9, 7, 3), list(bytes.fromhex(code)), dtype=np.uint8)
    assert name_color(patch) == name


def test_the_most_frequent_colour_wins_and_corners_do_not_count() -> None:
    patch = np.full((40, 40, 3), (20, 60, 200), dtype=np.uint8)
    patch[10:30, 10:30] = (200, 20, 20)
    assert name_color(patch) == "blue"
    y, x = np.mgrid[-1:1:40j, -1:1:40j]
    patch[x**2 + y**2 > 1.0] = (200, 20, 20)
    assert (classify_colors(patch) == BASIC_COLORS.index("red")).mean() > 0.45
    assert name_color(patch) == "blue"


@given(st.tuples(*[st.integers(0, 255)] * 3), st.integers(1, 4), st.integers(1, 4))
def test_every_colour_has_a_name(color: tuple[int, int, int], height: int, width: int) -> None:
    assert name_color(np.full((height, width, 3), color, dtype=np.uint8)) in BASIC_COLORS


def test_a_patch_without_pixels_is_rejected() -> None:
    with pytest.raises(ValueError, match="no pixels"):
        name_color(np.zeros((0, 4, 3), dtype=np.uint8))
