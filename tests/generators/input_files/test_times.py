"""Times of imported tables: an accepted spelling is its instant, and a refusal says what the text looks like."""

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generators.input_files.times import YEARS, read_time

SECOND = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "1700000000",
        "1700000000.",
        "1700000000.000",
        "1.7e9",
        "1700000000000",
        "1700000000000000",
        "1700000000000000000",
        "2023-11-14T22:13:20",
        "2023-11-14 22:13:20",
        "2023-11-14T22:13:20Z",
        "2023-11-14t22:13:20z",
        "2023-11-14 22:13:20 UTC",
        "2023-11-14 22:13:20.000 utc",
        "2023-11-14 22:13:20 GMT",
        "2023-11-14 22:13:20+00",
        "2023-11-14 22:13:20 +0000",
        "2023-11-14 22:13:20 +00:00 UTC",
        "2023-11-15T00:13:20+02:00",
        "2023-11-14 16:43:20 -0530",
        "20231114T221320Z",
        "2023-11-14 22:13:20.000000000",
        "2023-11-14 22:13:20,000",
    ],
)
def test_spellings_of_one_instant(text: str) -> None:
    assert read_time(text) == SECOND


def test_fractions_are_kept_to_the_microsecond() -> None:
    texts = (
        "1700000000.123456",
        "1700000000123.456",
        "1700000000123456",
        "1700000000123456400",
        "2023-11-14 22:13:20.123456789 UTC",
    )
    assert {read_time(text) for text in texts} == {SECOND + timedelta(microseconds=123456)}


def test_day_is_its_midnight_and_a_time_without_a_zone_is_in_utc() -> None:
    assert read_time("2023-11-14") == SECOND.replace(hour=0, minute=0, second=0)


@pytest.mark.parametrize(
    ("text", "looks"),
    [
        ("11/14/2023 22:13", "a date with slashes, whose day and month cannot be told apart"),
        ("2023/11/14", "a date with slashes; write hyphens"),
        ("14.11.2023 22:13:20", "a date with dots, whose day and month cannot be told apart"),
        ("Tue Nov 14 2023 22:13:20 GMT+0000", "a date in words"),
        ("Tue, 14 Nov 2023 22:13:20 GMT", "a date in words"),
        ("2023-11-14 17:13:20 EST", "a time in a named zone; write its offset"),
        ("2023-11-14 22:13:20 Europe/London", "a time in a named zone"),
        ("2023-11-14 22:13:20 +0200 UTC", "a time in a named zone"),
        ("2023-11-14 10:13:20 PM", "a time with AM or PM"),
        ("2023-02-30", "a time that does not exist"),
        ("2023-11-14 25:13:20", "a time that does not exist"),
        ("22:13:20", "a time of day without its date"),
        ("45244.926", "the day number of a spreadsheet"),
        ("20231114", "a date without hyphens"),
        ("20231114221320", "a date without hyphens"),
        ("-1", "a time before 1970"),
        ("99999999999", "a time outside the years 2000 to 2099"),
        ("1e99", "a time outside the years 2000 to 2099"),
        ("0", "a time outside the years 2000 to 2099"),
    ],
)
def test_refusal_says_what_the_text_looks_like(text: str, looks: str) -> None:
    with pytest.raises(ValueError, match=r"^ISO 8601 .*seconds or milliseconds") as refused:
        read_time(text)
    assert f"it looks like {looks}" in str(refused.value)


@pytest.mark.parametrize(
    "text", ["", "nan", "inf", "yesterday", "١٢", "2023-11-14T22:13:20Zebra", "0001-01-01T00:00+10"]
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^ISO 8601 "):
        read_time(text)


@pytest.mark.parametrize("year", [YEARS.start - 1, YEARS.stop])
def test_year_outside_the_range_is_refused(year: int) -> None:
    with pytest.raises(ValueError, match=f"not in {year}"):
        read_time(f"{year}-07-01")


INSTANTS = st.datetimes(datetime(YEARS.start, 1, 2), datetime(YEARS.stop - 1, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001


@given(INSTANTS, st.integers(-14 * 60, 14 * 60))
def test_every_accepted_spelling_is_its_instant(when: datetime, minutes: int) -> None:
    there = when.astimezone(timezone(timedelta(minutes=minutes)))
    micros = (when - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    seconds = f"{micros // 10**6}.{micros % 10**6:06}"
    in_utc = when.replace(tzinfo=None)
    spellings = [
        there.isoformat(),
        there.strftime("%Y-%m-%d %H:%M:%S.%f %z"),
        f"{in_utc} UTC",
        f"{in_utc.isoformat()}Z",
    ]
    assert {read_time(text) for text in [*spellings, seconds, str(micros), f"{micros}000"]} == {when}


@given(st.text(max_size=30) | st.from_regex(re.compile(r"[0-9:./ TZ+-]{1,30}", re.ASCII), fullmatch=True))
def test_any_text_is_a_time_in_range_or_refused(text: str) -> None:
    try:
        when = read_time(text)
    except ValueError as error:
        assert str(error).startswith("ISO 8601 ")  # noqa: PT017
    else:
        assert when.tzinfo is UTC
        assert when.year in YEARS
