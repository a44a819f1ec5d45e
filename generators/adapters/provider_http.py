"""HTTP with providers: clients, keys, JSON bodies, errors by status, and downloads of images given by their address.

If a request was sent and no complete response arrived, the error has ``billed=None``: see AdapterError.
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
from typing import Annotated, Any

import httpx2
from PIL import Image
from pydantic import AfterValidator, SecretStr

from generators.adapters.base import AUTHENTICATION, AdapterError, Billed, Outcome

MAX_IMAGE_BYTES = 64 * 1024 * 1024
# Attempts, and seconds in all, to download a finished image: downloading it again is free, drawing it again is not.
FETCHES = 3
FETCH_SECONDS = 60.0
CONNECT_SECONDS = 15.0
# Statuses of a download that are worth retrying; any other 4xx means that the image is gone.
PASSING = {408, 425, 429}
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
# Gateways return these although the server may have finished the request.
UNKNOWN_END = {502, 504}
# Errors before any part of the request was sent.
UNREACHED = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError)


def open_client(timeout: float) -> httpx2.Client:
    """An HTTP client that waits ``timeout`` seconds for a response and follows no redirects.

    It carries no key, because images are on other hosts than the API.
    """
    limits = httpx2.Timeout(timeout, connect=min(timeout, CONNECT_SECONDS))
    return httpx2.Client(timeout=limits, follow_redirects=False)


def authorize(key: SecretStr | None, header: str = "Authorization", prefix: str = "Bearer ") -> dict[str, str]:
    """The header that carries the key; none if the server is sent no key. Raises as ``read_key`` does."""
    return {} if key is None else {header: f"{prefix}{read_key(key)}"}


def read_key(key: SecretStr) -> str:
    """The key, as a header can hold it. Raises AdapterError (invalid, authentication) if it is missing or malformed."""
    value = key.get_secret_value().strip()
    if not value:
        raise AdapterError(
            Outcome.INVALID, "There is no key for this server. Set its environment variable.", code=AUTHENTICATION
        )
    if not (value.isascii() and value.isprintable()) or " " in value:
        text = "The key has characters that no key can have. Copy it again, without line breaks or quotes."
        raise AdapterError(Outcome.INVALID, text, code=AUTHENTICATION)
    return value


def hide_key(text: str, key: SecretStr | None) -> str:
    """The text without the key, which some providers repeat in their messages."""
    value = key.get_secret_value().strip() if key else ""
    return text.replace(value, "[key]") if value else text


def read_object(response: httpx2.Response, key: SecretStr | None) -> dict[str, Any]:
    """The JSON object of a successful response, without the key, which some providers repeat in their texts.

    Raises AdapterError (transient, ``billed`` None) for any other body.
    """
    try:
        body = _hide_key_within(response.json(), key)
    except (ValueError, RecursionError) as error:
        raise make_body_error("it is not JSON.") from error
    if not isinstance(body, dict):
        raise make_body_error("it is not a JSON object.")
    return body


def read_error_object(response: httpx2.Response, key: SecretStr | None) -> dict[str, Any]:
    """The JSON object of an error response, without the key; {} for any other body."""
    try:
        return read_object(response, key)
    except AdapterError:
        return {}


def _hide_key_within(value: Any, key: SecretStr | None) -> Any:
    """The JSON value with ``hide_key`` applied to each of its strings."""
    if isinstance(value, str):
        return hide_key(value, key)
    if isinstance(value, list):
        return [_hide_key_within(part, key) for part in value]
    if isinstance(value, dict):
        return {hide_key(name, key): _hide_key_within(part, key) for name, part in value.items()}
    return value


def is_amount(value: object) -> bool:
    """Whether a value from JSON is a number that can be billed: finite and not negative."""
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value) and value >= 0


def _read_address(address: str) -> str:
    try:
        url = httpx2.URL(address)
    except httpx2.InvalidURL as error:
        raise ValueError("this is not an address; wanted https://HOST") from error
    if not url.host or not (url.scheme == "https" or (url.scheme == "http" and url.host in LOOPBACK)):
        raise ValueError("wanted https://HOST, because a key may be sent there")
    if url.userinfo or url.query:
        raise ValueError("wanted no user, password or query; the key has its own environment variable")
    return address.rstrip("/")


# The address of a server: https, or http on this machine, because a key may be sent there.
Address = Annotated[str, AfterValidator(_read_address)]


def make_status_error(
    status: int,
    headers: Mapping[str, str],
    message: str,
    *,
    key: SecretStr | None,
    code: str = "",
    request_id: str = "",
) -> AdapterError:
    """The error for an HTTP status other than success. 401 and 403 are a rejected ``key``, or the lack of one.

    It is never a refusal: each provider reports those in its own way, so the adapter recognizes them first. ``message``
    and ``code`` are the provider's, without the key.
    """
    reported = {"request_id": request_id} if request_id else {}
    if status in {401, 403}:
        # Without the provider's message, which may repeat the key.
        text = f"The provider did not accept the key (HTTP {status}). Check the key and its permissions."
        if key is None:
            text = (
                f"The server did not accept a call without a key (HTTP {status}), and a provider's key is sent only to"
                " the provider's own hosts. Name the variable of this server's key: key_env, in the model's settings."
            )
        return AdapterError(Outcome.INVALID, text, code=AUTHENTICATION, reported=reported)
    if 300 <= status < 400:
        # Without the address's path and query, which may hold secrets.
        text = f"The provider's server redirects to {_name_host(headers)} (HTTP {status}). If it moved, set base_url."
        return AdapterError(Outcome.INVALID, text, code="redirect", reported=reported)
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


def make_transport_error(error: BaseException) -> AdapterError:
    """The error for a failed connection. ``billed`` is None if the request may have been sent."""
    name = type(error).__name__
    timed_out = isinstance(error, httpx2.TimeoutException)
    outcome = Outcome.TIMEOUT if timed_out else Outcome.TRANSIENT
    if isinstance(error, UNREACHED):
        return AdapterError(outcome, f"The provider's server could not be reached ({name}).")
    if isinstance(error, httpx2.UnsupportedProtocol | httpx2.InvalidURL):
        return AdapterError(Outcome.INVALID, f"The provider's address is not valid ({name}).")
    if isinstance(error, httpx2.LocalProtocolError):
        return AdapterError(Outcome.INVALID, f"The request could not be written ({name}).")
    return AdapterError(outcome, f"The connection ended before the response was complete ({name}).", billed=None)


def make_body_error(reason: str) -> AdapterError:
    """The error for a successful response with an unexpected body: the image may have been drawn and billed."""
    return AdapterError(Outcome.TRANSIENT, f"The provider's response could not be read: {reason}", billed=None)


def read_retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from ``retry-after`` (a number or a date) or ``retry-after-ms``; None without either."""
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
    """Decode base64. Raises AdapterError (transient, ``billed`` None) for anything else."""
    if not isinstance(text, str):
        raise make_body_error("it has no image.")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise make_body_error("the image is not base64.") from error


def identify_image(data: bytes) -> tuple[str, int, int] | None:
    """(media type, width, height) in pixels, read from the header; None for anything but PNG, JPEG or WebP."""
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP")) as image:
            return image.get_format_mimetype() or "", image.width, image.height
    except Exception:
        # Pillow raises many kinds of errors for malformed bytes.
        return None


def fetch_image(client: httpx2.Client, url: str, *, hosts: Sequence[str], billed: Billed) -> bytes:
    """Download an image from an address on one of ``hosts`` (patterns: ``*.bfl.ai``).

    Only https is used, except on this machine, and redirects are followed only to these hosts.

    Raises AdapterError with the image's ``billed``, because the image exists and is charged.
    """
    deadline = time.monotonic() + FETCH_SECONDS
    outcome, text = Outcome.INVALID, "The image's address redirects too often."
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
            raise AdapterError(Outcome.INVALID, "The provider returned an invalid address.", billed=billed) from error
        if attempt == FETCHES - 1 or time.monotonic() > deadline:
            break
        time.sleep(0.2 * (attempt + 1))
    raise AdapterError(outcome, text, code="fetch", billed=billed)


def check_host(url: str, hosts: Sequence[str], *, billed: Billed | None) -> None:
    """Raise AdapterError (invalid) unless the address is on one of these hosts, over https."""
    try:
        address = httpx2.URL(url)
    except (httpx2.InvalidURL, TypeError) as error:
        raise AdapterError(Outcome.INVALID, "The provider returned an invalid address.", billed=billed) from error
    secure = address.scheme == "https" or (address.scheme == "http" and address.host in LOOPBACK)
    if not secure or not any(fnmatch(address.host.lower(), pattern) for pattern in hosts):
        wanted = ", ".join(hosts) or "(the settings name no host)"
        text = f"The provider returned an address on {address.scheme}://{address.host}; wanted https, on {wanted}."
        raise AdapterError(Outcome.INVALID, text, code="foreign_host", billed=billed)


def _read_limited(response: httpx2.Response, deadline: float, billed: Billed) -> bytes:
    data = bytearray()
    for chunk in response.iter_bytes():
        data += chunk
        if len(data) > MAX_IMAGE_BYTES:
            text = f"The image is larger than {MAX_IMAGE_BYTES >> 20} MiB."
            raise AdapterError(Outcome.INVALID, text, code="too_large", billed=billed)
        if time.monotonic() > deadline:
            text = f"The image was not downloaded within {FETCH_SECONDS:g} s."
            raise AdapterError(Outcome.TIMEOUT, text, code="fetch", billed=billed)
    return bytes(data)


def _name_host(headers: Mapping[str, str]) -> str:
    try:
        return httpx2.URL(headers.get("location", "")).host or "another path"
    except httpx2.InvalidURL:
        return "an invalid address"
