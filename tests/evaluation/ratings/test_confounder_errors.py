"""Errors of confounder control."""

import numpy as np
import pytest

from evaluation.ratings.components import DisconnectedModelsError
from evaluation.ratings.confounders import fit_controlled
from evaluation.ratings.fitting import NoFiniteFitError
from evaluation.ratings.votes import Votes

ROWS = np.arange(300)


def flip_coins(seed: int, outcomes: int = 2) -> tuple[Votes, np.ndarray]:
    """300 votes between 3 equal models, and an uninformative covariate."""
    rng = np.random.default_rng(seed)
    a = rng.integers(0, 3, 300)
    return Votes((0, 1, 2), a, (a + rng.integers(1, 3, 300)) % 3, rng.integers(0, outcomes, 300)), rng.normal(size=300)


WRONG = {
    "'x' needs finite numbers: row 7 is nan": lambda x: np.where(ROWS == 7, np.nan, x),
    "'x' needs finite numbers: row 299 is -inf": lambda x: np.where(ROWS == 299, -np.inf, x),
    "too large to square": lambda x: x * 1e200,
    "'x' is 0 in every vote that counts": lambda x: x * 0.0,
    "'x' must be an array of 300 numbers, got shape \\(299,\\)": lambda x: x[1:],
    "got shape \\(300, 1\\)": lambda x: x[:, None],
    "got list": lambda x: x.tolist(),
    "got shape \\(300,\\) of bool": lambda x: x > 0,
}


@pytest.mark.parametrize("message", WRONG)
def test_an_invalid_column_is_named(message: str) -> None:
    votes, x = flip_coins(1)
    with pytest.raises(ValueError, match=message):
        fit_controlled(votes, {"y": x[::-1], "x": WRONG[message](x)})


def test_a_column_must_count_somewhere_and_be_finite_everywhere() -> None:
    votes, x = flip_coins(2, outcomes=3)
    tie = votes.winner == 2
    with pytest.raises(ValueError, match="'x' is 0 in every vote that counts"):
        fit_controlled(votes, {"x": x * tie}, ties="drop")
    with pytest.raises(ValueError, match="finite"):
        fit_controlled(votes, {"x": np.where(tie, np.inf, x)}, ties="drop")


def test_columns_that_the_votes_cannot_separate_are_named() -> None:
    (votes, x), cost = flip_coins(3), np.array([0.3, 2.0, 7.0])
    with pytest.raises(ValueError, match="separate 'x' and 'z'"):
        fit_controlled(votes, {"x": x, "y": x[::-1], "z": -2.0 * x})
    with pytest.raises(ValueError, match="separate 'side' and 'ones'"):
        fit_controlled(votes, {"ones": np.ones(300), "x": x})
    of_model = {"x": x, "cost": (cost[votes.model_a] - cost[votes.model_b]).astype(np.float32)}
    with pytest.raises(ValueError, match="separate 'cost' from the models"):
        fit_controlled(votes, of_model)
    # A prior determines what the votes do not.
    twice = fit_controlled(votes, {"x": x, "z": x}, prior_sd=1.0).coefficients
    assert twice["x"].value == pytest.approx(twice["z"].value, abs=1e-9)
    assert fit_controlled(votes, of_model, prior_sd=1.0).coefficients["cost"].standard_error < 1.0


def test_a_covariate_or_side_that_predicts_every_winner_has_no_finite_estimate() -> None:
    votes, x = flip_coins(4)
    hint = np.where(votes.winner == 0, 1.0, -1.0)
    separating = {
        "always": np.abs(x) * hint,
        "if not zero": hint * (ROWS % 7 == 0),
        "once": hint * (ROWS == 5),
    }
    for column in separating.values():
        with pytest.raises(NoFiniteFitError, match="no finite value"):
            fit_controlled(votes, {"x": x, "hint": column})
        assert fit_controlled(votes, {"hint": column}, prior_sd=1.0).coefficients["hint"].value > 0
    nearly = np.where(ROWS % 30 == 5, -hint, hint)
    assert fit_controlled(votes, {"hint": nearly}).coefficients["hint"].value == pytest.approx(np.log(29), abs=0.2)
    with pytest.raises(NoFiniteFitError):
        fit_controlled(Votes(votes.models, votes.model_a, votes.model_b, np.zeros(300, dtype=int)))


def test_wrong_parameters_are_refused() -> None:
    votes, x = flip_coins(5)
    one = Votes(votes.models, votes.model_a, votes.model_b, votes.winner, clusters={"rater": np.zeros(300, dtype=int)})
    four, none = Votes((0, 1, 2, 3), votes.model_a, votes.model_b, votes.winner), np.zeros(0, dtype=int)
    wrong: dict[str, dict[str, object]] = {
        "interval must be": {"interval": "bootstrap"},
        "ties must be": {"ties": "model"},
        "prior_sd must be a finite number above 0": {"prior_sd": 0.0},
        "got nan": {"prior_sd": np.nan},
        "confidence": {"confidence": 1.0},
        "have no clusters": {"clustered": True},
    }
    for message, parameter in wrong.items():
        with pytest.raises(ValueError, match=message):
            fit_controlled(votes, {"x": x}, **parameter)
    with pytest.raises(ValueError, match="at least 2 clusters"):
        fit_controlled(one, {"x": x}, clustered=True)
    with pytest.raises(ValueError, match="cannot be named 'side'"):
        fit_controlled(votes, {"side": x})
    with pytest.raises(ValueError, match="at least 2 models"):
        fit_controlled(Votes(("a",), none, none, none))
    with pytest.raises(DisconnectedModelsError, match="no_votes"):
        fit_controlled(four, {"x": x})
