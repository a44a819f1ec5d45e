"""US dollar amounts as text, exact."""

from decimal import Decimal


def format_amount(amount: Decimal) -> str:
    """The exact amount without exponent and trailing zeros, so that equal amounts are equal texts: "0.04", "2.5"."""
    return f"{(amount + 0).normalize():f}"


def format_dollars(amount: Decimal) -> str:
    """The exact amount as people write it: "$0.04", "$2.50", "$12"."""
    whole, _, cents = format_amount(amount).partition(".")
    return f"${whole}.{cents:0<2}" if cents else f"${whole}"
