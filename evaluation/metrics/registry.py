"""Registry of metrics: names and dotted paths."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

from evaluation.metrics.base import Metric

METRICS: Final[dict[str, str]] = {
    # Distance to a reference set
    "fid": "evaluation.metrics.distances.frechet.FrechetDistance",
    "fid-infinity": "evaluation.metrics.distances.frechet.FrechetDistanceInfinity",
    "kid": "evaluation.metrics.distances.kernel.KernelDistance",
    "cmmd": "evaluation.metrics.distances.cmmd.Cmmd",
    "precision": "evaluation.metrics.distances.manifolds.Precision",
    "recall": "evaluation.metrics.distances.manifolds.Recall",
    "density": "evaluation.metrics.distances.manifolds.Density",
    "coverage": "evaluation.metrics.distances.manifolds.Coverage",
    # Repetition
    "vendi": "evaluation.metrics.diversity.Vendi",
    "prompt-vendi": "evaluation.metrics.diversity.PromptVendi",
    "prompt-similarity": "evaluation.metrics.diversity.PromptSimilarity",
    "near-duplicates": "evaluation.metrics.near_duplicates.NearDuplicateRate",
    # Prompt and image
    "clip-score": "evaluation.metrics.clip_score.ClipScore",
    "clip-score-100": "evaluation.metrics.clip_score.ClipScore100",
    "clip-retrieval-rank": "evaluation.metrics.clip_score.RetrievalRank",
    # Text in images
    "text-sentence-accuracy": "evaluation.metrics.text_rendering.anytext.SentenceAccuracy",
    "text-ned": "evaluation.metrics.text_rendering.anytext.NormalizedEditDistance",
    "mario-precision": "evaluation.metrics.text_rendering.mario.MarioPrecision",
    "mario-recall": "evaluation.metrics.text_rendering.mario.MarioRecall",
    "mario-f": "evaluation.metrics.text_rendering.mario.MarioF",
    "mario-accuracy": "evaluation.metrics.text_rendering.mario.MarioAccuracy",
    "lex-pned": "evaluation.metrics.text_rendering.lex.LexPned",
    "lex-pned-words": "evaluation.metrics.text_rendering.lex.LexPnedOfWords",
    "lex-recall": "evaluation.metrics.text_rendering.lex.LexRecall",
    "oneig-ed": "evaluation.metrics.text_rendering.oneig.OneIgEditDistance",
    "oneig-cr": "evaluation.metrics.text_rendering.oneig.OneIgCompletionRate",
    "oneig-wac": "evaluation.metrics.text_rendering.oneig.OneIgWordAccuracy",
    "oneig-text": "evaluation.metrics.text_rendering.oneig.OneIgText",
    "longtext-recall": "evaluation.metrics.text_rendering.longtext.LongTextRecall",
    "cer": "evaluation.metrics.text_rendering.error_rates.CharacterErrorRate",
    "wer": "evaluation.metrics.text_rendering.error_rates.WordErrorRate",
    "exact-text": "evaluation.metrics.text_rendering.error_rates.ExactText",
    "unwanted-text": "evaluation.metrics.text_rendering.unwanted_text.UnwantedText",
    # Composition
    "composition": "evaluation.metrics.composition.Composition",
    "composition-objects": "evaluation.metrics.composition.ObjectAccuracy",
    "composition-counts": "evaluation.metrics.composition.CountAccuracy",
    "composition-colors": "evaluation.metrics.composition.ColorAccuracy",
    "composition-positions": "evaluation.metrics.composition.PositionAccuracy",
    # Quality of one image
    "piqe": "evaluation.metrics.quality.Piqe",
    "sharpness": "evaluation.metrics.quality.Sharpness",
    "colorfulness": "evaluation.metrics.quality.Colorfulness",
    "exposure": "evaluation.metrics.quality.ClippedExposure",
    # Safety
    "unsafe-rate": "evaluation.metrics.safety.UnsafeRate",
    "refusal-rate": "evaluation.metrics.safety.RefusalRate",
    # Speed and cost
    "latency": "evaluation.metrics.speed.Latency",
    "variants-time": "evaluation.metrics.speed.VariantsTime",
    "image-price": "evaluation.metrics.speed.ImagePrice",
    # Votes
    "win-rate": "evaluation.metrics.preference.WinRate",
    "arena-rating": "evaluation.metrics.preference.ArenaRating",
}


def find_metric(name: str) -> type[Metric]:
    """The class of a metric. Raises ValueError for an unknown name."""
    if name not in METRICS:
        raise ValueError(f"Unknown metric {name!r}. Known metrics: {', '.join(sorted(METRICS))}.")
    module, _, attribute = METRICS[name].rpartition(".")
    metric: type[Metric] = getattr(import_module(module), attribute)
    return metric


def build_metric(name: str, parameters: Mapping[str, Any]) -> Metric:
    """Build a metric. Raises ValueError for an unknown name, pydantic.ValidationError for a wrong parameter."""
    return find_metric(name).model_validate(dict(parameters))
