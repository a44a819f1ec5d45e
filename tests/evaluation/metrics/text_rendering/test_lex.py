"""LeX-Bench metrics by hand: (lines read, targets, language, value)."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.evaluation.metrics.text_rendering.readings import aggregate, check_table, make_sample, value


@pytest.mark.parametrize("name", ["lex-pned", "lex-pned-words"])
def test_pned_adds_1_for_each_unpaired_word(name: str) -> None:
    check_table(
        name,
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


@pytest.mark.parametrize(
    ("lines", "targets", "published", "words"),
    [
        (["FOR  SALE"], ["FOR SALE"], 1.0, 0.0),  # two spaces: an empty word between them
        (["OPEN "], ["OPEN"], 1.0, 0.0),
        ([" OPEN ", "NOW"], ["OPEN NOW"], 2.0, 0.0),
        (["a   b"], ["a"], 3.0, 1.0),
        (["FOR  SALE"], ["FOR  SALE"], 0.0, 0.0),  # two empty words are a pair
        (["FOR SALE"], ["FOR  SALE NOW"], 2.0, 1.0),
        (["SALE\u00a0NOW"], ["SALE NOW"], 1.5, 0.0),  # only a space separates: "sale now" and "sale", 4 of 8, and "now"
        (["SALE\tNOW"], ["SALE NOW"], 1.5, 0.0),
        (["OPEN", "NOW"], ["OPEN\nNOW"], 1.5, 0.0),
        ([], ["FOR SALE"], 2.0, 2.0),
    ],
)
def test_published_pned_splits_at_single_spaces(
    lines: list[str], targets: list[str], published: float, words: float
) -> None:
    assert value("lex-pned", lines, targets) == pytest.approx(published, abs=1e-12)
    assert value("lex-pned-words", lines, targets) == pytest.approx(words, abs=1e-12)


def test_further_spaces_do_not_change_recall() -> None:
    for lines in (["FOR  SALE"], ["FOR SALE "], [" FOR", "SALE"]):
        assert value("lex-recall", lines, ["FOR SALE NOW"]) == pytest.approx(2 / 3)


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
    assert aggregate("lex-pned", samples) == aggregate("lex-pned-words", samples) == 1.5
    assert aggregate("lex-recall", samples) == 0.5


PIECES = st.lists(st.text("abc", min_size=1, max_size=4), min_size=1, max_size=4)


@given(PIECES, PIECES)
def test_pned_is_the_minimum_over_all_pairings(expected: list[str], read: list[str]) -> None:
    few, many = sorted((expected, read), key=len)

    def distance(a: str, b: str) -> float:
        return value("oneig-ed", [a], [b]) / max(len(a), len(b))

    least = min(sum(map(distance, few, chosen)) for chosen in permutations(many, len(few)))
    assert value("lex-pned", read, expected) == pytest.approx(least + len(many) - len(few))
