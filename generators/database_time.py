"""The database's time: the one clock by which machines compare times.

The clocks of two machines differ, often by seconds. Where a time is written by one machine and compared by another
(when a row is due, when a claim expires, when a provider may be called again), both ask the database.
"""

from datetime import UTC, datetime

from django.db import connection

# The time of the call, not of the transaction's start.
QUERIES = {"postgresql": "SELECT clock_timestamp()", "sqlite": "SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')"}


def now() -> datetime:
    """The time in UTC by the clock of the database."""
    with connection.cursor() as cursor:
        cursor.execute(QUERIES[connection.vendor])
        (found,) = cursor.fetchone()
    return found if isinstance(found, datetime) else datetime.fromisoformat(found).replace(tzinfo=UTC)
