"""Fragility against brute force, the exact answer for two models, and separate refits."""

import csv
import itertools
import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from evaluation.ratings.bradley_terry import fit_bradley_terry
from evaluation.ratings.components import DisconnectedModelsError, find_components
from evaluation.ratings.counts import Counts, count_rows, count_votes
from evaluation.ratings.fragility import find_fragile_raters, find_fragile_votes
from evaluation.ratings.outcomes import MODEL_A
from evaluation.ratings.scales import Scale
from evaluation.ratings.votes import Votes
from tests.strategies import tables


def find_lead(counts: Counts, above: object, below: object, **treatment: str) -> float:
    """The lead in points, NaN if a model has no rating in the largest group."""
    part = counts.select(find_components(counts, **treatment).rated)
    if not {above, below} <= set(part.models):
        return math.nan
    return fit_bradley_terry(part, **treatment).difference(above, below).value


def is_overtaken(counts: Counts, leader: object) -> bool:
    part = counts.select(find_components(counts).rated)
    if leader not in part.models:
        return False
    values = fit_bradley_terry(part).values
    return bool(values.max() > values[part.models.index(leader)] + 1e-6)


def join(counts: Counts, **treatment: str) -> Counts:
    """The same counts, with a circle of wins added if they do not rate every model."""
    if not find_components(counts, **treatment).unrated:
        return counts
    circle = np.zeros_like(counts.table)
    models = np.arange(len(circle))
    circle[models, np.roll(models, 1), MODEL_A] = 1
    return counts + Counts(counts.models, circle)


def remove_rows(counts: Counts, rows: tuple) -> Counts:
    return Counts(counts.models, counts.table - count_rows(counts.models, rows).table)


def fewest_votes(counts: Counts, most: int) -> int | None:
    """The smallest removal, by trying all of up to ``most`` votes."""
    leader = counts.models[int(np.argmax(fit_bradley_terry(counts).values))]
    votes = np.repeat(np.arange(counts.table.size), counts.table.ravel()).tolist()
    for n in range(1, most + 1):
        for removal in set(itertools.combinations(votes, n)):
            table = counts.table - np.bincount(removal, minlength=counts.table.size).reshape(counts.table.shape)
            if is_overtaken(Counts(counts.models, table), leader):
                return n
    return None


def draw_small_tables(n: int) -> Iterator[Counts]:
    """Tables of 3 models and up to 18 votes, all with the alphabetically first model as A."""
    rng = np.random.default_rng(7)
    while n:
        table = np.zeros((3, 3, 4), dtype=np.int64)
        table[np.triu_indices(3, 1)] = rng.poisson([1.6, 1.6, 0.4, 0.4], (3, 4))
        counts = Counts(("a", "b", "c"), table)
        if table.sum() <= 18 and not find_components(counts).unrated:
            n -= 1
            yield counts


def test_small_tables_agree_with_every_possible_removal() -> None:
    n_equal = n_found = 0
    for counts in draw_small_tables(60):
        fragility = find_fragile_votes(counts)
        if fragility.n_removed is not None and fragility.n_removed <= 4:
            n_found += 1
            fewest = fewest_votes(counts, fragility.n_removed)
            assert fewest is not None
            assert fewest <= fragility.n_removed
            n_equal += fewest == fragility.n_removed
            assert find_fragile_votes(counts, pair=fragility.pair).removed == fragility.removed
    assert n_found >= 40
    assert n_equal >= 0.95 * n_found


def draw_raters(seed: int, m: int = 3, n: int = 40, n_raters: int = 8) -> Votes:
    rng = np.random.default_rng(seed)
    a = rng.integers(0, m, n)
    b = (a + rng.integers(1, m, n)) % m
    rater = np.minimum(rng.geometric(0.25, n) - 1, n_raters - 1)
    taste = rng.normal(0.0, 1.0, (n_raters, m))
    wins = rng.random(n) < 1.0 / (1.0 + np.exp(taste[rater, b] - taste[rater, a]))
    winner = np.where(rng.random(n) < 0.2, 2, 1 - wins.astype(int))
    return Votes(tuple("abcdefgh"[:m]), a, b, winner, None, {"rater": rater * 10 - 20})


def keep_raters(votes: Votes, without: tuple[int, ...]) -> Counts:
    keep = ~np.isin(votes.clusters["rater"], without)
    return count_votes(Votes(votes.models, votes.model_a[keep], votes.model_b[keep], votes.winner[keep]))


def test_raters_agree_with_every_possible_removal() -> None:
    sizes: Counter[bool] = Counter()
    for seed in range(40):
        votes = draw_raters(seed)
        counts = count_votes(votes)
        if find_components(counts).unrated:
            continue
        fragility = find_fragile_raters(votes)
        raters = sorted(set(votes.clusters["rater"].tolist()))
        assert fragility.n_total == len(raters)
        if fragility.n_removed is None:
            continue
        above, below = fragility.pair
        lead = find_lead(keep_raters(votes, fragility.removed), above, below)
        assert fragility.after == pytest.approx(lead, abs=1e-6)
        assert lead < 0 <= fragility.before
        assert len(fragility.removed) == len(set(fragility.removed) & set(raters)) == fragility.n_removed
        leader = counts.models[int(np.argmax(fit_bradley_terry(counts).values))]
        fewer = (s for n in range(1, fragility.n_removed) for s in itertools.combinations(raters, n))
        sizes[not any(is_overtaken(keep_raters(votes, some), leader) for some in fewer)] += 1
    assert sizes[True] >= 30
    assert sizes[False] <= 2


@settings(max_examples=100)
@given(st.integers(0, 3000), st.integers(0, 3000), st.integers(0, 500), st.integers(0, 500))
def test_two_models_have_an_exact_answer(wins_a: int, wins_b: int, ties: int, both_bad: int) -> None:
    rows = [
        ("a", "b", "model_a", wins_a // 2),
        ("b", "a", "model_b", wins_a - wins_a // 2),
        ("b", "a", "model_a", wins_b),
    ]
    counts = count_rows("ab", [*rows, ("a", "b", "tie", ties), ("b", "a", "both_bad", both_bad)])
    assume(not find_components(counts).unrated)
    fragility = find_fragile_votes(counts)
    more, fewer, drawn = max(wins_a, wins_b), min(wins_a, wins_b), ties + both_bad
    # The leader must end with one win less than the challenger, and both must keep a finite rating.
    if fewer == 0 or (fewer == 1 and drawn == 0):
        assert fragility.n_removed is fragility.after is fragility.share is None
        assert not fragility.verified
        return
    assert fragility.n_removed == more - fewer + 1
    assert fragility.n_total == counts.n_votes
    scale = 400.0 / math.log(10.0)
    assert fragility.before == pytest.approx(scale * math.log((more + drawn / 2) / (fewer + drawn / 2)), abs=1e-6)
    assert fragility.after == pytest.approx(scale * math.log((fewer - 1 + drawn / 2) / (fewer + drawn / 2)), abs=1e-6)


@settings(max_examples=40)
@given(tables(max_models=5, max_count=40), st.sampled_from(["half", "drop"]), st.sampled_from(["half", "drop"]))
def test_removing_the_set_found_swaps_the_pair(counts: Counts, ties: str, both_bad: str) -> None:
    treatment = {"ties": ties, "both_bad": both_bad}
    assume(len(counts.models) > 1)
    counts = join(counts, **treatment)
    fragility = find_fragile_votes(counts, **treatment)
    values = fit_bradley_terry(counts, **treatment).values
    above, below = fragility.pair
    assert fragility.before == pytest.approx(values.max() - values[below], abs=1e-6)
    assert fragility.n_total == counts.table[:, :, [True, True, ties == "half", both_bad == "half"]].sum()
    if fragility.verified:
        assert sum(row[3] for row in fragility.removed) == fragility.n_removed
        lead = find_lead(remove_rows(counts, fragility.removed), above, below, **treatment)
        assert fragility.after == pytest.approx(lead, abs=1e-6)
        assert lead < 0


def test_human_votes_on_six_models_are_fragile(shared_data: Path) -> None:
    with (shared_data / "votes" / "genai_arena_t2i.csv").open() as file:
        votes = Counter((r["model_a"], r["model_b"], r["winner"]) for r in csv.DictReader(file) if r["anony"] == "True")
    models = sorted({name for a, b, _ in votes for name in (a, b)})
    counts = count_rows(models, [(*vote, n) for vote, n in votes.items()])
    fragility = find_fragile_votes(counts)
    assert fragility.describe() == "Removing 48 of 1,451 votes (3.3 %) puts PixArtAlpha before PlayGroundV2."
    first, *others = np.array(models)[np.argsort(-fit_bradley_terry(counts).values)].tolist()
    assert fragility.n_removed == min(find_fragile_votes(counts, pair=(first, k)).n_removed or 9999 for k in others)
    assert is_overtaken(remove_rows(counts, fragility.removed), first)


def test_raters_with_one_vote_each_are_votes() -> None:
    votes = draw_raters(3, m=5, n=300)
    single = Votes(votes.models, votes.model_a, votes.model_b, votes.winner, None, {"rater": np.arange(300)})
    by_rater, by_vote = find_fragile_raters(single), find_fragile_votes(count_votes(votes))
    assert (by_rater.pair, by_rater.n_removed, by_rater.n_total) == (by_vote.pair, by_vote.n_removed, 300)
    assert by_rater.after == pytest.approx(by_vote.after)


def test_an_active_rater_is_named_and_weights_count_as_votes() -> None:
    a, b = np.zeros(30, int), np.ones(30, int)
    winner = np.array([0] * 12 + [0, 1] * 9)
    rater = np.array([7] * 12 + [*range(100, 118)])
    fragility = find_fragile_raters(Votes(("x", "y"), a, b, winner, None, {"person": rater}), "person")
    # Without rater 7 the two are equal, so one more rater is removed.
    assert fragility.n_removed == 2
    assert 7 in fragility.removed
    assert fragility.describe() == "Removing 2 of 19 persons (11 %) puts y before x."
    rows = np.array([0, 12, 13])
    weight = np.array([12.0, 8.0, 9.0])
    few = Votes(("x", "y"), a[rows], b[rows], winner[rows], weight, {"person": rater[rows]})
    weighted = find_fragile_raters(few, "person")
    assert weighted.describe() == "Removing 1 of 3 persons (33 %) puts y before x."
    assert weighted.removed == (7,)
    assert weighted.before == pytest.approx(400.0 * math.log10(20 / 9))


def test_the_result_is_described_in_a_sentence() -> None:
    counts = count_rows("ab", [("a", "b", "model_a", 6215), ("b", "a", "model_a", 6185)])
    fragility = find_fragile_votes(counts, scale=Scale(scale=100.0))
    assert fragility.describe() == "Removing 31 of 12,400 votes (0.25 %) puts b before a."
    assert fragility.removed == (("a", "b", "model_a", 31),)
    assert fragility.before == pytest.approx(100.0 * math.log10(6215 / 6185))
    # Dropped votes are neither counted nor removed.
    more = count_rows("ab", [("a", "b", "model_a", 7), ("b", "a", "model_a", 4), ("a", "b", "both_bad", 50)])
    assert find_fragile_votes(more, both_bad="drop").describe() == "Removing 4 of 11 votes (36 %) puts b before a."


def test_invalid_input_is_refused() -> None:
    counts = count_rows("abc", [("a", "b", "model_a", 5), ("b", "a", "model_a", 3), ("c", "b", "tie", 2)])
    for pair in (("a", "a"), ("a", "z"), ("a", "b", "c")):
        with pytest.raises(ValueError, match="A pair must be two of the models a, b, c"):
            find_fragile_votes(counts, pair=pair)
    with pytest.raises(ValueError, match="a is already before b"):
        find_fragile_votes(counts, pair=("b", "a"))
    with pytest.raises(ValueError, match="ties must be 'half' or 'drop'"):
        find_fragile_votes(counts, ties="third")
    with pytest.raises(DisconnectedModelsError, match="c"):
        find_fragile_votes(counts, ties="drop")
    with pytest.raises(ValueError, match="at least 2 models, got 1"):
        find_fragile_votes(count_rows("a", []))
    weighted = Counts(counts.models, counts.table * 0.5, counts.table * 0.25)
    with pytest.raises(ValueError, match="no whole votes"):
        find_fragile_votes(weighted)
    with pytest.raises(ValueError, match="no clusters 'prompt'; they have rater"):
        find_fragile_raters(draw_raters(0), "prompt")
    none = np.zeros(0, dtype=int)
    with pytest.raises(DisconnectedModelsError):
        find_fragile_raters(Votes(("a", "b"), none, none, none, None, {"rater": none}))
