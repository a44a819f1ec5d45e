"""Reasons of unscored samples, grouped: those that differ only in a file name, a digest or a number are one group."""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

# Parts in which two reasons may differ and still be the same reason. Numbers of errors, such as HTTP 500, are not.
VARYING: Final = re.compile(
    r"""
    "[^"]*" | “[^”]*” | (?<!\w)'(?:[^'\\]|\\.)*'(?!\w)           # quoted
    | (?<![\w/])(?:\.{0,2}/)?(?:[\w.@+-]+/)+[\w.@+-]+            # path
    | \b[\w-]+\.(?:png|jpe?g|webp|avif|gif|bmp|tiff?|npy|json)\b # file
    | \b(?=[0-9a-f-]*\d)[0-9a-f]{8}(?:[0-9a-f-]*[0-9a-f])?\b     # digest or UUID
    | (?<![\w.-])(?<!HTTP\ )(?<!status\ )(?<!code\ )(?<!error\ )(?<!Errno\ )\d[\d,.]*(?:\ ×\ \d[\d,]*)?(?![\w-])
    """,
    re.VERBOSE,
)
ELLIPSIS: Final = "…"
MAX_GROUPS: Final = 4


@dataclass(frozen=True)
class ReasonGroup:
    """``n`` samples are unscored for this reason. If they differ in a part, ``text`` has an ellipsis and an example."""

    n: int
    text: str

    def __str__(self) -> str:
        return f"{self.n:,} × {self.text}"


def group_reasons(reasons: Mapping[str, int], longest: int = MAX_GROUPS) -> list[ReasonGroup]:
    """Groups of reasons, the most frequent first.

    Args:
        reasons: Number of samples by reason, as in ``MetricOutcome.reasons``.
        longest: Number of groups after which the others are counted together.
    """
    alike: dict[tuple[str, int], list[str]] = defaultdict(list)
    for reason in sorted(reasons, key=lambda reason: (-reasons[reason], reason)):
        alike[VARYING.subn(ELLIPSIS, reason)].append(reason)
    groups = [ReasonGroup(sum(reasons[reason] for reason in group), _fold(group)) for group in alike.values()]
    groups.sort(key=lambda group: (-group.n, group.text))
    if len(groups) <= longest + 1:
        return groups
    rest = groups[longest:]
    return [*groups[:longest], ReasonGroup(sum(group.n for group in rest), f"{len(rest):,} other reasons")]


def write_reasons(reasons: Mapping[str, int]) -> str:
    """The groups in one line: "25 × no file …; 2 × got text"."""
    return "; ".join(str(group).rstrip(". ") for group in group_reasons(reasons))


def _fold(reasons: list[str]) -> str:
    """One text for reasons that are equal except for their varying parts."""
    first = reasons[0]
    if len(reasons) == 1:
        return first
    parts = list(zip(*(VARYING.findall(reason) for reason in reasons), strict=True))
    differs = [len(set(part)) > 1 for part in parts]
    # A folded part has no example of its own: all are named together, behind the text.
    example = ", ".join(part[0] for part, differ in zip(parts, differs, strict=True) if differ)
    places = iter(differs)
    text = VARYING.sub(lambda found: ELLIPSIS if next(places) else found[0], first)
    return f"{text.rstrip('. ')} (for example {example})"
