"""Rating tables: rate(frame) gives the numbers of the single steps, and says what it assumed and what is missing."""

import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evaluation.ratings import rate
from evaluation.ratings.bradley_terry import fit_bradley_terry, fit_davidson
from evaluation.ratings.components import Unrated
from evaluation.ratings.counts import count_votes
from evaluation.ratings.ranks import find_rank_probabilities, find_rank_sets
from evaluation.ratings.scales import Scale
from evaluation.ratings.usable_rates import fit_usable_rates
from evaluation.ratings.votes import code_frame

MODELS = ("ant", "bee", "cat", "dog")


def make_frame(n: int = 800, raters: int = 20, prompts: int = 30, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    a = rng.integers(0, 4, n)
    b = (a + rng.integers(1, 4, n)) % 4
    winner = np.where(rng.random(n) < 1.0 / (1.0 + np.exp((a - b) / 2.0)), "model_a", "model_b")
    winner = np.where(rng.random(n) < 0.1, "tie", np.where(rng.random(n) < 0.1, "both_bad", winner))
    names = np.array(MODELS)
    return pd.DataFrame(
        {
            "model_a": names[a],
            "model_b": names[b],
            "winner": winner,
            "rater": rng.integers(0, raters, n).astype(str),
            "prompt": rng.integers(0, prompts, n),
        }
    )


@pytest.mark.parametrize("clusters", [None, ("rater", "prompt"), "rater", ["prompt"], ()])
def test_the_numbers_are_those_of_the_single_steps(clusters: object) -> None:
    frame = make_frame()
    columns = {None: ["rater", "prompt"], "rater": ["rater"]}.get(clusters if clusters != ["prompt"] else 0, clusters)
    votes = code_frame(frame, clusters=columns)
    fit = fit_bradley_terry(count_votes(votes), clusters=votes if votes.clusters else None)
    table = rate(frame, clusters=clusters)
    found = table.to_frame().set_index("model").loc[list(fit.models)]
    assert found["rating"].to_numpy() == pytest.approx(fit.values)
    assert found["ci_low"].to_numpy() == pytest.approx(fit.ci_low)
    assert found["ci_high"].to_numpy() == pytest.approx(fit.ci_high)
    sets = find_rank_sets(fit)
    assert found["rank_set_best"].tolist() == sets.best.tolist()
    assert found["rank_set_worst"].tolist() == sets.worst.tolist()
    assert found["p_first"].tolist() == find_rank_probabilities(fit).best.tolist()
    assert found["usable"].to_numpy() == pytest.approx(fit_usable_rates(count_votes(votes)).values)
    assert found["votes"].sum() == 2 * len(frame)
    assert found["wins"].sum() == frame["winner"].isin(["model_a", "model_b"]).sum()
    assert table.to_frame()["rank"].tolist() == [1, 2, 3, 4]
    assert table.ratings.difference("ant", "dog").value == pytest.approx(fit.difference("ant", "dog").value)


def test_the_options_of_the_fit_are_taken() -> None:
    frame = make_frame()
    counts = count_votes(code_frame(frame))
    dropped = rate(frame, clusters=(), ties="drop", both_bad="drop", scale=Scale(anchor="bee"), confidence=0.9).ratings
    expected = fit_bradley_terry(counts, ties="drop", both_bad="drop", scale=Scale(anchor="bee"), confidence=0.9)
    assert dropped.ci_low == pytest.approx(expected.ci_low)
    davidson = rate(frame, clusters=(), method="davidson", side=True)
    expected = fit_davidson(counts, side=True)
    assert davidson.ratings.coefficients == expected.coefficients
    assert "90 %" in str(rate(frame, confidence=0.9))
    with pytest.raises(ValueError, match="ties='half' is for the method 'bradley_terry'"):
        rate(frame, method="davidson", ties="half")
    with pytest.raises(ValueError, match="'elo'"):
        rate(frame, method="elo")


def test_the_table_says_what_the_intervals_assume() -> None:
    frame = make_frame()
    assert "clustered by rater (20) and prompt (30)" in str(rate(frame))
    assert "clustered by prompt (30)" in str(rate(frame.drop(columns="rater")))
    assert "no column rater or prompt" in str(rate(frame[["model_a", "model_b", "winner"]]))
    assert "no clusters were wanted" in str(rate(frame, clusters=()))


@pytest.mark.parametrize("missing", ["", None, np.nan])
def test_a_vote_without_a_rater_is_a_cluster_of_its_own(missing: object) -> None:
    frame = make_frame(raters=12).astype({"rater": object})
    frame.loc[:49, "rater"] = missing
    named = frame.assign(rater=[rater if k >= 50 else f"alone {k}" for k, rater in enumerate(frame["rater"])])
    table, expected = rate(frame, clusters="rater"), rate(named, clusters="rater")
    assert table.ratings.ci_low == pytest.approx(expected.ratings.ci_low)
    assert (
        "clustered by rater (12): votes with the same value may depend on each other. 50 votes without a rater"
        in str(table)
    )
    empty = frame.assign(rater=missing)
    assert "clustered by prompt (30)" in str(rate(empty))
    with pytest.raises(ValueError, match="The column rater has no values"):
        rate(empty, clusters="rater")


def test_a_single_rater_gives_ratings_without_intervals() -> None:
    frame = make_frame().assign(rater="ann")
    table = rate(frame, clusters="rater")
    found = table.to_frame()
    assert found["rating"].notna().all()
    assert found[["ci_low", "ci_high", "p_first", "rank_set_best"]].isna().all(axis=None)
    assert np.isnan(table.ratings.difference("ant", "bee").ci_low)
    side = rate(frame, clusters="rater", side=True).ratings.coefficients["side"]
    assert np.isfinite(side.value)
    assert np.isnan([side.ci_low, side.ci_high, side.p_value]).all()
    assert "too few" in table._repr_html_()
    assert "too few" in str(table)


def test_models_without_a_rating_are_listed_with_the_reason() -> None:
    more = [("elk", "ant", "model_a"), ("fox", "ant", "model_b"), ("gnu", "hen", "tie")]
    frame = pd.concat([make_frame(), pd.DataFrame(more, columns=["model_a", "model_b", "winner"])])
    table = rate(frame)
    found = table.to_frame()
    assert set(found["model"][:4]) == set(MODELS)
    reasons = dict(zip(found["model"], found["unrated"], strict=True))
    assert reasons["elk"] == Unrated.UNBEATEN
    assert reasons["fox"] == Unrated.WINLESS
    assert reasons["gnu"] == reasons["hen"] == Unrated.DISCONNECTED
    assert found["rating"][4:].isna().all()
    assert found["votes"].tolist()[4:] == [1, 1, 1, 1]
    assert "never lost to a rated model" in table._repr_html_()
    lone = rate(pd.DataFrame([("elk", "ant", "model_a")], columns=["model_a", "model_b", "winner"]))
    assert lone.ratings is None
    assert lone.to_frame()["unrated"].notna().all()
    assert "elk" in lone._repr_html_()


class Cells(HTMLParser):
    """The texts of a page's cells, and its tags."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)
        self.texts.append("")

    def handle_data(self, data: str) -> None:
        if self.texts:
            self.texts[-1] += data


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "a & b", '"x" <b>', "混元"])
def test_the_html_escapes_names_and_has_a_cell_for_every_number(name: str) -> None:
    frame = make_frame().replace("ant", name).rename(columns={"prompt": "<i>prompt"})
    page = Cells()
    page.feed(rate(frame, clusters="<i>prompt")._repr_html_())
    assert name in page.texts
    assert page.tags == {"table", "thead", "tbody", "tr", "th", "td", "p"}
    assert page.texts.count("1") == 1
    assert any("<i>prompt" in text for text in page.texts)


def test_usable_rates_need_both_bad_votes() -> None:
    frame = make_frame()
    assert rate(frame[frame["winner"] != "both_bad"]).to_frame()["usable"].isna().all()
    assert "Usable" in rate(frame)._repr_html_()


def test_weights_count() -> None:
    frame = make_frame(300)
    weighted = rate(frame.assign(weight=2.0), clusters=())
    doubled = rate(pd.concat([frame, frame]), clusters=())
    assert weighted.ratings.values == pytest.approx(doubled.ratings.values)
    assert "column weight" in str(weighted)
    assert weighted.to_frame()["votes"].tolist() == doubled.to_frame()["votes"].tolist()


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (make_frame(0), "no votes that count"),
        (make_frame(50).assign(weight=0.0), "no votes that count"),
        (make_frame(50).drop(columns="winner"), "no column winner"),
        (make_frame(50).replace("tie", "Tie"), "unknown winner 'Tie'"),
        (make_frame(50).rename(columns={"prompt": "rater"}), "2 columns rater"),
        (make_frame(50).rename(columns={"prompt": "winner"}), "2 columns winner"),
    ],
)
def test_a_bad_frame_is_refused(frame: pd.DataFrame, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rate(frame)


def test_an_unknown_column_of_clusters_is_refused() -> None:
    with pytest.raises(ValueError, match="no column judge; it has model_a"):
        rate(make_frame(50), clusters="judge")


def test_the_package_imports_nothing_before_the_first_use() -> None:
    code = "import sys, evaluation.ratings; assert not {'numpy', 'pandas'} & set(sys.modules); evaluation.ratings.rate"
    root = Path(__file__).resolve().parents[3]
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True)


@pytest.mark.parametrize("clusters", [(), "rater"])
def test_ties_alone_give_ratings_without_intervals(clusters: str | tuple[str, ...]) -> None:
    frame = pd.DataFrame({"model_a": ["ant", "bee"] * 9, "model_b": ["bee", "cat"] * 9, "winner": ["tie"] * 18})
    table = rate(frame.assign(rater=[f"r{i % 5}" for i in range(18)]), clusters=clusters)
    found = table.to_frame()
    assert found["rating"].tolist() == pytest.approx([1000.0] * 3)
    assert found[["ci_low", "rank_set_best", "p_first"]].isna().all(axis=None)
    assert "There are no intervals: all votes are ties." in str(table)
