"""The loop of ``regression``, compiled. Import only inside a function: this needs numba, which is optional.

Nothing is checked here: a code out of range would write to foreign memory. The loop releases the interpreter's lock and
starts no threads of its own, so that it may run in any thread, and after a fork.
"""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from evaluation.ratings.kernels import compile_with

Array = NDArray[np.float64]
Codes = NDArray[np.uint32]

# Votes of which all numbers stay in the fastest cache.
STRIP: Final = 256


# In the order of the votes, sums cannot be vectorised.
compiled: Final = compile_with(fastmath={"contract", "reassoc"})


@compiled
def predict(theta: Array, beta: Array, model_a: Codes, model_b: Codes, z: Array, eta: Array) -> None:
    for t in range(len(model_a)):
        eta[t] = theta[model_a[t]] - theta[model_b[t]]
    for k in range(len(beta)):
        for t in range(len(model_a)):
            eta[t] += beta[k] * z[k, t]


@compiled
def differentiate(eta: Array, lean: Array, weight: Array, odds: Array, r: Array, v: Array, squares: Array) -> float:
    """Residuals, curvatures and squares of the residuals; the log-likelihood."""
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


@compiled
def scatter(model_a: Codes, model_b: Codes, z: Array, u: Array, m: int, pairs: Array, inner: Array, first: int) -> None:
    """Σ u by pair, and Σ u z in the parameters."""
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


@compiled
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
    """Twin: regression.add_block."""
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
