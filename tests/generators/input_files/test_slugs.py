"""Slugs of names: one rule, total over names in any script, and stable."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generators.input_files.slugs import LONGEST_SLUG, is_slug, make_slug

NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=220)


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Midjourney 6.1", "midjourney-6-1"),
        ("midjourney_6_1", "midjourney_6_1"),
        ("flux-1.1", "flux-1-1"),
        ("flux-11", "flux-11"),
        ("black-forest-labs/FLUX.1 [dev]", "black-forest-labs-flux-1-dev"),
        ("GPT‑4o Image", "gpt-4o-image"),
        ("Modèle Straße", "modele-strasse"),
        ("ＳＤ３", "sd3"),
    ],
)
def test_name_in_latin_letters_is_its_own_slug(name: str, slug: str) -> None:
    assert make_slug(name) == slug


def test_other_letters_are_told_apart_by_a_hash() -> None:
    """A golden table: slugs are stored, so the rule cannot change."""
    assert make_slug("混元") == "model-3a7294dc"
    assert make_slug("混元-DiT") == "dit-bdf2ae7e"
    assert make_slug("Fløx") == "fl-x-6bc004e3"
    names = ["混元", "可图", "混元-dit", "可图-dit", "混元 1.1", "混元 11", "Кандинский", "Kандинский", "α", "β"]
    assert len({make_slug(name) for name in names}) == len(names)


def test_long_names_that_begin_alike_have_different_slugs() -> None:
    slugs = {make_slug("x" * 150 + end) for end in ("", "y", "z")}
    assert len(slugs) == 3
    assert {len(slug) for slug in slugs} == {LONGEST_SLUG}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "it has no letter and no digit"),
        ("***", "it has no letter and no digit"),
        ("flux ", "it starts or ends with a space"),
        ("\u3000flux", "it starts or ends with a space"),
        ("fl\0ux", "U\\+0000"),
        ("flux\u202e", "RIGHT-TO-LEFT OVERRIDE"),
    ],
)
def test_text_that_is_no_name_is_refused(name: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        make_slug(name)


@given(NAMES)
def test_slug_is_valid_stable_and_its_own_slug(name: str) -> None:
    try:
        slug = make_slug(name)
    except ValueError:
        return
    assert is_slug(slug)
    assert slug == slug.lower() == make_slug(slug) == make_slug(unicodedata.normalize("NFC", name))


@given(st.lists(st.text("ab混元.- _é", min_size=1, max_size=4), min_size=2, max_size=2, unique=True))
def test_names_share_a_slug_only_if_ascii_shows_no_difference(names: list[str]) -> None:
    try:
        slugs = [make_slug(name) for name in names]
    except ValueError:
        return
    if slugs[0] == slugs[1]:
        letters = [[c for c in unicodedata.normalize("NFKD", name) if c.isalnum()] for name in names]
        assert letters[0] == letters[1]
