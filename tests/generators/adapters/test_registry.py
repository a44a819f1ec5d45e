"""The registry: declarations are read without optional packages, and whatever depends on an adapter follows them."""

import subprocess
import sys
from pathlib import Path

import pytest

from generators.adapters.base import AdapterDeclaration, AdapterError, Outcome
from generators.adapters.registry import (
    ADAPTERS,
    find_declaration,
    is_provider,
    list_price_units,
    list_providers,
    load_generator,
)
from tests.fake_adapters import PAID
from tests.generators.adapters.provider_servers import find_modules

ROOT = Path(__file__).resolve().parent.parent.parent.parent
READ_ALL = """
import sys
sys.modules.update(dict.fromkeys({modules!r}))
from generators.adapters.registry import ADAPTERS, find_declaration
print(*(find_declaration(name).key for name in ADAPTERS))
"""


def test_declarations_are_read_without_any_optional_package() -> None:
    modules = find_modules("providers") | find_modules("workers")
    assert {"openai", "google", "torch"} <= modules
    code = READ_ALL.format(modules=sorted(modules))
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "PARAGONE_GEMINI_KEY" in done.stdout.split()


def test_every_key_belongs_to_one_provider() -> None:
    keys = [find_declaration(name).key for name in list_providers()]
    assert len(keys) > 5
    assert len(set(keys)) == len(keys)
    assert all(key.startswith("PARAGONE_") and key.endswith("_KEY") for key in keys)


def test_an_adapter_is_a_provider_if_it_declares_paid_calls(scripted_provider: None) -> None:
    assert is_provider("scripted")
    assert "scripted" in list_providers()
    assert set(PAID.units) <= set(list_price_units())
    assert not any(is_provider(name) for name in ("sketch", "", "no longer there"))


COMPLETE = {"key": "K", "hosts": ("api.example",), "units": ("image",)}


@pytest.mark.parametrize(
    "declared", [{}, *(COMPLETE | {name: ()} for name in COMPLETE), COMPLETE | {"units": ("token",)}]
)
def test_a_paid_adapter_without_a_key_hosts_or_the_unit_image_is_an_error(declared: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="declares its key's environment variable, its own hosts, and its price units"):
        AdapterDeclaration(paid=True, **declared)  # type: ignore[arg-type]


def test_an_unknown_adapter_is_invalid_and_names_the_known_ones() -> None:
    with pytest.raises(AdapterError) as caught:
        load_generator("brush", {})
    assert caught.value.message == f"There is no adapter 'brush'. Known: {', '.join(sorted(ADAPTERS))}."
    assert caught.value.outcome is Outcome.INVALID
    assert set(list_providers()) < set(ADAPTERS)
