"""Counters behind the limits of raters, networks and sign-in attempts.

They hold keys of raters and keyed hashes, never an address or a name that was typed.
"""

import secrets

from django.db import models


def new_network_key() -> str:
    return secrets.token_hex(32)


class NetworkKey(models.Model):
    """The key of a month. Without it, the network hashes of that month cannot be traced to networks or compared."""

    month = models.DateField(primary_key=True, help_text="its first day")
    value = models.CharField(max_length=64, default=new_network_key)

    def __str__(self) -> str:
        return f"network key of {self.month:%B %Y}"


class RateCount(models.Model):
    """Events of a subject (a rater or a network) within five minutes (see arena/raters/rates.py)."""

    pk = models.CompositePrimaryKey("scope", "subject", "bucket")
    scope = models.CharField(max_length=30)
    subject = models.CharField(max_length=36)
    bucket = models.PositiveIntegerField(help_text="number of the five minutes since 1970")
    count = models.PositiveIntegerField()

    def __str__(self) -> str:
        return f"{self.count} {self.scope} of {self.subject}"


class SignInFailures(models.Model):
    """Failed sign-in attempts of an account, a network or a known browser (see arena/raters/sign_in.py)."""

    subject = models.CharField(max_length=32, primary_key=True)
    n_failures = models.PositiveIntegerField(default=0)
    newest_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.n_failures} failed attempts, the last at {self.newest_at}"
