"""Logistic regression of paired comparisons with covariates for each vote.

P(A wins) = 1 / (1 + exp(-η)), η = θ_a - θ_b + z · β (Cox 1958, "The regression analysis of binary sequences"), by
maximum likelihood with Newton's method. Votes are read in blocks, so that the columns are never copied whole.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from evaluation.ratings.cores import count_cores
from evaluation.ratings.fitting import NoFiniteFitError, hold_sum, solve
from evaluation.ratings.outcomes import BOTH_BAD, MODEL_A, MODEL_B, TIE, WINNERS
from evaluation.ratings.votes import Votes

Array = NDArray[np.float64]
Codes = NDArray[np.uint32]
Selection = slice | NDArray[np.intp]
Blocks = tuple[slice, ...]
Result = TypeVar("Result")

# Votes in a block: few enough for the cache of one core.
BLOCK = 1 << 14
# Pieces that are summed separately. Their number is fixed, because it affects the last digits of the sums.
PIECES = 8


@dataclass(frozen=True, eq=False)
class Design:
    """Votes with covariates. The Q = M + F parameters are θ (M,) and β (F,), which ``names`` name.

    ``names`` are "side" if ``side``, then the names of the K ``columns`` (N,), which are divided by ``scales`` (K,).
    ``peaks`` (F,) is the largest |z| of each. ``counted`` (4,) is the weight of each outcome of WINNERS, 0 for those
    that are dropped. ``blocks`` are the rows that are read.
    """

    votes: Votes
    names: tuple[str, ...]
    columns: tuple[NDArray[Any], ...]
    scales: Array
    peaks: Array
    side: bool
    counted: Array
    blocks: Blocks

    def weigh(self, rows: Selection) -> Array:
        """(n,): the weight of each vote of ``rows``."""
        winner = self.votes.winner[rows]
        weight: Array = np.ones(len(winner)) if self.counted.all() else self.counted[winner]
        return weight if self.votes.weight is None else weight * self.votes.weight[rows]

    def read(self, rows: Selection) -> tuple[Codes, Codes, Array, Array]:
        """The votes of ``rows``: codes of A and B (n,); ½ if A won, -½ if B won, else 0 (n,); z (F, n)."""
        winner = self.votes.winner[rows]
        z = np.empty((len(self.names), len(winner)))
        z[: self.side] = 1.0
        for k, (column, scale) in enumerate(zip(self.columns, self.scales, strict=True), self.side):
            np.multiply(column[rows], 1.0 / scale, out=z[k], dtype=np.float64)
        a, b = (codes[rows].astype(np.uint32) for codes in (self.votes.model_a, self.votes.model_b))
        return a, b, 0.5 * (winner == MODEL_A) - 0.5 * (winner == MODEL_B), z

    def predict(self, x: Array, a: Codes, b: Codes, z: Array) -> Array:
        """η (n,) at ``x`` (Q,)."""
        m = len(self.votes.models)
        eta: Array = x[:m][a]
        eta -= x[:m][b]
        eta += x[m:] @ z
        return eta

    def sample(self, step: int) -> "Design":
        """The design with every ``step``-th block."""
        return replace(self, blocks=self.blocks[::step])


class Sums(NamedTuple):
    """Sums over all votes at one x: the log-likelihood, its gradient (Q,), and minus its Hessian (Q, Q).

    ``squares`` (Q, Q) is the sum of the outer product of each vote's gradient with itself, None if not requested.
    """

    log_likelihood: float
    gradient: Array
    hessian: Array
    squares: Array | None


class Optimum(NamedTuple):
    """``x`` (Q,), with θ of mean zero; its Hessian, with the prior and with the sum of θ held; the squares."""

    x: Array
    hessian: Array
    squares: Array | None
    iterations: int


def lay_out(votes: Votes, columns: Mapping[str, NDArray[Any]], *, side: bool, ties: bool, both_bad: bool) -> Design:
    """The design of ``votes``; ``ties`` and ``both_bad`` say whether those votes count.

    Raises ValueError for a column of another shape or type, one with a value that is not finite (even in a vote that
    does not count), and one that is zero in every vote that counts.
    """
    n = len(votes)
    for name, column in columns.items():
        if not isinstance(column, np.ndarray) or column.shape != (n,) or column.dtype.kind not in "fiu":
            got = f"shape {column.shape} of {column.dtype}" if isinstance(column, np.ndarray) else type(column).__name__
            raise ValueError(f"The covariate {name!r} must be an array of {n} numbers, got {got}.")
    counted = np.ones(len(WINNERS))
    counted[TIE], counted[BOTH_BAD] = ties, both_bad
    blocks = tuple(slice(start, min(start + BLOCK, n)) for start in range(0, n, BLOCK))
    names, unit = ("side",) * side + tuple(columns), np.ones(len(columns))
    raw = Design(votes, names, tuple(columns.values()), unit, unit, side, counted, blocks)
    measured = _map(lambda piece: _measure(raw, piece), blocks)
    squares = sum((piece[1] for piece in measured), np.zeros(len(columns)))
    scales: Array = np.sqrt(squares / sum(piece[0] for piece in measured))
    for (name, column), scale in zip(columns.items(), scales.tolist(), strict=True):
        _check_scale(name, column, scale)
    peaks = np.max([piece[2] for piece in measured], axis=0) / scales
    return replace(raw, scales=scales, peaks=np.append(np.ones(int(side)), peaks))


def _check_scale(name: str, column: NDArray[Any], scale: float) -> None:
    if not np.isfinite(scale):
        row = int(np.isfinite(column).argmin())
        reason = "its numbers are too large to square" if np.isfinite(column[row]) else f"row {row} is {column[row]}"
        raise ValueError(f"The covariate {name!r} needs finite numbers: {reason}.")
    if scale == 0.0:
        raise ValueError(f"The covariate {name!r} is 0 in every vote that counts. Leave it out.")


def _measure(design: Design, blocks: Blocks) -> tuple[float, Array, Array]:
    """Σ weight, Σ weight z² (K,) and the largest |z| (K,) of the unscaled columns."""
    total, squares, peaks = 0.0, np.zeros(len(design.columns)), np.zeros(len(design.columns))
    # The caller finds and names numbers that are not finite.
    with np.errstate(over="ignore", invalid="ignore"):
        for rows in blocks:
            weight = design.weigh(rows)
            total += float(weight.sum())
            for k, column in enumerate(design.columns):
                z = np.abs(column[rows].astype(np.float64))
                peaks[k] = max(peaks[k], z.max())
                squares[k] += weight @ (z * z)
    return total, squares, peaks


def _map(work: Callable[[Blocks], Result], blocks: Blocks) -> list[Result]:
    """``work`` on each of PIECES runs of the blocks, in threads: the kernels release the interpreter's lock."""
    ends = np.linspace(0, len(blocks), min(PIECES, len(blocks)) + 1).astype(int).tolist()
    pieces = [blocks[start:stop] for start, stop in pairwise(ends)]
    if len(pieces) == 1:
        return [work(blocks)]
    with ThreadPoolExecutor(min(count_cores(), len(pieces))) as threads:
        return list(threads.map(work, pieces))


def sum_votes(design: Design, x: Array, *, squares: bool = False) -> Sums:
    """The sums at ``x`` (Q,), with ``squares`` if requested."""
    found = _map(lambda blocks: _sum_blocks(design, x, blocks, squares), design.blocks)
    log_likelihood, pairs, inner = found[0]
    for more in found[1:]:
        log_likelihood += more[0]
        pairs += more[1]
        inner += more[2]
    f = len(design.names)
    middle = _assemble(pairs[1], inner[:, f + 1 :]) if squares else None
    return Sums(log_likelihood, inner[:, f], _assemble(pairs[0], inner[:, :f]), middle)


def _assemble(pairs: Array, inner: Array) -> Array:
    """(Q, Q) from Σ w by pair (M²,) and Σ w z (Q, F) in the parameters. The part of θ is a weighted graph Laplacian."""
    m = len(inner) - inner.shape[1]
    met = pairs.reshape(m, m) + pairs.reshape(m, m).T
    return np.block([[np.diag(met.sum(axis=1)) - met, inner[:m]], [inner[:m].T, inner[m:]]])


def _sum_blocks(design: Design, x: Array, blocks: Blocks, squares: bool) -> tuple[float, Array, Array]:
    """The log-likelihood, Σ v (and Σ r²) by pair (1 or 2, M²), and Σ [v z, r, r² z] (Q, F + 1 or 2 F + 1).

    r is the residual y - p and v = p (1 - p), both times the weight of the vote.
    """
    from evaluation.ratings.kernels.regression import add_block

    m, f = len(design.votes.models), len(design.names)
    log_likelihood, pairs, inner = 0.0, np.zeros((1 + squares, m * m)), np.zeros((m + f, f + 1 + squares * f))
    for rows in blocks:
        a, b, lean, z = design.read(rows)
        log_likelihood += add_block(x[:m], x[m:], a, b, lean, design.weigh(rows), z, pairs, inner)
    return log_likelihood, pairs, inner


def climb(
    design: Design, start: Array, precision: Array, center: Array, *, tolerance: float, squares: bool = False
) -> Optimum:
    """The maximum of the log-likelihood - ½ Σ precision (x - center)², from ``start``; all of these are (Q,).

    The last step changes no η by more than ``tolerance``, so that the remaining error is of the order of its square.
    The Hessian and the squares are those before that step. Raises ValueError for parameters that the votes cannot
    separate, NoFiniteFitError for those without a finite value.
    """
    m = len(design.votes.models)

    def rise(sums: Sums, at: Array) -> float:
        return sums.log_likelihood - 0.5 * float(precision @ (at - center) ** 2)

    x, here, last = start, sum_votes(design, start), np.inf
    _check_rank(design, here.hessian + np.diag(precision))
    # A change too small to matter: the rounding of the likelihood, plus a billionth of one vote.
    negligible = abs(here.log_likelihood) * (1e-13 + 1e-9 / sum(rows.stop - rows.start for rows in design.blocks))
    for iteration in range(1, 101):
        gradient, hessian = here.gradient - precision * (x - center), hold_sum(here.hessian + np.diag(precision), m)
        step = solve(hessian, gradient)
        if not np.isfinite(step).all():
            break
        moved = float(np.ptp(step[:m]) + np.abs(step[m:]) @ design.peaks)
        # A long step without a rise follows a ridge that leads to infinity.
        if moved > 0.1 and gradient @ step <= negligible:
            break
        # Once steps are rounding errors, they stop getting shorter.
        arrived = moved <= tolerance or last <= moved <= 1e-5
        if arrived and (here.squares is not None or not squares):
            x = x + step
            x[:m] -= x[:m].mean()
            return Optimum(x, hessian, here.squares, iteration)
        last, before, close = moved, rise(here, x), squares and moved <= 0.01
        while rise(here := sum_votes(design, x + step, squares=close), x + step) < before - negligible:
            step = step / 2.0
        x = x + step
    moving = [name for name, part in zip(design.names, step[m:] * design.peaks, strict=True) if not abs(part) <= 0.1]
    raise NoFiniteFitError(
        f"The votes give no finite value to {' and '.join(map(repr, moving)) or 'the ratings'}, because it predicts "
        "the winner without error. Leave it out, or give the covariates a prior (prior_sd)."
    )


def _check_rank(design: Design, hessian: Array) -> None:
    """Raise ValueError, naming them, for columns that are combinations of each other or of the models."""
    m, f = len(design.votes.models), len(design.names)
    if not f:
        return
    held = hold_sum(hessian.copy(), m)
    size = np.sqrt(np.diag(held)[m:])
    # The part of each column that the models do not explain.
    own = held[m:, m:] - held[m:, :m] @ np.linalg.solve(held[:m, :m], held[:m, m:])
    values, vectors = np.linalg.eigh(own / np.outer(size, size))
    if values[0] < 1e-9:
        names = [name for name, part in zip(design.names, np.abs(vectors[:, 0]), strict=True) if part > 0.1]
        raise ValueError(
            f"The votes cannot separate {' and '.join(map(repr, names))} from the models or from each other. "
            "Leave one out, or give the covariates a prior (prior_sd)."
        )
