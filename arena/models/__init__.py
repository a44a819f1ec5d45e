"""Tables of the arena: boards, raters, battles, votes, exclusions, and the leaderboards computed from them.

Rules that a constraint cannot express (a vote has the origin of its board, a snapshot never changes) are in
``arena/triggers.py``.
"""

from arena.models.battles import Battle, BattleQuerySet, Closure, Stage
from arena.models.boards import Board, Origin, Rater
from arena.models.exclusions import ExcludedVote, Exclusion, ExclusionQuerySet
from arena.models.leaderboards import Leaderboard, LeaderboardQuerySet, Rating, RatingSchedule
from arena.models.limits import NetworkKey, RateCount, SignInFailures
from arena.models.safety_checks import FailedSafetyCheck
from arena.models.votes import MatchupCount, Vote, VoteCursor

__all__ = [
    "Battle",
    "BattleQuerySet",
    "Board",
    "Closure",
    "ExcludedVote",
    "Exclusion",
    "ExclusionQuerySet",
    "FailedSafetyCheck",
    "Leaderboard",
    "LeaderboardQuerySet",
    "MatchupCount",
    "NetworkKey",
    "Origin",
    "RateCount",
    "Rater",
    "Rating",
    "RatingSchedule",
    "SignInFailures",
    "Stage",
    "Vote",
    "VoteCursor",
]
