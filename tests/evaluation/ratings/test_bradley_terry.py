"""Bradley-Terry against other implementations, properties, and votes without a finite fit."""

import csv
from collections import Counter
from pathlib import Path

import evalica
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize, root

from evaluation.ratings.bradley_terry import fit_bradley_terry
from evaluation.ratings.components import DisconnectedModelsError, Unrated, find_components
from evaluation.ratings.counts import Counts, count_rows
from evaluation.ratings.outcomes import WINNERS
from evaluation.ratings.scales import Scale
from tests.strategies import tables


def rateable(counts: Counts) -> bool:
    return len(counts.models) > 1 and not find_components(counts).unrated


def direct_optimum(counts: Counts) -> np.ndarray:
    """θ by a general-purpose optimizer, on the loss that the arenas document."""
    wins = counts.table[:, :, 0] + counts.table[:, :, 1].T + (counts.table[:, :, 2:].sum(2)) / 2
    wins = wins + counts.table[:, :, 2:].sum(2).T / 2

    def loss(theta: np.ndarray) -> float:
        return float((wins * np.logaddexp(0.0, theta[None, :] - theta[:, None])).sum())

    def slope(theta: np.ndarray) -> np.ndarray:
        p = 1.0 / (1.0 + np.exp(theta[None, :] - theta[:, None]))
        return -(wins - (wins + wins.T) * p).sum(axis=1)

    near = minimize(loss, np.zeros(len(wins)), jac=slope, method="BFGS", options={"gtol": 1e-9}).x
    # The loss is flat to rounding before its slope is zero, so a root of the slope, with the first θ held, refines it.
    found = root(lambda rest: slope(np.append(near[0], rest))[1:], near[1:], tol=1e-14)
    theta = np.append(near[0], found.x)
    return theta - theta.mean()


def read_genai_arena(shared_data: Path) -> Counts:
    with (shared_data / "votes" / "genai_arena_t2i.csv").open() as file:
        votes = Counter((r["model_a"], r["model_b"], r["winner"]) for r in csv.DictReader(file) if r["anony"] == "True")
    models = sorted({name for a, b, _ in votes for name in (a, b)})
    return count_rows(models, [(*vote, n) for vote, n in votes.items()])


def test_the_published_table_of_genai_arena_is_reproduced(shared_data: Path) -> None:
    fit = fit_bradley_terry(read_genai_arena(shared_data))
    with (shared_data / "votes" / "genai_arena_t2i_golden.csv").open() as file:
        golden = {row["model"]: row for row in csv.DictReader(file) if row["subset"] == "anony"}
    for i, model in enumerate(fit.models):
        assert fit.values[i] == pytest.approx(float(golden[model]["arenarank_rating"]), abs=0.01)
        assert fit.ci_low[i] == pytest.approx(float(golden[model]["arenarank_low"]), abs=0.01)
        assert fit.ci_high[i] == pytest.approx(float(golden[model]["arenarank_high"]), abs=0.01)


@settings(max_examples=60)
@given(tables(max_models=5, max_count=30))
def test_a_general_purpose_optimizer_agrees(counts: Counts) -> None:
    assume(rateable(counts))
    theta = (fit_bradley_terry(counts).values - 1000.0) * np.log(10.0) / 400.0
    assert theta == pytest.approx(direct_optimum(counts), abs=1e-8)


@pytest.mark.parametrize("name", ["food", "simple"])
def test_evalica_agrees(shared_data: Path, name: str) -> None:
    outcomes = {"left": "model_a", "right": "model_b", "tie": "tie"}
    peers = {"left": evalica.Winner.X, "right": evalica.Winner.Y, "tie": evalica.Winner.Draw}
    with (shared_data / "votes" / f"{name}.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["winner"] in outcomes]
    models = sorted({row[side] for row in rows for side in ("left", "right")})
    counts = count_rows(models, [(row["left"], row["right"], outcomes[row["winner"]], 1) for row in rows])
    lefts, rights = [row["left"] for row in rows], [row["right"] for row in rows]
    peer = evalica.bradley_terry(lefts, rights, [peers[row["winner"]] for row in rows], tolerance=1e-12, limit=100_000)
    with (shared_data / "votes" / f"{name}_golden.csv").open() as file:
        golden = {row["item"]: row["score"] for row in csv.DictReader(file) if row["algorithm"] == "bradley_terry"}
    kept = np.log([float(golden[model]) for model in models])
    assert fit_bradley_terry(counts).theta == pytest.approx(kept - kept.mean(), abs=1e-9)
    log_ratios = np.log(peer.scores.loc[models].to_numpy())
    theta = (fit_bradley_terry(counts).values - 1000.0) * np.log(10.0) / 400.0
    assert theta == pytest.approx(log_ratios - log_ratios.mean(), abs=1e-6)


@settings(max_examples=60)
@given(tables(max_models=5, max_count=30), st.data())
def test_names_order_and_sides_change_nothing(counts: Counts, data: st.DataObject) -> None:
    assume(rateable(counts))
    fit = fit_bradley_terry(counts)
    order = data.draw(st.permutations(range(len(counts.models))))
    relabelled = fit_bradley_terry(counts.select(order))
    assert relabelled.values == pytest.approx(fit.values[order], abs=1e-7)
    assert relabelled.ci_low == pytest.approx(fit.ci_low[order], abs=1e-6)
    swapped = counts.table.transpose(1, 0, 2)[:, :, [1, 0, 2, 3]]
    assert fit_bradley_terry(Counts(counts.models, swapped)).values == pytest.approx(fit.values, abs=1e-9)


@settings(max_examples=60)
@given(tables(max_models=5, max_count=30))
def test_votes_counted_twice_halve_the_variance(counts: Counts) -> None:
    assume(rateable(counts))
    once, twice = fit_bradley_terry(counts), fit_bradley_terry(counts + counts)
    assert twice.values == pytest.approx(once.values, abs=1e-6)
    assert twice.covariance == pytest.approx(once.covariance / 2, rel=1e-5, abs=1e-5)


def test_two_models_have_the_textbook_answer() -> None:
    fit = fit_bradley_terry(count_rows("ab", [("a", "b", "model_a", 30), ("b", "a", "model_a", 10)]))
    assert fit.values[0] - fit.values[1] == pytest.approx(400 * np.log10(3))
    # The log-odds of a proportion: variance 1 / (n p (1 - p)).
    difference = fit.covariance[0, 0] + fit.covariance[1, 1] - 2 * fit.covariance[0, 1]
    assert difference == pytest.approx((400 / np.log(10)) ** 2 / (40 * 0.75 * 0.25))


def test_scale_base_center_and_confidence_can_be_set() -> None:
    counts = count_rows("ab", [("a", "b", "model_a", 30), ("a", "b", "model_b", 10)])
    fit = fit_bradley_terry(counts, scale=Scale(1.0, np.e, 0.0), confidence=0.5)
    assert fit.values == pytest.approx([np.log(3) / 2, -np.log(3) / 2])
    assert (fit.ci_high - fit.values) / np.sqrt(np.diag(fit.covariance)) == pytest.approx([0.67449] * 2, abs=1e-5)
    for wrong in ({"scale": 0.0}, {"base": 1.0}, {"center": np.nan}):
        with pytest.raises(ValueError, match="Expected"):
            Scale(**wrong)
    with pytest.raises(ValueError, match="confidence"):
        fit_bradley_terry(counts, confidence=1.0)


def test_intervals_cover_the_truth() -> None:
    """400 simulated arenas of 6 models and 600 votes: 95 % intervals cover the truth in 93 to 97 %."""
    rng = np.random.default_rng(2026)
    theta = np.linspace(-0.8, 0.8, 6)
    left, right = np.triu_indices(6, 1)
    p = 1 / (1 + np.exp(theta[right] - theta[left]))
    covered = 0
    for _ in range(400):
        table = np.zeros((6, 6, 4), dtype=np.int64)
        table[left, right, 0] = rng.binomial(40, p)
        table[left, right, 1] = 40 - table[left, right, 0]
        fit = fit_bradley_terry(Counts(tuple("abcdef"), table), scale=Scale(1.0, np.e, 0.0))
        covered += int(((fit.ci_low <= theta) & (theta <= fit.ci_high)).sum())
    assert 0.93 <= covered / 2400 <= 0.97


def test_all_wins_have_no_finite_rating() -> None:
    counts = count_rows("abc", [("a", "b", "model_a", 9), ("b", "c", "model_a", 5), ("c", "b", "model_a", 5)])
    with pytest.raises(DisconnectedModelsError) as caught:
        fit_bradley_terry(counts)
    assert caught.value.unrated == {"a": Unrated.UNBEATEN}


@pytest.mark.parametrize("models", ["", "a"])
def test_fewer_than_two_models_are_refused(models: str) -> None:
    with pytest.raises(ValueError, match="at least 2 models"):
        fit_bradley_terry(count_rows(models, []))


def test_a_million_votes_for_one_pair_still_fit() -> None:
    rows = [("a", "b", "model_a", 600_000), ("a", "b", "model_b", 400_000), ("b", "c", "model_a", 1)]
    fit = fit_bradley_terry(count_rows("abc", [*rows, ("b", "c", "model_b", 1)]))
    assert fit.values[0] - fit.values[1] == pytest.approx(400 * np.log10(1.5), abs=1e-6)
    assert np.isfinite(fit.covariance).all()


def test_a_model_with_few_votes_among_very_many_still_converges() -> None:
    rows = [("a", "b", "model_a", 30_791_227), ("b", "a", "model_a", 30_791_227), ("a", "c", "model_a", 2)]
    fit = fit_bradley_terry(count_rows("abc", [*rows, ("c", "a", "model_a", 1), ("b", "c", "model_a", 1)]))
    assert fit.values[0] - fit.values[1] == pytest.approx(0.0, abs=1e-4)
    assert fit.values[0] - fit.values[2] == pytest.approx(400 * np.log10(3), abs=1e-3)


def test_extreme_odds_still_converge() -> None:
    rows = [("a", "b", "model_a", 10**9), ("a", "b", "model_b", 1), ("b", "c", "model_a", 10**9)]
    fit = fit_bradley_terry(count_rows("abc", [*rows, ("b", "c", "model_b", 1)]))
    assert fit.values[0] - fit.values[2] == pytest.approx(2 * 400 * 9, rel=1e-6)


def test_every_winner_is_counted_for_its_side() -> None:
    rows = [("a", "b", winner, n + 1) for n, winner in enumerate(WINNERS)]
    counts = count_rows("ab", rows)
    assert counts.table[0, 1].tolist() == [1, 2, 3, 4]
    half = fit_bradley_terry(counts)
    assert half.values[0] - half.values[1] == pytest.approx(400 * np.log10((1 + 3.5) / (2 + 3.5)))
