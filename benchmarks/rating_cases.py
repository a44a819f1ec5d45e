"""Cases of benchmarks/ratings.py. Each is measured in a process of its own, which prints the result as JSON.

Cases of other packages import nothing from this project, so that they also run under the interpreter of an environment
with that package.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path

from figures import best_of, read_peak

M = 200
CASES: dict[str, Callable[[Path], object]] = {}


def case(function: Callable[[Path], object]) -> Callable[[Path], object]:
    CASES[function.__name__] = function
    return function


def load(folder: Path):
    import numpy as np

    return tuple(np.load(folder / f"{name}.npy") for name in ("model_a", "model_b", "winner"))


def load_votes(folder: Path):
    from evaluation.ratings.votes import Votes

    return Votes(tuple(range(M)), *load(folder))


@case
def cold(folder: Path) -> float:
    """From a Parquet file to ratings. The parent measures the whole process, including imports."""
    from evaluation.ratings.arrow import count_parquet
    from evaluation.ratings.bradley_terry import fit_bradley_terry

    fit = fit_bradley_terry(count_parquet(folder / "votes.parquet"))
    return float((fit.ci_high - fit.ci_low).mean())


@case
def evalica_cold(folder: Path) -> float:
    import evalica
    import pandas as pd

    frame = pd.read_parquet(folder / "votes.parquet")
    winner = frame["winner"].map(
        {
            "model_a": evalica.Winner.X,
            "model_b": evalica.Winner.Y,
            "tie": evalica.Winner.Draw,
            "both_bad": evalica.Winner.Draw,
        }
    )
    return float(evalica.bradley_terry(frame["model_a"], frame["model_b"], winner).scores.iloc[0])


@case
def arena_rank_cold(folder: Path) -> float:
    import pandas as pd
    from arena_rank.models.bradley_terry import BradleyTerry
    from arena_rank.utils.data_utils import PairDataset

    votes = PairDataset.from_pandas(pd.read_parquet(folder / "votes.parquet"))
    fit = BradleyTerry(n_competitors=votes.n_competitors).compute_ratings_and_cis(votes)
    return float(fit["ratings"][0])


@case
def memory(folder: Path) -> float:
    """From arrays of codes to ratings and intervals, including checks."""
    from evaluation.ratings.bradley_terry import fit_bradley_terry
    from evaluation.ratings.counts import count_votes
    from evaluation.ratings.votes import Votes

    columns = load(folder)
    return best_of(9, lambda: fit_bradley_terry(count_votes(Votes(tuple(range(M)), *columns))).ci_high)


def evalica_columns(folder: Path):
    import numpy as np

    a, b, winner = load(folder)
    return a.astype(np.uintp), b.astype(np.uintp), np.array([1, 2, 0, 0], np.uint8)[winner]


@case
def evalica_memory(folder: Path) -> float:
    import evalica
    import numpy as np
    import pandas as pd

    a, b, winner = evalica_columns(folder)
    index, weights = pd.Index(np.arange(M, dtype=np.uint64)), np.ones(len(a))
    return best_of(2, lambda: evalica.bradley_terry(a, b, winner, index, weights))


@case
def evalica_kernel(folder: Path) -> float:
    """evalica's compiled core, without its public function, which converts arrays to lists."""
    import numpy as np
    from evalica import _brzo

    a, b, winner = evalica_columns(folder)
    options = {"total": M, "win_weight": 1.0, "tie_weight": 0.5, "tolerance": 1e-6, "limit": 100}
    weights = np.ones(len(a))
    return best_of(5, lambda: _brzo.bradley_terry(xs=a, ys=b, winners=winner, weights=weights, **options))


@case
def bootstrap(folder: Path) -> float:
    """1,000 resamples and their rank sets, from the counts."""
    from evaluation.ratings.bootstrap import bootstrap_ratings
    from evaluation.ratings.counts import count_votes

    counts = count_votes(load_votes(folder))
    bootstrap_ratings(counts, n=100).rank_sets()
    return best_of(5, lambda: bootstrap_ratings(counts, n=1000).rank_sets())


@case
def evalica_bootstrap(folder: Path) -> float:
    """Seconds of 1,000 resamples, from the time of 10."""
    import evalica
    import pandas as pd

    a, b, winner = evalica_columns(folder)
    names = pd.Index(range(M))
    winners = [evalica.WINNERS[k] for k in winner]

    def resample() -> object:
        return evalica.bootstrap(
            evalica.bradley_terry,
            a.tolist(),
            b.tolist(),
            winners,
            index=names,
            n_resamples=10,
            bootstrap_method="percentile",
        )

    return 100.0 * best_of(1, resample)


def load_covariates(folder: Path):
    import numpy as np

    return {f"x{k}": np.load(folder / f"x{k}.npy") for k in range(4)}


@case
def controlled(folder: Path) -> float:
    from evaluation.ratings.confounders import fit_controlled
    from evaluation.ratings.votes import Votes

    votes, covariates = load_votes(folder), load_covariates(folder)
    few = slice(0, 20_000)
    small = Votes(votes.models, votes.model_a[few], votes.model_b[few], votes.winner[few]).select(range(8))
    fit_controlled(small, {name: column[: len(small)] for name, column in covariates.items()})
    return best_of(3, lambda: fit_controlled(votes, covariates).ci_high)


@case
def arena_rank_controlled(folder: Path) -> float:
    import pandas as pd
    from arena_rank.models.contextual_bradley_terry import ContextualBradleyTerry
    from arena_rank.utils.data_utils import ContextualPairDataset

    a, b, winner = load(folder)
    covariates = load_covariates(folder)
    frame = pd.DataFrame({"model_a": a, "model_b": b, **covariates})
    frame["winner"] = pd.Categorical.from_codes(winner, ["model_a", "model_b", "tie", "both_bad"]).astype(str)

    def fit() -> object:
        votes = ContextualPairDataset.from_pandas(frame, feature_cols=list(covariates))
        system = ContextualBradleyTerry(n_competitors=votes.n_competitors, n_features=4)
        return system.compute_ratings_and_cis(votes)

    return best_of(1, fit)


@case
def elo(folder: Path) -> float:
    from evaluation.ratings.elo import run_elo

    votes = load_votes(folder)
    run_elo(votes)
    return best_of(5, lambda: run_elo(votes))


@case
def evalica_elo(folder: Path) -> float:
    import evalica
    import numpy as np
    import pandas as pd

    a, b, winner = evalica_columns(folder)
    index, weights = pd.Index(np.arange(M, dtype=np.uint64)), np.ones(len(a))
    return best_of(2, lambda: evalica.elo(a, b, winner, index, weights=weights))


@case
def evalica_elo_kernel(folder: Path) -> float:
    import numpy as np
    from evalica import _brzo

    a, b, winner = evalica_columns(folder)
    options = {"initial": 1000.0, "base": 10.0, "scale": 400.0, "k": 4.0, "win_weight": 1.0, "tie_weight": 0.5}
    weights = np.ones(len(a))
    return best_of(3, lambda: _brzo.elo(xs=a, ys=b, winners=winner, weights=weights, total=M, **options))


@case
def live(folder: Path) -> dict[str, float]:
    """Seconds per vote, in a batch of 10,000 and one call each, and the drift after them, in points."""
    import numpy as np

    from evaluation.ratings.counts import count_votes
    from evaluation.ratings.live import LiveRatings

    votes = load_votes(folder)
    ratings = LiveRatings(count_votes(votes))
    new = [column[:10_000].astype(np.int64) for column in (votes.model_a, votes.model_b, votes.winner)]
    ratings.add(*new)
    bound, exact = ratings.drift(), ratings.values
    drift = float(np.abs(exact - ratings.refit().values).max())
    batch = best_of(5, lambda: ratings.add(*new)) / 10_000
    singly = [column[:2000].tolist() for column in new]

    def add_each() -> None:
        for a, b, winner in zip(*singly, strict=True):
            ratings.add(a, b, winner)

    return {"batch": batch, "single": best_of(3, add_each) / 2000, "drift": drift, "bound": bound}


@case
def refit(folder: Path) -> float:
    """An exact refit of 400 models after 1,000 new votes."""
    import numpy as np

    from evaluation.ratings.counts import count_votes
    from evaluation.ratings.live import LiveRatings
    from evaluation.ratings.votes import Votes

    a, b, winner = (column[:2_000_000].astype(np.int32) for column in load(folder))
    rng = np.random.default_rng(1)
    half = (rng.integers(0, 2, len(a)) * M).astype(np.int32)
    ratings = LiveRatings(count_votes(Votes(tuple(range(2 * M)), a + half, b + rng.permutation(half), winner)))
    seconds = []
    for k in range(9):
        votes = slice(1000 * k, 1000 * (k + 1))
        ratings.add(a[votes] + half[votes], b[votes], winner[votes])
        seconds.append(best_of(1, ratings.refit))
    return min(seconds)


def _draw_clusters(columns: dict[str, tuple[int, float]]):
    """A million votes on 60 models; each column has a number of clusters whose activity has a Pareto tail."""
    import numpy as np

    from evaluation.ratings.votes import Votes

    rng, n, m = np.random.default_rng(3), 1_000_000, 60
    a = rng.integers(0, m, n).astype(np.int16)
    b = ((a + rng.integers(1, m, n)) % m).astype(np.int16)
    theta = np.linspace(-1.0, 1.0, m)
    winner = (rng.random(n) > 1 / (1 + np.exp(theta[b] - theta[a]))).astype(np.int8)
    clusters = {}
    for name, (number, tail) in columns.items():
        activity = 0.2 + rng.pareto(tail, number)
        clusters[name] = rng.choice(number, n, p=activity / activity.sum())
    return Votes(tuple(range(m)), a, b, winner, None, clusters)


def _time_clustered(columns: dict[str, tuple[int, float]]) -> float:
    from evaluation.ratings.bradley_terry import fit_bradley_terry
    from evaluation.ratings.counts import count_votes

    votes = _draw_clusters(columns)
    counts = count_votes(votes)
    return best_of(2, lambda: fit_bradley_terry(counts, clusters=votes).ci_high)


@case
def clustered(folder: Path) -> float:
    """Seconds of a fit with intervals clustered by 100,000 raters."""
    return _time_clustered({"rater": (100_000, 1.2)})


@case
def clustered_twice(folder: Path) -> float:
    """Seconds of a fit with intervals clustered by 100,000 raters and by 2,000 prompts."""
    return _time_clustered({"rater": (100_000, 1.2), "prompt": (2_000, 3.0)})


@case
def clustered_plainly(folder: Path) -> float:
    """Seconds for the slopes alone, summed by rater and squared: the covariance CR1, as a lower bound."""
    import numpy as np
    from scipy.sparse import csr_array

    votes = _draw_clusters({"rater": (100_000, 1.2)})
    code = np.unique(votes.clusters["rater"], return_inverse=True)[1]
    residuals = np.random.default_rng(0).random(len(votes))

    def square() -> object:
        place = (np.tile(code, 2), np.concatenate([votes.model_a, votes.model_b]))
        sums = csr_array((np.concatenate([residuals, -residuals]), place), shape=(int(code.max()) + 1, 60))
        return (sums.T @ sums).toarray()

    return best_of(3, square)


@case
def growth(folder: Path) -> list[tuple[int, int, float]]:
    """(models, votes, seconds) for counting and fitting in memory."""
    import numpy as np

    from evaluation.ratings.bradley_terry import fit_bradley_terry
    from evaluation.ratings.counts import count_votes
    from evaluation.ratings.votes import Votes

    rng = np.random.default_rng(2)
    found = []
    for m in (10, 50, 200, 400):
        theta = rng.normal(0, 0.6, m)
        for n in (30_000, 100_000, 1_000_000, 10_000_000):
            a = rng.integers(0, m, n).astype(np.int16)
            b = ((a + rng.integers(1, m, n)) % m).astype(np.int16)
            winner = (rng.random(n) > 1 / (1 + np.exp(theta[b] - theta[a]))).astype(np.int8)
            votes = Votes(tuple(range(m)), a, b, winner)
            found.append((m, n, best_of(3, lambda votes=votes: fit_bradley_terry(count_votes(votes)))))
    return found


if __name__ == "__main__":
    found = CASES[sys.argv[1]](Path(sys.argv[2]))
    print(json.dumps({"found": found, "megabytes": read_peak()}))
