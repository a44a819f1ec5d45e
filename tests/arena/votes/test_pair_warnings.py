"""import_votes warns of pairs that look as if they were chosen by looking at the ratings."""

import shutil
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from django.core.management import call_command

from evaluation.ratings.outcomes import WINNERS
from evaluation.ratings.votes import Votes
from tests.pair_rules import Matchmaking, Rated, Rule, meet_challenger, meet_nearest, simulate, uniform

pytestmark = pytest.mark.django_db
WARNING = "the pairs look as if they were chosen by looking at the ratings"


def write_votes(votes: Votes, file: Path) -> None:
    """A file of the votes with their times, in another order."""
    frame = pd.DataFrame(
        {
            "model_a": [f"model-{k}" for k in votes.model_a],
            "model_b": [f"model-{k}" for k in votes.model_b],
            "winner": np.array(WINNERS)[votes.winner],
            "time": 1_700_000_000 + 60 * np.arange(len(votes)),
        }
    )
    frame.sample(frac=1.0, random_state=0).to_csv(file, index=False)


@pytest.mark.parametrize(
    ("rule", "named"),
    [
        (uniform, ""),
        (Matchmaking(), ""),
        (Rated(meet_nearest), "nearest rating"),
        (Rated(meet_challenger), "leader against challenger"),
    ],
)
def test_the_warning_names_the_rule(tmp_path: Path, rule: Rule, named: str) -> None:
    write_votes(simulate(rule, 0), tmp_path / "votes.csv")
    out = StringIO()
    call_command("import_votes", str(tmp_path / "votes.csv"), "--board", "elsewhere", stdout=out)
    assert "1,500 votes imported" in out.getvalue()
    assert (WARNING in out.getvalue()) == bool(named)
    assert named in out.getvalue()


def test_real_votes_are_imported_without_a_warning(shared_data: Path, tmp_path: Path) -> None:
    out = StringIO()
    file = shutil.copy(shared_data / "votes" / "genai_arena_t2i.csv", tmp_path)
    options = ["--only", "anony=True", "--column", "time=tstamp", "--keep-valid"]
    call_command("import_votes", str(file), "--board", "genai", *options, stdout=out)
    assert "votes imported" in out.getvalue()
    assert WARNING not in out.getvalue()
