"""Sums over the votes of a regression, compiled.

Codes ``model_a``, ``model_b`` (n,) and covariates ``z`` (F, n) are those of ``regression.Design.read``.
"""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from evaluation.ratings.kernels.compiling import compile_reordered

Array = NDArray[np.float64]
Codes = NDArray[np.uint32]

# Votes at a time: all their numbers stay in the fastest cache.
STRIP: Final = 256


@compile_reordered
def predict(theta: Array, beta: Array, model_a: Codes, model_b: Codes, z: Array, eta: Array) -> None:
    """Fill ``eta`` (n,) with the log-odds that A wins."""
    for t in range(len(model_a)):
        eta[t] = theta[model_a[t]] - theta[model_b[t]]
    for k in range(len(beta)):
        for t in range(len(model_a)):
            eta[t] += beta[k] * z[k, t]


@compile_reordered
def differentiate(eta: Array, lean: Array, weight: Array, odds: Array, r: Array, v: Array, squares: Array) -> float:
    """Fill ``r``, ``v``, ``squares`` (n,) with residuals, curvatures and squared residuals; return the log-likelihood.

    ``odds`` (n,) is working memory.
    """
    n, log_likelihood, product = len(lean), 0.0, 1.0
    for t in range(n):
        odds[t] = math.exp(-abs(eta[t]))
    # The logarithm of a product of at most STRIP numbers up to 2 is cheaper than as many logarithms.
    for t in range(n):
        if weight[t] == 1.0:
            product *= 1.0 + odds[t]
        else:
            log_likelihood -= weight[t] * math.log1p(odds[t])
    for t in range(n):
        log_likelihood += weight[t] * (lean[t] * eta[t] - 0.5 * abs(eta[t]))
        lesser = odds[t] / (1.0 + odds[t])
        v[t] = weight[t] * lesser * (1.0 - lesser)
        r[t] = weight[t] * (lean[t] - math.copysign(0.5 - lesser, eta[t]))
        squares[t] = r[t] * r[t]
    return log_likelihood - math.log(product)


@compile_reordered
def scatter(model_a: Codes, model_b: Codes, z: Array, u: Array, m: int, pairs: Array, inner: Array, first: int) -> None:
    """Add Σ u by pair to ``pairs`` (M²,), and Σ u z to the columns of ``inner`` from ``first`` on."""
    f = len(z)
    for k in range(f):
        for j in range(f):
            total = 0.0
            for t in range(len(model_a)):
                total += z[k, t] * z[j, t] * u[t]
            inner[m + k, first + j] += total
    for t in range(len(model_a)):
        a, b = model_a[t], model_b[t]
        pairs[a * m + b] += u[t]
        for k in range(f):
            part = u[t] * z[k, t]
            inner[a, first + k] += part
            inner[b, first + k] -= part


@compile_reordered
def add_block(
    theta: Array,
    beta: Array,
    model_a: Codes,
    model_b: Codes,
    lean: Array,
    weight: Array,
    z: Array,
    pairs: Array,
    inner: Array,
) -> float:
    """Add the votes of a block to ``pairs`` (1 or 2, M²) and ``inner``, and return their log-likelihood.

    ``inner`` is (Q, F + 1), or (Q, 2 F + 1) with two rows of pairs: see ``regression._sum_blocks``.
    """
    m, f, log_likelihood = len(theta), len(beta), 0.0
    eta, odds, r, v, squares = np.empty(STRIP), np.empty(STRIP), np.empty(STRIP), np.empty(STRIP), np.empty(STRIP)
    near = np.empty((f, STRIP))
    for start in range(0, len(lean), STRIP):
        stop = min(start + STRIP, len(lean))
        a, b, n = model_a[start:stop], model_b[start:stop], stop - start
        for k in range(f):
            for t in range(n):
                near[k, t] = z[k, start + t]
        predict(theta, beta, a, b, near, eta)
        log_likelihood += differentiate(eta, lean[start:stop], weight[start:stop], odds, r, v, squares)
        for k in range(f):
            total = 0.0
            for t in range(n):
                total += near[k, t] * r[t]
            inner[m + k, f] += total
        for t in range(n):
            inner[a[t], f] += r[t]
            inner[b[t], f] -= r[t]
        scatter(a, b, near, v, m, pairs[0], inner, 0)
        if len(pairs) > 1:
            scatter(a, b, near, squares, m, pairs[1], inner, f + 1)
    return log_likelihood
