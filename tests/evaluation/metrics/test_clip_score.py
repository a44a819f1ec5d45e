"""CLIPScore in both scales, and the retrieval rank, for vectors with given cosines."""

import math
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.extractors.base import ExtractionError
from evaluation.metrics.base import Measurement, Metric, PromptInputs, SampleInputs, UnscoredError
from evaluation.metrics.clip_score import ClipScore, ClipScore100, RetrievalRank
from evaluation.metrics.registry import build_metric

ALONG = np.array([2.0, 0.0], dtype=np.float32)


def at_cosine(cosine: float) -> Any:
    """A vector with this cosine to ALONG, not of length 1."""
    return 5.0 * np.array([cosine, math.sqrt(1.0 - cosine * cosine)], dtype=np.float32)


def make_sample(metric: Metric, image: Any, text: Any = ALONG, prompt: str = "a cat", **changes: Any) -> SampleInputs:
    inputs = PromptInputs(key=prompt, text=prompt)
    (asked,) = metric.texts(inputs)
    extracted = {metric.image_extractors()[0]: image}
    return SampleInputs(**{"prompt": inputs, "seed": 0, "extracted": extracted, "texts": {asked: text}} | changes)


def aggregate(metric: Any, samples: list[SampleInputs]) -> float:
    return float(metric.aggregate(np.array([found.values for found in metric.measure_all(samples)])))


def test_clip_score_uses_vit_b_32_and_a_prefix() -> None:
    metric = build_metric("clip-score", {})
    assert metric.image_extractors() == ("clip-image/vit-b-32",)
    assert metric.texts(PromptInputs(key="p", text="a cat")) == (("clip-text/vit-b-32", "A photo depicts a cat"),)


def test_clip_score_100_uses_vit_l_14_without_a_prefix() -> None:
    metric = build_metric("clip-score-100", {})
    assert metric.texts(PromptInputs(key="p", text="a cat")) == (("clip-text/vit-l-14", "a cat"),)


@pytest.mark.parametrize(
    ("cosine", "original", "of_100"), [(0.3, 0.75, 30.0), (1.0, 2.5, 100.0), (0.0, 0.0, 0.0), (-0.4, 0.0, 0.0)]
)
def test_both_scales_keep_the_cosine(cosine: float, original: float, of_100: float) -> None:
    for metric, expected in ((ClipScore(), original), (ClipScore100(), of_100)):
        value, raw = metric.measure(make_sample(metric, at_cosine(cosine))).values
        assert value == pytest.approx(expected, abs=1e-5)
        assert raw == pytest.approx(cosine, abs=1e-6)


def test_model_prefix_and_scale_are_parameters() -> None:
    metric = build_metric("clip-score", {"model": "mine", "prefix": "", "scale": 1.0})
    assert isinstance(metric, ClipScore)
    sample = make_sample(metric, at_cosine(0.5))
    assert sample.texts.keys() == {("clip-text/mine", "a cat")}
    assert metric.measure(sample).values[0] == pytest.approx(0.5)


class FakeClip:
    """A network and processor for torchmetrics: the features of an image are its first pixel, those of a text ALONG."""

    config = SimpleNamespace(text_config=SimpleNamespace(max_position_embeddings=77))
    begin, end = 1, 2

    def __init__(self) -> None:
        self.read: list[Any] = []

    def __call__(self, *, text: Sequence[str] = (), images: Sequence[Any] = (), **_: Any) -> dict[str, Any]:
        import torch

        if images:
            return {"pixel_values": torch.stack(list(images))}
        ids = torch.tensor([[self.begin, *(9 for _ in words.split()), self.end] for words in text])
        return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}

    def to(self, _: Any) -> "FakeClip":
        return self

    def get_image_features(self, pixels: Any) -> Any:
        return pixels[:, :2, 0, 0]

    def get_text_features(self, ids: Any, _: Any) -> Any:
        import torch

        self.read.extend(ids.tolist())
        return torch.from_numpy(ALONG).repeat(len(ids), 1)


def ask_torchmetrics(cosines: list[float], prompt: str = "a cat") -> tuple[float, FakeClip]:
    import torch
    from torchmetrics.multimodal import CLIPScore

    clip = FakeClip()
    images = torch.zeros(len(cosines), 3, 8, 8)
    images[:, :2, 0, 0] = torch.from_numpy(np.array([at_cosine(cosine) for cosine in cosines]))
    peer = CLIPScore(model_name_or_path=lambda: (clip, clip))
    peer.update(images, [prompt] * len(cosines))
    return peer.compute().item(), clip


@pytest.mark.parametrize(
    ("cosines", "theirs", "ours"), [([0.2, 0.3, 0.7], 40.0, 40.0), ([0.5, -0.5], 0.0, 25.0), ([-0.1], 0.0, 0.0)]
)
def test_samples_are_clamped_one_by_one_unlike_in_torchmetrics(
    cosines: list[float], theirs: float, ours: float
) -> None:
    metric = ClipScore100()
    assert ask_torchmetrics(cosines)[0] == pytest.approx(theirs, abs=1e-4)
    assert aggregate(metric, [make_sample(metric, at_cosine(c)) for c in cosines]) == pytest.approx(ours, abs=1e-4)


def test_torchmetrics_removes_the_end_token_of_long_prompts() -> None:
    """CLIP reads the text features at that token. The extractor clip-text keeps it; see its tests."""
    _, clip = ask_torchmetrics([0.5], "a cat")
    assert clip.read[0][-1] == clip.end
    with pytest.warns(UserWarning, match="longer than max_position_embeddings=77"):
        _, clip = ask_torchmetrics([0.5], "word " * 80)
    assert len(clip.read[0]) == 77
    assert clip.end not in clip.read[0]


@pytest.mark.parametrize("metric", [ClipScore(), ClipScore100(), RetrievalRank()])
@pytest.mark.parametrize(
    ("image", "text", "reason"),
    [
        (np.zeros(2, dtype=np.float32), ALONG, "no direction"),
        (ALONG, np.zeros(2, dtype=np.float32), "no direction"),
        (np.array([np.nan, 1.0], dtype=np.float32), ALONG, "NaN"),
        (ExtractionError("cut off"), ALONG, "cut off"),
        (ALONG, ExtractionError("no such text"), "no such text"),
    ],
)
def test_features_that_cannot_be_compared_are_unscored(metric: Any, image: Any, text: Any, reason: str) -> None:
    samples = [make_sample(metric, image, text), make_sample(metric, ALONG, ALONG, "a dog")]
    found = metric.measure_all(samples)
    assert isinstance(found[0], UnscoredError)
    assert reason in str(found[0])


def test_a_refused_sample_is_unscored() -> None:
    metric = RetrievalRank()
    samples = [make_sample(metric, ALONG, outcome="refused"), make_sample(metric, ALONG, at_cosine(0.5), "a dog")]
    refused, ranked = metric.measure_all(samples)
    assert str(refused) == "no image: refused"
    assert isinstance(ranked, Measurement)
    assert ranked.values == (2.0, pytest.approx(0.5), 2.0)  # its prompt is still there to be mistaken for


def test_the_rank_is_among_all_prompts_of_the_run() -> None:
    metric = RetrievalRank()
    texts = {"a cat": at_cosine(1.0), "a dog": at_cosine(0.6), "a cow": at_cosine(0.0)}
    samples = [make_sample(metric, at_cosine(0.9), text, prompt) for prompt, text in texts.items()]
    found = metric.measure_all(samples)
    assert [f.values[0] for f in found if isinstance(f, Measurement)] == [1.0, 2.0, 3.0]
    assert [f.note for f in found if isinstance(f, Measurement)][1] == "2 of 3 prompts"
    assert aggregate(metric, samples) == 2.0


def test_a_prompt_with_several_samples_counts_once() -> None:
    metric = RetrievalRank()
    samples = [make_sample(metric, at_cosine(0.9), at_cosine(1.0), "a cat", seed=seed) for seed in range(3)]
    samples.append(make_sample(metric, at_cosine(0.9), at_cosine(0.9), "a dog"))
    ranks = [(f.values[0], f.values[2]) for f in metric.measure_all(samples) if isinstance(f, Measurement)]
    assert ranks == [(2.0, 2.0), (2.0, 2.0), (2.0, 2.0), (1.0, 2.0)]


def test_prompts_with_equal_cosines_share_their_rank() -> None:
    metric = RetrievalRank()
    samples = [make_sample(metric, ALONG, at_cosine(0.7), prompt) for prompt in ("a", "b", "c")]
    assert [f.values[0] for f in metric.measure_all(samples) if isinstance(f, Measurement)] == [2.0, 2.0, 2.0]


def test_one_prompt_has_no_rank() -> None:
    metric = RetrievalRank()
    (alone,) = metric.measure_all([make_sample(metric, ALONG)])
    assert isinstance(alone, UnscoredError)
    assert "at least 2 different prompts" in str(alone)
    with pytest.raises(UnscoredError, match="all samples of the run"):
        metric.measure(make_sample(metric, ALONG))


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=8), st.floats(0.1, 1000))
def test_ranks_add_up_and_do_not_depend_on_lengths(cosines: list[float], length: float) -> None:
    """One image and n prompts: the ranks add up to 1 + ... + n, even with ties."""
    metric = RetrievalRank()
    samples = [make_sample(metric, np.float32(length) * ALONG, at_cosine(c), str(i)) for i, c in enumerate(cosines)]
    ranks = [f.values[0] for f in metric.measure_all(samples) if isinstance(f, Measurement)]
    assert sum(ranks) == len(cosines) * (len(cosines) + 1) / 2
    assert all(1 <= rank <= len(cosines) for rank in ranks)
