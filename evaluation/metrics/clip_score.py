"""CLIP score: how well an image fits its prompt, from the cosine of their CLIP features.

Scores with different CLIP networks, prefixes or scales are not comparable. Source: Hessel et al. 2021, "CLIPScore: A
Reference-free Evaluation Metric for Image Captioning" (EMNLP), section 3.
"""

from collections.abc import Callable, Sequence
from typing import ClassVar, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from evaluation.extractors.base import Extracted
from evaluation.extractors.names import name_network
from evaluation.metrics.base import Declaration, Measurement, PromptInputs, SampleInputs, SampleMetric, UnscoredError

# Cosines that differ by less are equal: summation order changes them by about 1e-16, which must not change a rank.
EQUAL: Final = 1e-9
T = TypeVar("T")


class _ClipMetric(SampleMetric):
    """``model`` is a folder of weights, clip/NAME. ``prefix`` is added before every prompt."""

    model: str
    prefix: str = ""

    @property
    def network(self) -> str:
        return name_network(f"clip-image/{self.model}")

    def image_extractors(self) -> tuple[str, ...]:
        return (f"clip-image/{self.model}",)

    def texts(self, prompt: PromptInputs) -> tuple[tuple[str, str], ...]:
        return ((f"clip-text/{self.model}", self.prefix + prompt.text),)

    def image_direction(self, sample: SampleInputs) -> NDArray[np.float64]:
        """Image features (d,) of length 1. Raises UnscoredError."""
        return _normalize(sample.look_up(f"clip-image/{self.model}"))

    def text_direction(self, sample: SampleInputs) -> NDArray[np.float64]:
        """Prompt features (d,) of length 1. Raises UnscoredError."""
        return _normalize(sample.look_up_text(f"clip-text/{self.model}", self.prefix + sample.prompt.text))

    def cosine(self, sample: SampleInputs) -> float:
        """Cosine of image and prompt. Raises UnscoredError."""
        return float(self.image_direction(sample) @ self.text_direction(sample))


class ClipScore(_ClipMetric):
    """CLIPScore as published: mean of 2.5·max(cos, 0), with the prefix "A photo depicts "."""

    model: str = "vit-b-32"
    prefix: str = "A photo depicts "
    scale: float = 2.5
    columns: ClassVar[tuple[str, ...]] = ("value", "cosine")
    declaration: ClassVar[Declaration] = Declaration(
        title="CLIPScore",
        lowest=0.0,
        unit="",
        higher_is_better=True,
        min_samples=10,
        source="Hessel et al. 2021, CLIPScore, section 3",
    )

    def measure(self, sample: SampleInputs) -> Measurement:
        cosine = self.cosine(sample)
        return Measurement((self.scale * max(cosine, 0.0), cosine))


class ClipScore100(_ClipMetric):
    """CLIPScore on the scale of torchmetrics: mean of max(100·cos, 0), without a prefix.

    torchmetrics clamps the mean, not each sample: cosines of 0.5 and -0.5 give 0 there and 25 here.
    """

    model: str = "vit-l-14"
    columns: ClassVar[tuple[str, ...]] = ("value", "cosine")
    declaration: ClassVar[Declaration] = Declaration(
        title="CLIPScore (of 100)",
        lowest=0.0,
        highest=100.0,
        unit="",
        higher_is_better=True,
        min_samples=10,
        source="torchmetrics.multimodal.CLIPScore, but clamped per sample",
    )

    def measure(self, sample: SampleInputs) -> Measurement:
        cosine = self.cosine(sample)
        return Measurement((max(100.0 * cosine, 0.0), cosine))


class RetrievalRank(_ClipMetric):
    """Mean rank of the image's own prompt among all prompts of the run, by cosine; 1 is best.

    Prompts with equal cosines share the mean of their ranks. The rank depends on the number and similarity of the
    prompts, so compare only runs of one suite.
    """

    model: str = "vit-b-32"
    columns: ClassVar[tuple[str, ...]] = ("value", "cosine", "prompts")
    declaration: ClassVar[Declaration] = Declaration(
        title="Retrieval rank of the right prompt",
        lowest=1.0,
        unit="",
        higher_is_better=False,
        min_samples=10,
        source="Radford et al. 2021, CLIP, section 3.1: rank by cosine",
    )

    def measure(self, sample: SampleInputs) -> Measurement:
        raise UnscoredError("a rank needs all samples of the run")

    def measure_all(self, samples: Sequence[SampleInputs]) -> list[Measurement | UnscoredError]:
        found = {sample.prompt.text: _attempt(self.text_direction, sample) for sample in samples}
        known = {text: direction for text, direction in found.items() if not isinstance(direction, UnscoredError)}
        places = {text: place for place, text in enumerate(known)}
        table = np.array(list(known.values()))

        def measure(sample: SampleInputs) -> Measurement:
            image = self.image_direction(sample)
            if isinstance(reason := found[sample.prompt.text], UnscoredError):
                raise reason
            return _rank(table @ image, places[sample.prompt.text])

        return [_attempt(measure, sample) for sample in samples]


def _rank(cosines: NDArray[np.float64], place: int) -> Measurement:
    n, own = len(cosines), cosines[place]
    if n < 2:
        raise UnscoredError("a rank needs at least 2 different prompts")
    above = int((cosines > own + EQUAL).sum())
    equal = int((np.abs(cosines - own) <= EQUAL).sum())
    rank = above + (1 + equal) / 2
    return Measurement((rank, float(own), float(n)), f"{rank:g} of {n} prompts")


def _attempt(measure: Callable[[SampleInputs], T], sample: SampleInputs) -> T | UnscoredError:
    try:
        return measure(sample)
    except UnscoredError as reason:
        return reason


def _normalize(features: Extracted) -> NDArray[np.float64]:
    vector = np.asarray(features, dtype=np.float64)
    length = np.linalg.norm(vector)
    if not length > 0:
        raise UnscoredError("the CLIP features are all zero, so they have no direction")
    return vector / length
