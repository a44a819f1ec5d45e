"""OneIG-Bench metrics by hand: (lines read, targets, language, value)."""

import pytest

from tests.evaluation.metrics.text_rendering.readings import aggregate, check_table, make_sample, measure


def test_edit_distance_keeps_case_and_drops_punctuation() -> None:
    check_table(
        "oneig-ed",
        [
            (["FOR", "SALE!"], ["For-sale"], "en", 7.0),  # "FOR SALE" and "Forsale": 6 letters and the space
            (["FOR SALE!"], ["“FOR SALE”"], "en", 0.0),
            (["Café"], ["Cafe"], "en", 1.0),
            (["Cosi"], ["Così"], "en", 1.0),  # ì is not among the published letters: "Cosi" and "Cos"
            (["Cosi"], ["Così"], "it", 1.0),
            (["Cos"], ["Così"], "en", 0.0),
            (["Cos"], ["Così"], "it", 1.0),
            (["本地烘焙 始于1998"], ["本地烘焙，始于1998"], "zh", 0.0),
            (["本地烘焙始于1998 OPEN"], ["本地烘焙"], "zh", 10.0),
            (["ラーメン"], ["ラーメソ"], "ja", 1.0),
            (["SALE SALE"], ["SALE"], "en", 5.0),
            ([], ["FOR SALE"], "en", 8.0),
        ],
    )


def test_a_text_without_edits_is_complete() -> None:
    check_table(
        "oneig-cr",
        [
            (["FOR", "SALE!"], ["FOR SALE"], "en", 1.0),
            (["for sale"], ["FOR SALE"], "en", 0.0),
            (["FOR SALE", "now"], ["FOR SALE"], "en", 0.0),
            (["每日"], ["每日"], "zh", 1.0),
            ([], ["FOR SALE"], "en", 0.0),
        ],
    )


def test_word_accuracy_counts_words_and_chinese_characters() -> None:
    check_table(
        "oneig-wac",
        [
            (["SALE"], ["FOR SALE"], "en", 0.5),
            (["SALE SALE", "FOR"], ["FOR SALE"], "en", 1.0),
            (["sale"], ["FOR SALE"], "en", 0.0),
            (["每日新鮮"], ["每日新鲜"], "zh", 0.75),
            (["OPEN 24"], ["OPEN 24 H"], "zh", 2 / 3),  # no Chinese in the target: words, as published
            (["ラーソ"], ["ラーメン"], "ja", 0.5),
            ([], ["FOR SALE"], "en", 0.0),
        ],
    )


def test_words_are_pooled_over_a_run() -> None:
    samples = [make_sample(["A"], ["A"]), make_sample([], ["B C D"])]
    assert aggregate("oneig-wac", samples) == 0.25  # the mean of the images would be 0.5
    assert aggregate("oneig-cr", samples) == 0.5
    assert aggregate("oneig-ed", samples) == 2.5


def test_the_text_score_is_computed_from_means() -> None:
    """ED (0 + 8)/2 = 4, CR 1/2, WAC 3/4: 1 - 4·0.5·0.25/100."""
    samples = [make_sample(["FOR SALE"], ["FOR SALE"]), make_sample(["SALE"], ["SALE FORMING"])]
    assert measure("oneig-text", samples[1]).values == (1 - 8 * 1 * 0.5 / 100, 8.0, 0.0, 1.0, 2.0, 100.0)
    assert aggregate("oneig-text", samples) == pytest.approx(0.995)


def test_edits_are_capped_at_50_for_chinese_and_100_otherwise() -> None:
    assert aggregate("oneig-text", [make_sample([], ["字" * 60], "zh")]) == 0.0
    assert aggregate("oneig-text", [make_sample([], ["x" * 60], "en")]) == pytest.approx(0.4)
    assert aggregate("oneig-text", [make_sample([], ["x" * 160], "en")]) == 0.0
    assert aggregate("oneig-text", [make_sample([], ["字"], "zh")] * 3) == pytest.approx(0.98)


def test_a_run_in_two_languages_has_the_mean_of_their_scores() -> None:
    chinese, english = make_sample([], ["字" * 60], "zh"), make_sample(["OPEN"], ["OPEN"])
    assert aggregate("oneig-text", [chinese, english, english, english]) == pytest.approx(0.75)


@pytest.mark.parametrize("name", ["oneig-cr", "oneig-wac", "longtext-recall"])
@pytest.mark.parametrize("language", ["", "en"])
@pytest.mark.parametrize(
    ("target", "reader", "wrong"),
    [("Кафе 24", "ocr/cyrillic", "Бар 24"), ("ラーメン 24", "ocr", "カレー 24"), ("커피 24", "ocr/korean", "빵 24")],
)
def test_letters_that_the_benchmark_does_not_know_count(
    name: str, language: str, target: str, reader: str, wrong: str
) -> None:
    """English prompts ask for texts in other scripts too; the published rules would compare "24" alone."""
    for line, is_right in ((target, True), (wrong, False)):
        read = {reader: {"lines": [{"text": line, "confidence": 0.9, "box": []}]}}
        found = measure(name, make_sample([], [target], language, extracted=read)).values[0]
        assert (found == 1.0) is is_right
