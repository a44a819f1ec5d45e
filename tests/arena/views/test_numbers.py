"""Number formats of pages."""

import pytest

from arena.templatetags.arena_numbers import percent


@pytest.mark.parametrize(
    ("share", "written"),
    [(None, "–"), (0.0, "< 1 %"), (0.004, "< 1 %"), (0.374, "37 %"), (0.9951, "> 99 %"), (1.0, "> 99 %")],
)
def test_an_estimated_share_is_never_shown_as_certain(share: float | None, written: str) -> None:
    assert percent(share) == written
