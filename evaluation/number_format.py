"""How measured numbers are written for people."""

import math


def write_number(number: float, digits: int = 4) -> str:
    """``digits`` significant digits or all of the whole part, without trailing zeros: 0.8333, 12.64, 123,457, 2e-07."""
    if not math.isfinite(number):
        return "NaN" if math.isnan(number) else "infinity" if number > 0 else "-infinity"
    magnitude = math.floor(math.log10(abs(number))) if number else 0
    if not -5 <= magnitude < 15:
        return f"{number:.{digits}g}"
    text = f"{number:,.{max(0, digits - 1 - magnitude)}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def write_beside(number: float, bound: float) -> str:
    """The number with as many digits as it takes to see on which side of the bound it lies."""
    texts = (write_number(number, digits) for digits in range(4, 20))
    return next(text for text in texts if _side(float(text.replace(",", "")), bound) == _side(number, bound))


def write_bound(bound: float) -> str:
    """A bound as its suite states it."""
    return write_number(bound, 15)


def write_signed(number: float) -> str:
    """A difference: +0.02, -0.02, 0."""
    text = write_number(number)
    return f"+{text}" if number > 0 else text


def with_unit(text: str, unit: str) -> str:
    """``unit`` is a metric's, "" where it has none."""
    return f"{text} {unit}" if unit else text


def _side(number: float, bound: float) -> int:
    return (number > bound) - (number < bound)
