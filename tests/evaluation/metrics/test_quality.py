"""Image quality metrics: the value from the record, or the reason why there is none."""

import pytest

from evaluation.metrics.base import PromptInputs, SampleInputs, UnscoredError
from evaluation.metrics.quality import ClippedExposure, Colorfulness, Piqe, Sharpness

RECORD = {
    "sharpness": 310.5,
    "colorfulness": 42.0,
    "clipped": 0.125,
    "piqe": 23.5,
    "piqe_error": None,
}
KINDS = {Piqe: 23.5, Sharpness: 310.5, Colorfulness: 42.0, ClippedExposure: 0.125}


def sample(record: object) -> SampleInputs:
    return SampleInputs(prompt=PromptInputs(key="p", text="a cat"), seed=0, extracted={"pixels": record})


@pytest.mark.parametrize("kind", KINDS)
def test_the_value_comes_from_the_record(kind) -> None:
    assert kind().image_extractors() == ("pixels",)
    assert kind().measure(sample(RECORD)).values == (KINDS[kind],)


def test_images_with_undefined_piqe_are_unscored() -> None:
    silent = sample(RECORD | {"piqe": None, "piqe_error": "PIQE is undefined for an image without detail"})
    with pytest.raises(UnscoredError, match="is undefined for an image without detail"):
        Piqe().measure(silent)
    assert Sharpness().measure(silent).values == (310.5,)


@pytest.mark.parametrize("kind", KINDS)
def test_an_unreadable_image_is_unscored(kind) -> None:
    with pytest.raises(UnscoredError, match="cut off"):
        kind().measure(sample(ValueError("the file is cut off")))
