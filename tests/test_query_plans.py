"""Plans of frequent queries on PostgreSQL: each has an index that it can use, however large its table becomes."""

import uuid

import pytest
from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from arena.models import Vote
from evaluation.management.run_argument import _find_runs
from evaluation.models import Run, Score
from generators.models import Generation

pytestmark = [pytest.mark.postgres, pytest.mark.django_db]

NOW = timezone.now()
QUERIES = {
    "generation_original": lambda: Generation.objects.filter(original__in=["0" * 64, "1" * 64]),
    "generation_sent": lambda: Generation.objects.filter(status="pending", sent_at__isnull=False),
    "generation_open_due_at": lambda: Generation.objects.overdue(NOW).order_by("due_at")[:500],
    "score_values": lambda: Score.objects.filter(label="fid", value__gte=1.0),
    "vote_times": lambda: Vote.objects.filter(board=1, cast_at__gte=NOW).order_by("cast_at")[:500],
    "vote_categories": lambda: Vote.objects.filter(board=1, category="text", cast_at__gte=NOW),
    "evaluation_run_key": lambda: _find_runs(uuid.uuid4().hex[:8]).order_by(),
    "run_newest": lambda: Run.objects.order_by("-created_at").values("pk")[:50],
}


@pytest.mark.parametrize("index", QUERIES)
def test_the_query_can_use_its_index(index: str) -> None:
    rows: QuerySet[object] = QUERIES[index]()  # type: ignore[no-untyped-call, assignment]
    with connection.cursor() as cursor:
        # The tables of a test are small, so that a scan of the whole table is cheaper.
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off; SET LOCAL enable_bitmapscan = off")
    assert index in rows.explain()
