"""The commands exclude_votes and lift_exclusion: what they select, show and write, and their errors."""

import io
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from arena.leaderboards.snapshots import rate_board
from arena.models import Board, ExcludedVote, Exclusion, Origin, Rater, Vote
from arena.raters.identity import find_account_key
from arena.simulation import simulate_votes
from arena.votes.counts import read_counts
from arena.votes.exclusions import exclude_automatically
from tests import builders

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


@pytest.fixture
def imported(db: None) -> Board:
    """a beats b 12:4 by Ada, hour by hour from noon; b beats a 9:1 by Bob, at noon."""
    board = builders.make_board(n_models=2, n_prompts=0, origin=Origin.IMPORTED)
    for name, wins, losses, hours in (("Ada", 12, 4, 1), ("Bob", 1, 9, 0)):
        add_votes(board, name, wins, losses, hours)
    return board


def add_votes(board: Board, name: str, wins: int, losses: int, hours: int) -> None:
    a, b = board.image_models.order_by("pk")
    rater = Rater.objects.create(origin=board.origin, board=board, name=name)
    fields = {"board": board, "origin": board.origin, "model_a": a, "model_b": b, "rater": rater}
    winners = ["model_a"] * wins + ["model_b"] * losses
    Vote.objects.bulk_create(
        Vote(winner=winner, cast_at=NOON + timedelta(hours=hours * i), **fields) for i, winner in enumerate(winners)
    )


def exclude(board: Board, *arguments: str, note: str = "votes for its own model") -> str:
    out = io.StringIO()
    call_command("exclude_votes", board.slug, *arguments, "--note", note, stdout=out)
    return out.getvalue()


def lift(exclusion: int, by: str = "Eve") -> str:
    out = io.StringIO()
    call_command("lift_exclusion", str(exclusion), "--by", by, stdout=out)
    return out.getvalue()


def list_excluded_by(board: Board) -> set[str]:
    return set(Vote.objects.filter(excluded_votes__exclusion__board=board).values_list("rater__name", flat=True))


def test_it_excludes_the_votes_of_a_rater_and_shows_what_changes(imported: Board) -> None:
    before = rate_board(imported)
    printed = exclude(imported, "--rater", "Bob", "--by", "Ada").splitlines()
    exclusion = imported.exclusions.get()
    assert printed[0] == "10 votes of 1 rater."
    assert printed[1].split() == ["rank", "model", "rating", "95", "%", "interval", "votes", "change"]
    assert f"Excluded as exclusion {exclusion.pk}" in printed[-1]
    assert (exclusion.reason, exclusion.made_by, exclusion.note) == ("operator", "Ada", "votes for its own model")
    assert list_excluded_by(imported) == {"Bob"}
    after = rate_board(imported)
    assert after.excluded == {"operator": 10}
    for model in imported.image_models.all():
        old, new = before.ratings.get(model=model), after.ratings.get(model=model)
        row = next(line for line in printed if model.name in line)
        for cell in (
            f"{old.value:.0f} → {new.value:.0f}",
            # One rater is left: too few for an interval.
            f"{old.ci_low:.0f} to {old.ci_high:.0f} → -",
            "26 → 16",
            f"{new.value - old.value:+.0f}",
        ):
            assert cell in row


def test_a_dry_run_shows_the_same_and_writes_nothing(imported: Board) -> None:
    with CaptureQueriesContext(connection) as queries:
        dry = exclude(imported, "--rater", "Bob", "--dry-run")
    assert {query["sql"].split()[0] for query in queries} <= {"SELECT", "WITH", "DECLARE"}  # a cursor
    assert (Exclusion.objects.count(), ExcludedVote.objects.count(), imported.leaderboards.count()) == (0, 0, 0)
    assert dry.splitlines()[:-1] == exclude(imported, "--rater", "Bob").splitlines()[:-1]
    assert dry.splitlines()[-1] == "Nothing was written."


def test_options_are_combined_and_values_of_one_are_alternatives(imported: Board) -> None:
    assert exclude(imported, "--rater", "Ada", "Bob", "--dry-run").startswith("26 votes of 2 raters.")
    assert exclude(imported, "--rater", "Ada", "--rater", "Bob", "--dry-run").startswith("26 votes of 2 raters.")
    span = ("--since", "2026-11-26T12:00Z", "--until", "2026-11-26T15:00+01:00")
    assert exclude(imported, *span, "--dry-run").startswith("12 votes of 2 raters.")
    printed = exclude(imported, "--rater", "Ada", "--since", "2026-11-26T13:00Z", "--until", "2026-11-26T15:00Z")
    assert printed.startswith("2 votes of 1 rater.")
    times = Vote.objects.filter(excluded_votes__isnull=False).values_list("cast_at", flat=True)
    assert sorted(times) == [NOON + timedelta(hours=1), NOON + timedelta(hours=2)]


def test_votes_that_are_excluded_already_are_said_and_stay_excluded_when_either_is_lifted(imported: Board) -> None:
    for vote in Vote.objects.filter(rater__name="Bob")[:3]:
        exclude_automatically(vote, "limit")
    assert exclude(imported, "--rater", "Bob").startswith("10 votes of 1 rater, of which 3 are excluded already.")
    assert "7 of its 10 votes count again" in lift(imported.exclusions.get(reason="operator").pk)
    assert exclude(imported, "--rater", "Bob").startswith("10 votes of 1 rater, of which 3 are excluded already.")
    assert "0 of its 3 votes count again" in lift(imported.exclusions.get(reason="limit").pk)
    assert read_counts(imported).counts.n_votes == 16


def test_excluding_all_votes_leaves_no_rating(imported: Board) -> None:
    printed = exclude(imported, "--since", "2000-01-01T00:00Z")
    assert printed.count("26 → 0") == 2
    assert printed.count("no votes yet") == 2
    made = rate_board(imported)
    assert (made.n_votes, made.n_raters) == (0, 0)
    assert made.describe_excluded() == "26 votes are excluded: 26 by an operator."


def test_raters_networks_and_battles_of_people(board: Board) -> None:
    key = uuid.uuid4()
    first, second, third = (builders.make_vote(board, key=owner) for owner in (key, key, None))
    for vote, network in ((first, "n1"), (second, "n2"), (third, "n1")):
        vote.battle.network = network
        vote.battle.save(update_fields=["network"])
    assert exclude(board, "--rater", str(key), "--dry-run").startswith("2 votes of 1 rater.")
    assert exclude(board, "--network", "n1", "--dry-run").startswith("2 votes of 2 raters.")
    account = User.objects.create_user("grace")
    builders.make_vote(board, key=find_account_key(account.pk))
    assert exclude(board, "--rater", "grace", "--dry-run").startswith("1 vote of 1 rater.")
    assert exclude(board, "--network", "n1", "--network", "n2", "--dry-run").startswith("3 votes of 2 raters.")
    addresses = [f"https://arena.example.org{vote.battle.get_absolute_url()}" for vote in (first, third)]
    assert exclude(board, "--battle", *addresses, "--dry-run").startswith("2 votes of 2 raters.")
    third.battle.token = "-begins-like-an-option"
    third.battle.save(update_fields=["token"])
    tokens = [f"--battle={vote.battle.token}" for vote in (first, third)]
    assert exclude(board, *tokens, "--dry-run").startswith("2 votes of 2 raters.")
    exclude(board, "--network", "n1", "--rater", str(key))
    assert ExcludedVote.objects.get().vote == first


def test_votes_on_other_boards_stay(board: Board) -> None:
    other, key = builders.make_board(n_models=2, n_prompts=1, drawn=True), uuid.uuid4()
    vote = builders.make_vote(board, key=key)
    builders.make_vote(other, key=key)
    exclude(board, "--rater", str(key))
    assert ExcludedVote.objects.get().vote == vote
    assert [read_counts(each).n_raters for each in (board, other)] == [0, 1]


def test_it_works_on_simulated_boards(db: None) -> None:
    board = builders.make_board(n_models=2, origin=Origin.SIMULATED, simulation={"strengths": {}})
    strengths = dict.fromkeys(board.image_models.values_list("slug", flat=True), 1000.0)
    board.simulation = {"strengths": strengths, "tie": 0.1, "both_bad": 0.1, "taste": 0.0, "side": 0.0}
    board.save()
    simulate_votes(board, n_votes=200, n_raters=4)
    rater = Rater.objects.filter(board=board).first()
    assert f"{rater.votes.count()} votes of 1 rater." in exclude(board, "--rater", rater.name)
    assert read_counts(board).n_raters == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "would select every vote"),
        (["--rater", "Carl"], "The rater 'Carl' has no votes on the board"),
        (["--rater", str(uuid.uuid4())], "has no votes on the board"),
        (["--network", "0123"], "no battle from the network '0123'"),
        (["--network", ""], "no battle from the network ''"),
        (["--battle", "t0ken"], "has no battle 't0ken'"),
        (["--since", "2026-11-26 12:00"], "has no time zone. Write it as 2026-11-26 12:00Z"),
        (["--until", "noon"], "'noon' is not a time in ISO 8601"),
        (["--since", "2026-11-26T12:00Z", "--until", "2026-11-26T13:00+01:00"], "No time is both"),
        (["--since", "2027-01-01T00:00Z"], "No vote on the board"),
    ],
)
def test_a_selection_that_cannot_be_meant_is_refused(imported: Board, arguments: list[str], message: str) -> None:
    builders.make_board()  # with a rater of another board
    with pytest.raises(CommandError, match=message):
        exclude(imported, *arguments)
    assert not Exclusion.objects.exists()


def test_the_board_is_known_and_the_note_says_why(imported: Board) -> None:
    with pytest.raises(CommandError, match=f"no board 'nowhere'. Known boards: {imported.slug}"):
        call_command("exclude_votes", "nowhere", "--rater", "Bob", "--note", "why")
    with pytest.raises(CommandError, match="note is empty"):
        exclude(imported, "--rater", "Bob", note=" ")


def test_an_exclusion_is_lifted_once_and_the_counts_are_as_before(imported: Board) -> None:
    before = rate_board(imported)
    exclude(imported, "--rater", "Bob")
    rate_board(imported)
    exclusion = imported.exclusions.get()
    assert "10 of its 10 votes count again" in lift(exclusion.pk)
    assert rate_board(imported).digest == before.digest
    exclusion.refresh_from_db()
    assert exclusion.lifted_by == "Eve"
    with pytest.raises(CommandError, match=f"Exclusion {exclusion.pk} was lifted by Eve"):
        lift(exclusion.pk)


def test_an_unknown_exclusion_lists_those_in_force(imported: Board) -> None:
    with pytest.raises(CommandError, match=r"There is no exclusion 0\. In force: none"):
        lift(0)
    exclude(imported, "--rater", "Bob")
    pk = imported.exclusions.get().pk
    with pytest.raises(CommandError, match=rf"In force: {pk} \({imported.slug}: 10 votes, operator\)"):
        lift(0)
