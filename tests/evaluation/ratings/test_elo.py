"""Online Elo against published values, another implementation, and its properties."""

import csv
from pathlib import Path

import evalica
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from evaluation.ratings.elo import bootstrap_elo, run_elo
from evaluation.ratings.outcomes import WINNERS
from evaluation.ratings.scales import Scale
from evaluation.ratings.votes import Votes

MODELS = ("a", "b", "c", "d")


def make_votes(rows: list[tuple[int, int, int, float]], models: tuple[str, ...] = MODELS) -> Votes:
    model_a, model_b, winner, weight = (np.array(column) for column in zip(*rows, strict=True))
    return Votes(models, model_a, model_b, winner, weight.astype(float))


def read_csv(file: Path, models: tuple[str, ...], *, anonymous: bool = False) -> Votes:
    """Votes in the order of their time stamps, if any, without the one vote of a model against itself."""
    names = {"left": "model_a", "right": "model_b"}
    with file.open() as lines:
        rows = list(csv.DictReader(lines))
    rows = [row for row in rows if not anonymous or row["anony"] == "True"]
    rows.sort(key=lambda row: float(row.get("tstamp", 0)))
    sides = [[row.get(f"model_{s}") or row[name] for row in rows] for s, name in (("a", "left"), ("b", "right"))]
    keep = [k for k in range(len(rows)) if sides[0][k] != sides[1][k]]
    winners = [WINNERS.index(names.get(rows[k]["winner"], rows[k]["winner"])) for k in keep]
    model_a, model_b = (np.array([models.index(side[k]) for k in keep]) for side in sides)
    return Votes(models, model_a, model_b, np.array(winners))


def read_golden(file: Path, column: str, **chosen: str) -> dict[str, float]:
    with file.open() as lines:
        rows = [row for row in csv.DictReader(lines) if all(row[key] == value for key, value in chosen.items())]
    name = "model" if "model" in rows[0] else "item"
    return {row[name]: float(row[column]) for row in sorted(rows, key=lambda row: row[name])}


PAIRS = st.tuples(st.integers(0, 3), st.integers(0, 3)).filter(lambda pair: pair[0] != pair[1])
ROWS = st.tuples(PAIRS, st.integers(0, 3), st.sampled_from([0.0, 0.5, 1.0, 3.0])).map(lambda r: (*r[0], r[1], r[2]))
MANY = st.lists(ROWS, min_size=1, max_size=40).filter(lambda rows: any(row[3] for row in rows))


@pytest.mark.parametrize("board", ["genai_arena_t2i", "genai_arena_edit"])
@pytest.mark.parametrize("subset", ["anony", "full"])
def test_the_published_values_of_genai_arena_are_reproduced(shared_data: Path, board: str, subset: str) -> None:
    golden = read_golden(shared_data / "votes" / f"{board}_golden.csv", "published_online_elo_k4", subset=subset)
    votes = read_csv(shared_data / "votes" / f"{board}.csv", tuple(golden), anonymous=subset == "anony")
    elo = run_elo(votes, k=4)
    assert elo.n_votes == len(votes)
    np.testing.assert_allclose(elo.values, list(golden.values()), rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", ["food", "simple"])
def test_the_golden_values_of_evalica_are_reproduced(shared_data: Path, name: str) -> None:
    golden = read_golden(shared_data / "votes" / f"{name}_golden.csv", "score", algorithm="elo")
    votes = read_csv(shared_data / "votes" / f"{name}.csv", tuple(golden))
    np.testing.assert_allclose(run_elo(votes).values, list(golden.values()), rtol=0, atol=1e-9)


@settings(max_examples=60)
@given(MANY, st.sampled_from([1.0, 4.0, 32.0]))
def test_evalica_agrees_on_unweighted_votes(rows: list[tuple[int, int, int, float]], k: float) -> None:
    votes = make_votes([(a, b, winner, 1.0) for a, b, winner, _ in rows])
    outcomes = [evalica.Winner.X, evalica.Winner.Y, evalica.Winner.Draw, evalica.Winner.Draw]
    theirs = evalica.elo(
        [MODELS[row[0]] for row in rows], [MODELS[row[1]] for row in rows], [outcomes[row[2]] for row in rows], k=k
    )
    ours = dict(zip(MODELS, run_elo(votes, k=k).values, strict=True))
    assert {m: ours[m] for m in theirs.scores.index} == pytest.approx(theirs.scores.to_dict(), rel=0, abs=1e-9)


@settings(max_examples=60)
@given(MANY, st.sampled_from([4.0, 32.0]))
def test_weighted_votes_follow_the_formula(rows: list[tuple[int, int, int, float]], k: float) -> None:
    expected = np.full(4, 1000.0)
    for a, b, winner, weight in rows:
        move = k * weight * ((1.0, 0.0, 0.5, 0.5)[winner] - expit((expected[a] - expected[b]) * np.log(10) / 400))
        expected[a] += move
        expected[b] -= move
    np.testing.assert_allclose(run_elo(make_votes(rows), k=k).values, expected, rtol=0, atol=1e-9)


@settings(max_examples=60)
@given(MANY)
def test_the_sum_of_all_ratings_is_constant(rows: list[tuple[int, int, int, float]]) -> None:
    elo = run_elo(make_votes(rows), k=16, scale=Scale(center=1500))
    assert elo.values.mean() == pytest.approx(1500, abs=1e-9)
    met = {model for a, b, _, weight in rows if weight for model in (a, b)}
    assert all(elo.values[i] == 1500 for i in range(4) if i not in met)


@settings(max_examples=60)
@given(MANY)
def test_votes_of_weight_zero_and_dropped_votes_move_nothing(rows: list[tuple[int, int, int, float]]) -> None:
    kept = [row for row in rows if row[3] > 0 and row[2] != WINNERS.index("both_bad")]
    if not kept:
        with pytest.raises(ValueError, match="votes that count"):
            run_elo(make_votes(rows), both_bad="drop")
        return
    elo, alone = run_elo(make_votes(rows), both_bad="drop"), run_elo(make_votes(kept))
    assert elo.n_votes == len(kept)
    assert elo.values.tolist() == alone.values.tolist()


def test_one_weighted_vote_by_hand() -> None:
    # Equal models: the winner of a vote of weight 3 gains 3 k (1 - 1/2).
    assert run_elo(make_votes([(0, 1, 0, 3.0)]), k=10).values.tolist() == [1015.0, 985.0, 1000.0, 1000.0]
    # Then b, 30 points behind on a scale of 200 and base 2, wins: it gains k / (1 + 2^(-30/200)).
    votes = make_votes([(0, 1, 0, 3.0), (0, 1, 1, 1.0)])
    expected = 1015 - 10 / (1 + 2 ** (-30 / 200))
    assert run_elo(votes, k=10, scale=Scale(scale=200, base=2)).values[0] == pytest.approx(expected, abs=1e-9)


def test_ratings_so_far_apart_that_odds_overflow() -> None:
    votes = [(0, 1, 0, 1.0)] * 2
    assert run_elo(make_votes(votes), k=1e6).values.tolist() == [501_000.0, -499_000.0, 1000.0, 1000.0]
    votes.append((0, 1, 1, 1.0))
    assert run_elo(make_votes(votes), k=1e6).values.tolist() == [-499_000.0, 501_000.0, 1000.0, 1000.0]


def test_an_anchor_shifts_all_values() -> None:
    votes = make_votes([(0, 1, 0, 1.0), (1, 2, 0, 1.0), (2, 0, 2, 1.0)])
    free, anchored = run_elo(votes), run_elo(votes, scale=Scale(center=978, anchor="b"))
    assert anchored.values[1] == 978
    np.testing.assert_allclose(anchored.values - free.values, 978 - free.values[1], atol=1e-9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 0}, "finite k above 0"),
        ({"k": float("nan")}, "finite k above 0"),
        ({"ties": "win"}, "ties must be 'half' or 'drop'"),
        ({"scale": Scale(anchor="x")}, "anchor 'x' is not among the models: a, b, c, d"),
        ({"scale": Scale(anchor="d")}, "anchor 'd' has no votes"),
        ({"ties": "drop"}, "none among 1"),
        ({"k": 1e308, "scale": Scale(scale=1e-300)}, "overflowed"),
    ],
)
def test_invalid_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run_elo(make_votes([(0, 1, 2, 1.0)]), **options)


def simulate(n: int) -> Votes:
    rng = np.random.default_rng(3)
    model_a, step = rng.integers(4, size=n), rng.integers(1, 4, size=n)
    model_b = (model_a + step) % 4
    p = 1 / (1 + np.exp(-0.4 * (model_a - model_b)))
    return Votes(MODELS, model_a, model_b, np.where(rng.random(n) < p, 0, 1))


def test_the_mean_over_orders_does_not_depend_on_the_order() -> None:
    votes = simulate(2000)
    backwards = Votes(MODELS, votes.model_a[::-1], votes.model_b[::-1], votes.winner[::-1])
    once = abs(run_elo(votes).values - run_elo(backwards).values).max()
    many = abs(bootstrap_elo(votes, n=200).values - bootstrap_elo(backwards, n=200, seed=1).values).max()
    assert many < 3 < 6 < once
    elo = bootstrap_elo(votes, n=200)
    assert (elo.ci_low < elo.values).all()
    assert (elo.values < elo.ci_high).all()


def test_only_resampling_adds_sampling_error_to_the_interval() -> None:
    few = simulate(60)  # so few that sampling error is larger than the effect of the order
    orders, resampled = bootstrap_elo(few), bootstrap_elo(few, resample=True)
    assert (orders.ci_high - orders.ci_low).max() < 4
    assert (resampled.ci_high - resampled.ci_low).min() > 10
    same = make_votes([(0, 1, 0, 1.0)] * 30)
    alike = bootstrap_elo(same)
    assert alike.ci_low == pytest.approx(run_elo(same).values, abs=1e-9)
    assert alike.ci_high == pytest.approx(alike.ci_low, abs=1e-9)


def test_a_seed_gives_the_same_orders_and_too_few_are_refused() -> None:
    votes = simulate(100)
    first, again = bootstrap_elo(votes, seed=5), bootstrap_elo(votes, seed=5)
    assert first.values.tolist() == again.values.tolist()
    assert first.values.tolist() != bootstrap_elo(votes, seed=6).values.tolist()
    with pytest.raises(ValueError, match="needs 40 orders, got 39"):
        bootstrap_elo(votes, n=39)
    anchored = bootstrap_elo(votes, scale=Scale(anchor="c"))
    assert anchored.ci_low[2] == anchored.values[2] == anchored.ci_high[2] == 1000
