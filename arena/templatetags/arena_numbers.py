"""How numbers are written on pages."""

from django import template

register = template.Library()


@register.filter
def grouped(number: int) -> str:
    """1978 -> '1,978'."""
    return f"{number:,}"
