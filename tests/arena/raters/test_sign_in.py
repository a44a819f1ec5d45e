"""Sign-in attempts: growing delays for an account and a network, and the ways of an honest owner around them."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.http import HttpResponse
from django.test import Client

from arena.models import SignInFailures
from arena.raters.sign_in import list_expired_failures
from tests.clock import Clock
from tests.concurrency import run_at_once

PASSWORD = "a long enough password"

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _accounts(db: None, clock: Clock) -> None:
    for name in ("ada", "grace"):
        User.objects.create_user(name, password=PASSWORD)


def attempt(name: str, password: str = "wrong", client: Client | None = None, address: str = "192.0.2.1") -> Any:
    return (client or Client()).post("/sign-in/", {"username": name, "password": password}, REMOTE_ADDR=address)


def fail(name: str, times: int, **options: Any) -> None:
    for _ in range(times):
        assert attempt(name, **options).status_code == 200


def is_signed_in(response: HttpResponse) -> bool:
    return response.status_code == 302


@pytest.mark.parametrize("name", ["ada", "unknown"])
def test_delays_double_after_five_failures_for_known_and_unknown_names(clock: Clock, name: str) -> None:
    fail(name, 5)
    for delay in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900):
        refused = attempt(name)
        assert refused.status_code == 429
        assert 0 < int(refused["Retry-After"]) <= 900
        clock.advance(int(refused["Retry-After"]) - 0.5)
        assert attempt(name).status_code == 429, delay
        clock.advance(0.5)
        assert int(refused["Retry-After"]) == delay
        fail(name, 1)


def test_the_page_says_how_long(clock: Clock) -> None:
    fail("ada", 5)
    clock.advance(1)
    fail("ada", 1)
    page = attempt("ada").content.decode()
    assert "Try again in 2 seconds." in page
    assert "The name or the password is wrong" not in page
    assert 'value="ada"' in page


def test_a_delayed_attempt_verifies_no_password(clock: Clock) -> None:
    fail("ada", 5)
    assert attempt("ada", PASSWORD).status_code == 429
    clock.advance(1)
    assert is_signed_in(attempt("ada", PASSWORD))


def test_waiting_attempts_do_not_lengthen_the_delay(clock: Clock) -> None:
    fail("ada", 5)
    for _ in range(20):
        assert attempt("ada")["Retry-After"] == "1"


def test_a_success_resets_the_account(clock: Clock) -> None:
    fail("ada", 4)
    assert is_signed_in(attempt("ada", PASSWORD))
    fail("ada", 5)
    assert attempt("ada").status_code == 429


def test_failures_are_forgiven_with_time(clock: Clock) -> None:
    fail("ada", 5)
    clock.advance(2 * 900)
    fail("ada", 2)
    assert attempt("ada").status_code == 429


def test_another_account_is_not_delayed(clock: Clock) -> None:
    fail("ada", 5)
    assert is_signed_in(attempt("grace", PASSWORD))


def test_one_network_cannot_try_many_accounts(settings, clock: Clock) -> None:
    settings.NETWORK_SIGN_IN_FAILURES = 10
    for number in range(10):
        fail(f"unknown-{number}", 1, address=f"192.0.2.{number}")
    assert attempt("ada", PASSWORD).status_code == 429
    assert is_signed_in(attempt("ada", PASSWORD, address="198.51.100.1"))


def test_a_success_does_not_give_the_network_new_attempts(settings, clock: Clock) -> None:
    settings.NETWORK_SIGN_IN_FAILURES = 3
    for number in range(3):
        fail(f"unknown-{number}", 1)
        assert number == 2 or is_signed_in(attempt("grace", PASSWORD))
    assert attempt("ada", PASSWORD).status_code == 429


def test_others_cannot_lock_the_owner_out(clock: Clock) -> None:
    home = Client()
    assert is_signed_in(attempt("ada", PASSWORD, home))
    home.post("/sign-out/")
    fail("ada", 5, address="198.51.100.1")
    assert attempt("ada", PASSWORD).status_code == 429
    assert is_signed_in(attempt("ada", PASSWORD, home))
    # Not even from a network of attackers, and its own failures have their own delay.
    home.post("/sign-out/")
    fail("ada", 5, client=home)
    assert attempt("ada", PASSWORD, home).status_code == 429
    clock.advance(1)
    assert is_signed_in(attempt("ada", PASSWORD, home))


def test_a_known_browser_is_known_for_its_account_only(clock: Clock) -> None:
    browser = Client()
    assert is_signed_in(attempt("grace", PASSWORD, browser))
    fail("ada", 5)
    assert attempt("ada", PASSWORD, browser).status_code == 429


def test_a_forged_cookie_makes_no_browser_known(clock: Clock) -> None:
    browser = Client()
    attempt("ada", PASSWORD, browser)
    browser.cookies["paragone_known_browser"] = browser.cookies["paragone_known_browser"].value[:-1] + "x"
    fail("ada", 5)
    assert attempt("ada", PASSWORD, browser).status_code == 429


def test_zero_turns_the_delays_off(settings, clock: Clock) -> None:
    settings.SIGN_IN_FAILURES = settings.NETWORK_SIGN_IN_FAILURES = 0
    fail("ada", 30)
    assert is_signed_in(attempt("ada", PASSWORD))
    assert not SignInFailures.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_parallel_attempts_gain_nothing(clock: Clock) -> None:
    codes = [response.status_code for response in run_at_once([lambda: attempt("ada")] * 10)]
    assert sorted(codes) == [200] * 5 + [429] * 5


def test_neither_names_nor_addresses_are_stored(clock: Clock) -> None:
    fail("a secret typed into the wrong field", 1)
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM arena_signinfailures")
        stored = str(cursor.fetchall())
    assert "secret" not in stored
    assert "192.0.2" not in stored


def test_the_command_unlocks_an_account(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    fail("ada", 5)
    call_command("unlock_sign_in", "ada")
    assert "5 failed attempts of ada" in capsys.readouterr().out
    assert is_signed_in(attempt("ada", PASSWORD))
    with pytest.raises(CommandError, match="no account 'unknown'"):
        call_command("unlock_sign_in", "unknown")


def test_old_counters_expire(clock: Clock) -> None:
    fail("ada", 1)
    assert not list_expired_failures().exists()
    clock.advance(8 * 24 * 3600)
    fail("grace", 1, address="198.51.100.1")
    assert list_expired_failures().count() == 2  # the account and its network


@pytest.mark.parametrize("public", [True, False])
def test_the_page_says_whether_the_arena_is_public(settings, public: bool) -> None:
    settings.PUBLIC = public
    page = Client().get("/sign-in/").content.decode()
    assert ("This arena is not public" in page) is not public
    assert ("without an account" in page) is public
