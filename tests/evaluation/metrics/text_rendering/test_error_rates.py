"""Character and word error rate and exact text, compared with values by hand and with torchmetrics."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.metrics.text_rendering.folding import FOLDING, fold_text
from tests.evaluation.metrics.text_rendering.readings import aggregate, build, check_table, make_sample


def test_character_error_rate() -> None:
    check_table(
        "cer",
        [
            (["for", "sale"], ["FOR SALE"], "en", 0.0),
            (["SALE"], ["FOR SALE"], "en", 0.5),
            (["SALE SALE"], ["SALE"], "en", 1.25),  # more text than asked: above 1
            (["CAFE"], ["Café"], "en", 0.25),
            (["ＣＡＦＥ"], ["cafe"], "en", 0.0),
            (["STRASSE"], ["Straße"], "de", 0.0),
            (["出 囗"], ["出口"], "zh", 0.5),
            (["每日新鲜", "烘焙"], ["每日新鲜烘焙"], "zh", 0.0),
            ([], ["FOR SALE"], "en", 1.0),
        ],
    )


def test_word_error_rate() -> None:
    check_table(
        "wer",
        [
            (["for", "sale"], ["FOR SALE"], "en", 0.0),
            (["SALE"], ["FOR SALE"], "en", 0.5),
            (["SALE FOR"], ["FOR SALE"], "en", 1.0),  # order counts
            (["SALE SALE SALE"], ["SALE"], "en", 2.0),
            (["cafe noir"], ["Café noir"], "en", 0.5),
            (["出囗"], ["出口"], "zh", 0.5),
            ([], ["FOR SALE"], "en", 1.0),
        ],
    )


def test_exact_text() -> None:
    check_table(
        "exact-text",
        [
            (["for", "sale"], ["FOR SALE"], "en", 1.0),
            (["SALE"], ["FOR SALE"], "en", 0.0),
            (["FOR SALE", "x"], ["FOR SALE"], "en", 0.0),
            (["Cafe"], ["Café"], "en", 0.0),
            (["Don't"], ["Don’t"], "en", 1.0),
            (["每日新鲜", "烘焙"], ["每日新鲜烘焙"], "zh", 1.0),
            ([], ["FOR SALE"], "en", 0.0),
        ],
    )


def test_the_identity_includes_the_folding() -> None:
    for name in ("cer", "wer", "exact-text"):
        assert build(name).replay_inputs() == {"folding": FOLDING}


TEXTS = st.lists(st.text("abcé ", min_size=1, max_size=12).filter(str.strip), min_size=1, max_size=4)


@settings(max_examples=40)
@given(TEXTS, TEXTS)
def test_run_values_equal_torchmetrics(read: list[str], expected: list[str]) -> None:
    from torchmetrics.functional.text import char_error_rate, word_error_rate

    pairs = list(zip(read, expected, strict=False))
    samples = [make_sample([line], [target]) for line, target in pairs]
    lines, targets = ([fold_text(text) for text in texts] for texts in zip(*pairs, strict=True))
    assert aggregate("cer", samples) == pytest.approx(char_error_rate(lines, targets).item(), rel=1e-6)
    assert aggregate("wer", samples) == pytest.approx(word_error_rate(lines, targets).item(), rel=1e-6)
