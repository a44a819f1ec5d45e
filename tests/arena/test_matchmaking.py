"""Which two models meet next: pure numbers."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arena.matchmaking import choose_matchup

models = st.lists(st.integers(1, 99), min_size=2, max_size=8, unique=True)


@given(models, st.dictionaries(st.tuples(st.integers(1, 99), st.integers(1, 99)), st.integers(0, 999)), st.integers())
def test_two_different_models_of_those_given(given_models: list[int], meetings: dict, seed: int) -> None:
    first, second = choose_matchup(given_models, meetings, random.Random(seed))
    assert first != second
    assert {first, second} <= set(given_models)


def test_the_same_seed_gives_the_same_matchup() -> None:
    choices = [choose_matchup([1, 2, 3], {(1, 2): 5}, random.Random(7)) for _ in range(3)]
    assert len(set(choices)) == 1


def test_those_that_met_least_meet_next() -> None:
    rng = random.Random(1)
    meetings = {(1, 2): 1000, (1, 3): 1000, (2, 3): 1000, (1, 4): 0}
    chosen = [frozenset(choose_matchup([1, 2, 3, 4], meetings, rng)) for _ in range(300)]
    assert sum(4 in pair for pair in chosen) > 280


def test_a_new_board_uses_every_pair() -> None:
    rng = random.Random(1)
    assert len({frozenset(choose_matchup([1, 2, 3, 4], {}, rng)) for _ in range(200)}) == 6


@pytest.mark.parametrize("too_few", [[], [1], [1, 1]])
def test_fewer_than_two_models_are_refused(too_few: list[int]) -> None:
    with pytest.raises(ValueError, match="at least 2"):
        choose_matchup(too_few, {}, random.Random(1))
