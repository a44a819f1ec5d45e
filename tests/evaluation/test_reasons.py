"""Reasons of unscored samples: grouped where they differ only in names and numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.reasons import group_reasons, write_reasons


@pytest.mark.parametrize(
    ("reasons", "text"),
    [
        (
            [f"no file named 'p{n}-0.png' beside the manifest" for n in range(25)],
            "no file named … beside the manifest (for example 'p0-0.png')",
        ),
        (
            [f"The original {n:064x} is not in the store." for n in range(3)],
            f"The original … is not in the store (for example {0:064x})",
        ),
        (
            ["no image: failed (request 7c9e6679-7425-40de-944b-e07fc1f90ae7)", "no image: failed (request 0f8fad5b)"],
            "no image: failed (request …) (for example 0f8fad5b)",
        ),
        (
            [f"The image is broken or cut off: image file is truncated ({n} bytes not processed)" for n in (3, 41)],
            "The image is broken or cut off: image file is truncated (… bytes not processed) (for example 3)",
        ),
        (
            [f"The image has {n:,} × 40,000 pixels; the limits are 16,384 per side." for n in (40_000, 50_000)],
            "The image has … pixels; the limits are 16,384 per side (for example 40,000 × 40,000)",
        ),
        (
            [f"[Errno 2] No such file or directory: '/data/{n}/it\\'s.png'" for n in "ab"],
            "[Errno 2] No such file or directory: … (for example '/data/a/it\\'s.png')",
        ),
        (
            [f"cannot read /media/{n}.webp now" for n in "ab"],
            "cannot read … now (for example /media/a.webp)",
        ),
        (["kept verbatim: 'a.png', 12"], "kept verbatim: 'a.png', 12"),
    ],
)  # fmt: skip
def test_reasons_that_differ_in_names_are_one_group(reasons: list[str], text: str) -> None:
    (group,) = group_reasons(dict.fromkeys(reasons, 2))
    assert group.n == 2 * len(reasons)
    assert group.text == text


@pytest.mark.parametrize(
    "reasons",
    [
        ["the server answered HTTP 500", "the server answered HTTP 429"],
        ["no image: refused", "no image: failed (timeout)"],
        ["[Errno 2] it is gone", "[Errno 5] it is gone"],
        ["there is no output of clip/b32", "there is no output of ocr"],
        ["the model v1 is broken", "the model v2 is broken"],
        ["no file … here", "no file 'a' here"],
    ],
)
def test_different_reasons_stay_apart(reasons: list[str]) -> None:
    assert {group.text for group in group_reasons(dict.fromkeys(reasons, 1))} == set(reasons)


def test_the_most_frequent_group_comes_first_and_the_last_ones_are_counted() -> None:
    reasons = {"cut off": 2, **{f"no file 'x{n}.png'": 1 for n in range(5)}}
    assert [group.n for group in group_reasons(reasons)] == [5, 2]
    assert write_reasons(reasons) == "5 × no file … (for example 'x0.png'); 2 × cut off"
    many = dict.fromkeys(("a", "b", "c", "d", "e", "f"), 1_000)
    assert write_reasons(many) == "1,000 × a; 1,000 × b; 1,000 × c; 1,000 × d; 2,000 × 2 other reasons"
    assert [group.n for group in group_reasons(many, 10)] == [1_000] * 6
    assert write_reasons({}) == ""


@given(st.dictionaries(st.text(), st.integers(1, 1000)))
def test_no_sample_is_lost(reasons: dict[str, int]) -> None:
    assert sum(group.n for group in group_reasons(reasons)) == sum(reasons.values())
