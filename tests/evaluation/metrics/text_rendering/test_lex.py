"""LeX-Bench metrics by hand: (lines read, targets, language, value)."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.evaluation.metrics.text_rendering.readings import aggregate, check_table, make_sample, value


def test_pned_adds_1_for_each_unpaired_word() -> None:
    check_table(
        "lex-pned",
        [
            (["sale", "FOR"], ["For Sale"], "en", 0.0),
            (["SALES"], ["SALE"], "en", 0.2),
            (["SALE"], ["FOR SALE"], "en", 1.0),
            (["SALE SALE"], ["SALE"], "en", 1.0),
            (["OPEN", "NOW", "x"], ["OPEN"], "en", 2.0),
            (["perche", "no"], ["Perché no"], "it", 1 / 6),
            (["出囗"], ["出口"], "zh", 0.5),  # a piece is what spaces part, in every language
            ([], ["FOR SALE"], "en", 2.0),
            (["abcd"], ["wxyz"], "en", 1.0),
        ],
    )


def test_recall_matches_the_first_word_within_the_limit() -> None:
    check_table(
        "lex-recall",
        [
            (["SALE"], ["FOR SALE"], "en", 0.5),
            (["abcdefgxyz"], ["abcdefghij"], "en", 1.0),  # 3 of 10: just near enough
            (["abcxy"], ["abcde"], "en", 0.0),  # 2 of 5: too far
            (["SALE"], ["SALE SALE"], "en", 0.5),
            (["perche"], ["Perché"], "it", 1.0),
            (["出囗"], ["出口"], "zh", 0.0),
            (["OPEN", "NOW"], ["OPEN"], "en", 1.0),
            ([], ["SALE"], "en", 0.0),
        ],
    )


def test_recall_is_greedy_as_published() -> None:
    """ "sales" is matched with "sale" (distance 1/5), so "sale" has no match; an optimal pairing would match both."""
    assert value("lex-recall", ["sale", "salesxx"], ["sales", "sale"]) == 0.5


def test_run_values_are_means_over_images() -> None:
    samples = [make_sample(["a"], ["a"]), make_sample([], ["b c d"])]
    assert aggregate("lex-pned", samples) == 1.5
    assert aggregate("lex-recall", samples) == 0.5


PIECES = st.lists(st.text("abc", min_size=1, max_size=4), min_size=1, max_size=4)


@given(PIECES, PIECES)
def test_pned_is_the_minimum_over_all_pairings(expected: list[str], read: list[str]) -> None:
    few, many = sorted((expected, read), key=len)

    def distance(a: str, b: str) -> float:
        return value("oneig-ed", [a], [b]) / max(len(a), len(b))

    least = min(sum(map(distance, few, chosen)) for chosen in permutations(many, len(few)))
    assert value("lex-pned", read, expected) == pytest.approx(least + len(many) - len(few))
