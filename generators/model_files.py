"""Model files: TOML files that declare models, providers and budgets, and the changes that one makes."""

import reprlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.db import transaction
from pydantic import Field, ValidationError
from pydantic_core import ErrorDetails

from generators.adapters.registry import find_key_variable, find_server_host, is_provider
from generators.declarations import ModelChangedError, ModelDeclaration, declare_model
from generators.dollars import format_dollars
from generators.input_files.declared_files import DeclaredFileError, read_declared_file
from generators.input_files.fields import Declaration
from generators.models import Budget, ImageModel, Provider
from generators.providers.budgets import BudgetDeclaration, declare_budget
from generators.providers.rate_limits import ProviderDeclaration, declare_provider


class ModelFile(Declaration):
    models: list[ModelDeclaration] = Field(default_factory=list)
    providers: list[ProviderDeclaration] = Field(default_factory=list)
    budgets: list[BudgetDeclaration] = Field(default_factory=list)


class ModelFileError(Exception):
    """The file cannot be declared. ``faults`` lists every fault with its place."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = list(faults)


# The rows of the database as text: by kind and slug, the text of each field.
Rows = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Change:
    """A row that the file created (``before`` is empty) or changed. Values by field; "" stands for none."""

    row: str
    before: Mapping[str, str]
    after: Mapping[str, str]

    @property
    def fields(self) -> list[str]:
        names = [*self.after, *(name for name in self.before if name not in self.after)]
        return [name for name in names if self.before.get(name, "") != self.after.get(name, "")]


@dataclass(frozen=True)
class Sync:
    """The result of a sync: its changes, the number of unchanged rows, and the models that the file does not name.

    ``without_key``: the models whose server is sent no key, as "slug (host)".
    """

    changes: Sequence[Change]
    n_unchanged: int
    not_in_the_file: Sequence[str]
    without_key: Sequence[str]


def read_model_file(file: Path) -> ModelFile:
    """Read and validate a model file.

    Raises:
        ModelFileError: The file cannot be read, is not TOML, or has invalid declarations.
    """
    try:
        declared = read_declared_file(file).values
    except DeclaredFileError as error:
        raise ModelFileError([f"line {error.line}: {error.message}"]) from error
    faults, read = [], None
    try:
        read = ModelFile.model_validate(declared)
    except ValidationError as error:
        faults = [f"{_name_place(fault['loc'], declared)}: {_explain(fault)}" for fault in error.errors()]
    faults += _find_duplicates(declared)
    if faults or read is None:
        raise ModelFileError(faults)
    return read


@transaction.atomic
def sync_models(declared: ModelFile, *, dry_run: bool = False) -> Sync:
    """Declare everything in the file, or nothing. A dry run does the same and rolls it back.

    Raises:
        ModelFileError: Images, charges or other models forbid a change.
    """
    before, faults = _describe_rows(), []
    for index, model in enumerate(declared.models):
        try:
            declare_model(model)
        except ModelChangedError as error:
            faults.append(f"models[{index}]: {error}")
    if faults:
        raise ModelFileError(faults)
    for provider in declared.providers:
        declare_provider(provider)
    for budget in declared.budgets:
        declare_budget(budget)
    after = _describe_rows()
    if dry_run:
        transaction.set_rollback(True)
    rows = [
        *(f"model {model.slug}" for model in declared.models),
        *(f"provider {provider.slug} at {provider.host}" for provider in declared.providers),
        *(f"budget {budget.slug}" for budget in declared.budgets),
    ]
    changes = [Change(row, before.get(row, {}), after[row]) for row in rows if before.get(row) != after[row]]
    others = [row for row in before if row.startswith("model ") and row not in rows]
    without_key = [
        f"{model.slug} ({find_server_host(model.adapter, model.settings)})"
        for model in declared.models
        if is_provider(model.adapter) and not find_key_variable(model.adapter, model.settings)
    ]
    return Sync(changes, len(rows) - len(changes), [row.removeprefix("model ") for row in others], without_key)


def _name_place(place: Sequence[str | int], declared: Mapping[str, Any]) -> str:
    """The place of a fault as text: "models[2].settings.stepz (slug)"."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).removeprefix(".")
    try:
        slug = declared[str(place[0])][place[1]]["slug"]
    except (LookupError, TypeError):
        return text
    return f"{text} ({slug})"


def _explain(fault: ErrorDetails) -> str:
    text = fault["msg"].removeprefix("Value error, ")
    # Do not repeat the input: in settings, or under an unknown key, it may be the key of a provider.
    if "settings" in fault["loc"] or fault["type"] in {"extra_forbidden", "missing", "value_error"}:
        return text
    return f"{text}; got {reprlib.repr(fault['input'])}"


def _find_duplicates(declared: Mapping[str, Any]) -> list[str]:
    faults = []
    for kind in ModelFile.model_fields:
        rows = declared.get(kind)
        named = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
        slugs = [row["slug"] for row in named if isinstance(row.get("slug"), str) and not row.get("host")]
        duplicates = [slug for slug, count in Counter(slugs).items() if count > 1]
        faults += [f"{kind}: {slugs.count(slug)} have the slug {slug}. Slugs must be unique." for slug in duplicates]
    return faults


def _describe_rows() -> dict[str, dict[str, str]]:
    rows = {f"model {model.slug}": _describe_model(model) for model in ImageModel.objects.prefetch_related("prices")}
    for provider in Provider.objects.all():
        limits = {"requests_per_minute": str(provider.requests_per_minute), "burst": str(provider.burst)}
        rows[f"provider {provider}"] = limits
    for budget in Budget.objects.all():
        rows[f"budget {budget.slug}"] = {"limit": format_dollars(budget.limit)}
    return rows


def _describe_model(model: ImageModel) -> dict[str, str]:
    names = ("name", "organization", "license", "family", "revision", "in_house", "lifecycle", "adapter")
    fields = {name: str(getattr(model, name)) for name in names}
    fields |= {f"settings.{name}": repr(value) for name, value in sorted(model.settings.items())}
    fields["budget"] = "" if model.budget is None else format_dollars(model.budget)
    for price in sorted(model.prices.all(), key=lambda price: price.valid_from):
        units = ", ".join(
            f"{format_dollars(Decimal(amount))} per {unit}" for unit, amount in sorted(price.units.items())
        )
        source = f" ({price.source})" if price.source else ""
        estimate = f"at most {format_dollars(price.estimate)} per image"
        fields[f"price from {price.valid_from}"] = f"{units}, {estimate}{source}"
    return fields
