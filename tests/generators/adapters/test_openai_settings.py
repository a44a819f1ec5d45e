"""What the makers that speak OpenAI's image API may be set to, and what their models then can do."""

from typing import Any

import pytest

from generators.adapters.base import AdapterError, Outcome
from generators.adapters.registry import find_capabilities, load_generator, validate_settings
from tests.generators.adapters.openai_servers import KEY, MAKERS, Maker, expect_no_key

pytestmark = pytest.mark.parametrize("maker", MAKERS, ids=lambda maker: maker.adapter)


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
def test_settings_that_are_wrong_are_refused(maker: Maker, wrong: dict[str, Any]) -> None:
    wrong = {maker.address if name == "ADDRESS" else name: value for name, value in wrong.items()}
    right = {**maker.settings, maker.address: "https://images.example"}
    assert validate_settings(maker.adapter, right)
    with pytest.raises(AdapterError) as caught:
        load_generator(maker.adapter, {**right, **wrong})
    assert caught.value.outcome is Outcome.INVALID
    assert next(iter(wrong)) in caught.value.message
    expect_no_key(caught.value)


def test_settings_say_what_the_model_can_do(maker: Maker) -> None:
    can = find_capabilities(maker.adapter, {**maker.settings, maker.address: "https://images.example"})
    assert not can.seeded
    assert not can.mixes_prompts
    assert can.max_sources == {"openai": 16, "azure": 16, "mai": 1, "xai": 3}[maker.adapter]
    assert can.masks == (maker.adapter in {"openai", "azure"})
    assert can.max_batch == (1 if maker.adapter == "mai" else 10)
