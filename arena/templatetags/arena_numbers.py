"""How numbers are written on pages."""

from django import template

register = template.Library()


@register.filter
def grouped(number: int) -> str:
    """1978 -> '1,978'."""
    return f"{number:,}"


@register.filter
def percent(share: float | None) -> str:
    """0.374 -> '37 %'; what is not known is a dash, and nothing estimated is certain: '< 1 %', '> 99 %'."""
    if share is None:
        return "–"
    if share < 0.005:
        return "< 1 %"
    return "> 99 %" if share >= 0.995 else f"{share:.0%}".replace("%", " %")
