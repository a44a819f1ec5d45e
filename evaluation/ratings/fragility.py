"""Fragility of first place: a small set of votes, or raters, whose removal puts another model first.

Every vote has an influence on the difference of two ratings. The most influential votes are removed until the two
models swap, and an exact refit confirms it (Broderick, Giordano & Meager 2020, "An automatic finite-sample robustness
metric: when can dropping a little data make a big difference?", section 2; on arenas arXiv 2508.11847). Influences are
recomputed at the swap for as long as that makes the set smaller. The result is the smallest set found, which is an
upper bound: a smaller one may exist, and in sparse tables one may exist although none was found.

A removal counts only if both models keep a finite rating on one scale; other models may lose theirs.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from evaluation.ratings.arguments import check_type
from evaluation.ratings.components import DisconnectedModelsError, find_components
from evaluation.ratings.counts import Counts
from evaluation.ratings.families import BRADLEY_TERRY, sigmoid
from evaluation.ratings.fitting import maximize, pair_up
from evaluation.ratings.outcomes import WINNERS, Treatment, check_treatment
from evaluation.ratings.scales import Scale
from evaluation.ratings.votes import Votes

Array = NDArray[np.float64]
Indices = NDArray[np.intp]

# Log-odds by which the challenger must lead. A smaller lead is the rounding of a tie.
_LEAD: Final = 1e-9
# If two ratings are far apart, the first influences overestimate the number of bundles by a factor of up to 2.7. A
# challenger for which they give more than this many times the best set is not searched.
_REACH: Final = 3


@dataclass(frozen=True)
class Fragility:
    """The smallest set found whose removal puts the second model of ``pair`` before the first.

    ``n_removed`` of ``n_total`` votes (or raters with a vote that counts) are in ``removed``, as rows (model_a,
    model_b, winner, votes) or as the raters' codes. ``unit`` is "vote", or the name of the column of clusters.
    ``before`` and ``after`` are the first model's lead in points; ``after``, below zero, is from an exact refit.

    If nothing was found, for this pair or, without a given pair, for any other model, ``n_removed`` and ``after`` are
    None, and ``pair`` has the challenger that seemed closest.
    """

    pair: tuple[Hashable, Hashable]
    unit: str
    n_removed: int | None
    n_total: int
    removed: tuple[Any, ...]
    before: float
    after: float | None
    ties: str
    both_bad: str
    scale: Scale

    @property
    def verified(self) -> bool:
        """Whether a set was found. Every set found is confirmed by a refit."""
        return self.n_removed is not None

    @property
    def share(self) -> float | None:
        """``n_removed`` as a fraction of ``n_total``."""
        return None if self.n_removed is None else self.n_removed / self.n_total

    def describe(self) -> str:
        """The result in one sentence."""
        above, below = self.pair
        if self.n_removed is None or self.share is None:
            return f"No set of {self.unit}s was found whose removal puts {below} before {above}."
        percent = np.format_float_positional(100.0 * self.share, precision=2, fractional=False, trim="-")
        some = f"{self.n_removed:,} of {self.n_total:,} {self.unit}s"
        return f"Removing {some} ({percent} %) puts {below} before {above}."


def find_fragile_votes(
    counts: Counts,
    *,
    pair: tuple[Hashable, Hashable] | None = None,
    ties: Treatment = "half",
    both_bad: Treatment = "half",
    scale: Scale = Scale(),
) -> Fragility:
    """The fewest votes found whose removal changes first place, or puts the second model of ``pair`` before the first.

    ``ties`` and ``both_bad`` are those of fit_bradley_terry.

    Raises:
        DisconnectedModelsError: The counts do not rate every model.
        ValueError: Weighted counts, fewer than two models, or a pair that is unknown or in the wrong order.
    """
    check_type("counts", counts, Counts)
    check_type("scale", scale, Scale)
    if counts.squares is not None:
        raise ValueError(
            "Weighted counts have no whole votes to remove. Use find_fragile_raters, or unweighted counts."
        )
    cells = np.flatnonzero(_find_counted(ties, both_bad) & (counts.table > 0))
    limit = counts.table.ravel()[cells].astype(np.intp)
    bundles = _Bundles(counts.models, ties, both_bad, np.arange(len(cells)), cells, np.ones(len(cells)), limit)
    found = _find(bundles, pair)
    rows = []
    for k in np.flatnonzero(found.removed).tolist():
        a, b, outcome = np.unravel_index(cells[k], counts.table.shape)
        rows.append((counts.models[a], counts.models[b], WINNERS[outcome], int(found.removed[k])))
    return _report(bundles, found, "vote", tuple(rows), scale)


def find_fragile_raters(
    votes: Votes,
    cluster: str = "rater",
    *,
    pair: tuple[Hashable, Hashable] | None = None,
    ties: Treatment = "half",
    both_bad: Treatment = "half",
    scale: Scale = Scale(),
) -> Fragility:
    """As find_fragile_votes, but removes raters with all their votes.

    ``cluster`` names the column of ``votes.clusters`` to remove by. Votes may be weighted. Raises the errors of
    find_fragile_votes, and ValueError if there is no such column.
    """
    check_type("votes", votes, Votes)
    check_type("cluster", cluster, str)
    check_type("scale", scale, Scale)
    if cluster not in votes.clusters:
        known = ", ".join(votes.clusters) or "none"
        raise ValueError(f"The votes have no clusters {cluster!r}; they have {known}.")
    m = len(votes.models)
    shape = (m, m, len(WINNERS))
    cell = np.ravel_multi_index((votes.model_a, votes.model_b, votes.winner), shape) if len(votes) else np.zeros(0, int)
    weight = np.ones(len(votes)) if votes.weight is None else votes.weight.astype(np.float64)
    counted = np.broadcast_to(_find_counted(ties, both_bad), shape).ravel()[cell] & (weight > 0)
    codes, rater = np.unique(votes.clusters[cluster][counted], return_inverse=True)
    places, place = np.unique(rater * m * m * len(WINNERS) + cell[counted], return_inverse=True)
    held = np.bincount(place, weight[counted], len(places)).astype(np.float64)
    bundle, cell = np.divmod(places, m * m * len(WINNERS))
    bundles = _Bundles(votes.models, ties, both_bad, bundle, cell, held, np.ones(len(codes), dtype=np.intp))
    found = _find(bundles, pair)
    return _report(bundles, found, cluster, tuple(codes[found.removed > 0].tolist()), scale)


def _find_counted(ties: str, both_bad: str) -> NDArray[np.bool_]:
    """(4,): the outcomes that the fit counts."""
    check_treatment(ties=ties, both_bad=both_bad)
    return np.array([True, True, ties == "half", both_bad == "half"])


@dataclass(frozen=True, eq=False)
class _Bundles:
    """Votes that are removed together: those of a rater, or each vote alone. U kinds, ``limit`` (U,) bundles of each.

    A bundle of kind ``bundle[e]`` holds ``votes[e]`` votes in the cell ``cell[e]`` of the flat table (M, M, 4).
    """

    models: tuple[Hashable, ...]
    ties: str
    both_bad: str
    bundle: Indices
    cell: Indices
    votes: Array
    limit: Indices

    def without(self, removed: Indices) -> Counts:
        """The votes that remain without ``removed`` (U,) bundles."""
        m = len(self.models)
        left = self.votes * (self.limit - removed)[self.bundle]
        table = np.bincount(self.cell, left, m * m * len(WINNERS)).astype(np.float64).reshape(m, m, len(WINNERS))
        return Counts(self.models, table, table)  # the squares are wrong for weights, but θ does not depend on them


@dataclass(frozen=True, eq=False)
class _Fit:
    """``theta`` (M,), NaN for all but the models ``rated`` (R,), and the ``hessian`` (R, R) of those."""

    theta: Array
    rated: Indices
    hessian: Array

    def find_lead(self, pair: tuple[int, int]) -> float:
        """Lead of the first model over the second, in log-odds; NaN if one is not rated."""
        return float(self.theta[pair[0]] - self.theta[pair[1]])

    def is_swapped(self, pair: tuple[int, int]) -> bool:
        return self.find_lead(pair) < -_LEAD


def _fit(bundles: _Bundles, removed: Indices, near: _Fit | None = None) -> _Fit:
    """Bradley-Terry fit of the largest group that the remaining votes put on one scale, starting from ``near``."""
    counts, treatments = bundles.without(removed), {"ties": bundles.ties, "both_bad": bundles.both_bad}
    rated = np.array(find_components(counts, **treatments).rated, dtype=np.intp)
    theta = np.full(len(bundles.models), np.nan)
    if not len(rated):
        return _Fit(theta, rated, np.zeros((0, 0)))
    counts = counts if len(rated) == len(theta) else counts.select(rated.tolist())
    pairs = pair_up(counts, **{name: way == "half" for name, way in treatments.items()})
    optimum = maximize(BRADLEY_TERRY, pairs, None if near is None else np.nan_to_num(near.theta[rated]))
    theta[rated] = optimum.theta
    return _Fit(theta, rated, optimum.hessian)


def _find_falls(bundles: _Bundles, fit: _Fit, pair: tuple[int, int]) -> Array:
    """(U,): fall of the lead without each bundle, to first order: (e_above - e_below)ᵀ H⁻¹ Σ (e_a - e_b) (y - p).

    Votes on models that ``fit`` does not rate count as zero.
    """
    contrast, pull = np.zeros(len(fit.theta)), np.full(len(fit.theta), np.nan)
    contrast[list(pair)] = 1.0, -1.0
    pull[fit.rated] = np.linalg.solve(fit.hessian, contrast[fit.rated])
    gap, p = pull[:, None] - pull, sigmoid(fit.theta[:, None] - fit.theta)
    falls = np.nan_to_num(np.stack([gap * (1.0 - p), -gap * p, gap * (0.5 - p), gap * (0.5 - p)], axis=-1))
    summed = np.bincount(bundles.bundle, bundles.votes * falls.ravel()[bundles.cell], len(bundles.limit))
    return summed.astype(np.float64)


def _select_bundles(falls: Array, room: Indices, lead: float, most: int) -> Indices:
    """Bundles, most influential first and each up to ``room`` times, until their falls exceed ``lead``.

    At most ``most`` of them. If that is not enough, all that make the lead fall.
    """
    order = np.flatnonzero((falls > 0.0) & (room > 0))
    if len(order) > most:
        order = order[np.argpartition(-falls[order], most)[:most]]
    order = order[np.argsort(-falls[order], kind="stable")]
    enough = np.searchsorted((falls * room)[order].cumsum(), lead, side="right")
    order = order[: 1 + min(enough, np.searchsorted(room[order].cumsum(), most))]
    selected = np.repeat(order, room[order])
    return selected[: min(most, 1 + int(np.searchsorted(falls[selected].cumsum(), lead, side="right")))]


def _take(bundles: _Bundles, selected: Indices) -> Indices:
    """(U,): the number of times that each bundle is selected."""
    return np.bincount(selected, minlength=len(bundles.limit)).astype(np.intp)


def _find_swap(bundles: _Bundles, pair: tuple[int, int], fit: _Fit, most: int) -> tuple[Indices, _Fit] | None:
    """At most ``most`` bundles whose removal swaps the pair, most influential first, and the fit without them.

    If their removal would leave a model of the pair without a rating, fewer are removed, and the bundle that causes it
    stays.
    """
    selected, closed = np.zeros(0, dtype=np.intp), np.zeros(len(bundles.limit), dtype=bool)
    while not fit.is_swapped(pair):
        room = np.where(closed, 0, bundles.limit - _take(bundles, selected))
        more = _select_bundles(_find_falls(bundles, fit, pair), room, fit.find_lead(pair) + _LEAD, most - len(selected))
        if not len(more):
            return None
        while np.isnan((nearer := _fit(bundles, _take(bundles, np.append(selected, more)), fit)).find_lead(pair)):
            if len(more) == 1:
                closed[more] = True
                break
            more = more[: len(more) // 2]
        else:
            selected, fit = np.append(selected, more), nearer
    return selected, fit


def _shorten(bundles: _Bundles, pair: tuple[int, int], selected: Indices, fit: _Fit) -> tuple[Indices, _Fit]:
    """The shortest start of ``selected`` whose removal swaps the pair, by bisection, and the fit without it."""
    low, high = 0, len(selected)
    while high - low > 1:
        middle = (low + high) // 2
        tried = _fit(bundles, _take(bundles, selected[:middle]), fit)
        if tried.is_swapped(pair):
            high, fit = middle, tried
        else:
            low = middle
    return selected[:high], fit


def _search(bundles: _Bundles, pair: tuple[int, int], whole: _Fit, most: int) -> tuple[Indices, _Fit] | None:
    """As _find_swap, shortened, and repeated with the influences at the swap as long as that needs fewer bundles."""
    falls, reach = _find_falls(bundles, whole, pair), _REACH * most
    if len(_select_bundles(falls, bundles.limit, whole.find_lead(pair), reach + 1)) > reach:
        return None
    found = _find_swap(bundles, pair, whole, most)
    if found is None:
        return None
    selected, fit = _shorten(bundles, pair, *found)
    while len(selected) > 1:
        other = _select_bundles(_find_falls(bundles, fit, pair), bundles.limit, np.inf, len(selected) - 1)
        tried = _fit(bundles, _take(bundles, other), fit)
        if not tried.is_swapped(pair):
            break
        selected, fit = _shorten(bundles, pair, other, tried)
    return selected, fit


@dataclass(frozen=True, eq=False)
class _Found:
    """``removed`` (U,) bundles, all zero if nothing was found; the leads before and after are log-odds."""

    pair: tuple[int, int]
    before: float
    removed: Indices
    after: float


def _find(bundles: _Bundles, pair: tuple[Hashable, Hashable] | None) -> _Found:
    whole = _fit_whole(bundles)
    pairs = _find_challengers(bundles, whole) if pair is None else [_find_pair(bundles.models, whole, pair)]
    best = _Found(pairs[0], whole.find_lead(pairs[0]), np.zeros_like(bundles.limit), np.nan)
    most = int(bundles.limit.sum())
    for chosen in pairs:
        found = _search(bundles, chosen, whole, most)
        if found is not None:
            selected, fit = found
            best = _Found(chosen, whole.find_lead(chosen), _take(bundles, selected), fit.find_lead(chosen))
            most = len(selected) - 1
    return best


def _fit_whole(bundles: _Bundles) -> _Fit:
    if len(bundles.models) < 2:
        raise ValueError(f"Ratings need at least 2 models, got {len(bundles.models)}.")
    none = np.zeros_like(bundles.limit)
    components = find_components(bundles.without(none), ties=bundles.ties, both_bad=bundles.both_bad)
    if components.unrated:
        raise DisconnectedModelsError({bundles.models[i]: reason for i, reason in components.unrated.items()})
    return _fit(bundles, none)


def _find_pair(models: tuple[Hashable, ...], whole: _Fit, pair: tuple[Hashable, Hashable]) -> tuple[int, int]:
    if len(pair) != 2 or pair[0] == pair[1] or not set(pair) <= set(models):
        raise ValueError(f"A pair must be two of the models {', '.join(map(str, models))}; got {pair!r}.")
    above, below = models.index(pair[0]), models.index(pair[1])
    if whole.is_swapped((above, below)):
        raise ValueError(f"{pair[1]} is already before {pair[0]}. Give the pair in the other order.")
    return above, below


def _find_challengers(bundles: _Bundles, whole: _Fit) -> list[tuple[int, int]]:
    """The leader with every other model, in the order of the lead over the largest fall by one bundle."""
    leader = int(np.argmax(whole.theta))
    pairs = [(leader, k) for k in range(len(bundles.models)) if k != leader]
    largest = [max(_find_falls(bundles, whole, pair).max(), _LEAD) for pair in pairs]
    times = {pair: whole.find_lead(pair) / fall for pair, fall in zip(pairs, largest, strict=True)}
    return sorted(pairs, key=times.__getitem__)


def _report(bundles: _Bundles, found: _Found, unit: str, removed: tuple[Any, ...], scale: Scale) -> Fragility:
    above, below = (bundles.models[k] for k in found.pair)
    return Fragility(
        pair=(above, below),
        unit=unit,
        n_removed=int(found.removed.sum()) if removed else None,
        n_total=int(bundles.limit.sum()),
        removed=removed,
        before=found.before * scale.unit,
        after=found.after * scale.unit if removed else None,
        ties=bundles.ties,
        both_bad=bundles.both_bad,
        scale=scale,
    )
