"""Suite as declared in TOML: prompts, samples per prompt, metrics, and the rules of its gate."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from evaluation.extractors.registry import EXTRACTORS
from evaluation.metrics.base import Metric, PromptInputs, PromptMetric
from evaluation.metrics.registry import METRICS, build_metric, find_metric
from evaluation.suites.gate import Rule
from generators.fixtures import UnknownFixtureError, find_prompt_file
from generators.input_files.declared_files import DeclaredFile, read_declared_file
from generators.input_files.faults import quote_value
from generators.input_files.fields import Dollars, FilledLine, Slug
from generators.input_files.toml_lines import KeyPath
from generators.models import PromptSet
from generators.prompts.packs import PromptDeclaration, PromptPack, declare_prompt_set, read_pack


class SuiteMetric(BaseModel):
    """A metric of a suite: its name in the registry, its label in the suite, and its parameters as further keys."""

    model_config = ConfigDict(frozen=True, extra="allow")

    metric: str
    label: Annotated[str, Field(pattern=r"^[-a-z0-9_]+$", max_length=100)] = Field(
        default_factory=lambda declared: declared["metric"]
    )

    @field_validator("metric")
    @classmethod
    def _expect_known(cls, name: str) -> str:
        if name not in METRICS:
            raise ValueError(f"there is no metric {name!r}. Known: {', '.join(sorted(METRICS))}")
        return name

    @model_validator(mode="after")
    def _expect_parameters(self) -> Self:
        self.build()
        return self

    def build(self) -> Metric:
        """The metric with these parameters."""
        return build_metric(self.metric, self.model_extra or {})


class Suite(BaseModel):
    """A declared evaluation. ``load_suite`` reads it from a file and checks that it is consistent."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: Slug
    version: Annotated[FilledLine, Field(max_length=50)]
    title: FilledLine
    description: str = ""
    prompt_files: tuple[str, ...] = Field(min_length=1)
    tags: tuple[str, ...] = ()
    samples_per_prompt: int = Field(default=1, strict=True, ge=1, le=1000)
    first_seed: int = Field(default=0, strict=True, ge=0, le=2**32)
    width: int = Field(strict=True, ge=64, le=4096)
    height: int = Field(strict=True, ge=64, le=4096)
    budget: Dollars | None = None
    confidence: float = Field(default=0.95, ge=0.5, lt=1)
    metrics: tuple[SuiteMetric, ...] = Field(min_length=1)
    gate: tuple[Rule, ...] = ()

    _packs: tuple[PromptPack, ...] = ()

    @property
    def seeds(self) -> range:
        """The seeds that each prompt is drawn with."""
        return range(self.first_seed, self.first_seed + self.samples_per_prompt)

    @property
    def packs(self) -> tuple[PromptPack, ...]:
        """The prompt packs; empty if the suite was read from a run's spec."""
        return self._packs

    def picks(self, tags: Sequence[str]) -> bool:
        """Whether the suite includes a prompt with these tags: it shares one with the suite, or the suite has none."""
        return not self.tags or bool(set(self.tags) & set(tags))

    @property
    def prompts(self) -> list[PromptDeclaration]:
        """The prompts of the suite."""
        return [prompt for pack in self.packs for prompt in pack.declared.prompts if self.picks(prompt.tags)]

    @property
    def n_samples(self) -> int:
        """Number of images."""
        return len(self.prompts) * self.samples_per_prompt

    @cached_property
    def digest(self) -> str:
        """sha256 of everything that the images, numbers and verdict depend on. It excludes title and comments."""
        content = self.model_dump(mode="json", exclude={"title", "description", "prompt_files", "metrics"})
        content["metrics"] = [(m.metric, m.label, m.build().model_dump(mode="json")) for m in self.metrics]
        content["prompts"] = [
            (pack.declared.slug, pack.declared.version, prompt.model_dump(mode="json"))
            for pack in self.packs
            for prompt in pack.declared.prompts
            if self.picks(prompt.tags)
        ]
        content["images"] = [sorted(pack.images.items()) for pack in self.packs]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def load_suite(file: Path) -> Suite:
    """The suite that a TOML file declares, with its prompts. Raises DeclaredFileError for the first error."""
    declared = read_declared_file(file)

    def list_keys(table: KeyPath) -> Iterable[str]:
        if table[:1] == ("gate",):
            return Rule.model_fields
        if table[:1] == ("metrics",):
            return ("label", *find_metric(declared.values["metrics"][table[1]]["metric"]).model_fields)
        return Suite.model_fields

    try:
        suite = Suite.model_validate(declared.values)
    except ValidationError as error:
        raise declared.explain(error, list_keys) from error
    suite._packs = tuple(read_pack(_find_prompts(name, declared)) for name in suite.prompt_files)
    for place, message in _find_contradictions(suite):
        raise declared.error_at(place, message)
    return suite


def _find_prompts(name: str, declared: DeclaredFile) -> Path:
    try:
        file = find_prompt_file(name, declared.path)
    except UnknownFixtureError as error:
        raise declared.error_at(("prompt_files",), str(error)) from error
    if not file.is_file():
        raise declared.error_at(("prompt_files",), f"there is no file {quote_value(name)} relative to this one.")
    return file


def declare_prompts(suite: Suite) -> list[PromptSet]:
    """Store the suite's prompt sets. Raises PromptSetChangedError and ValueError like declare_prompt_set."""
    return [declare_prompt_set(pack.declared, pack.file.parent) for pack in suite.packs]


# Consistency


def _find_contradictions(suite: Suite) -> Iterator[tuple[KeyPath, str]]:
    """(place, message) of the errors that involve more than one key."""
    yield from _check_prompts(suite)
    for index, metric in enumerate(suite.metrics):
        yield from ((("metrics", index), message) for message in _check_metric(suite, metric))
    for index, rule in enumerate(suite.gate):
        yield from ((("gate", index), message) for message in _check_rule(suite, rule))


def _check_prompts(suite: Suite) -> Iterator[tuple[KeyPath, str]]:
    names = Counter((pack.declared.slug, pack.declared.version) for pack in suite.packs)
    for (slug, version), count in names.items():
        if count > 1:
            yield ("prompt_files",), f"{count} of the prompt files are {slug} {version}; name each once."
    known = {tag for pack in suite.packs for prompt in pack.declared.prompts for tag in prompt.tags}
    for tag in suite.tags:
        if tag not in known:
            yield ("tags",), f"no prompt has the tag {quote_value(tag)}. Known: {', '.join(sorted(known)) or 'none'}."


def _check_metric(suite: Suite, metric: SuiteMetric) -> Iterator[str]:
    if sum(other.label == metric.label for other in suite.metrics) > 1:
        yield f"two metrics have the label {metric.label}; labels must be unique."
    built = metric.build()
    prompts = [prompt for prompt in suite.prompts if built.applies_to(describe_prompt(prompt))]
    if not prompts:
        yield f"{metric.metric} applies to none of the prompts. See docs/metrics.md for what it needs."
    for name in {specification.partition("/")[0] for specification in built.image_extractors()} - set(EXTRACTORS):
        known = ", ".join(sorted(EXTRACTORS))
        yield f"{metric.metric} names {quote_value(name)}, which is not an extractor. Known: {known}."
    by_prompt, least = isinstance(built, PromptMetric), built.declaration.min_samples
    images = built.images_per_prompt if isinstance(built, PromptMetric) else 1
    if suite.samples_per_prompt < images:
        message = f"samples_per_prompt is {suite.samples_per_prompt} and must be at least {images}."
        yield f"{metric.metric} compares the images of one prompt; {message}"
    n = len(prompts) * (1 if by_prompt else suite.samples_per_prompt)
    if n < least:
        unit = "prompts" if by_prompt else "samples"
        yield f"{metric.metric} needs at least {least:,} {unit}; this suite has {n:,} that it applies to."


def describe_prompt(prompt: PromptDeclaration) -> PromptInputs:
    """The prompt as metrics see it."""
    lists = {name: tuple(getattr(prompt, name)) for name in ("targets", "tags", "checks")}
    return PromptInputs(key=prompt.key, text=prompt.text, category=prompt.category, language=prompt.language, **lists)


def _check_rule(suite: Suite, rule: Rule) -> Iterator[str]:
    metric = next((metric for metric in suite.metrics if metric.label == rule.metric), None)
    if metric is None:
        labels = ", ".join(metric.label for metric in suite.metrics)
        yield f"the rule is on {quote_value(rule.metric)}; no metric of this suite has that label. It has: {labels}."
        return
    if metric.build().declaration.higher_is_better is None and (rule.max_loss, rule.min_gain) != (None, None):
        yield f"{metric.metric} has no better direction; use at_least or at_most instead of max_loss or min_gain."
    if rule.min_samples is not None and rule.min_samples > suite.n_samples:
        yield f"the rule on {rule.metric} needs {rule.min_samples:,} samples; this suite has {suite.n_samples:,}."
