"""Text normalization, words and quotation marks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.metrics.text_rendering.words import (
    count_shared,
    edit_distance,
    find_quoted,
    is_unspaced,
    split_words,
    strip_marks,
    tidy_text,
)


def test_composed_and_decomposed_letters_are_equal() -> None:
    assert tidy_text("perche\u0301 \t no\n") == "perché no"


@pytest.mark.parametrize(
    ("text", "language", "kept"),
    [
        ("FRESH BREWS, EVERY - DAY!", "en", "FRESH BREWS EVERY DAY"),
        ("Café crème: 4 €", "en", "Café crème 4"),
        ("Così è però", "en", "Cos è per"),  # the published programs know the accents of French alone
        ("Così è però, sì!", "it", "Così è però sì"),
        ("本地烘焙，始于1998", "zh", "本地烘焙始于1998"),
        ("ラーメン・６００円", "ja", "ラーメン６００円"),
        ("कॉफ़ी!", "hi", "कॉफ़ी"),  # vowel signs are marks, and stay
    ],
)
def test_punctuation_and_symbols_are_removed(text: str, language: str, kept: str) -> None:
    assert strip_marks(text, language) == kept


@pytest.mark.parametrize(
    ("language", "texts", "unspaced"),
    [
        ("zh", ["SALE"], True),
        ("zh-Hant-TW", [], True),
        ("ja_JP", [], True),
        ("ko", ["커피 한 잔"], False),
        ("en", ["出口"], False),
        ("", ["出口"], True),
        ("", ["exit", "ラーメン"], True),
        ("", ["ยินดีต้อนรับ"], True),
        ("", ["ကော်ဖီ"], True),
        ("", ["𠮷野家"], True),
        ("", ["안녕 여러분"], False),
        ("", ["exit"], False),
    ],
)
def test_language_or_script_decides_whether_words_have_spaces(language: str, texts: list[str], unspaced: bool) -> None:
    assert is_unspaced(language, texts) is unspaced


def test_texts_without_spaces_are_split_into_characters() -> None:
    assert split_words("公园 2公里", True) == ["公", "园", "2", "公", "里"]
    assert split_words(" CENTRAL  PARK ", False) == ["CENTRAL", "PARK"]


def test_quotation_marks_are_found_and_apostrophes_ignored() -> None:
    text = "A sign 'Grand Opening' by Anna's shop, \"50% off\", “now”, «sì», 「出口」, the dogs' bowl"
    assert find_quoted(text) == ("Grand Opening", "50% off", "now", "sì", "出口")
    assert find_quoted("Schilder „Geöffnet“, »Neu« und „Otwarte”") == ("Geöffnet", "Neu", "Otwarte")


def test_shared_words_are_counted_as_multisets() -> None:
    assert count_shared(["sale", "sale", "now"], ["sale", "sale", "sale"]) == 2


@given(st.text("abc", max_size=7), st.text("abc", max_size=7))
def test_edit_distance_equals_the_textbook_algorithm(a: str, b: str) -> None:
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row = row, [i]
        for j, y in enumerate(b, 1):
            row.append(min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (x != y)))
    assert edit_distance(a, b) == row[-1]
