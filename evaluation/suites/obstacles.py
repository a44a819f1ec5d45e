"""Obstacles: prompts that a metric of a suite cannot score, or in which no image can reach its best value.

They are found when a suite is loaded to be run, before anything is drawn. A suite may have them: it mixes scripts, or
compares a published metric with others' values.
"""

from collections import defaultdict
from collections.abc import Collection
from pathlib import Path
from typing import Final

from evaluation.extractors.base import MissingWeightsError
from evaluation.extractors.ocr.reader import TextReader
from evaluation.metrics.base import Metric, PromptInputs
from evaluation.metrics.text_rendering.reading import READER
from evaluation.suites.suite import Suite, describe_prompt

MOST_NAMED: Final = 3


def find_obstacles(suite: Suite, weights: Path) -> list[str]:
    """One sentence for each obstacle, with the metrics and prompts that it affects; empty if there are none."""
    prompts = [describe_prompt(prompt) for prompt in suite.prompts]
    metrics = [(declared.label, declared.build()) for declared in suite.metrics]
    alphabets, missing = _load_alphabets([metric for _, metric in metrics], prompts, weights)
    labels: dict[tuple[str, tuple[str, ...]], list[str]] = defaultdict(list)
    for label, metric in metrics:
        keys: dict[str, list[str]] = defaultdict(list)
        for prompt in filter(metric.applies_to, prompts):
            lacking = next((missing[spec] for spec in metric.prompt_extractors(prompt) if spec in missing), "")
            if obstacle := f"unscored, because {lacking}" if lacking else metric.find_obstacle(prompt, alphabets):
                keys[obstacle.rstrip(".")].append(prompt.key)
        for obstacle, found in keys.items():
            labels[obstacle, tuple(found)].append(label)
    return [
        f"{', '.join(names)}: {_count_prompts(keys, len(prompts))} will be {obstacle}."
        for (obstacle, keys), names in labels.items()
    ]


def _load_alphabets(
    metrics: list[Metric], prompts: list[PromptInputs], weights: Path
) -> tuple[dict[str, Collection[str]], dict[str, str]]:
    """Alphabets of the readers that the prompts need, and the reasons why other readers are missing."""
    alphabets: dict[str, Collection[str]] = {}
    missing: dict[str, str] = {}
    needed = {
        spec
        for metric in metrics
        for prompt in filter(metric.applies_to, prompts)
        for spec in metric.prompt_extractors(prompt)
        if spec.partition("/")[0] == READER
    }
    for specification in sorted(needed):
        try:
            alphabets[specification] = TextReader(specification.partition("/")[2], weights).alphabet
        except (MissingWeightsError, ImportError) as error:
            missing[specification] = str(error)
    return alphabets, missing


def _count_prompts(keys: tuple[str, ...], n: int) -> str:
    named = ", ".join(keys[:MOST_NAMED]) + (", …" if len(keys) > MOST_NAMED else "")
    return f"{len(keys)} of {n} prompts ({named})"
