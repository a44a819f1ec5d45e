"""Hypothesis strategies for votes and prompts."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from evaluation.ratings.counts import Counts


@st.composite
def tables(draw: st.DrawFn, max_models: int = 5, max_count: int = 20) -> Counts:
    """Tables of counts of 1 to ``max_models`` models, sparse and dense, some disconnected."""
    m = draw(st.integers(1, max_models))
    table = draw(arrays(np.int64, (m, m, 4), elements=st.integers(0, max_count), fill=st.just(0)))
    table[np.arange(m), np.arange(m)] = 0
    return Counts(tuple(range(m)), table)


# Words of prompts, in any order.
WORDS = st.sampled_from(
    [
        *("a", "two", "12", "the", "no", "red", "small", "and", "it", "“HI”", "'x'", ",", ".", "sea", "night"),
        *("cat", "star", "stars", "sign", "tree", "fish", "book", "cups", "on", "above", "below", "under"),
        *("between", "beside", "inside", "left of", "right of", "in the top left corner"),
    ]
)
PROMPTS = st.text(max_size=80) | st.lists(WORDS, max_size=25).map(" ".join)
