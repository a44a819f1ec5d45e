"""How numbers are written on pages."""

from django import template

register = template.Library()


@register.filter
def grouped(number: int) -> str:
    """1978 -> '1,978'."""
    return f"{number:,}"


@register.filter
def percent(share: float | None) -> str:
    """0.374 -> '37 %'; what is not known is a dash, and what rounds to 0 or 100 without being it says so."""
    if share is None:
        return "–"
    if 0 < share < 0.005:
        return "< 1 %"
    return "> 99 %" if 0.995 <= share < 1 else f"{share:.0%}".replace("%", " %")
