"""Declarations of models, prices, providers, budgets and prompt sets: which are stored and which are refused."""

import io
import re
import threading
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from PIL import ExifTags, Image
from pydantic import ValidationError

from generators.adapters.base import Capabilities
from generators.adapters.registry import list_price_units
from generators.declarations import ModelChangedError, declare_model
from generators.images import originals
from generators.models import Budget, Charge, Generation, ImageModel, Price, Prompt, PromptSet, Provider
from generators.prompts.packs import PromptSetChangedError, declare_prompt_set
from generators.providers.budgets import declare_budget
from generators.providers.charges import reserve_charge
from generators.providers.rate_limits import declare_provider
from tests import builders
from tests.concurrency import PATIENCE, is_blocking_another, run_at_once, wait_until
from tests.fake_adapters import ScriptedGenerator

ROOT = Path(__file__).resolve().parent.parent.parent

pytestmark = pytest.mark.django_db

MODEL: dict[str, Any] = {"slug": "m", "name": "M", "adapter": "sketch"}
NOVEMBER = {"valid_from": date(2026, 11, 1), "units": {"image": 0.04}}
PROMPTS: dict[str, Any] = {"slug": "p", "version": "1", "title": "P", "prompts": [{"key": "a", "text": "a red star"}]}


@pytest.fixture
def paid(scripted_provider: None) -> dict[str, Any]:
    """A model of a provider that has no settings."""
    return MODEL | {"adapter": "scripted", "prices": [NOVEMBER]}


def draw(model: ImageModel) -> Generation:
    """A finished image of the model, without a file."""
    return Generation.objects.create(
        model=model,
        prompt=builders.make_prompt_set(1).prompts.get(),
        width=64,
        height=64,
        status="ok",
        original="0" * 64,
        media_type="image/png",
        due_at=timezone.now(),
    )


def charge(price: Price) -> Charge:
    return Charge.objects.create(
        generation=draw(price.model), attempt=1, model=price.model, price=price, amount=price.estimate
    )


def save_image(file: Path, width: int = 64, height: int = 48, shade: int = 100) -> bytes:
    out = io.BytesIO()
    Image.new("L", (width, height), shade).save(out, "PNG")
    file.write_bytes(out.getvalue())
    return out.getvalue()


def test_a_model_is_created_with_all_declared_fields(paid: dict[str, Any]) -> None:
    model = declare_model(paid | {"name": "画家 ۲", "organization": "Künstler & Søn", "budget": 25, "in_house": True})
    model.refresh_from_db()
    assert (model.name, model.organization, model.in_house) == ("画家 ۲", "Künstler & Søn", True)
    assert (model.family, model.revision, model.lifecycle) == ("m", "1", "live")
    assert model.budget == Decimal(25)
    price = model.prices.get()
    assert (price.valid_from, price.units, price.estimate) == (date(2026, 11, 1), {"image": "0.04"}, Decimal("0.04"))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"slug": "has space"}, "slug"),
        ({"slug": "m" * 101}, "slug"),
        ({"name": ""}, "name"),
        ({"name": "two\nlines"}, "name"),
        ({"name": "evil \u202ename"}, "RIGHT-TO-LEFT OVERRIDE"),
        ({"name": "nul\x00"}, r"U\+0000"),
        ({"organization": "o" * 201}, "organization"),
        ({"in_house": "yes"}, "in_house"),
        ({"lifecycle": "dead"}, "lifecycle"),
        ({"budget": -1}, "budget"),
        ({"budget": float("nan")}, "budget"),
        ({"budget": True}, "budget"),
        ({"adapter": "brush"}, "^1 validation error.*\nadapter\n.*no adapter 'brush'. Known: .*sketch"),
        ({"adapter": "brush", "settings": {"size": 3}}, "^1 validation error.*\nadapter\n"),
        ({"adapter": "", "settings": {"style": "neon"}}, "Declare its adapter"),
        ({"settings": {"stepz": 4}}, r"settings\.stepz"),
        ({"settings": {"legibility": float("inf")}}, r"settings\.legibility"),
        ({"settings": {"legibility": date(2026, 1, 1)}}, r"settings\.legibility"),
        ({"capabilities": ["teleport"]}, r"capabilities\.0"),
        ({"capabilities": ["seed", "batch"]}, "The model lacks: batch. It has: text_to_image"),
        ({"adapter": "", "capabilities": ["seed"]}, "The model lacks: seed. It has: none"),
        ({"key": "sk-hunter2"}, "key"),
    ],
)
def test_an_invalid_model_is_refused_with_the_place_of_the_fault(change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint) as refused:
        declare_model(MODEL | change)
    assert "hunter2" not in str(refused.value)
    assert not ImageModel.objects.exists()


def test_capabilities_are_checked_against_the_adapter(paid: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = paid | {"capabilities": ["text_to_image", "image_edit", "mask", "seed", "batch"]}
    with pytest.raises(ValidationError, match=r"lacks: image_edit, mask, batch\. It has: text_to_image, seed"):
        declare_model(wanted)
    monkeypatch.setattr(ScriptedGenerator, "capable", Capabilities(max_sources=2, masks=True, max_batch=4))
    declare_model(wanted)


def test_a_paid_model_needs_a_price_which_may_be_zero(paid: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=r"prices\n.*needs a price"):
        declare_model(paid | {"prices": []})
    declare_model(paid | {"prices": [NOVEMBER | {"units": {"image": 0}}]})
    assert Price.objects.get().units == {"image": "0"}


def test_a_retired_model_needs_no_price(paid: dict[str, Any]) -> None:
    assert not declare_model(paid | {"prices": [], "lifecycle": "retired"}).prices.exists()


@pytest.mark.parametrize(
    ("amount", "stored"),
    [(0.04, "0.04"), ("0.040", "0.04"), (1, "1"), (100, "100"), ("0.00000015", "0.00000015"), (1e-7, "0.0000001")],
)
def test_amounts_are_stored_exactly(paid: dict[str, Any], amount: object, stored: str) -> None:
    declare_model(paid | {"prices": [NOVEMBER | {"units": {"output_token": amount}, "estimate": "0.05"}]})
    assert Price.objects.get().units == {"output_token": stored}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"units": {}}, "units"),
        ({"units": {"imgae": 0.04}}, "imgae"),
        ({"units": {"usd_tick": 0.04}, "estimate": 0.05}, "never bills by usd_tick"),
        ({"units": {"image": -0.04}}, "image"),
        ({"units": {"image": float("nan")}}, "image"),
        ({"units": {"image": "cheap"}}, "image"),
        ({"units": {"image": True}}, "image"),
        ({"units": {"output_token": 0.00003}}, "what one image costs at most"),
        ({"estimate": -1}, "estimate"),
        ({"valid_from": "soon"}, "valid_from"),
        ({"valid_from": 20261101}, "valid_from"),
        ({"currency": "EUR"}, "currency"),
    ],
)
def test_an_invalid_price_is_refused(paid: dict[str, Any], change: dict, complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        declare_model(paid | {"prices": [NOVEMBER | change]})


def test_every_unit_that_an_adapter_bills_may_have_a_price() -> None:
    code = "".join(file.read_text() for file in (ROOT / "generators" / "adapters").rglob("*.py"))
    billed = set(re.findall(r'"(\w+_token|\w+_tick|credit|megapixel|image)":', code))
    assert len(billed) > 5
    assert billed <= set(list_price_units())


def test_two_prices_from_one_day_are_refused(paid: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="from the same day"):
        declare_model(paid | {"prices": [NOVEMBER, NOVEMBER]})


def test_prices_that_were_not_charged_follow_the_declaration(paid: dict[str, Any]) -> None:
    declare_model(paid)
    december = {"valid_from": date(2026, 12, 1), "units": {"image": 0.02}}
    declare_model(paid | {"prices": [NOVEMBER | {"units": {"image": 0.05}}, december]})
    assert list(Price.objects.order_by("valid_from").values_list("units", flat=True)) == [
        {"image": "0.05"},
        {"image": "0.02"},
    ]
    declare_model(paid | {"prices": [december]})
    assert Price.objects.get().valid_from == date(2026, 12, 1)


@pytest.mark.parametrize("prices", [[], [NOVEMBER | {"units": {"image": 0.05}}], [NOVEMBER | {"estimate": 0.05}]])
def test_a_charged_price_stays(paid: dict[str, Any], prices: list) -> None:
    charge(declare_model(paid).prices.get())
    with pytest.raises(ModelChangedError, match=r"from 2026-11-01.*later valid_from"):
        declare_model(paid | {"name": "N", "prices": prices, "lifecycle": "retired"})
    assert ImageModel.objects.get().name == "M"
    declare_model(paid)
    declare_model(paid | {"prices": [NOVEMBER, {"valid_from": date(2027, 1, 1), "units": {"image": 0.05}}]})
    assert Price.objects.count() == 2


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_price_does_not_change_while_it_is_being_charged(paid: dict[str, Any]) -> None:
    generation = draw(declare_model(paid))
    reserved = threading.Event()

    def charge_slowly() -> None:
        with transaction.atomic():
            reserve_charge(generation)
            reserved.set()
            wait_until(is_blocking_another, "the declaration waits for the charge")

    def declare() -> None:
        assert reserved.wait(PATIENCE)
        declare_model(paid | {"prices": [NOVEMBER | {"units": {"image": 0.05}}]})

    _, refused = run_at_once([charge_slowly, declare])
    assert isinstance(refused, ModelChangedError)
    assert Charge.objects.get().price.units == {"image": "0.04"}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"revision": "2"}, "revision"),
        ({"family": "f"}, "family"),
        ({"adapter": ""}, "adapter"),
        ({"settings": {"style": "neon"}}, "settings"),
        ({"settings": {"style": "neon"}, "revision": "2"}, "revision, settings"),
    ],
)
def test_a_model_with_images_does_not_become_another_model(change: dict[str, Any], named: str) -> None:
    draw(declare_model(MODEL))
    with pytest.raises(ModelChangedError, match=rf"its {named} cannot change.*its own slug"):
        declare_model(MODEL | change)
    assert ImageModel.objects.get().settings == {}


def test_a_model_with_images_may_be_renamed_and_retired() -> None:
    draw(declare_model(MODEL))
    declare_model(MODEL | {"name": "N", "license": "MIT", "lifecycle": "retired", "budget": 1})
    model = ImageModel.objects.get()
    assert (model.name, model.license, model.lifecycle, model.budget) == ("N", "MIT", "retired", 1)


def test_operational_settings_may_change_while_there_are_images() -> None:
    paid = MODEL | {"adapter": "openai", "settings": {"model": "gpt-image-1.5"}, "prices": [NOVEMBER]}
    draw(declare_model(paid))
    declare_model(paid | {"settings": {"model": "gpt-image-1.5", "timeout": 60, "base_url": "https://proxy.lab/v1"}})
    assert ImageModel.objects.get().settings["timeout"] == 60
    with pytest.raises(ModelChangedError, match="settings cannot change"):
        declare_model(paid | {"settings": {"model": "gpt-image-2"}})


def test_an_explicit_default_is_no_change() -> None:
    draw(declare_model(MODEL))
    declare_model(MODEL | {"settings": {"legibility": 1}})
    assert ImageModel.objects.get().settings == {"legibility": 1}


def test_a_model_without_images_may_change_completely() -> None:
    generation = draw(declare_model(MODEL))
    Generation.objects.filter(pk=generation.pk).update(status="failed", reason="invalid", original="", media_type="")
    declare_model(MODEL | {"revision": "2", "settings": {"style": "neon"}})
    assert ImageModel.objects.get().revision == "2"


def test_a_revision_is_one_model() -> None:
    declare_model(MODEL | {"family": "f", "revision": "2"})
    with pytest.raises(ModelChangedError, match="revision 2 of f, which is already model m"):
        declare_model(MODEL | {"slug": "n", "family": "f", "revision": "2"})
    declare_model(MODEL | {"slug": "n", "family": "f", "revision": "3"})


def test_slugs_that_differ_in_case_alone_are_refused() -> None:
    declare_model(MODEL | {"slug": "SDXL"})
    with pytest.raises(ModelChangedError, match=r"Model sdxl differs from model SDXL in upper and lower case alone\."):
        declare_model(MODEL | {"slug": "sdxl"})


def test_a_providers_rate_limit_changes_and_its_state_stays() -> None:
    declare_provider({"slug": "openai", "requests_per_minute": 50, "burst": 10})
    Provider.objects.update(failures=3)
    declare_provider({"slug": "openai", "requests_per_minute": 5})
    provider = Provider.objects.get()
    assert (provider.requests_per_minute, provider.burst, provider.failures) == (5, 5, 3)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"slug": "sketch"}, "no provider 'sketch'. Known: .*openai"),
        ({"requests_per_minute": 0}, "requests_per_minute"),
        ({"requests_per_minute": "60"}, "requests_per_minute"),
        ({"burst": 0}, "burst"),
    ],
)
def test_an_invalid_provider_is_refused(change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        declare_provider({"slug": "openai", "requests_per_minute": 50} | change)
    assert not Provider.objects.exists()


def test_a_budget_follows_its_declaration() -> None:
    declare_budget({"slug": "nightly", "limit": 10})
    declare_budget({"slug": "nightly", "limit": "12.50"})
    assert Budget.objects.get().limit == Decimal("12.5")
    with pytest.raises(ValidationError, match="limit"):
        declare_budget({"slug": "nightly", "limit": -1})


def test_a_prompt_set_without_images_keeps_the_digest_it_always_had() -> None:
    assert declare_prompt_set(PROMPTS).digest == "94a8a686f42076ef821966f31a191dd10b0a44c769f88c45f0b1e697d0f2abb1"


def test_the_images_of_an_edit_are_stored_and_belong_to_the_digest(tmp_path: Path) -> None:
    cat = save_image(tmp_path / "cat.png")
    mask = save_image(tmp_path / "mask.png", shade=255)
    edit = {"key": "a", "text": "a hat", "sources": ["cat.png"], "mask": "mask.png"}
    prompt_set = declare_prompt_set(PROMPTS | {"prompts": [edit]}, tmp_path)
    prompt = Prompt.objects.get()
    assert [originals.read(digest) for digest in prompt.sources] == [cat]
    assert originals.read(prompt.mask) == mask
    # The content counts, not the name.
    (tmp_path / "cat.png").rename(tmp_path / "tom.png")
    renamed = PROMPTS | {"prompts": [edit | {"sources": ["tom.png"]}]}
    assert declare_prompt_set(renamed, tmp_path) == prompt_set
    save_image(tmp_path / "tom.png", shade=101)
    with pytest.raises(PromptSetChangedError):
        declare_prompt_set(renamed, tmp_path)


def test_a_mask_fits_the_source_as_it_is_shown(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 8
    Image.new("RGB", (64, 48)).save(tmp_path / "cat.jpg", exif=exif)
    save_image(tmp_path / "mask.png", 48, 64)
    edit = {"key": "a", "text": "a hat", "sources": ["cat.jpg"], "mask": "mask.png"}
    assert declare_prompt_set(PROMPTS | {"prompts": [edit]}, tmp_path).prompts.get().mask


@pytest.mark.parametrize(
    ("edit", "complaint"),
    [
        ({"sources": ["gone.png"]}, "prompt a: .*gone.png"),
        ({"sources": ["../outside.png"]}, r"prompt a: \.\./outside.png is outside"),
        ({"sources": ["link.png"]}, "link.png is outside"),
        ({"sources": ["/etc/hostname"]}, "is outside"),
        ({"sources": ["."]}, "prompt a: "),
        ({"sources": ["note.txt"]}, "prompt a: Wanted a PNG"),
        ({"sources": ["cat.png"], "mask": "small.png"}, "mask has 10 × 10 pixels, the first source 64 × 48"),
        ({"mask": "small.png"}, "a mask but no source"),
    ],
)
def test_an_edit_with_unusable_images_is_refused(tmp_path: Path, edit: dict[str, Any], complaint: str) -> None:
    folder = tmp_path / "prompts"
    folder.mkdir()
    save_image(tmp_path / "outside.png")
    save_image(folder / "cat.png")
    save_image(folder / "small.png", 10, 10)
    (folder / "note.txt").write_text("no image")
    (folder / "link.png").symlink_to(tmp_path / "outside.png")
    with pytest.raises(ValueError, match=complaint):
        declare_prompt_set(PROMPTS | {"prompts": [{"key": "a", "text": "a hat", **edit}]}, folder)
    assert not PromptSet.objects.exists()


def test_an_edit_needs_a_folder() -> None:
    with pytest.raises(ValueError, match="no folder to read it from"):
        declare_prompt_set(PROMPTS | {"prompts": [{"key": "a", "text": "a hat", "sources": ["cat.png"]}]})


@pytest.mark.parametrize(
    ("prompts", "complaint"),
    [
        ([], "prompts"),
        ([{"key": "a", "text": "x" * 10_001}], "at most 10,000"),
        ([{"key": "a", "text": "nul\x00"}], r"U\+0000"),
        ([{"key": "a", "text": " "}], "none that can be seen"),
        ([{"key": "a", "text": "x"}, {"key": "a", "text": "y"}], "repeated: a"),
        ([{"key": "a", "text": "x", "category": "c" * 51}], "category"),
    ],
)
def test_an_invalid_prompt_set_is_refused(prompts: list, complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        declare_prompt_set(PROMPTS | {"prompts": prompts})


def test_a_set_that_exists_asks_the_store_for_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_image(tmp_path / "cat.png")
    edits = PROMPTS | {"prompts": [{"key": "a", "text": "a hat", "sources": ["cat.png"]}]}
    prompt_set = declare_prompt_set(edits, tmp_path)
    monkeypatch.setattr(originals, "store", pytest.fail)
    assert declare_prompt_set(edits, tmp_path) == prompt_set
