"""Attacks on a running site, and what an attacker gains by each, beside what one gained before battles were guarded.

    python benchmarks/attacks.py [--quick] [--postgres postgresql://postgres@127.0.0.1:5432/postgres]

Serves a board of six sketch models from a temporary folder on a free port of this machine, in SQLite or in a scratch
database on that server, and attacks it as one person with one address and as many cookies as wanted. The truth (which
votes were stored and count, which models a battle shows) is read from the database. Attacks on blindness run against
a site without limits, as an attacker with many addresses would find it; all others run with the default limits.

The figures before are those of commit 50b17cd on two cores: by a review of that commit, or where it has none, by this
benchmark while other work kept the cores busy.
"""

import argparse
import hashlib
import logging
import os
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from attacker import Attacker
from databases import scratch_database

# Settings that limit raters and networks; 0 turns each off.
LIMITS = (
    "RATER_OPENINGS_PER_5_MINUTES",
    "RATER_OPENINGS_PER_HOUR",
    "RATER_SKIPS_PER_HOUR",
    "RATER_VOTES_PER_5_MINUTES",
    "RATER_VOTES_PER_HOUR",
    "NETWORK_OPENINGS_PER_HOUR",
    "NETWORK_VOTES_PER_HOUR",
    "NETWORK_PROMPTS_PER_HOUR",
    "NETWORK_NEW_RATERS_PER_HOUR",
)


@dataclass(frozen=True)
class Size:
    """How long each attack goes on."""

    seconds: float
    n_learnt: int
    n_tested: int
    n_tries: int


FULL = Size(seconds=60, n_learnt=300, n_tested=100, n_tries=10)
QUICK = Size(seconds=4, n_learnt=60, n_tested=20, n_tries=4)


@dataclass(frozen=True)
class Gain:
    attack: str
    before: str
    now: str


# Votes


def count_votes(board: str) -> tuple[int, int]:
    """Votes stored on the board, and how many of them count."""
    from arena.models import Vote
    from arena.votes.exclusions import keep_countable

    votes = Vote.objects.filter(board__slug=board)
    return votes.count(), keep_countable(votes).count()


def vote_on_one_battle(site: str, board: str, size: Size) -> Gain:
    owner = Attacker(site, board)
    token = owner.open()
    owner.vote(token)
    before, started = count_votes(board), time.monotonic()
    while time.monotonic() - started < size.seconds:
        Attacker(site, board).vote(token)
    now = _compare(before, count_votes(board), time.monotonic() - started)
    return Gain("votes with fresh cookies on one battle, after its names were shown", "695 counted in 60 s", now)


def vote_on_new_battles(site: str, board: str, size: Size) -> Gain:
    before, started = count_votes(board), time.monotonic()
    while time.monotonic() - started < size.seconds:
        attacker = Attacker(site, board)
        if token := attacker.open():
            attacker.vote(token)
    now = _compare(before, count_votes(board), time.monotonic() - started)
    return Gain("votes with fresh cookies on a new battle each", "212 counted in 60 s", now)


def vote_with_one_cookie(site: str, board: str, size: Size) -> Gain:
    attacker, before, started = Attacker(site, board), count_votes(board), time.monotonic()
    while time.monotonic() - started < size.seconds:
        if token := attacker.open():
            attacker.vote(token)
    now = _compare(before, count_votes(board), time.monotonic() - started)
    return Gain("votes with one cookie on a new battle each", "237 counted in 60 s", now)


def _compare(before: tuple[int, int], after: tuple[int, int], seconds: float) -> str:
    stored, counted = (a - b for a, b in zip(after, before, strict=True))
    return f"{stored} stored, {counted} counted in {seconds:.0f} s"


def remove_others_votes(site: str, board: str, size: Size) -> Gain:
    """Report the battles on which others have voted."""
    tokens = []
    for _ in range(size.n_tries):
        victim = Attacker(site, board)
        if token := victim.open():
            victim.vote(token)
            tokens.append(token)
    _, before = count_votes(board)
    for token in tokens:
        Attacker(site, board).report(token)
    _, after = count_votes(board)
    return Gain("others' votes removed by a stranger's reports", "all", f"{before - after} of {len(tokens)}")


# Blindness


def look_first(site: str, board: str, size: Size) -> Gain:
    """A second cookie votes first and reads the names; then the owner of the battle votes."""
    from arena.models import Battle, Vote

    informed = 0
    for _ in range(size.n_tries):
        owner, scout = Attacker(site, board), Attacker(site, board)
        token = owner.open()
        scout.vote(token)
        _, page = scout.get(f"/battles/{token}/")
        battle = Battle.objects.select_related("model_a", "model_b").get(token=token)
        knows = all(model.name.encode() in page for model in (battle.model_a, battle.model_b))
        n_votes = Vote.objects.filter(battle=battle).count()
        owner.vote(token, "model_a")
        informed += knows and Vote.objects.filter(battle=battle).count() > n_votes
    return Gain("informed votes by looking first with a second cookie", "all", f"{informed} of {size.n_tries}")


@dataclass(frozen=True)
class Side:
    digest: str
    n_bytes: int
    model: str


def name_sides(site: str, board: str, size: Size) -> list[Gain]:
    """Learn the images of named battles, then name the sides of further ones before voting."""
    sides = list(_collect_sides(site, board, size.n_learnt + size.n_tested))
    learnt, tested = sides[: 2 * size.n_learnt], sides[2 * size.n_learnt :]
    table = {side.digest: side.model for side in learnt}
    by_hash = statistics.mean(table.get(side.digest) == side.model for side in tested)
    lengths = defaultdict(list)
    for side in learnt:
        lengths[side.model].append(side.n_bytes)
    means = {model: statistics.mean(values) for model, values in lengths.items()}
    by_length = statistics.mean(
        min(means, key=lambda model: abs(means[model] - side.n_bytes)) == side.model for side in tested
    )
    pairs = zip(sides[::2], sides[1::2], strict=True)
    unequal = statistics.mean(a.n_bytes != b.n_bytes for a, b in pairs)
    chance = 1 / len(means)
    learning = f"{size.n_learnt} battles learnt, {len(tested)} sides"
    return [
        Gain(f"sides named by a table of sha256 ({learning})", "100 %", f"{by_hash:.0%}".replace("%", " %")),
        Gain(
            f"sides named by their length, nearest mean (chance {100 * chance:.0f} %)",
            "50 %",
            f"{100 * by_length:.0f} %",
        ),
        Gain("battles whose sides have different lengths", "all", f"{100 * unequal:.0f} %"),
    ]


def _collect_sides(site: str, board: str, n_battles: int) -> Iterator[Side]:
    from arena.models import Battle

    attacker = Attacker(site, board)
    for _ in range(n_battles):
        token = attacker.open()
        battle = Battle.objects.select_related("model_a", "model_b").get(token=token)
        for letter, model in (("a", battle.model_a), ("b", battle.model_b)):
            _, data = attacker.get(f"/battles/{token}/{letter}.jpg")
            yield Side(hashlib.sha256(data).hexdigest(), len(data), model.slug)
        attacker.vote(token)


# Choice of pairs


def choose_by_reporting(site: str, board: str, size: Size) -> Gain:
    attacker, seen, started = Attacker(site, board), set(), time.monotonic()
    refused = False
    while not refused and time.monotonic() - started < max(size.seconds, 30):
        token = attacker.open()
        refused = not token or token in seen
        seen |= {token} - {""}
        attacker.report(token)
    now = f"{len(seen)} in {time.monotonic() - started:.1f} s, {'then none' if refused else 'without end'}"
    return Gain('pairs to choose from by "something is wrong"', "21 in 8.7 s, without end", now)


def choose_by_dropping_cookies(site: str, board: str, size: Size) -> Gain:
    seen, started = set(), time.monotonic()
    while time.monotonic() - started < size.seconds:
        if token := Attacker(site, board).open():
            seen.add(token)
    now = f"{len(seen)} in {time.monotonic() - started:.0f} s"
    return Gain("pairs to choose from by dropping cookies", "357 in 60 s", now)


def choose_by_typing(site: str, board: str, size: Size) -> Gain:
    from arena.models import Battle

    before = Battle.objects.filter(custom_prompt=True).count()
    started, n_tries = time.monotonic(), 0
    while time.monotonic() - started < size.seconds:
        n_tries += 1
        Attacker(site, board).type(f"a red boat under {n_tries} moons")
    n_opened = Battle.objects.filter(custom_prompt=True).count() - before
    return Gain(
        "pairs to choose from by typed prompts with fresh cookies",
        "20 in 60 s",
        f"{n_opened} in {time.monotonic() - started:.0f} s",
    )


def open_in_parallel(site: str, board: str, size: Size, n_parallel: int = 12) -> Gain:
    from arena.models import Battle

    attacker = Attacker(site, board)
    attacker.get(f"/boards/{board}/battle/prompt/")  # for the cookie
    before = Battle.objects.count()
    tabs = [threading.Thread(target=attacker.copy().open) for _ in range(n_parallel)]
    for tab in tabs:
        tab.start()
    for tab in tabs:
        tab.join()
    n_opened = Battle.objects.count() - before
    return Gain(f"battles by {n_parallel} parallel openings with one cookie", "8", str(n_opened))


def attack_blindness(site: str, board: str, size: Size) -> list[Gain]:
    return [look_first(site, board, size), *name_sides(site, board, size)]


def attack_limits(site: str, board: str, size: Size) -> list[Gain]:
    """In this order, because the address has used up its limits after the floods."""
    return [
        open_in_parallel(site, board, size),
        remove_others_votes(site, board, size),
        choose_by_reporting(site, board, size),
        vote_with_one_cookie(site, board, size),
        vote_on_one_battle(site, board, size),
        vote_on_new_battles(site, board, size),
        choose_by_dropping_cookies(site, board, size),
        choose_by_typing(site, board, size),
    ]


# The site


def make_board() -> str:
    """A drawn board of the demo's six models and prompts, with small images. Returns its slug."""
    from django.core.management import call_command

    from arena.battles.pools import fill_pool
    from arena.boards import seed
    from arena.models import Board
    from generators.fixtures import find_fixture
    from generators.workers import drawing

    call_command("migrate", verbosity=0, interactive=False)
    demo = next(board for board in seed(find_fixture("demo")) if board.slug == "demo")
    board = Board.objects.create(
        slug="attacked", title="Attacked", canvas_width=256, canvas_height=256, rater_prompts="counted"
    )
    board.image_models.set(demo.image_models.all())
    board.prompt_sets.set(demo.prompt_sets.all())
    for pk in fill_pool(board):
        drawing.produce(pk)
    return board.slug


@contextmanager
def serve(*, limits: bool) -> Iterator[str]:
    """A running site: its address."""
    from arena.demo.processes import start_site, stop_all

    off = {f"PARAGONE_{name}": "0" for name in LIMITS}
    saved = {name: os.environ.get(name) for name in off}
    if not limits:
        os.environ |= off
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    child = start_site(port)
    for name, value in saved.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    try:
        while True:
            child.expect_alive()
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        stop_all([child])


def run(size: Size) -> list[Gain]:
    import django

    django.setup()
    logging.disable(logging.INFO)
    board = make_board()
    with serve(limits=False) as site:
        gains = attack_blindness(site, board, size)
    with serve(limits=True) as site:
        return gains + attack_limits(site, board, size)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--postgres", default="", help="server for a scratch database; SQLite without it")
    parser.add_argument("--quick", action="store_true", help="a minute in place of ten")
    options = parser.parse_args()
    size = QUICK if options.quick else FULL
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"PARAGONE_VAR": folder, "PARAGONE_DATABASE_URL": f"sqlite:///{folder}/attacks.sqlite3"}
        os.environ["DJANGO_SETTINGS_MODULE"] = "arena.settings"
        if options.postgres:
            with scratch_database(options.postgres) as database:
                os.environ["PARAGONE_DATABASE_URL"] = database
                gains = run(size)
        else:
            gains = run(size)
    width = max(len(gain.attack) for gain in gains)
    print(f"{'attack':{width}}  {'before':>24}  now")
    for gain in gains:
        print(f"{gain.attack:{width}}  {gain.before:>24}  {gain.now}")


if __name__ == "__main__":
    main()
