"""What the providers that speak OpenAI's image API may be set to, and what their models then can do."""

from typing import Any

import pytest

from generators.adapters.base import AdapterError, Outcome
from generators.adapters.registry import find_capabilities, load_generator, validate_settings
from tests.generators.adapters.openai_servers import KEY, MAKERS, Provider, expect_no_key

pytestmark = pytest.mark.parametrize("provider", MAKERS, ids=lambda provider: provider.adapter)


@pytest.mark.parametrize(
    "wrong",
    [
        {"modell": "x"},
        {"seed": 1},
        {"model": ""},
        {"timeout": 600},
        {"timeout": 0},
        {"ADDRESS": "http://images.example"},
        {"ADDRESS": "ftp://127.0.0.1"},
        {"ADDRESS": "images.example"},
        {"ADDRESS": f"https://user:{KEY}@images.example"},
        {"ADDRESS": "https://images.example?key=1"},
    ],
    ids=str,
)
def test_settings_that_are_wrong_are_refused(provider: Provider, wrong: dict[str, Any]) -> None:
    wrong = {provider.address if name == "ADDRESS" else name: value for name, value in wrong.items()}
    right = {**provider.settings, provider.address: "https://images.example"}
    assert validate_settings(provider.adapter, right)
    with pytest.raises(AdapterError) as caught:
        load_generator(provider.adapter, {**right, **wrong})
    assert caught.value.outcome is Outcome.INVALID
    assert next(iter(wrong)) in caught.value.message
    expect_no_key(caught.value)


def test_settings_say_what_the_model_can_do(provider: Provider) -> None:
    can = find_capabilities(provider.adapter, {**provider.settings, provider.address: "https://images.example"})
    assert not can.seeded
    assert not can.mixes_prompts
    assert can.max_sources == {"openai": 16, "azure": 16, "mai": 1, "xai": 3}[provider.adapter]
    assert can.masks == (provider.adapter in {"openai", "azure"})
    assert can.max_batch == (1 if provider.adapter == "mai" else 10)
