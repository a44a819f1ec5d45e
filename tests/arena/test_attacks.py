"""The benchmark of attacks, in a tiny form: what guarded battles rule out gains nothing."""

import runpy

import pytest

from tests import builders
from tests.processes import ROOT, Children

NOTHING = {
    "look_first": "0 of 2",
    "vote_on_one_battle": "0 stored, 0 counted",
    "remove_others_votes": "0 of 2",
    "open_in_parallel": "1",
}


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_attacks_on_a_running_site_gain_nothing(children: Children, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")  # as for a script
    attacks = runpy.run_path(str(ROOT / "benchmarks" / "attacks.py"))
    board = builders.make_board(n_prompts=3, drawn=True, rater_prompts="counted").slug
    site = f"http://127.0.0.1:{children.start_site().port}"
    size = attacks["Size"](seconds=0.5, n_learnt=6, n_tested=4, n_tries=2)
    for name, gain in NOTHING.items():
        assert attacks[name](site, board, size).now.startswith(gain), name
    by_hash, _, different_lengths = attacks["name_sides"](site, board, size)
    assert (by_hash.now, different_lengths.now) == ("0 %", "0 %")
