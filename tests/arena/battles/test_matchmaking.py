"""Matchmaking: probabilities of the pairs, and their draw."""

import random
import runpy
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arena.battles.matchmaking import FLOOR_SHARE, UNIFORM_SHARE, Matchups, choose, weigh_matchups

ROOT = Path(__file__).resolve().parents[3]
WINNERS = ("model_a", "model_b", "tie", "both_bad")

models = st.lists(st.integers(1, 99), min_size=2, max_size=8, unique=True)
pairs = st.tuples(st.integers(1, 99), st.integers(1, 99)).filter(lambda pair: pair[0] != pair[1])
matchup_counts = st.dictionaries(pairs, st.fixed_dictionaries(dict.fromkeys(WINNERS, st.integers(0, 999))), max_size=12)


def outcome_counts(a: int, b: int) -> dict[str, int]:
    return dict(zip(WINNERS, (a, b, 0, 0), strict=True))


def round_robin(strengths: dict[int, float], n: int) -> dict[tuple[int, int], dict[str, int]]:
    """Expected votes between all models for their strengths in points."""
    played = {}
    for a in strengths:
        for b in strengths:
            if a < b:
                won = round(n / (1.0 + 10.0 ** ((strengths[b] - strengths[a]) / 400.0)))
                played[a, b] = outcome_counts(won, n - won)
    return played


def share_of(matchups: Matchups, model: int) -> float:
    return sum(chance for pair, chance in matchups.probabilities.items() if model in pair)


@given(models, matchup_counts, st.integers(0, 500), st.integers(), st.booleans())
def test_every_pair_of_the_models_can_meet_and_no_other(
    given_models: list[int], votes: dict, floor: int, seed: int, with_target: bool
) -> None:
    target_model = given_models[0] if with_target else None
    matchups = weigh_matchups(given_models, votes, target_model=target_model, floor=floor)
    n_pairs = len(given_models) * (len(given_models) - 1) // 2
    chances = matchups.probabilities
    assert len({frozenset(pair) for pair in chances}) == n_pairs
    assert sum(chances.values()) == pytest.approx(1.0)
    assert min(chances.values()) >= UNIFORM_SHARE / n_pairs - 1e-12
    first, second = choose(matchups, random.Random(seed))
    assert first != second
    assert {first, second} <= set(given_models)


def test_the_same_seed_gives_the_same_matchups() -> None:
    matchups = weigh_matchups([1, 2, 3], {(1, 2): outcome_counts(4, 1)})
    runs = [[choose(matchups, rng) for _ in range(50)] for rng in (random.Random(7), random.Random(7))]
    assert runs[0] == runs[1]
    assert len(set(runs[0])) > 1


def test_pairs_are_drawn_with_their_probabilities() -> None:
    matchups = weigh_matchups([1, 2, 3, 4], round_robin({1: 0.0, 2: 100.0, 3: 300.0, 4: 900.0}, 50), floor=0)
    rng = random.Random(2)
    drawn = Counter(choose(matchups, rng) for _ in range(20_000))
    for pair, chance in matchups.probabilities.items():
        assert drawn[pair] / 20_000 == pytest.approx(chance, abs=4 * (chance / 20_000) ** 0.5)


def test_without_votes_all_pairs_are_equally_likely() -> None:
    chances = weigh_matchups(range(5), {}).probabilities
    assert list(chances.values()) == pytest.approx([0.1] * 10)


def test_new_models_get_battles_at_once_and_models_below_the_floor_their_share() -> None:
    votes = round_robin({1: -100.0, 2: 0.0, 3: 50.0, 4: 200.0}, 400)
    assert share_of(weigh_matchups([1, 2, 3, 4, 5], votes), 5) > 0.8
    # With another target model, the new model still gets battles until the floor.
    new = weigh_matchups([1, 2, 3, 4, 5], votes, target_model=1)
    assert share_of(new, 5) > FLOOR_SHARE
    # Without a floor it takes no battles from the target model.
    without_floor = weigh_matchups([1, 2, 3, 4, 5], votes, target_model=1, floor=0)
    assert share_of(without_floor, 1) > 0.8
    assert max(without_floor.probabilities[i, 5] for i in (2, 3, 4)) < 0.05


def test_battles_below_the_floor_go_by_missing_votes() -> None:
    votes = round_robin({1: 0.0, 2: 0.0, 3: 0.0, 4: 0.0, 5: 0.0}, 400) | {
        (1, 6): outcome_counts(50, 50),
        (2, 7): outcome_counts(140, 140),
    }
    chances = weigh_matchups(range(1, 8), votes, target_model=3, floor=300).probabilities
    assert chances[4, 6] > 3 * chances[4, 7] > 3 * chances[4, 5]


def test_the_target_model_meets_models_of_its_strength() -> None:
    strengths = {i: 150.0 * i for i in range(10)}
    matchups = weigh_matchups(list(strengths), round_robin(strengths, 100), target_model=2)
    assert share_of(matchups, 2) > 0.7
    chances = matchups.probabilities
    assert chances[2, 3] > 2 * chances[2, 9]
    assert UNIFORM_SHARE / 45 < chances[0, 9] < UNIFORM_SHARE / 40
    assert matchups.target_model == 2


def test_without_a_target_the_least_known_models_meet_most() -> None:
    votes = round_robin(dict.fromkeys(range(6), 0.0), 200)
    votes[0, 1] = outcome_counts(2000, 2000)
    matchups = weigh_matchups(range(6), votes)
    assert share_of(matchups, 0) < share_of(matchups, 2)


def test_weights_multiply_and_zero_excludes_a_model() -> None:
    votes = round_robin(dict.fromkeys(range(4), 0.0), 300)
    plain = weigh_matchups(range(4), votes).probabilities
    weighted = weigh_matchups(range(4), votes, weights={0: 3.0, 3: 0.0}).probabilities
    assert weighted[0, 1] / weighted[1, 2] == pytest.approx(3.0 * plain[0, 1] / plain[1, 2])
    without = weigh_matchups(range(4), votes, weights={3: 0.0})
    rng = random.Random(1)
    assert not any(3 in choose(without, rng) for _ in range(500))
    assert sum(weighted.values()) == pytest.approx(1.0)


def test_extreme_random_numbers_draw_an_existing_pair() -> None:
    class Extreme(random.Random):
        def __init__(self, value: float) -> None:
            self.value = value

        def random(self) -> float:
            return self.value

    matchups = weigh_matchups(range(3), {}, weights={0: 0.0})
    for value in (0.0, 0.5, 1.0 - 2.0**-53):
        assert choose(matchups, Extreme(value)) == (1, 2)


def test_votes_on_retired_models_inform_the_others() -> None:
    """Model 9 is retired. Its votes show that 1 and 2 are equally strong and 3 is much weaker."""
    votes = {(1, 9): outcome_counts(100, 100), (2, 9): outcome_counts(100, 100), (3, 9): outcome_counts(4, 196)}
    chances = weigh_matchups([1, 2, 3], votes, target_model=1, floor=0).probabilities
    assert set(chances) == {(1, 2), (1, 3), (2, 3)}
    assert chances[1, 2] > chances[1, 3]


def test_models_without_a_finite_rating_have_probabilities() -> None:
    votes = {(1, 2): outcome_counts(30, 0), (3, 4): outcome_counts(5, 5)}
    for target_model in (None, 1, 5):
        assert sum(
            weigh_matchups([1, 2, 3, 4, 5], votes, target_model=target_model).probabilities.values()
        ) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("given_models", "votes", "more", "message"),
    [
        ([], {}, {}, "at least 2 models, got 0"),
        ([1, 1], {}, {}, "at least 2 models, got 1"),
        ([1, 2], {}, {"target_model": 3}, "target model 3 is not one of"),
        ([1, 2], {}, {"floor": -1}, "floor"),
        ([1, 2], {(1, 1): outcome_counts(1, 0)}, {}, "meets itself"),
        ([1, 2], {(1, 2): {"left": 3}}, {}, "Expected counts by model_a"),
        ([1, 2], {(1, 2): {"tie": -3}}, {}, "Expected counts by model_a"),
        ([1, 2], {}, {"weights": {1: -1.0}}, "weight of model 1"),
        ([1, 2], {}, {"weights": {1: float("nan")}}, "weight of model 1"),
        ([1, 2], {}, {"weights": {1: 0.0}}, "weight above 0"),
    ],
)
def test_bad_input_is_refused(given_models: list, votes: dict, more: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        weigh_matchups(given_models, votes, **more)


def test_matchmaking_imports_numpy_late_and_scipy_never() -> None:
    code = (
        "import sys; import arena.battles.matchmaking as m; assert 'numpy' not in sys.modules;"
        "m.weigh_matchups([1, 2, 3], {(1, 2): {'model_a': 3}}); assert not {'scipy', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_in_simulation_a_new_model_takes_at_most_60_percent_of_the_votes() -> None:
    simulation = runpy.run_path(str(ROOT / "benchmarks" / "matchmaking.py"))
    needed = simulation["compare_placing"](150.0, 2)
    assert np.median(needed["informed"]) <= 0.6 * np.median(needed["all pairs"])


def test_in_simulation_the_overall_width_is_never_worse_than_even_sampling() -> None:
    simulation = runpy.run_path(str(ROOT / "benchmarks" / "matchmaking.py"))
    for design, widths in simulation["compare_overall"](4, n_votes=1800, snapshot=100, m=18).items():
        informed, uniform = np.array(widths).T
        assert (informed / uniform).mean() <= 1.0, design
