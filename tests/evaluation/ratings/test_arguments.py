"""Arguments of the wrong kind: each public function says what came, what was wanted and what to do."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from evaluation.ratings import rate
from evaluation.ratings.arrow import code_arrow, code_parquet, count_parquet
from evaluation.ratings.best_of_n import correct_variants
from evaluation.ratings.bootstrap import bootstrap_clusters, bootstrap_ratings
from evaluation.ratings.bradley_terry import fit_bradley_terry, fit_davidson, fit_rao_kupper
from evaluation.ratings.components import find_components
from evaluation.ratings.confounders import fit_controlled
from evaluation.ratings.counts import count_votes
from evaluation.ratings.elo import bootstrap_elo, run_elo
from evaluation.ratings.fragility import find_fragile_raters, find_fragile_votes
from evaluation.ratings.live import LiveRatings
from evaluation.ratings.planning import find_design_effect, plan_votes
from evaluation.ratings.projection import project
from evaluation.ratings.ranks import find_rank_probabilities, find_rank_sets
from evaluation.ratings.usable_rates import fit_usable_rates
from evaluation.ratings.votes import Votes, code_frame

ROWS = [("ant", "bee", "model_a", "r1"), ("bee", "ant", "tie", "r2"), ("bee", "ant", "both_bad", "r3")] * 9
FRAME = pd.DataFrame(ROWS, columns=["model_a", "model_b", "winner", "rater"])
TABLE = pa.Table.from_pandas(FRAME)
VOTES = code_frame(FRAME, clusters="rater")
COUNTS = count_votes(VOTES)
FIT = fit_bradley_terry(COUNTS)

TAKE_COUNTS: list[Callable[..., object]] = [
    *(fit_bradley_terry, fit_davidson, fit_rao_kupper, fit_usable_rates, find_components, bootstrap_ratings),
    *(find_fragile_votes, LiveRatings, lambda counts: plan_votes(FIT, counts, width=9.0)),
    *(lambda counts: find_design_effect(FIT, counts), lambda counts: COUNTS + counts),
]
TAKE_VOTES: list[Callable[..., object]] = [
    *(count_votes, fit_controlled, run_elo, bootstrap_elo, find_fragile_raters),
    *(lambda votes: bootstrap_clusters(votes, "rater"), lambda votes: fit_bradley_terry(COUNTS, clusters=votes)),
    *(lambda votes: fit_davidson(COUNTS, clusters=votes), lambda votes: fit_rao_kupper(COUNTS, clusters=votes)),
]
TAKE_RATINGS: list[Callable[..., object]] = [
    *(find_rank_sets, find_rank_probabilities, lambda fit: plan_votes(fit, COUNTS, width=9.0)),
    *(lambda fit: find_design_effect(fit, COUNTS), lambda fit: correct_variants(fit, ["ant"])),
    lambda fit: project(fit, "ant", None),
]
STEPS = [
    (TAKE_COUNTS, FRAME, r"must be Counts, got DataFrame \(pandas\)\. Use count_votes\(code_frame\(frame\)\)"),
    (TAKE_COUNTS, VOTES, r"must be Counts, got Votes \(evaluation\)\. Use count_votes\(votes\)"),
    (TAKE_COUNTS, TABLE, r"must be Counts, got Table \(pyarrow\)\. Use count_votes\(code_arrow\(table\)\)"),
    (TAKE_COUNTS, FIT, r"must be Counts, got Ratings \(evaluation\)\. count_votes"),
    (TAKE_COUNTS, [1, 2], r"must be Counts, got list\. count_votes"),
    (TAKE_COUNTS, "votes.csv", r"must be Counts, got 'votes.csv'\. count_votes"),
    (TAKE_VOTES, FRAME, r"must be Votes, got DataFrame \(pandas\)\. Use code_frame\(frame"),
    (TAKE_VOTES, COUNTS, r"must be Votes, got Counts \(evaluation\)\. Counts no longer have single votes"),
    (TAKE_VOTES, "rater", r"must be Votes, got 'rater'\. Use the votes with their cluster columns, or votes\.only"),
    (TAKE_VOTES, np.zeros(3), r"must be Votes, got ndarray \(numpy\)\. code_frame"),
    (TAKE_RATINGS, COUNTS, r"must be Ratings, got Counts \(evaluation\)\. Fit them first: fit_bradley_terry\(counts\)"),
    (TAKE_RATINGS, VOTES, r"must be Ratings, got Votes \(evaluation\)\. Fit them first"),
    (TAKE_RATINGS, FRAME, r"must be Ratings, got DataFrame \(pandas\)\. Use rate\(frame\)\.ratings"),
    (TAKE_RATINGS, rate(FRAME), r"must be Ratings, got RatingTable \(evaluation\)\. Use its attribute ratings"),
    (TAKE_RATINGS, None, r"must be Ratings, got None\. fit_bradley_terry"),
]


@pytest.mark.parametrize(
    ("function", "value", "message"),
    [(function, value, message) for functions, value, message in STEPS for function in functions],
)
def test_the_error_names_the_step_that_is_missing(function: Callable[..., object], value: object, message: str) -> None:
    # clusters=None is no error: the intervals are then not clustered.
    with pytest.raises(TypeError, match=message):
        function(value)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: rate(TABLE), r"frame must be DataFrame, got Table \(pyarrow\)\. Use table\.to_pandas"),
        (lambda: rate(VOTES), r"frame must be DataFrame, got Votes \(evaluation\)\. These votes are read already"),
        (lambda: rate("votes.csv"), r"frame must be DataFrame, got 'votes\.csv'\. Read the file first"),
        (lambda: rate(ROWS), r"frame must be DataFrame, got list\. Use a pandas DataFrame with the columns model_a"),
        (lambda: code_frame("votes.parquet"), r"frame must be DataFrame, got 'votes\.parquet'\. Read the file first"),
        (lambda: code_arrow(FRAME), r"table must be Table, got DataFrame \(pandas\)\. code_frame reads data frames"),
        (lambda: fit_bradley_terry(COUNTS, scale=400), r"scale must be Scale, got 400\. Use Scale\(scale=400"),
        (lambda: run_elo(VOTES, scale="elo"), r"scale must be Scale, got 'elo'\. Import it"),
        (lambda: fit_controlled(VOTES, clustered="rater"), r"clustered must be bool, got 'rater'\. True uses all"),
        (lambda: bootstrap_clusters(VOTES, ["rater"]), r"column must be str, got list\. Name one column"),
        (lambda: find_fragile_raters(VOTES, ["rater"]), r"cluster must be str, got list\. Name one column"),
        (lambda: FIT.contrast(["ant", "bee"]), r"weights must be Mapping, got list\. Use a value for each name"),
        (
            lambda: fit_controlled(VOTES, FRAME),
            r"covariates must be Mapping, got DataFrame \(pandas\)\. Use \{name: ",
        ),
        (lambda: code_parquet(FRAME), r"path must be Path, got DataFrame \(pandas\)\. Name a Parquet file"),
        (lambda: count_parquet(TABLE), r"path must be Path, got Table \(pyarrow\)\. Name a Parquet file"),
        (lambda: VOTES.only(["rater"]), r"column must be str, got list\. Name one column"),
        (lambda: project(FIT, "ant", FRAME), r"board must be PublishedBoard, got DataFrame \(pandas\)\. Published"),
        (
            lambda: Votes(VOTES.models, VOTES.model_a, VOTES.model_b, VOTES.winner, clusters="rater"),
            r"clusters must be Mapping, got 'rater'\. Use a value for each name",
        ),
    ],
)
def test_other_arguments_of_the_wrong_kind_are_explained(call: Callable[[], object], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        call()


def test_only_keeps_the_named_columns_of_clusters() -> None:
    votes = code_frame(FRAME.assign(prompt=range(len(FRAME))), clusters=["rater", "prompt"])
    assert list(votes.only("rater").clusters) == ["rater"]
    assert list(votes.only("prompt", "rater").clusters) == ["prompt", "rater"]
    assert not votes.only().clusters
    by_rater = fit_bradley_terry(COUNTS, clusters=votes.only("rater"))
    assert by_rater.interval == "rater"
    assert by_rater.ci_low == pytest.approx(fit_bradley_terry(COUNTS, clusters=VOTES).ci_low)
    with pytest.raises(ValueError, match="no clusters 'judge'; they have rater, prompt"):
        votes.only("judge")


def test_one_column_of_clusters_may_be_a_name() -> None:
    assert list(code_frame(FRAME, clusters="rater").clusters) == ["rater"]
    assert list(code_arrow(TABLE, clusters="rater").clusters) == ["rater"]
    with pytest.raises(ValueError, match="no column prompt"):
        code_frame(FRAME, clusters="prompt")
