import numpy as np
import pytest
from hypothesis import given, settings

from evaluation.ratings.counts import Counts, count_rows
from tests.strategies import tables


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("a", "x", "tie", 1), "Row 1: unknown model 'x'"),
        (("a", "b", "draw", 1), "Row 1: unknown winner 'draw'; expected one of model_a, model_b, tie, both_bad"),
        (("a", "b", "tie", -1), "Row 1: -1 votes"),
        (("a", "b", "tie", 1.5), "Row 1: 1.5 votes; a count must be a whole number"),
        (("a", "b", "tie", float("nan")), "Row 1: nan votes"),
    ],
)
def test_an_unknown_value_names_its_row(row: tuple[str, str, str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        count_rows("ab", [("a", "b", "tie", 1), row])


def test_a_model_never_meets_itself() -> None:
    with pytest.raises(ValueError, match="cannot meet itself"):
        count_rows("ab", [("a", "a", "tie", 1)])


@pytest.mark.parametrize(
    "table",
    [np.zeros((2, 2, 3), int), np.zeros((3, 3, 4), int), np.zeros((2, 2, 4)), np.full((2, 2, 4), -1)],
    ids=["three outcomes", "three models", "floats", "negative"],
)
def test_a_table_of_another_shape_or_kind_is_refused(table: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"table|whole numbers"):
        Counts(("a", "b"), table)


def test_models_are_named_once() -> None:
    with pytest.raises(ValueError, match="must be named once"):
        Counts(("a", "a"), np.zeros((2, 2, 4), int))


@settings(max_examples=50)
@given(tables())
def test_adding_tables_is_counting_all_votes(counts: Counts) -> None:
    assert (counts + counts).n_votes == 2 * counts.n_votes
    assert counts.meetings.sum() == 2 * counts.n_votes
    assert (counts.wins + counts.wins.T + counts.drawn(2) + counts.drawn(3) == counts.meetings).all()


def test_only_tables_of_the_same_models_can_be_added() -> None:
    with pytest.raises(ValueError, match="same models"):
        count_rows("ab", []) + count_rows("ba", [])
