"""Folding of typography and case: what our own metrics hold equal, and what they do not."""

import json
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.metrics.base import UnscoredError
from evaluation.metrics.text_rendering.folding import fold_text
from evaluation.metrics.text_rendering.reading import Reading, TextMetric
from tests.evaluation.metrics.text_rendering.readings import build, make_sample

OWN: Final = ("cer", "wer", "exact-text")

# (language, targets, lines read)
EQUAL: Final[list[tuple[str, list[str], list[str]]]] = [
    # apostrophes and quotation marks
    ("en", ["Don’t stop"], ["Don't stop"]),
    ("en", ["Don't stop"], ["Don‘t stop"]),
    ("en", ["Rock ’n’ Roll"], ["Rock `n´ Roll"]),
    ("haw", ["Hawaiʻi"], ["Hawai'i"]),
    ("en", ["“Open” daily"], ['"Open" daily']),
    ("de", ["„Guten Tag“"], ['"Guten Tag"']),
    ("fr", ["« Bonjour »"], ["«Bonjour»"]),
    ("fr", ["« Bonjour »"], ['"Bonjour"']),
    ("ja", ["〝特売〟"], ['"特売"']),
    ("en", ["6′ 2″"], ["6' 2\""]),
    # width and compatibility forms
    ("ja", ["ＳＡＬＥ　５０％"], ["SALE 50%"]),
    ("", ["ＳＡＬＥ"], ["SALE"]),
    ("ja", ["ｺｰﾋｰ"], ["コーヒー"]),
    ("ja", ["９時〜５時"], ["9時～5時"]),
    ("ja", ["カレー・ライス"], ["カレー･ライス"]),
    ("zh", ["营业时间：９－５"], ["营业时间:9-5"]),
    ("en", ["ﬁne oﬃce"], ["fine office"]),
    ("en", ["Wait…"], ["Wait..."]),
    ("ar", ["مرحبا"], ["ﻣﺮﺣﺒﺎ"]),
    ("nl", ["ĳsthee"], ["IJSTHEE"]),
    ("en", ["½ price"], ["1/2 price"]),
    ("en", ["1½ cups"], ["1 1/2 cups"]),
    ("en", ["1 1⁄2 cups"], ["1 ½ cups"]),
    ("ja", ["１½"], ["1 1/2"]),
    # composed and decomposed
    ("fr", ["café"], ["cafe\u0301"]),
    ("ko", ["안녕"], ["\u110b\u1161\u11ab\u1102\u1167\u11bc"]),
    ("vi", ["phở"], ["pho\u031b\u0309"]),
    # dashes and hyphens
    ("en", ["Rome — Paris"], ["Rome—Paris"]),
    ("en", ["Rome—Paris"], ["Rome - Paris"]),
    ("en", ["8–12"], ["8-12"]),
    ("en", ["8 – 12"], ["8 -12"]),
    ("en", ["−5 °C"], ["-5 °C"]),
    ("en", ["non‑stop"], ["non-stop"]),
    ("en", ["co\u00adoperate"], ["cooperate"]),
    ("en", ["information"], ["infor\u00ad", "mation"]),
    ("en", ["infor\u00ad\nmation"], ["infor-", "mation"]),
    ("en", ["International airport"], ["Inter-", "national airport"]),
    ("en", ["International airport"], ["Inter\u2010", "national air-", "port"]),
    ("en", ["Inter-\nnational airport"], ["International", "airport"]),
    ("en", ["Coca-Cola"], ["Coca-", "Cola"]),
    ("en", ["Rome—Paris"], ["Rome—", "Paris"]),
    ("en", ["555-1234"], ["555-", "1234"]),
    ("en", ["pre- and post-war"], ["pre- and post-", "war"]),
    ("en", ["pre- and post-war"], ["pre-", "and post-war"]),
    # invisible characters and spaces
    ("en", ["snow\u200bball"], ["snowball"]),
    ("fa", ["می\u200cخواهم"], ["میخواهم"]),
    ("he", ["\u200fשלום\u200e"], ["שלום"]),
    ("en", ["Yes ❤\ufe0f"], ["Yes ❤"]),
    ("en", ["10\u00a0km"], ["10 km"]),
    ("en", ["HOT\nCOFFEE"], ["HOT", "COFFEE"]),
    # case
    ("en", ["SALE today"], ["Sale Today"]),
    ("de", ["STRASSE"], ["Straße"]),
    ("de", ["STRAẞE"], ["STRASSE"]),
    ("tr", ["ISPARTA"], ["ısparta"]),
    ("tr-TR", ["İSTANBUL"], ["istanbul"]),
    ("tr", ["Diyarbakır"], ["DİYARBAKIR"]),
    ("az", ["ŞƏKİ qızılgül"], ["Şəki QIZILGÜL"]),
    ("lt", ["RÌBA Į\u0301EJO"], ["ri\u0307\u0300ba į\u0307\u0301ejo"]),
    ("el", ["Καφές"], ["ΚΑΦΕΣ"]),
    ("el", ["ΚΑΦΕΝΕΙΟ"], ["καφενείο"]),
    ("el", ["καφές"], ["Καφέσ"]),
]
DIFFERENT: Final[list[tuple[str, list[str], list[str]]]] = [
    ("en", ["C++"], ["C"]),
    ("en", ["C#"], ["C"]),
    ("en", ["$5.00"], ["500"]),
    ("en", ["$5.00"], ["$500"]),
    ("en", ["1,000"], ["1000"]),
    ("en", ["-5"], ["5"]),
    ("en", ["50%"], ["50"]),
    ("en", ["1½ cups"], ["11/2 cups"]),
    ("en", ["piñata"], ["pinata"]),
    ("fr", ["ÉCOLE"], ["ECOLE"]),
    ("en", ["cant"], ["can't"]),
    ("en", ["Coca-Cola"], ["CocaCola"]),
    ("en", ["re-sign"], ["resign"]),
    ("en", ["International"], ["Inter-national"]),
    ("en", ["Coca Cola"], ["Coca-", "Cola"]),
    ("zh", ["歡迎光臨"], ["欢迎光临"]),
    ("ja", ["コーヒー"], ["コ一ヒ一"]),  # the number one, not the sign of a long vowel
    ("ja", ["びよういん"], ["びょういん"]),
    ("tr", ["ısparta"], ["isparta"]),
    ("en", ["ISPARTA"], ["ısparta"]),
    ("tr", ["KIRMIZI"], ["kirmizi"]),
    ("de", ["Maße"], ["Mase"]),
    ("el", ["πότε"], ["ποτέ"]),
    ("es", ["mañana"], ["manana"]),
    ("ru", ["ёлка"], ["елка"]),
    ("he", ["שָׁלוֹם"], ["שלום"]),
]


def compare(name: str, lines: list[str], targets: list[str], language: str) -> float:
    """The value, whether there is a reader for the script or not."""
    metric = build(name)
    assert isinstance(metric, TextMetric)
    return metric.compare(Reading(tuple(lines), tuple(targets), language))[0]


@pytest.mark.parametrize(("language", "targets", "lines"), EQUAL)
def test_typography_does_not_count(language: str, targets: list[str], lines: list[str]) -> None:
    assert [compare(name, lines, targets, language) for name in OWN] == [0.0, 0.0, 1.0]


@pytest.mark.parametrize(("language", "targets", "lines"), DIFFERENT)
def test_letters_and_signs_count(language: str, targets: list[str], lines: list[str]) -> None:
    rate, words, exact = (compare(name, lines, targets, language) for name in OWN)
    assert rate > 0
    assert words > 0
    assert exact == 0.0


@pytest.mark.parametrize("name", OWN)
def test_targets_without_anything_visible_are_unscored(name: str) -> None:
    (found,) = build(name).measure_all([make_sample(["SALE"], ["\u200b\u00ad"])])
    assert isinstance(found, UnscoredError)
    assert "nothing visible" in str(found)


# What differs in more than typography, or is drawn in another order, among the recorded strings.
NOT_TYPOGRAPHY: Final = {
    *("emoji", "emoji only target", "hebrew niqqud", "zh trad vs simp", "two targets, swapped order"),
    *("target read twice", "vertical letters", "digits grouping", "plus sign C++", "price", "accent spanish en-lang"),
}


def test_recorded_strings_are_equal_where_only_typography_differs(shared_data: Path) -> None:
    file = shared_data / "field" / "text-strings.json"
    if not file.is_file():
        pytest.skip(f"there is no file {file}")
    cases: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))
    assert {case["case"] for case in cases} >= NOT_TYPOGRAPHY
    found = {case["case"] for case in cases if compare("cer", case["read"], case["targets"], case["language"]) > 0}
    assert found == NOT_TYPOGRAPHY


@given(st.text(max_size=30), st.sampled_from(["", "tr", "lt", "el", "de"]))
def test_folding_is_idempotent(text: str, language: str) -> None:
    folded = fold_text(text, language)
    assert fold_text(folded, language) == folded
