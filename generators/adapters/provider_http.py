"""What providers' servers have in common: how HTTP says no, and how an image behind an address is fetched.

An answer whose end is unknown (the request went out, no whole answer came back) has ``billed=None``: see AdapterError.
"""

import base64
import binascii
import io
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from fnmatch import fnmatch
from math import isfinite
from typing import Annotated

import httpx2
from PIL import Image
from pydantic import AfterValidator, SecretStr

from generators.adapters.base import AUTHENTICATION, AdapterError, Billed, Outcome

MAX_IMAGE_BYTES = 64 * 1024 * 1024
# A finished image is asked for this often, and for so many seconds in all: fetching it again costs nothing, drawing it
# again does.
FETCHES = 3
FETCH_SECONDS = 60.0
CONNECT_SECONDS = 15.0
# Of an image that is not handed out, these may pass; any other 4xx says that it is gone.
PASSING = {408, 425, 429}
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
# Gateways say these of a server that may well have done its work.
UNKNOWN_END = {502, 504}
# What ends a connection before any of the request has gone out.
UNREACHED = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError)


def open_client(timeout: float) -> httpx2.Client:
    """A client that waits ``timeout`` seconds for an answer, asks once and goes nowhere that it was not sent.

    It carries no key: images lie on other hosts than the provider's own.
    """
    limits = httpx2.Timeout(timeout, connect=min(timeout, CONNECT_SECONDS))
    return httpx2.Client(timeout=limits, follow_redirects=False)


def reveal_key(key: SecretStr) -> str:
    """The key as a header holds it. AdapterError (invalid, authentication) where there is none, or it is no key."""
    value = key.get_secret_value().strip()
    if not value:
        raise AdapterError(Outcome.INVALID, "There is no key for this provider. Set one.", code=AUTHENTICATION)
    if not (value.isascii() and value.isprintable()) or " " in value:
        text = "The key holds characters that no key has. Copy it again, without line breaks or quotes."
        raise AdapterError(Outcome.INVALID, text, code=AUTHENTICATION)
    return value


def hide_key(text: str, key: SecretStr) -> str:
    """The provider's words without the key, which some of them repeat."""
    value = key.get_secret_value().strip()
    return text.replace(value, "[key]") if value else text


def _read_address(address: str) -> str:
    try:
        url = httpx2.URL(address)
    except httpx2.InvalidURL as error:
        raise ValueError("this is not an address, wanted https://HOST") from error
    if not url.host or not (url.scheme == "https" or (url.scheme == "http" and url.host in LOOPBACK)):
        raise ValueError("wanted https://HOST: the key goes there")
    if url.userinfo or url.query:
        raise ValueError("wanted no user, password or query in it: the key is configured apart")
    return address.rstrip("/")


# Where a provider's server is: https, or http on this machine. The key goes there.
Address = Annotated[str, AfterValidator(_read_address)]


def fault_of_status(
    status: int, headers: Mapping[str, str], message: str, *, code: str = "", request_id: str = ""
) -> AdapterError:
    """What an HTTP status other than success means. Refusals have none of their own: each adapter knows its own."""
    reported = {"request_id": request_id} if request_id else {}
    if status in {401, 403}:
        # The provider's own words are left out: some repeat the key.
        text = f"The provider did not accept the key (HTTP {status}). Check the key and what it is allowed to do."
        return AdapterError(Outcome.INVALID, text, code=AUTHENTICATION, reported=reported)
    if 300 <= status < 400:
        # The address's path and query are left out: they may hold what nobody else should read.
        text = f"The provider's server sends us on to {_name_host(headers)} (HTTP {status}). If it moved, set base_url."
        return AdapterError(Outcome.INVALID, text, code=code or "redirect", reported=reported)
    outcome = Outcome.INVALID
    if status == 402:
        outcome = Outcome.QUOTA
    elif status == 429:
        outcome = Outcome.RATE_LIMITED
    elif status in {408, 504}:
        outcome = Outcome.TIMEOUT
    elif status >= 500 or status in {409, 425}:
        outcome = Outcome.TRANSIENT
    return AdapterError(
        outcome,
        f"HTTP {status}: {' '.join(message.split())[:500] or 'no explanation'}",
        code=code,
        retry_after=read_retry_after(headers),
        billed=None if status in UNKNOWN_END else {},
        reported=reported,
    )


def fault_of_transport(error: BaseException) -> AdapterError:
    """What a connection that failed means: was the request out, or not?"""
    name = type(error).__name__
    timed_out = isinstance(error, httpx2.TimeoutException)
    outcome = Outcome.TIMEOUT if timed_out else Outcome.TRANSIENT
    if isinstance(error, UNREACHED):
        return AdapterError(outcome, f"The provider's server could not be reached ({name}).")
    if isinstance(error, httpx2.UnsupportedProtocol | httpx2.InvalidURL):
        return AdapterError(Outcome.INVALID, f"The provider's address is not one ({name}).")
    if isinstance(error, httpx2.LocalProtocolError):
        return AdapterError(Outcome.INVALID, f"The request could not be written ({name}).")
    return AdapterError(outcome, f"The connection ended before the whole answer was there ({name}).", billed=None)


def fault_of_body(what: str) -> AdapterError:
    """A success whose body is not what it should be: the image may have been drawn, and charged."""
    return AdapterError(Outcome.TRANSIENT, f"The provider's answer could not be read: {what}", billed=None)


def read_retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from ``retry-after`` (a number or a date) or ``retry-after-ms``; None where nothing is said."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name, "")
        try:
            seconds = float(value) * unit
            return max(0.0, seconds) if isfinite(seconds) else None
        except ValueError:
            pass
        try:
            return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
        except (ValueError, TypeError):
            pass
    return None


def decode_base64(text: object) -> bytes:
    """The bytes, or AdapterError (transient, end unknown) for what is not base64."""
    if not isinstance(text, str):
        raise fault_of_body("there is no image in it.")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise fault_of_body("the image is not base64.") from error


def identify_image(data: bytes) -> tuple[str, int, int] | None:
    """Media type, width and height in pixels, read from the first bytes; None for what is no PNG, JPEG or WebP."""
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP")) as image:
            return image.get_format_mimetype() or "", image.width, image.height
    except Exception:
        # Pillow raises many kinds of errors on hostile bytes; all of them mean: this is not an image.
        return None


def media_type_of_source(source: bytes) -> str:
    """The media type of an image that an edit starts from. AdapterError (invalid) for what is none."""
    found = identify_image(source)
    if found is None:
        raise AdapterError(Outcome.INVALID, "An image to edit is no PNG, JPEG or WebP.", code="source")
    return found[0]


def fetch_image(client: httpx2.Client, url: str, *, hosts: Sequence[str], billed: Billed) -> bytes:
    """The bytes behind an image's address, which is on one of ``hosts`` (patterns: ``*.bfl.ai``).

    The image exists and costs ``billed``, so every AdapterError says so. No redirect is followed to another host, and
    nothing but https is asked for, except on this machine.
    """
    deadline = time.monotonic() + FETCH_SECONDS
    outcome, text = Outcome.INVALID, "The image's address leads in circles."
    for attempt in range(FETCHES):
        check_host(url, hosts, billed=billed)
        left = max(0.1, deadline - time.monotonic())
        try:
            with client.stream("GET", url, headers={"Accept": "image/*"}, timeout=left) as response:
                if response.is_redirect:
                    url = str(response.url.join(response.headers.get("location", "")))
                    continue
                status = response.status_code
                if response.is_client_error and status not in PASSING:
                    text = f"The image is no longer at its address (HTTP {status})."
                    raise AdapterError(Outcome.TRANSIENT, text, code="expired", billed=billed)
                if response.is_success:
                    return _read_limited(response, deadline, billed)
                outcome, text = Outcome.TRANSIENT, f"The image could not be fetched (HTTP {status})."
        except httpx2.RequestError as error:
            outcome = Outcome.TIMEOUT if isinstance(error, httpx2.TimeoutException) else Outcome.TRANSIENT
            text = f"The image could not be fetched ({type(error).__name__})."
        except httpx2.InvalidURL as error:
            raise AdapterError(Outcome.INVALID, "The provider named an address that is none.", billed=billed) from error
        if attempt == FETCHES - 1 or time.monotonic() > deadline:
            break
        time.sleep(0.2 * (attempt + 1))
    raise AdapterError(outcome, text, code="fetch", billed=billed)


def check_host(url: str, hosts: Sequence[str], *, billed: Billed | None) -> None:
    """AdapterError (invalid) for an address on another host than these, or without https."""
    try:
        address = httpx2.URL(url)
    except (httpx2.InvalidURL, TypeError) as error:
        raise AdapterError(Outcome.INVALID, "The provider named an address that is none.", billed=billed) from error
    secure = address.scheme == "https" or (address.scheme == "http" and address.host in LOOPBACK)
    if not secure or not any(fnmatch(address.host.lower(), pattern) for pattern in hosts):
        wanted = ", ".join(hosts) or "(the settings name no host)"
        text = f"The provider sent us to {address.scheme}://{address.host}; wanted https, on {wanted}."
        raise AdapterError(Outcome.INVALID, text, code="foreign_host", billed=billed)


def _read_limited(response: httpx2.Response, deadline: float, billed: Billed) -> bytes:
    data = bytearray()
    for chunk in response.iter_bytes():
        data += chunk
        if len(data) > MAX_IMAGE_BYTES:
            text = f"The image is larger than {MAX_IMAGE_BYTES >> 20} MiB."
            raise AdapterError(Outcome.INVALID, text, code="too_large", billed=billed)
        if time.monotonic() > deadline:
            text = f"The image was not here after {FETCH_SECONDS:g} seconds."
            raise AdapterError(Outcome.TIMEOUT, text, code="fetch", billed=billed)
    return bytes(data)


def _name_host(headers: Mapping[str, str]) -> str:
    try:
        return httpx2.URL(headers.get("location", "")).host or "another address of its own"
    except httpx2.InvalidURL:
        return "an address that is none"
