"""Names of models: two names are never one model without a word, wherever they are written."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arena.boards import UnknownDeclarationError, declare_board
from generators.input_files.slugs import LONGEST_SLUG
from generators.model_names import LONGEST_NAME, ModelNameError, ModelNames, find_model
from generators.models import ImageModel
from tests import builders


def make(slug: str, name: str = "", family: str = "", revision: str = "1") -> ImageModel:
    return ImageModel(slug=slug, name=name or slug, family=family or slug, revision=revision)


FRESCO = [
    make("fresco-a", "Fresco", "Fresco", "2f9c1e"),
    make("fresco-b", "Fresco", "Fresco", "7d0b44"),
    make("mj-61", "MJ", "Midjourney", "6.1"),
    make("flux", "FLUX", "flux"),
]


@pytest.mark.parametrize(
    ("name", "version", "slug"),
    [
        ("fresco-a", "", "fresco-a"),
        ("fresco-a", "2f9c1e", "fresco-a"),
        ("Fresco", "7d0b44", "fresco-b"),
        ("Fresco 7d0b44", "", "fresco-b"),
        ("MJ", "", "mj-61"),
        ("MJ", "6.1", "mj-61"),
        ("Midjourney", "6.1", "mj-61"),
        ("Midjourney 6.1", "", "mj-61"),
        ("FLUX", "", "flux"),
        ("flux", "1", "flux"),
    ],
)
def test_model_is_found_by_slug_name_or_family_and_revision(name: str, version: str, slug: str) -> None:
    found = ModelNames(FRESCO).find(name, version)
    assert found is not None
    assert found.slug == slug


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("midjourney 6.1", ""),
        ("mj", ""),
        ("MJ ", ""),
        ("fresco-a", "7d0b44"),
        ("FLUX 1", ""),
        ("Midjourney", ""),
        ("", ""),
    ],
)
def test_nearly_the_same_text_is_another_model(name: str, version: str) -> None:
    assert ModelNames(FRESCO).find(name, version) is None


def test_name_of_several_models_is_refused() -> None:
    with pytest.raises(ModelNameError, match="'Fresco' names 2 models: write fresco-a or fresco-b"):
        ModelNames(FRESCO).find("Fresco")


@pytest.mark.parametrize(
    ("name", "version", "reason"),
    [
        ("flux", "", "'flux' and 'FLUX' are both the model flux; if that is right, write one of them everywhere"),
        ("Flux", "", "would get the slug flux, which is that of 'FLUX'; write flux if it is that model"),
        ("Midjourney.6.1", "", "^the model 'Midjourney.6.1' would get the slug midjourney-6-1"),
        ("flux", "1.0", "^the model 'flux' of version '1.0' would get the slug flux-1-0"),
        ("x", "y" * LONGEST_NAME, "a name has at most 200 characters, not 202"),
    ],
)
def test_second_name_of_one_slug_is_refused(name: str, version: str, reason: str) -> None:
    names = ModelNames([*FRESCO, make("midjourney-6-1", "Other"), make("flux-1-0", "Another")])
    names.read("FLUX", make=True)
    with pytest.raises(ModelNameError, match=reason):
        names.read(name, version, make=True)


def test_slugs_that_differ_in_case_alone_are_refused() -> None:
    with pytest.raises(ModelNameError, match="would get the slug sdxl, which is that of 'A'; write SDXL if"):
        ModelNames([make("SDXL", "A")]).read("sdxl", make=True)


WORDS = st.text("aA混é1.- ", min_size=1, max_size=4)


@given(st.lists(WORDS, min_size=2, max_size=6, unique=True))
def test_different_names_are_different_models_or_an_error(words: list[str]) -> None:
    names, models = ModelNames([]), {}
    for word in words:
        with suppress(ModelNameError):
            models[word] = names.read(word, make=True)
    slugs = [model.slug for model in models.values()]
    assert len({slug.casefold() for slug in slugs}) == len(slugs)
    assert all(len(slug) <= LONGEST_SLUG for slug in slugs)
    again = ModelNames(models.values())
    for word, model in models.items():
        assert again.read(word, make=False) is model
        assert again.find(model.slug) is model


@pytest.mark.django_db
def test_declaration_of_a_board_names_models_as_commands_do() -> None:
    first = builders.make_model(slug="mj", name="MJ v6.1", family="Midjourney", revision="6.1")
    second = builders.make_model(slug="flux", name="FLUX")
    board = declare_board(
        {"slug": "t2i", "title": "T", "models": ["Midjourney 6.1", "FLUX"], "target_model": "MJ v6.1"}
    )
    assert set(board.image_models.all()) == {first, second}
    assert board.target_model == first == find_model("MJ v6.1")
    with pytest.raises(UnknownDeclarationError, match="The target_model flux of board t2i is not one of its models"):
        declare_board({"slug": "t2i", "title": "T", "models": ["mj"], "target_model": "flux"})
    with pytest.raises(ModelNameError, match=r"^There is no model 'mj '\. Known: flux, mj\.$"):
        find_model("mj ")
