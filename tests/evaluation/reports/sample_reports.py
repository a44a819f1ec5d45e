"""Sample reports for tests, and their images."""

import io
from dataclasses import replace
from typing import Any

from PIL import Image

from evaluation.reports.report import (
    FoundObject,
    ReadLine,
    ReportedModel,
    ReportedSuite,
    RunReport,
    SampleReport,
    SampleScore,
)
from evaluation.results import Comparison, MetricOutcome
from evaluation.suites.gate import Rule, judge

# A text that breaks careless renderers.
HOSTILE = (
    "<script>alert(1)</script> | `x` \"q\" 'q' & ]]> {{ 1 }} {% x %} @all #1 www.x.it \u202eabc\x00\x1b 🦊 שלום\n# no"
)

# Reasons of unscored samples, of which 25 differ only in a file name.
MISSING = {f"no file 'p{n}.png'": 1 for n in range(25)} | {"no image: refused": 2}


def make_outcome(**changes: Any) -> MetricOutcome:
    """A text metric, clearly better than its baseline."""
    fields: dict[str, Any] = {
        "label": "text-sentence-accuracy",
        "name": "text-sentence-accuracy",
        "title": "Text: sentence accuracy",
        "unit": "share",
        "higher_is_better": True,
        "min_samples": 30,
        "source": "AnyText (Tuo et al. 2023), section 5.1",
        "value": 0.84,
        "ci_low": 0.79,
        "ci_high": 0.88,
        "interval": "bootstrap over prompts, 1,000 resamples",
        "n_scored": 120,
        "n_prompts": 40,
        "identity": {"metric": "text-sentence-accuracy", "extractors": {"ocr": {"sha256": "ab" * 32}}},
        "comparison": Comparison(
            value=0.84, baseline=0.78, difference=0.06, ci_low=0.02, ci_high=0.1, n_samples=120, n_prompts=40
        ),
    }
    return MetricOutcome(**{**fields, **changes})


def make_sample(**changes: Any) -> SampleReport:
    """A sign with a spelling mistake."""
    fields: dict[str, Any] = {
        "prompt_key": "sale",
        "prompt": "A shop window with a sign that says “SUMMER SALE”",
        "category": "sign",
        "language": "en",
        "targets": ("SUMMER SALE",),
        "seed": 0,
        "status": "ok",
        "image": "aa" * 32,
        "scores": {"text-sentence-accuracy": SampleScore(value=0.0, note="read “SUMER SALE” for “SUMMER SALE”")},
        "lines": (ReadLine(text="SUMER SALE", box=((10, 20), (90, 20), (90, 40), (10, 40)), confidence=0.9),),
        "objects": (FoundObject(label="window", color="blue", box=(4, 8, 92, 60), confidence=0.8),),
    }
    return SampleReport(**{**fields, **changes})


def make_report(**changes: Any) -> RunReport:
    """A finished run with a baseline, three samples and a rule of each verdict, judged by the gate."""
    outcomes = (
        make_outcome(),
        make_outcome(
            label="fid",
            name="fid",
            title="FID",
            unit="",
            higher_is_better=False,
            value=14.0,
            ci_low=12.0,
            ci_high=16.5,
            comparison=Comparison(reason="the reference sets differ"),
        ),
        make_outcome(label="latency", name="latency", title="Latency", unit="s", higher_is_better=False, value=3.0),
    )
    fields: dict[str, Any] = {
        "run": "0f8fad5b-d9cb-469f-a165-70867728950e",
        "suite": ReportedSuite(name="smoke", version="1", digest="cd" * 32, title="Smoke"),
        "model": ReportedModel(slug="fresco-2", name="Fresco 2", revision="step-48000", run="0f8fad5b"),
        "baseline": ReportedModel(slug="fresco-1", name="Fresco 1", revision="step-40000", run="7c9e6679"),
        "commit": "0a1b2c3d4e5f",
        "status": "done",
        "started": "2026-03-02T09:00:00+00:00",
        "finished": "2026-03-02T09:02:05+00:00",
        "n_samples": 3,
        "n_drawn": 2,
        "n_refused": 1,
        "n_failed": 0,
        "usd": 0.08,
        "outcomes": outcomes,
        "policy": (
            Rule(metric="text-sentence-accuracy", at_least=0.75, max_loss=0.02),
            Rule(metric="fid", at_most=15),
            Rule(metric="latency", at_most=2, on="value"),
        ),
        "samples": (
            make_sample(),
            make_sample(seed=1, image="bb" * 32, scores={"text-sentence-accuracy": SampleScore(value=1.0)}),
            make_sample(
                seed=2, image="", status="refused", reason="the provider's filter", scores={}, lines=(), objects=()
            ),
        ),
        "spec": {"suite": {"name": "smoke", "confidence": 0.95}, "seeds": [0, 1, 2]},
    }
    report = RunReport(**{**fields, **changes})
    return report if "verdict" in changes else replace(report, verdict=judge(report.outcomes, report.policy))


def make_hostile_report() -> RunReport:
    """A report in which every text is hostile."""
    long = HOSTILE * 100
    score = SampleScore(value=0.0, note=long)
    sample = make_sample(
        prompt_key=long,
        prompt=long,
        category=long,
        language='"><script>',
        targets=(long,),
        scores={HOSTILE: score},
        lines=(ReadLine(text=long, box=((0, 0), (9, 0), (9, 9), (0, 9))),),
        objects=(FoundObject(label=long, color=long, box=(0, 0, 9, 9)),),
    )
    comparison = Comparison(reason=long)
    texts = {"label": HOSTILE, "name": long, "title": long, "unit": HOSTILE, "source": long, "interval": long}
    outcome = make_outcome(
        **texts,
        reasons={long: 3},
        warnings=(long,),
        identity={long: long},
        comparison=comparison,
        groups={f"category: {long}": 0.5, f"language: {long}": 0.25},
    )
    lost = replace(sample, image="", status="failed", reason=long, seed=1)
    named = ReportedModel(slug=long, name=long, revision=long, run=long)
    return make_report(
        run=long,
        suite=ReportedSuite(name=long, version=long, digest=long, title=long),
        model=named,
        baseline=named,
        commit=long,
        status="done",
        outcomes=(outcome, replace(outcome, label="none", value=None, reason=long)),
        policy=(Rule(metric=HOSTILE, at_least=0.5), Rule(metric="none", at_least=0.5)),
        samples=(sample, lost),
        spec={long: long},
        warnings=(long,),
    )


def read_image(digest: str) -> bytes:
    """A PNG of 96 × 64 pixels in the colour of the digest."""
    out = io.BytesIO()
    Image.new("RGB", (96, 64), f"#{digest[:6]}").save(out, "PNG")
    return out.getvalue()
