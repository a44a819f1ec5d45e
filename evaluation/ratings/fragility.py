"""How few votes, or raters, decide who is first: a small set whose removal puts another model before the leader.

Every vote has an influence on the difference of two ratings. The most influential are removed until the two swap, and
an exact refit has the last word (Broderick, Giordano & Meager 2020, "An automatic finite-sample robustness metric: when
can dropping a little data make a big difference?", section 2; on arenas arXiv 2508.11847). Influences are taken anew
where the ratings swap, for as long as that makes the set smaller. What is returned is the smallest set that was found,
an upper bound: there may be a smaller one, and in sparse tables there may be one where none was found.

A removal counts only if both models keep a finite rating on one scale; other models may lose theirs.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from evaluation.ratings.components import DisconnectedModelsError, find_components
from evaluation.ratings.counts import Counts
from evaluation.ratings.families import BRADLEY_TERRY, sigmoid
from evaluation.ratings.fitting import maximize, pair_up
from evaluation.ratings.outcomes import WINNERS, Treatment, check_treatment
from evaluation.ratings.scales import Scale
from evaluation.ratings.votes import Votes

Array = NDArray[np.float64]
Indices = NDArray[np.intp]

# Log-odds by which the challenger must lead: less is the rounding of a tie.
_LEAD: Final = 1e-9
# Where two ratings are far apart, their first influences ask for up to 2.7 times the bundles that do it. A challenger
# for whom they ask more than this many times the best set is not searched.
_REACH: Final = 3


@dataclass(frozen=True)
class Fragility:
    """The smallest set found whose removal puts the second model of ``pair`` before the first.

    ``n_removed`` of ``n_total`` votes (or raters: those with a vote that the fit counts) are in ``removed``, as rows
    (model_a, model_b, winner, votes), or as the raters' codes. ``unit`` says which: "vote", or the column of clusters.
    ``before`` and ``after`` are the first model's lead in points; ``after``, below zero, is from an exact refit.
    If nothing was found, for this pair or, with no pair named, for any other model, ``n_removed`` and ``after`` are
    None, and ``pair`` has the challenger that seemed the nearest.
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
        """A set was found; none is returned that a refit does not confirm."""
        return self.n_removed is not None

    @property
    def share(self) -> float | None:
        """``n_removed`` as a fraction of ``n_total``."""
        return None if self.n_removed is None else self.n_removed / self.n_total

    def describe(self) -> str:
        """One sentence."""
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
    """The fewest votes found whose removal changes who is first, or puts the second model of ``pair`` before the first.

    ``ties`` and ``both_bad`` are those of fit_bradley_terry. Raises DisconnectedModelsError when the counts do not rate every
    model; ValueError for weighted counts, fewer than two models, or a pair that is unknown or the wrong way round.
    """
    if counts.squares is not None:
        raise ValueError("Fragility removes whole votes; these counts are sums of weights.")
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
    """The fewest raters found, each removed with all votes, that do what find_fragile_votes says.

    ``cluster`` names the column of ``votes.clusters`` to remove by. Votes may be weighted. Errors are those of
    find_fragile_votes, and ValueError when there is no such column.
    """
    if cluster not in votes.clusters:
        known = ", ".join(votes.clusters) or "none"
        raise ValueError(f"The votes have no column {cluster!r} of clusters; they have {known}.")
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
    """Votes that go together: those of a rater, or each vote alone. U kinds of bundles, ``limit`` (U,) of each.

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
        """The votes that are left when ``removed`` (U,) bundles are gone."""
        m = len(self.models)
        left = self.votes * (self.limit - removed)[self.bundle]
        table = np.bincount(self.cell, left, m * m * len(WINNERS)).astype(np.float64).reshape(m, m, len(WINNERS))
        return Counts(self.models, table, table)  # the squares, wrong for weights, say nothing about θ


@dataclass(frozen=True, eq=False)
class _Fit:
    """``theta`` (M,), NaN but for the models ``rated`` (R,), and the ``hessian`` (R, R) of those."""

    theta: Array
    rated: Indices
    hessian: Array

    def find_lead(self, pair: tuple[int, int]) -> float:
        """Of the first model over the second; NaN when one is not rated."""
        return float(self.theta[pair[0]] - self.theta[pair[1]])

    def is_swapped(self, pair: tuple[int, int]) -> bool:
        return self.find_lead(pair) < -_LEAD


def _fit(bundles: _Bundles, removed: Indices, near: _Fit | None = None) -> _Fit:
    """Bradley-Terry, of the largest group that the votes left put on one scale; ``near`` is a fit to start from."""
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
    """(U,): how much of the lead goes with each bundle, to first order: (e_above - e_below)ᵀ H⁻¹ Σ (e_a - e_b) (y - p).

    Zero where a vote is between models that ``fit`` does not rate.
    """
    contrast, pull = np.zeros(len(fit.theta)), np.full(len(fit.theta), np.nan)
    contrast[list(pair)] = 1.0, -1.0
    pull[fit.rated] = np.linalg.solve(fit.hessian, contrast[fit.rated])
    apart, p = pull[:, None] - pull, sigmoid(fit.theta[:, None] - fit.theta)
    falls = np.nan_to_num(np.stack([apart * (1.0 - p), -apart * p, apart * (0.5 - p), apart * (0.5 - p)], axis=-1))
    summed = np.bincount(bundles.bundle, bundles.votes * falls.ravel()[bundles.cell], len(bundles.limit))
    return summed.astype(np.float64)


def _line_up(falls: Array, room: Indices, lead: float, most: int) -> Indices:
    """Bundles, most influential first and each as often as it has ``room``, until their falls exceed ``lead``.

    At most ``most`` of them; all that make the lead fall, where that is not enough.
    """
    order = np.flatnonzero((falls > 0.0) & (room > 0))
    if len(order) > most:
        order = order[np.argpartition(-falls[order], most)[:most]]
    order = order[np.argsort(-falls[order], kind="stable")]
    enough = np.searchsorted((falls * room)[order].cumsum(), lead, side="right")
    order = order[: 1 + min(enough, np.searchsorted(room[order].cumsum(), most))]
    line = np.repeat(order, room[order])
    return line[: min(most, 1 + int(np.searchsorted(falls[line].cumsum(), lead, side="right")))]


def _take(bundles: _Bundles, line: Indices) -> Indices:
    """(U,): how often each bundle is in the line."""
    return np.bincount(line, minlength=len(bundles.limit)).astype(np.intp)


def _walk(bundles: _Bundles, pair: tuple[int, int], fit: _Fit, most: int) -> tuple[Indices, _Fit] | None:
    """A line of at most ``most`` bundles whose removal swaps the pair, and the fit without them.

    Where taking them would leave a model of the pair without a rating, fewer are taken, and the one that does it stays.
    """
    line, closed = np.zeros(0, dtype=np.intp), np.zeros(len(bundles.limit), dtype=bool)
    while not fit.is_swapped(pair):
        room = np.where(closed, 0, bundles.limit - _take(bundles, line))
        more = _line_up(_find_falls(bundles, fit, pair), room, fit.find_lead(pair) + _LEAD, most - len(line))
        if not len(more):
            return None
        while np.isnan((nearer := _fit(bundles, _take(bundles, np.append(line, more)), fit)).find_lead(pair)):
            if len(more) == 1:
                closed[more] = True
                break
            more = more[: len(more) // 2]
        else:
            line, fit = np.append(line, more), nearer
    return line, fit


def _shorten(bundles: _Bundles, pair: tuple[int, int], line: Indices, fit: _Fit) -> tuple[Indices, _Fit]:
    """The shortest start of ``line`` that bisection finds to swap the pair, and the fit without it."""
    low, high = 0, len(line)
    while high - low > 1:
        middle = (low + high) // 2
        tried = _fit(bundles, _take(bundles, line[:middle]), fit)
        if tried.is_swapped(pair):
            high, fit = middle, tried
        else:
            low = middle
    return line[:high], fit


def _search(bundles: _Bundles, pair: tuple[int, int], whole: _Fit, most: int) -> tuple[Indices, _Fit] | None:
    """As _walk, shortened, and lined up anew by the influences at the swap for as long as fewer bundles do."""
    falls, reach = _find_falls(bundles, whole, pair), _REACH * most
    if len(_line_up(falls, bundles.limit, whole.find_lead(pair), reach + 1)) > reach:
        return None
    found = _walk(bundles, pair, whole, most)
    if found is None:
        return None
    line, fit = _shorten(bundles, pair, *found)
    while len(line) > 1:
        other = _line_up(_find_falls(bundles, fit, pair), bundles.limit, np.inf, len(line) - 1)
        tried = _fit(bundles, _take(bundles, other), fit)
        if not tried.is_swapped(pair):
            break
        line, fit = _shorten(bundles, pair, other, tried)
    return line, fit


@dataclass(frozen=True, eq=False)
class _Found:
    """``removed`` (U,) bundles, none when nothing was found; the leads before and after are log-odds."""

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
            line, fit = found
            best = _Found(chosen, whole.find_lead(chosen), _take(bundles, line), fit.find_lead(chosen))
            most = len(line) - 1
    return best


def _fit_whole(bundles: _Bundles) -> _Fit:
    if len(bundles.models) < 2:
        raise ValueError(f"A rating compares at least 2 models, got {len(bundles.models)}.")
    none = np.zeros_like(bundles.limit)
    components = find_components(bundles.without(none), ties=bundles.ties, both_bad=bundles.both_bad)
    if components.unrated:
        raise DisconnectedModelsError({bundles.models[i]: reason for i, reason in components.unrated.items()})
    return _fit(bundles, none)


def _find_pair(models: tuple[Hashable, ...], whole: _Fit, pair: tuple[Hashable, Hashable]) -> tuple[int, int]:
    if len(pair) != 2 or pair[0] == pair[1] or not set(pair) <= set(models):
        raise ValueError(f"A pair is two of the models {', '.join(map(str, models))}; got {pair!r}.")
    above, below = models.index(pair[0]), models.index(pair[1])
    if whole.is_swapped((above, below)):
        raise ValueError(f"{pair[1]} is before {pair[0]} already: name the pair the other way round.")
    return above, below


def _find_challengers(bundles: _Bundles, whole: _Fit) -> list[tuple[int, int]]:
    """The leader with every other model, those first whose lead is fewest times the largest fall by one bundle."""
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
