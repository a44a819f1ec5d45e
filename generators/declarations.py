"""From declarations (dictionaries as TOML gives them) to rows. Declaring twice changes nothing."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from django.db import transaction
from django.db.models import Exists, OuterRef
from pydantic import (
    AfterValidator,
    Field,
    JsonValue,
    PlainSerializer,
    StrictBool,
    StrictInt,
    ValidationInfo,
    field_validator,
    model_validator,
)

from generators.adapters.base import AdapterError
from generators.adapters.registry import (
    ADAPTERS,
    find_capabilities,
    find_declaration,
    is_provider,
    list_price_units,
    list_providers,
    validate_settings,
)
from generators.input_files.fields import Declaration, Dollars, Line, Slug
from generators.models import Budget, Charge, ImageModel, Price, Provider


def format_amount(amount: Decimal) -> str:
    """Exact, without an exponent and without zeros at the end, so that equal amounts are equal texts."""
    return f"{(amount + 0).normalize():f}"


UnitPrice = Annotated[
    Decimal, Field(ge=0, max_digits=20, decimal_places=12), PlainSerializer(format_amount, return_type=str)
]


def _check_unit(unit: str) -> str:
    if unit not in (known := list_price_units()):
        raise ValueError(f"no adapter bills by {unit!r}. Known: {', '.join(known)}")
    return unit


# A unit that some adapter declares: a price by any other would never be charged.
Unit = Annotated[str, AfterValidator(_check_unit)]
Capability = Literal["text_to_image", "image_edit", "mask", "seed", "batch"]


class PriceDeclaration(Declaration):
    """US dollars by what is billed. ``estimate``, of one image, follows by itself where images are all that is."""

    valid_from: Annotated[date, Field(strict=True)]
    units: dict[Unit, UnitPrice] = Field(min_length=1)
    estimate: Dollars | None = Field(default=None, validate_default=True)
    source: Annotated[Line, Field(max_length=300)] = ""

    @field_validator("estimate")
    @classmethod
    def _know_the_estimate(cls, estimate: Decimal | None, info: ValidationInfo) -> Decimal | None:
        units = info.data.get("units", {})
        if estimate is None and set(units) == {"image"}:
            return Decimal(units["image"])
        if estimate is None and units:
            raise ValueError(f"With a price by {', '.join(units)}, say what one image costs at most, in US dollars")
        return estimate


class ModelDeclaration(Declaration):
    """``capabilities`` are what the operator counts on: they are held against the adapter's own, and not stored."""

    slug: Slug
    name: Annotated[Line, Field(min_length=1)]
    organization: Line = ""
    license: Line = ""
    family: Line = ""
    revision: Annotated[Line, Field(min_length=1)] = "1"
    in_house: StrictBool = False
    lifecycle: ImageModel.Lifecycle = ImageModel.Lifecycle.LIVE
    adapter: str = ""
    settings: dict[str, JsonValue] = Field(default_factory=dict, validate_default=True)
    capabilities: list[Capability] = Field(default_factory=list)
    budget: Dollars | None = None
    prices: list[PriceDeclaration] = Field(default_factory=list, validate_default=True)

    @field_validator("adapter")
    @classmethod
    def _expect_an_adapter(cls, adapter: str) -> str:
        if adapter and adapter not in ADAPTERS:
            raise ValueError(f"There is no adapter {adapter!r}. Known: {', '.join(sorted(ADAPTERS))}")
        return adapter

    @field_validator("settings")
    @classmethod
    def _expect_settings_of_the_adapter(cls, declared: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        adapter = info.data.get("adapter")
        if adapter == "" and declared:
            raise ValueError("A model without an adapter draws nothing here and has no settings: name its adapter")
        if adapter:
            try:
                validate_settings(adapter, declared)
            except AdapterError as error:
                # The schema's own error names the place of each fault.
                raise error.__cause__ or error from None
        return declared

    @field_validator("capabilities")
    @classmethod
    def _expect_capabilities(cls, declared: list[Capability], info: ValidationInfo) -> list[Capability]:
        if declared and "adapter" in info.data and "settings" in info.data:
            able = name_capabilities(info.data["adapter"], info.data["settings"])
            if missing := [name for name in declared if name not in able]:
                raise ValueError(f"The model has not: {', '.join(missing)}. It has: {', '.join(able) or 'none'}")
        return declared

    @field_validator("prices")
    @classmethod
    def _expect_prices(cls, declared: list[PriceDeclaration], info: ValidationInfo) -> list[PriceDeclaration]:
        days = [price.valid_from for price in declared]
        if len(set(days)) < len(days):
            raise ValueError("Two prices are valid from one day")
        retired = info.data.get("lifecycle") == ImageModel.Lifecycle.RETIRED
        if not declared and not retired and is_provider(info.data.get("adapter", "")):
            raise ValueError("A model drawn by a provider needs a price: declare one, of 0 if it costs nothing")
        if is_provider(info.data.get("adapter", "")):
            billed = find_declaration(info.data["adapter"]).units
            if never := sorted({unit for price in declared for unit in price.units} - set(billed)):
                raise ValueError(f"This adapter never bills by {', '.join(never)}. It bills by: {', '.join(billed)}")
        return declared

    @model_validator(mode="after")
    def _belong_to_a_family(self) -> Self:
        self.family = self.family or self.slug
        return self


class ProviderDeclaration(Declaration):
    slug: str
    requests_per_minute: Annotated[StrictInt, Field(ge=1, le=100_000)]
    burst: Annotated[StrictInt, Field(ge=1, le=10_000)] = 5

    @field_validator("slug")
    @classmethod
    def _expect_a_provider(cls, slug: str) -> str:
        if not is_provider(slug):
            raise ValueError(f"There is no provider {slug!r}. Known: {', '.join(sorted(list_providers()))}")
        return slug


class BudgetDeclaration(Declaration):
    slug: Slug
    limit: Dollars


class ModelChangedError(Exception):
    """A model that exists was declared as what would be another one, or with another price than was charged."""


def name_capabilities(adapter: str, declared_settings: Mapping[str, Any]) -> list[Capability]:
    """What a model with this adapter and these settings can do; [] without an adapter. Raises AdapterError."""
    if not adapter:
        return []
    capable = find_capabilities(adapter, declared_settings)
    able: dict[Capability, bool] = {
        "text_to_image": True,
        "image_edit": capable.max_sources > 0,
        "mask": capable.masks,
        "seed": capable.seeded,
        "batch": capable.max_batch > 1,
    }
    return [name for name, has in able.items() if has]


@transaction.atomic
def declare_model(declared: Mapping[str, Any] | ModelDeclaration) -> ImageModel:
    """The model and its prices as declared, made or brought up to date.

    Raises pydantic.ValidationError, or ModelChangedError for a change that images or charges forbid.
    """
    declaration = ModelDeclaration.model_validate(declared)
    # Locked: no drawing of it begins, and nothing is charged, until its prices stand.
    model = ImageModel.objects.select_for_update().filter(slug=declaration.slug).first()
    _expect_same_model(declaration, model)
    model, _ = ImageModel.objects.update_or_create(
        slug=declaration.slug, defaults=declaration.model_dump(exclude={"slug", "capabilities", "prices"})
    )
    _declare_prices(model, declaration.prices)
    return model


def _expect_same_model(declaration: ModelDeclaration, model: ImageModel | None) -> None:
    namesakes = ImageModel.objects.filter(family=declaration.family, revision=declaration.revision)
    if namesake := namesakes.exclude(slug=declaration.slug).first():
        raise ModelChangedError(
            f"Model {declaration.slug} is declared as revision {declaration.revision} of {declaration.family}, which is"
            f" model {namesake.slug} already. Give it another revision."
        )
    if model is None or not model.generations.ready().exists():
        return
    changed = [name for name in ("family", "revision", "adapter") if getattr(model, name) != getattr(declaration, name)]
    if "adapter" not in changed and not _draw_alike(declaration.adapter, model.settings, declaration.settings):
        changed.append("settings")
    if changed:
        raise ModelChangedError(
            f"Model {model.slug} has images, so its {', '.join(changed)} cannot change. A new revision is a new"
            " model: give it a slug of its own, and retire this one."
        )


def _draw_alike(adapter: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether both draw the same: a default that is written out is no change, nor is where the model is asked."""
    if old == new:
        return True
    try:
        before, after = (validate_settings(adapter, settings) for settings in (old, new))
    except AdapterError:
        return False
    return before.model_dump(exclude=set(before.operational)) == after.model_dump(exclude=set(after.operational))


def _declare_prices(model: ImageModel, declared: Sequence[PriceDeclaration]) -> None:
    wanted = {price.valid_from: price.model_dump(exclude={"valid_from"}) for price in declared}
    charges = Charge.objects.filter(price=OuterRef("pk"))
    for price in model.prices.annotate(charged=Exists(charges)):
        fields = wanted.get(price.valid_from)
        if fields == {"units": price.units, "estimate": price.estimate, "source": price.source}:
            del wanted[price.valid_from]
        elif price.charged:
            raise ModelChangedError(
                f"Model {model.slug} was charged by its price from {price.valid_from} ({price.units}), so that stays as"
                " it is, in the declaration, too. Declare the new price beside it, with a later valid_from."
            )
        elif fields is None:
            price.delete()
    for day, fields in wanted.items():
        Price.objects.update_or_create(model=model, valid_from=day, defaults=fields)


def declare_provider(declared: Mapping[str, Any] | ProviderDeclaration) -> Provider:
    """The provider's rate limit as declared; what is known of how it is doing stays. Raises pydantic.ValidationError."""
    declaration = ProviderDeclaration.model_validate(declared)
    fields = declaration.model_dump(exclude={"slug"})
    return Provider.objects.update_or_create(slug=declaration.slug, defaults=fields)[0]


def declare_budget(declared: Mapping[str, Any] | BudgetDeclaration) -> Budget:
    """The budget as declared; what is spent stays spent. Raises pydantic.ValidationError."""
    declaration = BudgetDeclaration.model_validate(declared)
    return Budget.objects.update_or_create(slug=declaration.slug, defaults={"limit": declaration.limit})[0]
