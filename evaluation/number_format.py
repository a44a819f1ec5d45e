"""Number format: measured values, intervals, differences and limits as people write them (71 %, 0.3 s, $0.04).

A unit is a metric's: "share" is printed in percent, "USD" with a dollar sign, and "" means that there is none. With
``beside`` a number gets as many digits as show on which side of that bound it lies.
"""

import math
from decimal import Context, Decimal
from typing import Final

SHARE: Final = "share"
DOLLARS: Final = "USD"
DIGITS: Final = 4
SHARE_DIGITS: Final = 3  # 83.3 %
BOUND_DIGITS: Final = 15  # all that a suite can state


def write_number(number: float | Decimal, digits: int = DIGITS) -> str:
    """``digits`` significant digits, or all of the integer part, without trailing zeros: 0.8333, 123,457, 2e-7."""
    exact = number if isinstance(number, Decimal) else Decimal(repr(float(number)))
    if not exact.is_finite():
        return "NaN" if exact.is_nan() else "infinity" if exact > 0 else "-infinity"
    magnitude = exact.adjusted() if exact else 0
    if not -5 <= magnitude < 15:
        return f"{Context(prec=digits).create_decimal(exact).normalize():.{digits}g}"
    text = f"{exact:,.{max(0, digits - 1 - magnitude)}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def write_value(number: float, unit: str, *, beside: float | None = None) -> str:
    """A value: 83.3 %, 3 s, $0.04, 12.64."""
    return _add_unit(_write_amount(number, unit, beside), unit)


def write_interval(low: float, high: float, unit: str, *, beside: float | None = None) -> str:
    """An interval, with its unit once: 79 to 88 %, 2.5 to 3.1 s, $0.03 to $0.05."""
    ends = [_write_amount(number, unit, beside) for number in (low, high)]
    return " to ".join(map(_add_dollars, ends)) if unit == DOLLARS else _add_unit(" to ".join(ends), unit)


def write_limit(bound: float, unit: str) -> str:
    """A bound, as exact as its suite states it: 20 %, 2.5 s."""
    return _add_unit(_write_exact(bound, unit), unit)


def write_difference(number: float, unit: str, *, beside: float | None = None) -> str:
    """A signed difference: +6 percentage points, -0.2 s, +$0.01, 0."""
    return _add_difference_unit(_sign(_write_amount(number, unit, beside)), unit)


def write_signed(number: float, unit: str, *, beside: float | None = None) -> str:
    """A signed difference next to a text that names the unit: +6, +$0.01."""
    text = _sign(_write_amount(number, unit, beside))
    return _add_dollars(text) if unit == DOLLARS else text


def write_difference_interval(low: float, high: float, unit: str, *, beside: float | None = None) -> str:
    """The interval of a difference, next to a text that names the unit: +2 to +10, +$0.10 to +$0.25."""
    return f"{write_signed(low, unit, beside=beside)} to {write_signed(high, unit, beside=beside)}"


def write_difference_limit(bound: float, unit: str) -> str:
    """A bound of a difference, signed: -2 percentage points."""
    return _add_difference_unit(_sign(_write_exact(bound, unit)), unit)


def write_margin(margin: float, unit: str) -> str:
    """The size of a difference, as exact as its suite states it: 2 percentage points, 0.5 s."""
    return _add_difference_unit(_write_exact(margin, unit), unit)


def _scale(number: float, unit: str) -> Decimal:
    """The number to print: 100 times a share, exactly."""
    exact = Decimal(repr(float(number)))
    return exact.scaleb(2) if unit == SHARE else exact


def _write_exact(number: float, unit: str) -> str:
    return write_number(_scale(number, unit), BOUND_DIGITS)


def _write_amount(number: float, unit: str, beside: float | None) -> str:
    scaled = _scale(number, unit)
    if beside is None or not math.isfinite(number):
        return _write_share(scaled, SHARE_DIGITS) if unit == SHARE else write_number(scaled)
    # Gates are about few samples: whole percents say as much, unless the bound is near.
    bound, write = _scale(beside, unit), _write_share if unit == SHARE else write_number
    texts = (write(scaled, digits) for digits in range(2 if unit == SHARE else DIGITS, 20))
    return next(text for text in texts if _side(Decimal(text.replace(",", "")), bound) == _side(scaled, bound))


def _write_share(percent: Decimal, digits: int) -> str:
    text = write_number(percent, digits)
    # 100 % means that nothing is missing: 99.96 % is not rounded to it.
    return _write_share(percent, digits + 1) if text == "100" and percent != 100 else text


def _side(number: Decimal, bound: Decimal) -> int:
    return (number > bound) - (number < bound)


def _sign(text: str) -> str:
    return text if text.startswith("-") or text in {"0", "NaN"} else f"+{text}"


def _add_unit(text: str, unit: str) -> str:
    if unit == SHARE:
        return f"{text} %"
    if unit == DOLLARS:
        return _add_dollars(text)
    return f"{text} {unit}" if unit else text


def _add_difference_unit(text: str, unit: str) -> str:
    if unit == SHARE:
        return f"{text} percentage point{'' if text.lstrip('+-') == '1' else 's'}"
    return _add_unit(text, unit)


def _add_dollars(text: str) -> str:
    sign = text[:1] if text[:1] in {"+", "-"} else ""
    cents = "0" if text[-2:-1] == "." else ""  # $0.50
    return f"{sign}${text.removeprefix(sign)}{cents}"
