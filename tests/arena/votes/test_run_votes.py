"""Votes in the sample inputs of a run."""

from pathlib import Path

import pytest

from arena.leaderboards.snapshots import rate_board
from arena.models import Board
from evaluation.extractors.feature_store import FeatureStore
from evaluation.metrics.preference import WinRate
from evaluation.models import Run, Sample
from evaluation.runs.extractions import Extractions
from evaluation.runs.sample_inputs import restore_inputs, snapshot_inputs
from tests import builders


@pytest.mark.django_db
def test_votes_on_the_images_of_a_run_are_in_its_sample_inputs(board: Board, tmp_path: Path) -> None:
    vote = builders.make_vote(board, "model_a")
    rate_board(board)
    battle = vote.battle
    assert battle
    winner, loser = battle.generation_a, battle.generation_b
    run = Run.objects.create(suite="s", suite_digest="0", model=winner.model, spec={})
    won, lost = (Sample.objects.create(run=run, generation=generation) for generation in (winner, loser))
    snapshots = snapshot_inputs(run)
    assert [vote["outcome"] for vote in snapshots[won.pk]["votes"]] == ["win"]
    assert [vote["outcome"] for vote in snapshots[lost.pk]["votes"]] == ["loss"]
    assert snapshots[won.pk]["votes"][0]["opponent"] == loser.model.slug

    builders.make_vote(board, "model_b")
    extractions = Extractions(FeatureStore(tmp_path), tmp_path)
    restored = [restore_inputs(snapshots[sample.pk], sample.generation.prompt, extractions) for sample in (won, lost)]
    assert [WinRate().measure(sample).values[0] for sample in restored] == [1.0, 0.0]
