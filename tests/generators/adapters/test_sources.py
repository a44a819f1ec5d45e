"""Source images: a request that the model cannot take is refused before it is sent."""

import pytest

from generators.adapters.base import AdapterError, Capabilities, GenerationRequest, Outcome, SourceRules
from generators.adapters.sources import check_sources, identify_media_type
from tests.generators.adapters.provider_servers import PNG, paint

WEBP = paint(format="WEBP")


def make_request(*sources: bytes, mask: bytes | None = None) -> GenerationRequest:
    return GenerationRequest("a red fox", 7, 64, 64, sources=sources, mask=mask)


@pytest.mark.parametrize(
    ("request_", "capabilities", "rules"),
    [
        (make_request(), Capabilities(), SourceRules()),
        (make_request(), Capabilities(), None),
        (make_request(PNG, WEBP), Capabilities(max_sources=2), SourceRules()),
        (make_request(PNG, mask=PNG), Capabilities(max_sources=1, masks=True), SourceRules()),
        (make_request(PNG), Capabilities(max_sources=1), SourceRules(("image/png",), max_bytes=len(PNG))),
    ],
)
def test_a_request_within_the_rules_passes(
    request_: GenerationRequest, capabilities: Capabilities, rules: SourceRules | None
) -> None:
    check_sources(request_, capabilities, rules)


@pytest.mark.parametrize(
    ("request_", "capabilities", "rules", "code", "complaint"),
    [
        (
            make_request(PNG),
            Capabilities(),
            SourceRules(),
            "sources",
            "has 1 source images; .* at most 0",
        ),
        (make_request(PNG, PNG), Capabilities(max_sources=1), SourceRules(), "sources", "at most 1"),
        (make_request(PNG), Capabilities(max_sources=1), None, "sources", "at most 0"),
        (make_request(PNG, mask=PNG), Capabilities(max_sources=1), SourceRules(), "mask", "takes no mask"),
        (make_request(mask=PNG), Capabilities(max_sources=1, masks=True), SourceRules(), "mask", "needs a source"),
        (make_request(PNG, WEBP), Capabilities(max_sources=2), SourceRules(("image/png",)), "source", "image 2 is not"),
        (make_request(b"words"), Capabilities(max_sources=1), SourceRules(), "source", "not a PNG, JPEG or WebP"),
        (
            make_request(PNG + bytes(2_000_000)),
            Capabilities(max_sources=1),
            SourceRules(max_bytes=1_500_000),
            "source",
            r"has 2\.0 MB; this adapter takes at most 1\.5 MB",
        ),
    ],
)
def test_a_request_beyond_the_rules_is_invalid_and_costs_nothing(
    request_: GenerationRequest, capabilities: Capabilities, rules: SourceRules | None, code: str, complaint: str
) -> None:
    with pytest.raises(AdapterError, match=complaint) as caught:
        check_sources(request_, capabilities, rules)
    assert (caught.value.outcome, caught.value.code, caught.value.billed) == (Outcome.INVALID, code, {})


def test_a_source_is_identified_by_its_bytes() -> None:
    assert identify_media_type(paint(format="JPEG")) == "image/jpeg"
    with pytest.raises(AdapterError) as caught:
        identify_media_type(b"words")
    assert (caught.value.outcome, caught.value.billed) == (Outcome.INVALID, {})
