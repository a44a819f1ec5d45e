"""Components: the models that the votes put on one scale, and why the others are not."""

from hypothesis import given, settings

from evaluation.ratings.bradley_terry import fit_bradley_terry
from evaluation.ratings.components import Unrated, find_components
from evaluation.ratings.counts import Counts, count_rows
from tests.strategies import tables

AROUND = [("a", "b", "model_a", 3), ("b", "c", "model_a", 3), ("c", "a", "model_a", 3)]


def test_a_circle_of_wins_is_one_scale() -> None:
    assert find_components(count_rows("abc", AROUND)).unrated == {}


def test_a_draw_connects_both_ways() -> None:
    for winner in ("tie", "both_bad"):
        assert find_components(count_rows("ab", [("a", "b", winner, 1)])).rated == (0, 1)


def test_every_reason_is_reported() -> None:
    rows = [*AROUND, ("d", "a", "model_a", 2), ("b", "e", "model_a", 2), ("f", "g", "tie", 1)]
    components = find_components(count_rows("abcdefgh", rows))
    assert components.rated == (0, 1, 2)
    assert components.unrated == {
        3: Unrated.UNBEATEN,
        4: Unrated.WINLESS,
        5: Unrated.DISCONNECTED,
        6: Unrated.DISCONNECTED,
        7: Unrated.NO_VOTES,
    }


def test_without_votes_or_models_no_model_is_rated() -> None:
    assert find_components(count_rows("", [])).rated == ()
    assert find_components(count_rows("ab", [])).unrated == dict.fromkeys((0, 1), Unrated.NO_VOTES)
    only_wins = find_components(count_rows("ab", [("a", "b", "model_a", 5)]))
    assert only_wins.rated == ()
    assert set(only_wins.unrated) == {0, 1}


@settings(max_examples=100)
@given(tables())
def test_the_rated_group_can_always_be_fitted(counts: Counts) -> None:
    components = find_components(counts)
    assert sorted([*components.rated, *components.unrated]) == list(range(len(counts.models)))
    if components.rated:
        assert fit_bradley_terry(counts.select(components.rated)).values.mean().round(6) == 1000.0
