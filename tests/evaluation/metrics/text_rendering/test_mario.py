"""MARIO-Eval metrics by hand: (lines read, targets, language, value)."""

import pytest

from evaluation.metrics.base import PromptInputs, UnscoredError
from tests.evaluation.metrics.text_rendering.readings import aggregate, build, check_table, make_sample, measure


def test_precision() -> None:
    check_table(
        "mario-precision",
        [
            (["for sale"], ["FOR SALE"], "en", 1.0),
            (["SALE SALE"], ["SALE"], "en", 0.5),  # a doubled word is wrong once
            (["SALE"], ["SALE SALE"], "en", 1.0),
            (["OPEN", "NOW", "x", "y"], ["OPEN"], "en", 0.25),
            (["PERCHÉ no"], ["Perché no"], "it", 1.0),
            (["出囗"], ["出口"], "zh", 0.5),
            (["出口。"], ["出口"], "zh", 2 / 3),
            ([], ["SALE"], "en", 0.0),
        ],
    )


def test_recall() -> None:
    check_table(
        "mario-recall",
        [
            (["SALE"], ["FOR SALE"], "en", 0.5),
            (["SALE", "FOR"], ["FOR SALE"], "en", 1.0),
            (["SALE"], ["SALE SALE"], "en", 0.5),
            (["SALE,"], ["SALE"], "en", 0.0),  # punctuation belongs to the word
            (["OPEN", "NOW", "x", "y"], ["OPEN"], "en", 1.0),
            (["perche no"], ["Perché no"], "it", 0.5),
            (["口出"], ["出口"], "zh", 1.0),
            ([], ["SALE"], "en", 0.0),
        ],
    )


def test_accuracy_compares_the_sorted_words_joined() -> None:
    check_table(
        "mario-accuracy",
        [
            (["for", "Sale"], ["FOR SALE"], "en", 1.0),
            (["SALE FOR"], ["FOR SALE"], "en", 1.0),
            (["FORSALE"], ["FOR SALE"], "en", 1.0),  # as published: a lost space between sorted words is not seen
            (["FOR SALE SALE"], ["FOR SALE"], "en", 0.0),
            (["口出"], ["出口"], "zh", 1.0),
            ([], ["SALE"], "en", 0.0),
        ],
    )


def test_f_is_computed_from_mean_precision_and_mean_recall() -> None:
    samples = [
        make_sample(["SALE", "x", "y", "z"], ["SALE"]),  # P 1/4, R 1, F 0.4
        make_sample(["SALE"], ["FOR SALE NOW HERE"]),  # P 1, R 1/4, F 0.4
    ]
    assert [measure("mario-f", sample).values for sample in samples] == [(0.4, 0.25, 1.0), (0.4, 1.0, 0.25)]
    assert aggregate("mario-f", samples) == pytest.approx(0.625)  # the mean of the images' F would be 0.4
    assert aggregate("mario-precision", samples) == aggregate("mario-recall", samples) == 0.625
    assert aggregate("mario-f", [make_sample([], ["SALE"])]) == 0.0


def test_words_in_quotation_marks_can_be_the_expected_words() -> None:
    prompt = PromptInputs(key="p", text="A shop's sign says 'Grand Opening'", targets=("something else",))
    sample = make_sample(["grand", "opening"], [], prompt=prompt)
    assert measure("mario-recall", sample, expected="quoted").values == (1.0,)
    assert measure("mario-recall", sample).values == (0.0,)
    bare = make_sample(["x"], [], prompt=PromptInputs(key="p", text="A shop's sign", targets=("x",)))
    (found,) = build("mario-recall", expected="quoted").measure_all([bare])
    assert isinstance(found, UnscoredError)
    assert "quotation marks" in str(found)
