"""How numbers are written on pages."""

from django import template

from evaluation.number_format import write_number, write_signed

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


@register.filter
def figure(number: float) -> str:
    """Four significant digits: 12.64."""
    return write_number(number)


@register.filter
def signed(number: float) -> str:
    """A difference: +0.02."""
    return write_signed(number)
