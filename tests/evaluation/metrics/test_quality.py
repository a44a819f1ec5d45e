"""Metrics of one image's quality: each takes its number from the record, or says why there is none."""

import pytest

from evaluation.metrics.base import PromptInputs, SampleInputs, UnscoredError
from evaluation.metrics.quality import ClippedExposure, Colorfulness, Piqe, Sharpness

RECORD = {
    "sharpness": 310.5,
    "colorfulness": 42.0,
    "clipped": 0.125,
    "brightness": 0.5,
    "piqe": 23.5,
    "piqe_error": None,
}
KINDS = {Piqe: 23.5, Sharpness: 310.5, Colorfulness: 42.0, ClippedExposure: 0.125}


def sample(record: object) -> SampleInputs:
    return SampleInputs(prompt=PromptInputs(key="p", text="a cat"), seed=0, extracted={"pixels": record})


@pytest.mark.parametrize("kind", KINDS)
def test_the_value_is_the_records(kind) -> None:
    assert kind().image_extractors() == ("pixels",)
    assert kind().measure(sample(RECORD)).values == (KINDS[kind],)


def test_an_image_that_piqe_says_nothing_of_is_unscored_and_not_the_worst() -> None:
    silent = sample(RECORD | {"piqe": None, "piqe_error": "PIQE is undefined for an image without detail"})
    with pytest.raises(UnscoredError, match="is undefined for an image without detail"):
        Piqe().measure(silent)
    assert Sharpness().measure(silent).values == (310.5,)


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_that_could_not_be_read_is_unscored(kind) -> None:
    with pytest.raises(UnscoredError, match="cut off"):
        kind().measure(sample(ValueError("the file is cut off")))
