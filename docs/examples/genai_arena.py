"""Example: the methods of evaluation.ratings on 1,451 votes of a real arena.

Run as a script with the path of a file of votes, or cell by cell in an editor that knows `# %%`:

    python docs/examples/genai_arena.py votes.csv

The file has columns model_a, model_b, winner, `anony` (cast before the names were shown) and `tstamp`, like the
text-to-image votes that GenAI-Arena published (TIGER-AI-Lab/GenAI-Arena, Apache-2.0).
"""

# %% Votes: only those cast before the names were shown, in their order
import sys

import numpy as np
import pandas as pd

from evaluation.ratings import rate
from evaluation.ratings.best_of_n import correct_variants
from evaluation.ratings.bootstrap import bootstrap_ratings
from evaluation.ratings.bradley_terry import fit_bradley_terry, fit_davidson
from evaluation.ratings.counts import count_votes
from evaluation.ratings.elo import run_elo
from evaluation.ratings.fragility import find_fragile_votes
from evaluation.ratings.planning import plan_votes
from evaluation.ratings.projection import PublishedBoard, project
from evaluation.ratings.ranks import find_rank_probabilities, find_rank_sets, rank_ranges
from evaluation.ratings.sequential import judge_preference
from evaluation.ratings.usable_rates import fit_usable_rates
from evaluation.ratings.votes import code_frame

frame = pd.read_csv(sys.argv[1]).sort_values("tstamp")
frame = frame[frame["anony"]].replace({"winner": {"tie (bothbad)": "both_bad"}})
print(rate(frame))

# %% The same in single steps: votes, then counts
votes = code_frame(frame)
counts = count_votes(votes)
print(f"{counts.n_votes} votes on {len(counts.models)} models")
print(frame["winner"].value_counts(normalize=True).round(3).to_string())

# %% Ratings and rank ranges as the public arenas publish them
fit = fit_bradley_terry(counts)
table = pd.DataFrame({"rating": fit.values, "low": fit.ci_low, "high": fit.ci_high}, index=list(fit.models))
table["best"], table["worst"] = rank_ranges(fit.ci_low, fit.ci_high)

# %% ... and more: rank sets that hold at once, the probability of first place, usable rates, online Elo
sets = find_rank_sets(fit)
table["at once"] = [f"{best} to {worst}" for best, worst in zip(sets.best, sets.worst, strict=True)]
table["P(first)"] = find_rank_probabilities(fit).best
table["usable"] = fit_usable_rates(counts).values
table["Elo"] = run_elo(votes).values
table = table.sort_values("rating", ascending=False)
print(table.round({"rating": 1, "low": 1, "high": 1, "P(first)": 3, "usable": 2, "Elo": 1}).to_string())

# %% With a model of ties, the strengths lie further apart than with ties as half wins
davidson = fit_davidson(counts)
tie = davidson.coefficients["tie"]
print(f"tie parameter {tie.value:.2f} ({tie.ci_low:.2f} to {tie.ci_high:.2f})")
print(f"spread: {np.ptp(fit.values):.0f} points with ties as half wins, {np.ptp(davidson.values):.0f} with Davidson")

# %% Is the first better than the second? The difference has an interval of its own
first, second = table.index[:2]
difference = fit.difference(first, second)
interval = f"{difference.ci_low:.0f} to {difference.ci_high:.0f}"
print(f"{first} - {second}: {difference.value:.0f} ({interval}), p = {difference.p_value:.2g}")
i, j = counts.models.index(first), counts.models.index(second)
direct = judge_preference(int(counts.wins[i, j]), int(counts.wins[j, i]), int(counts.drawn(2)[i, j]))
print(f"their direct votes, in a sequential test: {direct.verdict}, {direct.p_low:.2f} to {direct.p_high:.2f}")

# %% The bootstrap gives the same intervals as the formula
resampled = bootstrap_ratings(counts, n=1000)
print(f"largest difference between bootstrap and sandwich: {np.abs(resampled.ci_low - fit.ci_low).max():.1f} points")

# %% How few votes decide first place?
print(find_fragile_votes(counts).describe())

# %% How many more votes until the difference of the first two is known to ±20 points?
plan = plan_votes(fit, counts, width=40.0, pair=(first, second))
print(f"{plan.n_votes} more votes: " + ", ".join(f"{n} x {a} / {b}" for (a, b), n in list(plan.matchups.items())[:3]))

# %% Correction for the case that the first two were our variants and we show the better one
shown = correct_variants(fit, [first, second])
print(f"shown {shown.shown_value:.0f}; corrected {shown.value:.0f} ({shown.ci_low:.0f} to {shown.ci_high:.0f})")

# %% Where would the first debut on a board with the other models? Here, the same ratings with ±10 points
others = [k for k, model in enumerate(fit.models) if model != first]
board = PublishedBoard.of_intervals(
    [fit.models[k] for k in others], fit.values[others] + 100.0, np.full(len(others), 10.0)
)
landing = project(fit, first, board)
print(f"{first} would debut {landing}, at {landing.value:.0f} ({landing.ci_low:.0f} to {landing.ci_high:.0f})")
