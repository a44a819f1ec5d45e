"""Markdown report: short for every suite, complete about the verdict, and safe with any text."""

import html
import re
import unicodedata
from dataclasses import replace

from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from evaluation.reports.markdown import escape, to_markdown
from evaluation.reports.report import SampleScore
from evaluation.suites.gate import Rule
from tests.evaluation.reports.sample_reports import (
    HOSTILE,
    MISSING,
    make_hostile_report,
    make_outcome,
    make_report,
    make_sample,
)

RENDERER = MarkdownIt("gfm-like", {"linkify": False, "html": True})


def test_the_comment_shows_the_verdict_and_its_reasons() -> None:
    text = to_markdown(make_report())
    lines = text.splitlines()
    assert lines[0] == "### ❌ FAIL · Fresco 2 (step-48000) on smoke"
    assert "2 of 3 samples drawn, 1 refused, 0 failed, $0.08." in text
    assert "Baseline: Fresco 1 (step-40000). Commit 0a1b2c3d4e5f." in text
    rules = [line for line in lines if "at most" in line or "at least" in line]
    assert [line.split(" |")[0] for line in rules] == ["| ❌ FAIL", "| ⚠️ INCONCLUSIVE", "| ✅ PASS", "| ✅ PASS"]
    assert "**630 more samples** would decide it." in rules[1]
    assert "| Text: sentence accuracy | **84 %** ↑ | 79 to 88 % | +6 percentage points (+2 to +10) | 120 / 0 |" in lines
    assert "| FID | **14** ↓ | 12 to 16.5 | the reference sets differ | 120 / 0 |" in lines
    assert any(line.startswith("| A shop window with a sign that says “SUMMER SALE” | 0 | 0 % |") for line in lines)


def test_arrows_are_explained_below_the_metrics() -> None:
    legend = "↑ higher is better, ↓ lower is better"
    assert legend in to_markdown(make_report()).splitlines()
    assert legend not in to_markdown(make_report(outcomes=(make_outcome(higher_is_better=None),), policy=()))


def test_a_metric_used_twice_is_shown_with_its_labels() -> None:
    outcomes = tuple(make_outcome(label=label) for label in ("text-sentence-accuracy", "poster-accuracy"))
    text = to_markdown(make_report(outcomes=outcomes))
    assert "| Text: sentence accuracy (poster-accuracy) | **84 %** ↑ |" in text
    assert "Worst samples by Text: sentence accuracy (text-sentence-accuracy):" in text


def test_an_unscored_metric_says_why() -> None:
    outcome = make_outcome(value=None, ci_low=None, ci_high=None, reason="the weights are missing", n_scored=0)
    text = to_markdown(make_report(outcomes=(outcome,)))
    assert "unscored: the weights are missing" in text
    assert "There is no value: the weights are missing." in text


def test_reasons_of_unscored_samples_are_grouped() -> None:
    report = make_report(outcomes=tuple(make_outcome(label=label, title=label, reasons=MISSING) for label in "abcdef"))
    text = to_markdown(replace(report, outcomes=(*report.outcomes, make_outcome(label="g", reasons={"refused": 1}))))
    others = "a, b, c and 3 more metrics"
    assert f"- {others}: 25 × no file … (for example 'p0.png'); 2 × no image: refused\n" in text
    assert "- Text: sentence accuracy: 1 × refused\n" in text
    assert "p1.png" not in text
    assert "Unscored" not in to_markdown(make_report())


def test_without_a_verdict_nothing_looks_green() -> None:
    for report in (make_report(verdict=None, status="drawing"), make_report(policy=(), outcomes=())):
        text = to_markdown(report)
        assert "✅" not in text
        assert "No rule was judged" in text
    assert "The run is drawing." in to_markdown(make_report(verdict=None, status="drawing"))


def test_the_comment_is_short_for_any_suite() -> None:
    labels = [f"metric-{i}" for i in range(40)]
    report = make_report(
        outcomes=tuple(make_outcome(label=label, value=0.84, reasons={f"why {label}": 1}) for label in labels),
        policy=(*(Rule(metric=label, at_least=0.5, max_loss=0.01) for label in labels), Rule(metric="x", at_most=0)),
        samples=tuple(
            make_sample(prompt_key=f"p{i}", scores={label: SampleScore(value=i / 99) for label in labels})
            for i in range(99)
        ),
        warnings=("careful",) * 40,
    )
    text = to_markdown(report)
    assert len(text.splitlines()) < 80
    assert "and 34 more metrics: see" in text
    assert "and 69 more rules" in text
    assert "and 24 more metrics" in text
    assert "and 30 more warnings" in text
    assert "INCONCLUSIVE" in text.splitlines()[6]  # failed and inconclusive rules come first


def test_hostile_texts_are_escaped() -> None:
    report = make_hostile_report()
    text = to_markdown(report)
    assert len(text.splitlines()) < 60
    assert len(text) < 65_536  # GitHub's limit
    page = RENDERER.render(text)
    assert set(re.findall(r"<(\w+)", page)) <= {
        "h3",
        "p",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "strong",
        "sub",
        "ul",
        "li",
    }
    for table in re.findall(r"<table>.*?</table>", page, re.DOTALL):
        widths = {row.count("<th") + row.count("<td") for row in table.split("<tr>")[1:]}
        assert len(widths) == 1, "a pipe moved a cell"
    assert "\u202e" not in text
    assert "\x00" not in text


def test_mentions_and_links_are_disabled() -> None:
    written = escape(HOSTILE)
    decoded = re.sub(r"&#(\d+);", lambda found: chr(int(found[1])), written)
    assert not re.search(r"@\w|#\d|www\.|://", decoded)
    assert "@all" in decoded.replace("\u200b", "")


@given(st.text(max_size=300))
@example(HOSTILE)
def test_an_escaped_text_is_one_line_without_markup(text: str) -> None:
    seen = "".join(c for c in " ".join(text.split()) if unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Co"})
    shown = RENDERER.renderInline(f"x{escape(text, 300)}x")
    assert "<" not in shown
    assert html.unescape(shown).replace("\u200b", "") == f"x{seen}x"


def test_plain_text_is_not_escaped() -> None:
    assert escape("Three cats, 2.5 m: “ciao” (è) 日本 🦊") == "Three cats, 2.5 m: “ciao” (è) 日本 🦊"
    assert escape("a" * 300, 10) == "a" * 9 + "…"
    assert escape(replace(make_sample(), prompt="a\n\tb").prompt) == "a b"
