"""Votes from arrays, pandas, Arrow and Parquet give the same table, or an error that names the row."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.ratings.arrow import code_arrow, code_parquet, count_parquet
from evaluation.ratings.counts import Counts, count_rows, count_votes
from evaluation.ratings.outcomes import WINNERS
from evaluation.ratings.votes import Votes, code_frame

MODELS = ["ant", "bee", "cat"]
ROWS = st.lists(
    st.tuples(st.sampled_from(MODELS), st.sampled_from(MODELS), st.sampled_from(WINNERS)).filter(
        lambda r: r[0] != r[1]
    ),
    max_size=40,
)


def frame_of(rows: list[tuple[str, str, str]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["model_a", "model_b", "winner"], dtype=object)


def expected(rows: list[tuple[str, str, str]]) -> Counts:
    return count_rows(MODELS, [(*row, 1) for row in rows])


@settings(max_examples=60)
@given(ROWS)
def test_every_source_gives_the_same_counts(rows: list[tuple[str, str, str]]) -> None:
    frame, table = frame_of(rows), expected(rows).table
    assert (count_votes(code_frame(frame, MODELS)).table == table).all()
    assert (count_votes(code_frame(frame.astype("category"), MODELS)).table == table).all()
    columns = {name: pa.array(frame[name].tolist(), pa.string()) for name in frame}
    assert (count_votes(code_arrow(pa.table(columns), MODELS)).table == table).all()
    coded = {name: column.dictionary_encode() for name, column in columns.items()}
    assert (count_votes(code_arrow(pa.table(coded), MODELS)).table == table).all()


@settings(max_examples=40)
@given(ROWS, ROWS)
def test_counting_two_batches_together_is_adding_their_tables(
    some: list[tuple[str, str, str]], more: list[tuple[str, str, str]]
) -> None:
    tables = [count_votes(code_frame(frame_of(rows), MODELS)) for rows in (some, more, some + more)]
    assert ((tables[0] + tables[1]).table == tables[2].table).all()


@settings(max_examples=25)
@given(ROWS, st.integers(1, 9))
def test_a_parquet_file_is_counted_in_batches(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str]], group: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "votes.parquet"
    columns = {name: pa.array([row[k] for row in rows], pa.string()) for k, name in enumerate(frame_of([]))}
    pq.write_table(pa.table(columns), path, row_group_size=group)
    assert (count_parquet(path, MODELS).table == expected(rows).table).all()
    found = count_parquet(path)
    assert set(found.models) == {name for row in rows for name in row[:2]}
    assert found.n_votes == len(rows)
    assert (count_votes(code_parquet(path, MODELS)).table == expected(rows).table).all()


def test_models_default_to_those_that_occur_sorted() -> None:
    frame = pd.DataFrame({"model_a": ["b", "c"], "model_b": ["c", "b"], "winner": ["tie", "model_a"]})
    for column in ("model_a", "model_b"):
        frame[column] = pd.Categorical(frame[column], categories=["z", "c", "b"])
    assert code_frame(frame).models == ("b", "c")


def test_weights_and_clusters_are_read(tmp_path: Path) -> None:
    columns = {
        "model_a": ["ant", "bee", "ant"],
        "model_b": ["bee", "cat", "bee"],
        "winner": ["model_a", "tie", "model_a"],
        "weight": [2.0, 0.5, 0.0],
        "rater": ["u", "v", "u"],
    }
    pq.write_table(pa.table(columns), tmp_path / "votes.parquet")
    for votes in (
        code_frame(pd.DataFrame(columns), MODELS, clusters=["rater"]),
        code_parquet(tmp_path / "votes.parquet", MODELS, clusters=["rater"]),
    ):
        assert votes.clusters["rater"].tolist() == [0, 1, 0]
        counts = count_votes(votes)
        assert counts.table[0, 1, 0] == 2.0
        assert counts.squared_weights[0, 1, 0] == 4.0
        assert counts.n_votes == 2.5
    assert count_parquet(tmp_path / "votes.parquet").n_votes == 2.5


def test_equal_rows_merge_into_one_with_their_total_weight() -> None:
    frame = frame_of([("ant", "bee", "tie")] * 3 + [("bee", "cat", "model_a")])
    merged = code_frame(frame.assign(rater=[1, 1, 2, 2]), MODELS, clusters=["rater"]).merge()
    assert merged.weight is not None
    assert sorted(merged.weight.tolist()) == [1.0, 1.0, 2.0]
    assert (count_votes(merged).table == expected(list(frame.itertuples(index=False, name=None))).table).all()


def test_a_selection_keeps_the_votes_between_its_models() -> None:
    votes = code_frame(frame_of([("ant", "bee", "tie"), ("bee", "cat", "model_a"), ("cat", "ant", "model_b")]), MODELS)
    chosen = votes.select([2, 0])
    assert chosen.models == ("cat", "ant")
    assert count_votes(chosen).table[0, 1].tolist() == [0, 1, 0, 0]


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("model_a", "dog", "Row 1: unknown model_a 'dog'; expected one of ant, bee, cat"),
        ("winner", "draw", "Row 1: unknown winner 'draw'; expected one of model_a, model_b, tie, both_bad"),
        ("winner", None, "Row 1: winner is missing"),
        ("model_b", None, "Row 1: model_b is missing"),
        ("model_b", "ant", "Row 1: 'ant' meets itself"),
    ],
)
def test_a_bad_value_is_named_with_its_row(tmp_path: Path, column: str, value: str | None, message: str) -> None:
    columns = {"model_a": ["ant", "ant"], "model_b": ["bee", "bee"], "winner": ["tie", "tie"]}
    columns[column][1] = value
    table = pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})
    pq.write_table(table, tmp_path / "votes.parquet")
    for read in (
        lambda: code_frame(pd.DataFrame(columns), MODELS),
        lambda: code_arrow(table, MODELS),
        lambda: count_parquet(tmp_path / "votes.parquet", MODELS),
    ):
        with pytest.raises(ValueError, match=message):
            read()


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    columns = {"model_a": ["ant"], "winner": ["tie"]}
    pq.write_table(pa.table(columns), tmp_path / "votes.parquet")
    for read in (
        lambda: code_frame(pd.DataFrame(columns)),
        lambda: code_arrow(pa.table(columns)),
        lambda: count_parquet(tmp_path / "votes.parquet"),
    ):
        with pytest.raises(ValueError, match="no column model_b; it has model_a, winner"):
            read()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_a": np.array([0, 3])}, "Row 1: model_a is 3; expected 0 to 2"),
        ({"model_a": np.array([0, -1])}, "Row 1: model_a is -1"),
        ({"model_a": np.array([0.0, 1.0])}, "model_a must be an array of 2 whole numbers, got shape .2,. of float64"),
        ({"model_b": np.array([1])}, r"got shape \(1,\)"),
        ({"model_b": [1, 2]}, "got list"),
        ({"winner": np.array([0, 4])}, "Row 1: winner is 4"),
        ({"model_b": np.array([1, 1])}, "Row 1: 'bee' meets itself"),
        ({"weight": np.array([1.0, np.nan])}, "Row 1: weight nan"),
        ({"weight": np.array([-1.0, 1.0])}, "Row 0: weight -1.0"),
        ({"weight": np.array([1.0])}, "Expected 2 weights"),
        ({"clusters": {"rater": np.array(["u", "v"])}}, "rater must be an array of 2 whole numbers"),
        ({"models": ("ant", "ant", "cat")}, "must be named once"),
    ],
)
def test_invalid_arrays_are_refused(change: dict[str, object], message: str) -> None:
    good = {
        "models": tuple(MODELS),
        "model_a": np.array([0, 1]),
        "model_b": np.array([1, 2]),
        "winner": np.array([0, 3]),
    }
    assert len(Votes(**good)) == 2
    with pytest.raises(ValueError, match=message):
        Votes(**(good | change))


@pytest.mark.parametrize("kind", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8"])
def test_codes_of_every_width_give_the_same_counts(kind: str) -> None:
    rng = np.random.default_rng(0)
    a = rng.integers(0, 100, 5000)
    columns = a, (a + rng.integers(1, 100, 5000)) % 100, rng.integers(0, 4, 5000)
    expected = count_votes(Votes(tuple(range(100)), *columns))
    found = count_votes(Votes(tuple(range(100)), *(column.astype(kind) for column in columns)))
    assert (found.table == expected.table).all()
    far = columns[0].astype(kind)
    far[4711] = 100
    with pytest.raises(ValueError, match="Row 4711: model_a is 100"):
        Votes(tuple(range(100)), far, *columns[1:])


def test_no_votes_are_accepted() -> None:
    none = np.zeros(0, np.int8)
    assert count_votes(Votes(tuple(MODELS), none, none, none)).n_votes == 0
