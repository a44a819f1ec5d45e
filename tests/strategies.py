"""Hypothesis strategies for votes."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from evaluation.ratings.counts import Counts


@st.composite
def tables(draw: st.DrawFn, max_models: int = 5, max_count: int = 20) -> Counts:
    """Tables of 1 to ``max_models`` models, sparse and dense, some of them in pieces."""
    m = draw(st.integers(1, max_models))
    table = draw(arrays(np.int64, (m, m, 4), elements=st.integers(0, max_count), fill=st.just(0)))
    table[np.arange(m), np.arange(m)] = 0
    return Counts(tuple(range(m)), table)
