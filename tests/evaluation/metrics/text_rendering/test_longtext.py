"""LongText-Bench recall by hand: (lines read, targets, language, value)."""

import json
from pathlib import Path

from tests.evaluation.metrics.text_rendering.readings import aggregate, check_table, make_sample, measure


def test_word_recall() -> None:
    check_table(
        "longtext-recall",
        [
            (["fresh brews,", "every morning"], ["FRESH BREWS", "EVERY MORNING!"], "en", 1.0),
            (["every"], ["every day every night"], "en", 0.25),
            (["every every every"], ["every day every night"], "en", 0.5),
            (["cafe"], ["Café"], "en", 0.0),
            (["PERCHÉ SÌ"], ["perché sì"], "it", 1.0),
            (["perche si"], ["perché sì"], "it", 0.0),
            (["营业 时间：早7点"], ["营业时间早7点至晚"], "zh", 7 / 9),
            (["open"], ["OPEN"], "zh", 0.0),  # of characters the case is kept
            (["静かに"], ["静かにしてください"], "ja", 3 / 9),
            ([], ["EVERY DAY"], "en", 0.0),
        ],
    )


def test_long_texts_have_more_weight_in_a_run() -> None:
    samples = [make_sample(["A"], ["A"]), make_sample([], ["B C D"])]
    assert aggregate("longtext-recall", samples) == 0.25


def test_perfect_readings_of_the_benchmarks_texts_have_value_1(shared_data: Path) -> None:
    for language, n_words in (("en", 4263), ("zh", 7944)):
        lines = (shared_data / "prompts" / f"longtext_{language}.jsonl").read_text(encoding="utf-8").splitlines()
        targets = [json.loads(line)["text"] for line in lines]
        samples = [make_sample(texts[::-1], texts, language) for texts in targets]
        assert sum(measure("longtext-recall", sample).values[2] for sample in samples) == n_words
        assert aggregate("longtext-recall", samples) == 1.0
