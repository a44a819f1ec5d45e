"""Sentence embeddings, compared with the similarities documented by sentence-transformers."""

from pathlib import Path

import numpy as np
import pytest

from evaluation.extractors.base import MissingWeightsError
from evaluation.extractors.sentences import Sentences
from tests.evaluation.extractors.tiny_networks import stack


@pytest.fixture(scope="module")
def extractor() -> Sentences:
    try:
        return Sentences("", Path("no-such-folder"))
    except MissingWeightsError as fault:
        pytest.skip(str(fault))


def test_similarities_equal_the_documented_values(extractor: Sentences) -> None:
    # From its quickstart: https://sbert.net/docs/quickstart.html
    texts = ["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."]
    vectors = stack(extractor, texts)
    assert vectors.shape == (3, 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    expected = [[1.0, 0.6660, 0.1046], [0.6660, 1.0, 0.1411], [0.1046, 0.1411, 1.0]]
    np.testing.assert_allclose(vectors @ vectors.T, expected, atol=1e-4)


def test_embeddings_do_not_depend_on_the_batch(extractor: Sentences) -> None:
    texts = ["a cat", "", "a red lamp beside a chair " * 80]
    alone = np.concatenate([stack(extractor, [text]) for text in texts])
    assert np.abs(stack(extractor, texts) - alone).max() < 1e-5
    assert extractor.tokens.is_truncated(texts[2])


def test_it_has_no_variants() -> None:
    with pytest.raises(ValueError, match="no variants"):
        Sentences("minilm", Path("no-such-folder"))
