"""Responses of OpenAI's image API, successful or not, turned into answers with their billed units."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import httpx2
from pydantic import BaseModel, SecretStr, ValidationError

from generators.adapters import provider_http
from generators.adapters.base import AdapterError, Answer, Billed, GeneratedImage, Outcome

REFUSED_CODES = {
    "moderation_blocked",
    "content_policy_violation",
    "content_filter",
    "contentFilter",
    "ResponsibleAIPolicyViolation",
}
QUOTA_CODES = {"insufficient_quota", "billing_hard_limit_reached"}
# xAI uses one code for several errors; only the message tells them apart.
REFUSED_WORDS = ("content moderation", "usage guidelines")
QUOTA_WORDS = ("any credits", "available credits", "spending limit")
LONGEST_CODE = 100
# Price units that ``count_usage`` finds in the responses of any of these APIs.
TOKEN_UNITS = ("input_text_token", "input_image_token", "input_token", "output_text_token", "output_token")


class _Picture(BaseModel):
    b64_json: str | None = None
    url: str | None = None
    mime_type: str | None = None
    revised_prompt: str | None = None
    respect_moderation: bool | None = None


class _Reply(BaseModel):
    data: list[_Picture] | None = None
    block_reason: str | None = None
    usage: Any = None
    # The provider's choice for settings that the request left out.
    size: str | None = None
    quality: str | None = None
    background: str | None = None
    output_format: str | None = None


def read_answers(
    response: httpx2.Response,
    n: int,
    *,
    parameters: Mapping[str, Any],
    media_type: str,
    fetch: Callable[[str, Billed], bytes],
) -> list[Answer]:
    """The ``n`` answers in a successful response. ``fetch(url, billed)`` downloads an image given by its address.

    Raises AdapterError (transient, ``billed`` None) for a body that cannot be read.
    """
    try:
        reply = _Reply.model_validate_json(response.content)
    except ValidationError:
        raise provider_http.make_body_error("it is not a JSON list of images.") from None
    pictures = (reply.data or [])[:n]
    chosen = reply.model_dump(include={"size", "quality", "background", "output_format"}, exclude_none=True)
    known = dict(parameters) | chosen
    shared = _report(response) | {"parameters": known} | ({"usage": reply.usage} if reply.usage else {})
    bills = share_bill(count_usage(reply.usage), len(pictures) or n)
    if not pictures:
        return [_answer_nothing(reply, bill, shared) for bill in bills]
    answers: list[Answer] = []
    for picture, usage in zip(pictures, bills, strict=True):
        bill = {"image": 1, **usage}
        try:
            data = _read_picture(picture, bill, shared, fetch)
        except AdapterError as error:
            answers.append(error)
            continue
        drawn_as = picture.mime_type or (f"image/{known['output_format']}" if "output_format" in known else media_type)
        revised = {"revised_prompt": picture.revised_prompt} if picture.revised_prompt else {}
        answers.append(GeneratedImage(data, drawn_as, shared | revised, bill))
    missing = f"The provider returned {len(pictures)} of {n} images."
    answers += [AdapterError(Outcome.TRANSIENT, missing, reported=shared) for _ in range(n - len(pictures))]
    return answers


def _read_picture(
    picture: _Picture, bill: Billed, reported: Mapping[str, Any], fetch: Callable[[str, Billed], bytes]
) -> bytes:
    if picture.respect_moderation is False:
        raise AdapterError(
            Outcome.REFUSED,
            "The provider's safety system withheld the image.",
            stage="image",
            code="respect_moderation",
            billed=bill,
            reported=reported,
        )
    if picture.b64_json:
        return provider_http.decode_base64(picture.b64_json)
    if picture.url:
        return fetch(picture.url, bill)
    raise provider_http.make_body_error("an image has neither data nor an address.")


def _answer_nothing(reply: _Reply, bill: Billed, reported: Mapping[str, Any]) -> AdapterError:
    """A successful response without images: a refusal if it names a reason, and billed if it reports usage."""
    if reply.block_reason:
        return AdapterError(
            Outcome.REFUSED,
            "The provider's safety system refused the prompt.",
            stage="prompt",
            code=reply.block_reason[:LONGEST_CODE],
            billed=bill,
            reported=reported,
        )
    return AdapterError(Outcome.TRANSIENT, "The provider returned no image.", billed=bill or None, reported=reported)


def read_errors(response: httpx2.Response, n: int, *, secret: SecretStr | None) -> list[AdapterError]:
    """The ``n`` answers in a refusal, which may be billed. Raises AdapterError for any other failed response."""
    if response.is_redirect:
        raise AdapterError(
            Outcome.INVALID,
            f"The provider's server redirects to {_find_target(response)}, and a paid request follows no redirect."
            " Set the final address.",
            code="redirect",
        )
    body = provider_http.read_error_object(response, secret)
    error = _find_error(body)
    inner = error.get("inner_error") or error.get("innererror")
    codes = [str(part.get("code") or "") for part in (error, inner) if isinstance(part, dict)]
    code = next((code for code in codes if code in REFUSED_CODES), codes[0])[:LONGEST_CODE]
    words = str(error.get("message") or "")
    if response.status_code in {400, 403, 422} and (code in REFUSED_CODES or _holds(words, REFUSED_WORDS)):
        usage = count_usage(body.get("usage"))
        bills = share_bill(usage | ({"image": n} if usage else {}), n)
        # The message of a 403 may repeat the key.
        said = f": {words[:500]}" if words and response.status_code != 403 else "."
        return [
            AdapterError(
                Outcome.REFUSED,
                f"The provider's safety system refused{said}",
                stage=_find_stage(error, words),
                code=code,
                billed=bill,
                reported=_report(response),
            )
            for bill in bills
        ]
    if response.status_code < 500 and (code in QUOTA_CODES or _holds(words, QUOTA_WORDS)):
        text = f"The account has no credit left (HTTP {response.status_code}). Top it up, or raise its spending limit."
        raise AdapterError(Outcome.QUOTA, text, code=code, reported=_report(response))
    raise provider_http.make_status_error(
        response.status_code, response.headers, words, key=secret, code=code, request_id=_find_request_id(response)
    )


def count_usage(usage: object) -> dict[str, int]:
    """The price units that a response's ``usage`` reports, without zeros."""
    if not isinstance(usage, dict):
        return {}
    asked, drawn = usage.get("input_tokens_details"), usage.get("output_tokens_details")
    written = _count(drawn, "text_tokens")
    counts = {
        "input_text_token": _count(asked, "text_tokens"),
        "input_image_token": _count(asked, "image_tokens"),
        "input_token": 0 if isinstance(asked, dict) else _count(usage, "input_tokens"),
        "output_text_token": written,
        "output_token": max(0, _count(usage, "output_tokens") - written),
        # xAI reports its charge: 10,000,000,000 ticks are 1 US dollar.
        "usd_tick": _count(usage, "cost_in_usd_ticks"),
    }
    return {unit: count for unit, count in counts.items() if count}


def share_bill(counts: Mapping[str, int], n: int) -> list[dict[str, int]]:
    """Split ``counts`` into ``n`` shares of whole numbers that sum to it exactly."""
    return [{unit: count * (i + 1) // n - count * i // n for unit, count in counts.items()} for i in range(n)]


def _count(counts: object, name: str) -> int:
    count = counts.get(name) if isinstance(counts, dict) else None
    return count if isinstance(count, int) and count > 0 else 0


def _find_target(response: httpx2.Response) -> str:
    try:
        return response.url.join(response.headers.get("location", "")).host
    except httpx2.InvalidURL:
        return "an invalid address"


def _find_error(body: dict[str, Any]) -> dict[str, Any]:
    """The error object of OpenAI and Azure, or xAI's message and code in the same form."""
    error = body.get("error", body)
    return error if isinstance(error, dict) else {"code": body.get("code"), "message": error}


def _find_stage(error: dict[str, Any], words: str) -> Literal["prompt", "image"]:
    details = error.get("moderation_details")
    stage = details.get("moderation_stage") if isinstance(details, dict) else None
    return "image" if stage == "output" or words.lower().startswith("generated image") else "prompt"


def _holds(words: str, phrases: tuple[str, ...]) -> bool:
    return any(phrase in words.lower() for phrase in phrases)


def _report(response: httpx2.Response) -> dict[str, Any]:
    request_id = _find_request_id(response)
    return {"request_id": request_id} if request_id else {}


def _find_request_id(response: httpx2.Response) -> str:
    return response.headers.get("x-request-id") or response.headers.get("apim-request-id") or ""
