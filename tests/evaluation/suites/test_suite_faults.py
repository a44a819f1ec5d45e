"""A suite that contradicts itself, or names what is not there, is refused with the line."""

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


def load_faulty(file: Path) -> tuple[int, str]:
    with pytest.raises(DeclaredFileError) as caught:
        load_suite(file)
    fault = caught.value
    assert str(fault) == f"{fault.file}:{fault.line}: {fault.message}"
    return fault.line, fault.message


# What is changed, the line of the fault, and what is said.
KEYS = [
    ('title = "Signs"', 'title = "Signs"\nsize = 3', 4, "there is no key 'size' here. Known: name, version"),
    ('title = "Signs"\n', "", 1, "title is missing"),
    ("width = 256", 'width = "256"', 8, "width is '256'"),
    ("samples_per_prompt = 5", "samples_per_prompt = 0", 6, "greater than or equal to 1"),
    ("height = 128", "height = 128\nconfidence = 95", 10, "less than 1"),
    ('metric = "latency"', 'metric = "fidd"', 16, "there is no metric 'fidd'. Known: "),
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
    ("at_most = 30", "at_most = 30\nmin_samples = 21", 25, "wants 21 samples; this suite has 20"),
    ('tags = ["street"]', 'tags = ["road"]', 5, "no prompt has the tag 'road'. Known: indoors, street"),
    ('["prompts.toml"]', '["prompts.toml", "prompts.toml"]', 4, "2 of the prompt files are signs 2"),
    ("samples_per_prompt = 5", "samples_per_prompt = 4", 15, "latency needs at least 20 samples; this suite has 16"),
]
METRIC = '[[metrics]]\nmetric = "text-ned"'
UNFIT = [
    ("composition", 12, "composition is about none of the prompts"),
    ("pairs", 12, "pairs needs at least 5 prompts; this suite has 4"),
]


@pytest.mark.parametrize(("old", "new", "line", "message"), KEYS + CONTRADICTIONS)
def test_a_fault_is_told_with_its_line(tmp_path: Path, old: str, new: str, line: int, message: str) -> None:
    found, told = load_faulty(write_suite(tmp_path, (old, new)))
    assert message in told
    assert found == line


@pytest.mark.parametrize(("metric", "line", "message"), UNFIT)
def test_a_metric_that_has_nothing_to_measure_is_refused(tmp_path: Path, metric: str, line: int, message: str) -> None:
    added = f'[[metrics]]\nmetric = "{metric}"\n\n{METRIC}'
    found, told = load_faulty(write_suite(tmp_path, (METRIC, added)))
    assert (found, message in told) == (line, True), told


def test_an_unknown_extractor_is_refused(tmp_path: Path) -> None:
    added = f'[[metrics]]\nmetric = "vendi"\nextractor = "inception/clean"\n\n{METRIC}'
    found, told = load_faulty(write_suite(tmp_path, (METRIC, added)))
    assert found == 12
    assert "vendi names 'inception', which is no extractor. Known: clip-image, clip-text" in told


def test_images_of_one_prompt_are_not_compared_where_there_is_one(tmp_path: Path) -> None:
    added = (METRIC, f'[[metrics]]\nmetric = "pairs"\n\n{METRIC}')
    _, told = load_faulty(write_suite(tmp_path, added, ("samples_per_prompt = 5", "samples_per_prompt = 1")))
    assert "samples_per_prompt is 1, wanted at least 2" in told


def test_five_variants_need_five_samples(tmp_path: Path) -> None:
    added = (METRIC, f'[[metrics]]\nmetric = "variants-time"\n\n{METRIC}')
    pack = PACK.replace('"indoors"', '"street"')
    assert load_suite(write_suite(tmp_path, added, pack=pack)).n_samples == 25
    _, told = load_faulty(write_suite(tmp_path, added, ("samples_per_prompt = 5", "samples_per_prompt = 4"), pack=pack))
    assert "samples_per_prompt is 4, wanted at least 5" in told


def test_text_metrics_count_the_prompts_with_targets_alone(tmp_path: Path) -> None:
    without = PACK.replace('targets = ["STOP p0"]\n', "").replace('targets = ["STOP p1"]\n', "")
    assert load_suite(write_suite(tmp_path, pack=without)).n_samples == 20
    _, told = load_faulty(write_suite(tmp_path, pack=without.replace('targets = ["STOP p2"]\n', "")))
    assert "text-ned needs at least 10 samples; this suite has 5 of them for it" in told
    none = "\n".join(line for line in PACK.split("\n") if not line.startswith("targets"))
    _, told = load_faulty(write_suite(tmp_path, pack=none))
    assert "text-ned is about none of the prompts" in told


def test_a_metric_without_a_better_direction_takes_no_margin(tmp_path: Path) -> None:
    added = (METRIC, f'[[metrics]]\nmetric = "indifferent"\n\n{METRIC}')
    rule = "[[gate]]\nmetric = 'text-ned'".replace("'", '"')
    gate = (rule, rule.replace("text-ned", "indifferent") + "\nmin_gain = 0.1\n\n" + rule)
    _, told = load_faulty(write_suite(tmp_path, added, gate))
    assert "indifferent has no better direction" in told
    bound = (rule, rule.replace("text-ned", "indifferent") + "\nat_most = 0.1\n\n" + rule)
    assert load_suite(write_suite(tmp_path, added, bound)).gate[0].at_most == 0.1


def test_a_fault_in_a_prompt_file_is_told_with_that_file(tmp_path: Path) -> None:
    write_suite(tmp_path, pack=PACK.replace('tags = ["street"]', 'tgas = ["street"]', 1))
    with pytest.raises(DeclaredFileError) as caught:
        load_suite(tmp_path / "suite.toml")
    assert (caught.value.file, caught.value.line) == (tmp_path / "prompts.toml", 11)
    assert "there is no key 'tgas' here. Known: key, text" in caught.value.message


def test_a_prompt_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    file = write_suite(tmp_path)
    (tmp_path / "prompts.toml").unlink()
    with pytest.raises(DeclaredFileError, match=r"suite\.toml:4: .*there is no file .prompts\.toml., seen from here"):
        load_suite(file)


def test_a_source_image_that_is_not_there_is_told(tmp_path: Path) -> None:
    write_suite(tmp_path, pack=PACK.replace('tags = ["street"]', 'sources = ["none.png"]', 1))
    with pytest.raises(DeclaredFileError, match=r"prompts\.toml:11: the image 'none\.png' cannot be read"):
        read_pack(tmp_path / "prompts.toml")


def test_two_prompts_with_one_key_are_refused(tmp_path: Path) -> None:
    write_suite(tmp_path, pack=PACK.replace('key = "p1"', 'key = "p0"'))
    with pytest.raises(DeclaredFileError, match=r"prompts\.toml:5: .*these stand twice: p0"):
        read_pack(tmp_path / "prompts.toml")


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "suite.toml"
    file.write_bytes(b'name = "x"\ntitle = "\xff"\n')
    assert load_faulty(file) == (2, "these bytes are not UTF-8. Save the file as UTF-8.")
