"""AnyText metrics by hand: (lines read, targets, language, value)."""

from tests.evaluation.metrics.text_rendering.readings import aggregate, check_table, make_sample, measure


def test_sentence_accuracy_keeps_case_and_accents() -> None:
    check_table(
        "text-sentence-accuracy",
        [
            (["FOR SALE"], ["FOR SALE"], "en", 1.0),
            (["For Sale"], ["FOR SALE"], "en", 0.0),
            (["Perché no?"], ["Perché no?"], "it", 1.0),
            (["Perche no?"], ["Perché no?"], "it", 0.0),
            (["Perche\u0301 no?"], ["Perché no?"], "it", 1.0),  # composed or not: the same to the eye
            (["出口"], ["出口"], "zh", 1.0),
            (["出囗"], ["出口"], "zh", 0.0),
            (["コーヒー400円"], ["コーヒー 400円"], "ja", 1.0),
            ([], ["OPEN"], "en", 0.0),
            (["OPEN", "24 HOURS"], ["OPEN"], "en", 1.0),  # more text than asked
            (["OPEN"], ["OPEN", "OPEN"], "en", 0.5),  # a line serves one target
            (["OPEN", "OPEN"], ["OPEN", "OPEN"], "en", 1.0),
        ],
    )


def test_a_sentence_may_span_several_lines() -> None:
    check_table(
        "text-sentence-accuracy",
        [
            (["FRESH BREAD", "DAILY"], ["FRESH BREAD DAILY"], "en", 1.0),
            (["Bakery", "FRESH BREAD", "DAILY", "8-12"], ["FRESH BREAD DAILY"], "en", 1.0),
            (["DAILY", "FRESH BREAD"], ["FRESH BREAD DAILY"], "en", 0.0),
            (["每日新鲜", "烘焙"], ["每日新鲜烘焙"], "zh", 1.0),
            (["FOR", "SALE", "SALE"], ["SALE", "FOR SALE"], "en", 1.0),  # the longer target is settled first
        ],
    )


def test_normalized_edit_distance_is_a_similarity() -> None:
    check_table(
        "text-ned",
        [
            (["FOR SALE"], ["FOR SALE"], "en", 1.0),
            (["FOR SALES"], ["FOR SALE"], "en", 1 - 1 / 9),
            (["for sale"], ["FOR SALE"], "en", 1 / 8),  # only the space agrees
            (["Perche no?"], ["Perché no?"], "it", 0.9),
            (["每日新鮮烘焙"], ["每日新鲜烘焙"], "zh", 5 / 6),
            ([], ["OPEN"], "en", 0.0),
            (["SALE SALE"], ["SALE"], "en", 1 - 5 / 9),
            (["OPEN", "CAFE"], ["OPEN", "CAFÉ"], "en", (1 + 3 / 4) / 2),
        ],
    )


def test_every_line_of_a_run_has_the_same_weight() -> None:
    """1 of 1 line and 1 of 3 lines: 2 of 4 lines, while the mean over images would be 2/3."""
    samples = [make_sample(["A1"], ["A1"]), make_sample(["B1"], ["B1", "C2", "D3"])]
    assert aggregate("text-sentence-accuracy", samples) == 0.5
    assert measure("text-ned", samples[1]).values == (1 / 3, 1.0, 3.0)
    assert aggregate("text-ned", samples) == 0.5
