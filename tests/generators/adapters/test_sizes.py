"""Sizes: the nearest aspect ratio, the nearest size, limits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generators.adapters.sizes import fit_size, nearest_ratio, nearest_size

RATIOS = ("1:1", "4:3", "3:4", "16:9", "9:16", "21:9", "9:21")
SIZES = ((1024, 1024), (1536, 1024), (1024, 1536), (512, 512))
PIXELS = st.integers(1, 8192)


def test_a_size_that_has_a_ratio_gets_that_ratio() -> None:
    assert nearest_ratio(1920, 1080, RATIOS) == "16:9"
    assert nearest_ratio(768, 1024, RATIOS) == "3:4"
    assert nearest_ratio(512, 512, RATIOS) == "1:1"


def test_a_size_between_two_ratios_gets_the_nearer_one_on_a_log_scale() -> None:
    # log(1.15) is nearer to log(1) than to log(4/3); 1.17 is not.
    assert nearest_ratio(1150, 1000, RATIOS) == "1:1"
    assert nearest_ratio(1170, 1000, RATIOS) == "4:3"
    assert nearest_ratio(5000, 100, RATIOS) == "21:9"


@given(PIXELS, PIXELS)
def test_rotating_the_size_rotates_the_ratio(width: int, height: int) -> None:
    across, down = nearest_ratio(width, height, RATIOS).split(":")
    upright = nearest_ratio(height, width, ("1:1", "3:4", "4:3", "9:16", "16:9", "9:21", "21:9"))
    assert upright == f"{down}:{across}"


def test_among_equal_aspect_ratios_the_nearest_area_wins() -> None:
    assert nearest_size(600, 600, SIZES) == (512, 512)
    assert nearest_size(900, 900, SIZES) == (1024, 1024)


def test_the_aspect_ratio_comes_before_the_area() -> None:
    assert nearest_size(300, 200, SIZES) == (1536, 1024)
    assert nearest_size(200, 300, SIZES) == (1024, 1536)


@given(PIXELS, PIXELS)
def test_the_result_is_one_of_the_given_sizes(width: int, height: int) -> None:
    assert nearest_size(width, height, SIZES) in SIZES


@given(PIXELS, PIXELS)
def test_a_fitted_size_keeps_every_bound(width: int, height: int) -> None:
    fitted = fit_size(width, height, step=16, shortest=64, longest=4096, area=4_194_304)
    assert all(64 <= side <= 4096 and side % 16 == 0 for side in fitted)
    assert fitted[0] * fitted[1] <= 4_194_304
    assert (fitted[0] - fitted[1]) * (width - height) >= 0


@pytest.mark.parametrize(
    ("wanted", "fitted"),
    [
        ((1024, 1024), (1024, 1024)),
        ((1000, 700), (992, 704)),
        ((4096, 4096), (1440, 1440)),
        ((3840, 2160), (1440, 800)),
        ((100, 100), (256, 256)),
        ((8000, 100), (1440, 256)),
    ],
)
def test_a_size_is_rounded_and_scaled_into_the_limits(wanted: tuple[int, int], fitted: tuple[int, int]) -> None:
    assert fit_size(*wanted, step=32, shortest=256, longest=1440, area=1440 * 1440) == fitted
