"""Choice of pairs: alarms for rules that look at the ratings; none for plans, for matchmaking and for real votes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evaluation.ratings.pair_choice import PairChoice, judge_pair_choice
from evaluation.ratings.votes import Votes, code_frame
from tests import pair_rules
from tests.pair_rules import Matchmaking, Rated, Rule, meet_challenger, meet_nearest, simulate


def judge(make_rule: Callable[[], Rule], repetitions: int = 10) -> list[str]:
    return [judge_pair_choice(simulate(make_rule(), seed)).rule for seed in range(repetitions)]


@pytest.mark.parametrize("rule", ["uniform", "popular", "planned_neighbours", "one_against_all", "joining"])
def test_plans_give_no_alarm_whatever_pairs_they_prefer(rule: str) -> None:
    assert judge(lambda: getattr(pair_rules, rule)) == [""] * 10


def test_matchmaking_gives_no_alarm() -> None:
    assert judge(Matchmaking) == [""] * 10


def test_pairs_of_nearest_rating_are_noticed() -> None:
    assert judge(lambda: Rated(meet_nearest)).count("nearest rating") >= 7


def test_leader_against_challenger_is_noticed() -> None:
    assert judge(lambda: Rated(meet_challenger)) == ["leader against challenger"] * 10


def test_the_order_of_votes_is_what_tells() -> None:
    votes = simulate(Rated(meet_nearest), 0)
    assert judge_pair_choice(votes).nearness > 3.5
    order = np.random.default_rng(0).permutation(len(votes))
    shuffled = Votes(votes.models, votes.model_a[order], votes.model_b[order], votes.winner[order])
    assert judge_pair_choice(shuffled).rule == ""


@pytest.mark.parametrize("columns", [("winner",), ("model_b", "model_a"), ("winner", "model_a"), ("model_a", "winner")])
def test_sorted_votes_give_no_alarm(columns: tuple[str, ...]) -> None:
    for rule in (pair_rules.uniform, pair_rules.popular):
        votes = simulate(rule, 2)
        order = np.lexsort([getattr(votes, column) for column in columns])
        in_order = Votes(votes.models, votes.model_a[order], votes.model_b[order], votes.winner[order])
        assert judge_pair_choice(in_order).rule == ""


def test_sides_change_nothing() -> None:
    votes = simulate(Rated(meet_nearest), 1)
    swapped = Votes(votes.models, votes.model_b, votes.model_a, 1 - votes.winner)
    assert judge_pair_choice(swapped) == judge_pair_choice(votes)


@pytest.mark.parametrize("subset", ["anonymous", "all"])
def test_the_votes_of_a_real_arena_give_no_alarm(shared_data: Path, subset: str) -> None:
    frame = pd.read_csv(shared_data / "votes" / "genai_arena_t2i.csv").sort_values("tstamp")
    frame = frame[(frame["anony"] | (subset == "all")) & (frame["model_a"] != frame["model_b"])]
    votes = code_frame(frame.replace({"winner": {"tie (bothbad)": "both_bad"}}))
    choice = judge_pair_choice(votes)
    assert choice.rule == ""
    assert choice.nearness < 2
    assert choice.leaders < 0.1


@pytest.mark.parametrize(("m", "n"), [(6, 0), (6, 1), (6, 99), (3, 500), (2, 500)])
def test_too_few_votes_or_models_are_not_judged(m: int, n: int) -> None:
    rng = np.random.default_rng(0)
    a = rng.integers(0, m, n)
    votes = Votes(tuple(range(m)), a, (a + 1) % m, np.zeros(n, dtype=np.int64))
    assert judge_pair_choice(votes) == PairChoice(n, 0.0, 0.0)


def test_one_pair_among_many_models_is_judged_without_errors() -> None:
    a = np.arange(400) % 4
    everyone_wins = Votes(tuple(range(50)), a, a + 1, np.zeros(400, dtype=np.int64))
    assert judge_pair_choice(everyone_wins).rule == ""
