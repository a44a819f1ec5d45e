"""Times of imported tables: the spellings that are read, and what the others look like."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple, Never

# A time outside these years is of another unit or calendar, or a mistake.
YEARS: Final = range(2000, 2100)
WANTED: Final = "ISO 8601 (2024-02-12T09:30:00Z), or seconds or milliseconds since 1970"

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# Seconds since 1970 at the beginning and the end of YEARS.
_FIRST, _LAST = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in (YEARS.start, YEARS.stop))
# Units per second. Numbers of different units that are times in YEARS are far apart, so that each has one meaning.
_UNITS: Final = (1, 1_000, 1_000_000, 1_000_000_000)

_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d{1,2})?", re.ASCII)
_UTC = re.compile(r"(.*\d)\s*(?:utc|gmt|z)", re.IGNORECASE | re.ASCII)
_OFFSET = re.compile(r"(.*\d)\s+([+-]\d\d(?::?\d\d)?)", re.ASCII)


class _Look(NamedTuple):
    pattern: re.Pattern[str]
    description: str


_LOOKS: Final = (
    _Look(re.compile(r"\d{1,2}/\d{1,2}/\d{2,4}\b.*"), "a date with slashes, whose day and month cannot be told apart"),
    _Look(re.compile(r"\d{4}/\d{1,2}/\d{1,2}\b.*"), "a date with slashes; write hyphens"),
    _Look(re.compile(r"\d{1,2}\.\d{1,2}\.\d{2,4}\b.*"), "a date with dots, whose day and month cannot be told apart"),
    _Look(re.compile(r".*\d\s*[aApP]\.?[mM]\.?"), "a time with AM or PM"),
    _Look(re.compile(r"\d{4}-\d\d?-\d\d?\b.*\d\s*[A-Za-z/_]{2,}"), "a time in a named zone; write its offset (-05:00)"),
    _Look(re.compile(r"\d{4}-\d\d?-\d\d?\b.*"), "a time that does not exist, or without two digits for each part"),
    _Look(re.compile(r".*[A-Za-z]{3}.*\d.*"), "a date in words"),
    _Look(re.compile(r"\d\d?:\d\d.*"), "a time of day without its date"),
)
_NUMBER_LOOKS: Final = (
    _Look(re.compile(r"-.*"), "a time before 1970"),
    _Look(re.compile(r"20\d\d[01]\d[0-3]\d(\d{4}|\d{6})?"), "a date without hyphens"),
    _Look(re.compile(r"[2-7]\d{4}(\.\d*)?"), "the day number of a spreadsheet"),
    _Look(re.compile(r".*"), f"a time outside the years {YEARS[0]} to {YEARS[-1]}"),
)


def read_time(text: str) -> datetime:
    """A time in UTC.

    Args:
        text: ISO 8601 with any separator, whose zone may also be written UTC or GMT, or after a space (UTC if it names
            none; a day is its midnight). Or a number since 1970: seconds, milliseconds, microseconds or nanoseconds,
            told apart by their size. Digits beyond microseconds are dropped from ISO 8601, and rounded in numbers.

    Raises:
        ValueError: The text is something else, or a time outside YEARS. The message says what was wanted, and if
            possible what the text looks like.
    """
    if text[4:5] != "-" and _NUMBER.fullmatch(text):
        return _read_number(text)
    try:
        when = _read_iso(text)
    except (ValueError, OverflowError):
        _refuse(text, _LOOKS)
    if when.year not in YEARS:
        raise ValueError(f"{WANTED}, in the years {YEARS[0]} to {YEARS[-1]}, not in {when.year}")
    return when


def _read_iso(text: str) -> datetime:
    try:
        named = datetime.fromisoformat(text)
    except ValueError:
        in_utc = _UTC.fullmatch(text)
        text = in_utc[1] if in_utc else text
        if spaced := _OFFSET.fullmatch(text):
            text = spaced[1] + spaced[2]
        named = datetime.fromisoformat(text)
        if in_utc and named.utcoffset():
            raise
    return named.replace(tzinfo=UTC) if named.tzinfo is None else named.astimezone(UTC)


def _read_number(text: str) -> datetime:
    number = Decimal(text)
    unit = next((unit for unit in _UNITS if _FIRST * unit <= number < _LAST * unit), None)
    if unit is None:
        _refuse(text, _NUMBER_LOOKS)
    return _EPOCH + timedelta(microseconds=round(number * 1_000_000 / unit))


def _refuse(text: str, looks: tuple[_Look, ...]) -> Never:
    found = next((look.description for look in looks if look.pattern.fullmatch(text.strip())), "")
    raise ValueError(f"{WANTED}; it looks like {found}" if found else WANTED)
