"""Declarations of models and their prices, validated and stored. Declaring the same again changes nothing."""

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
    validate_settings,
)
from generators.dollars import format_amount
from generators.input_files.fields import Declaration, Dollars, FilledLine, Line, Slug
from generators.models import Charge, ImageModel, Price

UnitPrice = Annotated[
    Decimal, Field(ge=0, max_digits=20, decimal_places=12), PlainSerializer(format_amount, return_type=str)
]


def _check_unit(unit: str) -> str:
    if unit not in (known := list_price_units()):
        raise ValueError(f"no adapter bills by {unit!r}. Known: {', '.join(known)}")
    return unit


# A unit that some adapter bills by. A price per any other unit would never be charged.
Unit = Annotated[str, AfterValidator(_check_unit)]
Capability = Literal["text_to_image", "image_edit", "mask", "seed", "batch"]


class PriceDeclaration(Declaration):
    """US dollars per billed unit. ``estimate``, per image, defaults to the price per image if that is the only unit."""

    valid_from: Annotated[date, Field(strict=True)]
    units: dict[Unit, UnitPrice] = Field(min_length=1)
    estimate: Dollars | None = Field(default=None, validate_default=True)
    source: Annotated[Line, Field(max_length=300)] = ""

    @field_validator("estimate")
    @classmethod
    def _set_estimate(cls, estimate: Decimal | None, info: ValidationInfo) -> Decimal | None:
        units = info.data.get("units", {})
        if estimate is None and set(units) == {"image"}:
            return Decimal(units["image"])
        if estimate is None and units:
            raise ValueError(f"A price per {', '.join(units)} needs an estimate: what one image costs at most")
        return estimate


class ModelDeclaration(Declaration):
    """A model. ``capabilities`` are those that the operator relies on: checked against the adapter, not stored."""

    slug: Slug
    name: FilledLine
    organization: Line = ""
    license: Line = ""
    family: Line = ""
    revision: FilledLine = "1"
    in_house: StrictBool = False
    lifecycle: ImageModel.Lifecycle = ImageModel.Lifecycle.LIVE
    adapter: str = ""
    settings: dict[str, JsonValue] = Field(default_factory=dict, validate_default=True)
    capabilities: list[Capability] = Field(default_factory=list)
    budget: Dollars | None = None
    prices: list[PriceDeclaration] = Field(default_factory=list, validate_default=True)

    @field_validator("adapter")
    @classmethod
    def _check_adapter(cls, adapter: str) -> str:
        if adapter and adapter not in ADAPTERS:
            raise ValueError(f"There is no adapter {adapter!r}. Known: {', '.join(sorted(ADAPTERS))}")
        return adapter

    @field_validator("settings")
    @classmethod
    def _check_settings(cls, declared: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        adapter = info.data.get("adapter")
        if adapter == "" and declared:
            raise ValueError("A model without an adapter has no settings. Declare its adapter")
        if adapter:
            try:
                validate_settings(adapter, declared)
            except AdapterError as error:
                # The error of the schema names the place of each fault.
                raise error.__cause__ or error from None
        return declared

    @field_validator("capabilities")
    @classmethod
    def _check_capabilities(cls, declared: list[Capability], info: ValidationInfo) -> list[Capability]:
        if declared and "adapter" in info.data and "settings" in info.data:
            able = name_capabilities(info.data["adapter"], info.data["settings"])
            if missing := [name for name in declared if name not in able]:
                raise ValueError(f"The model lacks: {', '.join(missing)}. It has: {', '.join(able) or 'none'}")
        return declared

    @field_validator("prices")
    @classmethod
    def _check_prices(cls, declared: list[PriceDeclaration], info: ValidationInfo) -> list[PriceDeclaration]:
        days = [price.valid_from for price in declared]
        if len(set(days)) < len(days):
            raise ValueError("Two prices are valid from the same day. Keep one")
        retired = info.data.get("lifecycle") == ImageModel.Lifecycle.RETIRED
        if not declared and not retired and is_provider(info.data.get("adapter", "")):
            raise ValueError("A model of a provider needs a price. Declare one (0 if it is free)")
        if is_provider(info.data.get("adapter", "")):
            billed = find_declaration(info.data["adapter"]).units
            if never := sorted({unit for price in declared for unit in price.units} - set(billed)):
                raise ValueError(f"This adapter never bills by {', '.join(never)}. It bills by: {', '.join(billed)}")
        return declared

    @model_validator(mode="after")
    def _set_family(self) -> Self:
        self.family = self.family or self.slug
        return self


class ModelChangedError(Exception):
    """A declaration changes a model that has images, or a price that was charged."""


def name_capabilities(adapter: str, declared_settings: Mapping[str, Any]) -> list[Capability]:
    """The capabilities of a model with this adapter and these settings; [] without an adapter.

    Raises:
        AdapterError: (invalid) The adapter does not exist, or rejects the settings.
    """
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
    """Create or update a model and its prices.

    Raises:
        pydantic.ValidationError: The declaration is invalid.
        ModelChangedError: Images or charges forbid the change.
    """
    declaration = ModelDeclaration.model_validate(declared)
    # Locked, so that nothing is charged until the new prices are stored.
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
            f" already model {namesake.slug}. Declare another revision."
        )
    alike = ImageModel.objects.filter(slug__iexact=declaration.slug).exclude(slug=declaration.slug)
    if model is None and (other := alike.first()):
        raise ModelChangedError(
            f"Model {declaration.slug} differs from model {other.slug} in upper and lower case alone. Declare"
            f" {other.slug} if it is that model, or another slug."
        )
    if model is None or not model.generations.ready().exists():
        return
    changed = [name for name in ("family", "revision", "adapter") if getattr(model, name) != getattr(declaration, name)]
    if "adapter" not in changed and not _draw_alike(declaration.adapter, model.settings, declaration.settings):
        changed.append("settings")
    if changed:
        raise ModelChangedError(
            f"Model {model.slug} has images, so its {', '.join(changed)} cannot change. Declare the new revision"
            " as another model with its own slug, and retire this one."
        )


def _draw_alike(adapter: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether both settings draw the same images: explicit defaults and operational settings do not matter."""
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
                f"The price of model {model.slug} from {price.valid_from} ({price.units}) was charged, so it cannot"
                " change. Keep it in the declaration and add the new price with a later valid_from."
            )
        elif fields is None:
            price.delete()
    for day, fields in wanted.items():
        Price.objects.update_or_create(model=model, valid_from=day, defaults=fields)
