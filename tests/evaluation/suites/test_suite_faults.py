"""Invalid suites: each error is reported with its file and line."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import pytest

from evaluation.metrics.base import Declaration, Measurement, PromptMetric, SampleInputs, SampleMetric
from evaluation.metrics.registry import METRICS
from evaluation.suites.suite import load_suite
from generators.input_files.declared_files import DeclaredFileError
from generators.prompts.packs import read_pack
from tests.evaluation.suites.suite_files import PACK, write_suite


class Indifferent(SampleMetric):
    declaration: ClassVar[Declaration] = Declaration(
        title="I", unit="", higher_is_better=None, min_samples=1, source="here"
    )


class Pairs(PromptMetric):
    declaration: ClassVar[Declaration] = Declaration(
        title="P", unit="", higher_is_better=True, min_samples=5, source="here"
    )

    def measure(self, samples: Sequence[SampleInputs]) -> Measurement:
        return Measurement((float(len(samples)),))


@pytest.fixture(autouse=True)
def _metrics_of_this_file(monkeypatch: pytest.MonkeyPatch) -> None:
    for metric in (Indifferent, Pairs):
        monkeypatch.setitem(METRICS, metric.__name__.lower(), f"{__name__}.{metric.__name__}")


def load_invalid(file: Path) -> tuple[int, str]:
    with pytest.raises(DeclaredFileError) as caught:
        load_suite(file)
    error = caught.value
    assert str(error) == f"{error.file}:{error.line}: {error.message}"
    return error.line, error.message


# Old text, new text, line of the error, message.
KEYS = [
    ('title = "Signs"', 'title = "Signs"\nsize = 3', 4, "there is no key 'size' here. Known: name, version"),
    ('title = "Signs"\n', "", 1, "title is missing"),
    ("width = 256", 'width = "256"', 8, "width is '256'"),
    ("samples_per_prompt = 5", "samples_per_prompt = 0", 6, "greater than or equal to 1"),
    ("height = 128", "height = 128\nconfidence = 95", 10, "less than 1"),
    ('metric = "latency"', 'metric = "fidd"', 16, "there is no metric 'fidd'. Known: "),
    (
        '[[metrics]]\nmetric = "text-ned"',
        '[[metrics]]\nmetric = "text-end"',
        13,
        "there is no metric 'text-end'. Known: ",
    ),
    ('[[metrics]]\nmetric = "text-ned"', "[[metrics]]\nmetric = 5", 13, "metric is '5'"),
    ('[[metrics]]\nmetric = "text-ned"', "[[metrics]]\nsigma = 5", 12, "metric is missing"),
    ('metric = "latency"\n', "", 15, "metric is missing"),
    ("percentile = 95", "percent = 95", 18, "there is no key 'percent' here. Known: label, percentile"),
    ("percentile = 95", "percentile = 100", 18, "percentile is '100'"),
    ('label = "latency-p95"', 'label = "Latency P95"', 17, "label is 'Latency P95'"),
    ("at_most = 30", "at_mots = 30", 27, "there is no key 'at_mots' here. Known: metric, at_least"),
    ("at_most = 30", "at_most = nan", 27, "at_most is"),
    ("width = 256", "width = ", 8, "this is not TOML"),
]
CONTRADICTIONS = [
    ('label = "latency-p95"', 'label = "text-ned"', 12, "two metrics have the label text-ned"),
    ('metric = "latency-p95"', 'metric = "latency"', 25, "rule is on 'latency'; no metric of this suite"),
    ("at_most = 30", "min_samples = 3", 25, "has no bound"),
    ("at_most = 30", "at_most = 30\nat_least = 31", 25, "no value is at least 31"),
    ("at_most = 30", "at_most = 30\nmin_samples = 21", 25, "needs 21 samples; this suite has 20"),
    ('tags = ["street"]', 'tags = ["road"]', 5, "no prompt has the tag 'road'. Known: indoors, street"),
    ('["prompts.toml"]', '["prompts.toml", "prompts.toml"]', 4, "2 of the prompt files are signs 2"),
    ("samples_per_prompt = 5", "samples_per_prompt = 4", 15, "latency needs at least 20 samples; this suite has 16"),
]
METRIC = '[[metrics]]\nmetric = "text-ned"'
NOT_APPLICABLE = [
    ("composition", 12, "composition applies to none of the prompts"),
    ("pairs", 12, "pairs needs at least 5 prompts; this suite has 4"),
]


@pytest.mark.parametrize(("old", "new", "line", "expected"), KEYS + CONTRADICTIONS)
def test_an_error_is_reported_with_its_line(tmp_path: Path, old: str, new: str, line: int, expected: str) -> None:
    found, message = load_invalid(write_suite(tmp_path, (old, new)))
    assert expected in message
    assert found == line


@pytest.mark.parametrize(("metric", "line", "expected"), NOT_APPLICABLE)
def test_a_metric_without_enough_prompts_is_rejected(tmp_path: Path, metric: str, line: int, expected: str) -> None:
    added = f'[[metrics]]\nmetric = "{metric}"\n\n{METRIC}'
    found, message = load_invalid(write_suite(tmp_path, (METRIC, added)))
    assert (found, expected in message) == (line, True), message


def test_an_unknown_extractor_is_rejected(tmp_path: Path) -> None:
    added = f'[[metrics]]\nmetric = "vendi"\nextractor = "inception/clean"\n\n{METRIC}'
    found, message = load_invalid(write_suite(tmp_path, (METRIC, added)))
    assert found == 12
    assert "vendi names 'inception', which is not an extractor. Known: clip-image, clip-text" in message


def test_a_metric_on_prompts_needs_several_images_of_each(tmp_path: Path) -> None:
    added = (METRIC, f'[[metrics]]\nmetric = "pairs"\n\n{METRIC}')
    _, message = load_invalid(write_suite(tmp_path, added, ("samples_per_prompt = 5", "samples_per_prompt = 1")))
    assert "samples_per_prompt is 1 and must be at least 2" in message


def test_five_variants_need_five_samples(tmp_path: Path) -> None:
    added = (METRIC, f'[[metrics]]\nmetric = "variants-time"\n\n{METRIC}')
    pack = PACK.replace('"indoors"', '"street"')
    assert load_suite(write_suite(tmp_path, added, pack=pack)).n_samples == 25
    _, message = load_invalid(
        write_suite(tmp_path, added, ("samples_per_prompt = 5", "samples_per_prompt = 4"), pack=pack)
    )
    assert "samples_per_prompt is 4 and must be at least 5" in message


def test_text_metrics_count_only_prompts_with_targets(tmp_path: Path) -> None:
    without = PACK.replace('targets = ["STOP p0"]\n', "").replace('targets = ["STOP p1"]\n', "")
    assert load_suite(write_suite(tmp_path, pack=without)).n_samples == 20
    _, message = load_invalid(write_suite(tmp_path, pack=without.replace('targets = ["STOP p2"]\n', "")))
    assert "text-ned needs at least 10 samples; this suite has 5 that it applies to" in message
    none = "\n".join(line for line in PACK.split("\n") if not line.startswith("targets"))
    _, message = load_invalid(write_suite(tmp_path, pack=none))
    assert "text-ned applies to none of the prompts" in message


def test_a_metric_without_a_better_direction_cannot_have_a_margin(tmp_path: Path) -> None:
    added = (METRIC, f'[[metrics]]\nmetric = "indifferent"\n\n{METRIC}')
    rule = "[[gate]]\nmetric = 'text-ned'".replace("'", '"')
    gate = (rule, rule.replace("text-ned", "indifferent") + "\nmin_gain = 0.1\n\n" + rule)
    _, message = load_invalid(write_suite(tmp_path, added, gate))
    assert "indifferent has no better direction" in message
    bound = (rule, rule.replace("text-ned", "indifferent") + "\nat_most = 0.1\n\n" + rule)
    assert load_suite(write_suite(tmp_path, added, bound)).gate[0].at_most == 0.1


def test_an_error_in_a_prompt_file_names_that_file(tmp_path: Path) -> None:
    write_suite(tmp_path, pack=PACK.replace('tags = ["street"]', 'tgas = ["street"]', 1))
    with pytest.raises(DeclaredFileError) as caught:
        load_suite(tmp_path / "suite.toml")
    assert (caught.value.file, caught.value.line) == (tmp_path / "prompts.toml", 11)
    assert "there is no key 'tgas' here. Known: key, text" in caught.value.message


def test_a_missing_prompt_file_is_reported(tmp_path: Path) -> None:
    file = write_suite(tmp_path)
    (tmp_path / "prompts.toml").unlink()
    with pytest.raises(DeclaredFileError, match=r"suite\.toml:4: .*no file .prompts\.toml. relative to this one"):
        load_suite(file)


def test_a_missing_source_image_is_reported(tmp_path: Path) -> None:
    write_suite(tmp_path, pack=PACK.replace('tags = ["street"]', 'sources = ["none.png"]', 1))
    with pytest.raises(DeclaredFileError, match=r"prompts\.toml:11: the image 'none\.png' cannot be read"):
        read_pack(tmp_path / "prompts.toml")


def test_two_prompts_with_the_same_key_are_rejected(tmp_path: Path) -> None:
    write_suite(tmp_path, pack=PACK.replace('key = "p1"', 'key = "p0"'))
    with pytest.raises(DeclaredFileError, match=r"prompts\.toml:5: .*these are repeated: p0"):
        read_pack(tmp_path / "prompts.toml")


def test_a_file_that_is_not_utf8_is_rejected(tmp_path: Path) -> None:
    file = tmp_path / "suite.toml"
    file.write_bytes(b'name = "x"\ntitle = "\xff"\n')
    assert load_invalid(file) == (2, "these bytes are not UTF-8. Save the file as UTF-8.")
