"""Names of image models, as files, declarations and commands write them: look-up of a model, and new models.

A model is written as its slug, its name, or its family and revision ("FLUX 1.1", or in a manifest in two columns). The
case and every character count: a name that would only get the slug of another model is an error, never that model.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from generators.input_files.faults import quote_value
from generators.input_files.slugs import make_slug
from generators.models import ImageModel

LISTED: Final = 8
LONGEST_NAME: Final = 200  # as in the database
# The revision of a model that states none. It is not part of a name: "FLUX 1" is not the model "FLUX".
NO_REVISION: Final = ImageModel().revision


class ModelNameError(Exception):
    """A text names no model, or several, or cannot be the name of a new one. The message says why, and what to do."""


class ModelNames:
    """The stored models by what they are called, and the new ones of one file.

    Attributes:
        new: The unsaved models that ``read`` made.
    """

    def __init__(self, models: Iterable[ImageModel] | None = None) -> None:
        self.new: list[ImageModel] = []
        self._by_slug: dict[str, ImageModel] = {}
        self._by_folded_slug: dict[str, ImageModel] = {}
        self._by_revision: dict[tuple[str, str], ImageModel] = {}
        self._by_text: defaultdict[str, list[ImageModel]] = defaultdict(list)
        self._written: dict[str, str] = {}
        for model in ImageModel.objects.all() if models is None else models:
            self._add(model)

    def find(self, name: str, version: str = "") -> ImageModel | None:
        """The model with that slug, or else with that name, or that family and revision; None if there is none.

        Args:
            name: Slug, name, or family. Without a version also "FAMILY REVISION".
            version: The revision. A name may include it, or may be that of several revisions.

        Raises:
            ModelNameError: Several models have that name.
        """
        named = self._by_slug.get(name)
        if named and version in {"", named.revision}:
            return named
        found = [*self._by_text.get(_join(name, version), ())]
        if version:
            found += [model for model in self._by_text.get(name, ()) if model.revision == version]
            found += [self._by_revision[name, version]] if (name, version) in self._by_revision else []
        slugs = sorted({model.slug for model in found})
        if len(slugs) > 1:
            raise ModelNameError(f"{_quote(name, version)} names {len(slugs)} models: write {' or '.join(slugs)}")
        return found[0] if found else None

    def read(self, name: str, version: str = "", *, make: bool, slug: str = "") -> ImageModel:
        """The model that a file means, which is made if it is unknown and ``make`` is set.

        Args:
            name: As ``find`` takes it.
            version: As ``find`` takes it.
            make: Make an unknown model.
            slug: The slug, if the file states it. The model is then looked up by its slug alone.

        Raises:
            ModelNameError: The model is unknown or cannot be made, or the file has written it in another way.
        """
        model = self._by_slug.get(slug) if slug else self.find(name, version)
        if model is None and not make:
            raise ModelNameError(
                f"the model {_quote(name, version)} is unknown; {self._advise(name, version)}. --make-models creates it"
            )
        model = model or self._make(name, version, slug)
        # A stated version says which model is meant. Without it, two spellings may be meant as two models.
        earlier = name if version or slug else self._written.setdefault(model.slug, name)
        if earlier != name:
            raise ModelNameError(
                f"{_quote(name)} and {_quote(earlier)} are both the model {model.slug}; if that is right, write one of"
                " them everywhere"
            )
        return model

    def list_known(self) -> str:
        """Slugs for an error message."""
        known = sorted(self._by_slug)
        return ", ".join(known[:LISTED]) + (", ..." if len(known) > LISTED else "") or "none"

    def _add(self, model: ImageModel) -> None:
        self._by_slug[model.slug] = self._by_folded_slug[model.slug.casefold()] = model
        self._by_revision[model.family, model.revision] = model
        self._by_text[model.name].append(model)
        label = f"{model.family} {model.revision}"
        if model.revision != NO_REVISION and label != model.name:
            self._by_text[label].append(model)

    def _make(self, name: str, version: str, slug: str) -> ImageModel:
        what, full_name = f"the model {_quote(name, version)}", _join(name, version)
        try:
            slug, family = slug or make_slug(full_name), slug or name
        except ValueError as error:
            raise ModelNameError(f"{what} cannot be created: {error}") from error
        if len(full_name) > LONGEST_NAME:
            raise ModelNameError(
                f"{what} cannot be created: a name has at most {LONGEST_NAME} characters, not {len(full_name)}"
            )
        if other := self._by_folded_slug.get(slug.casefold()):
            raise ModelNameError(
                f"{what} would get the slug {slug}, which is that of {_quote(other.name)}; write {other.slug} if it is"
                " that model, or else another name"
            )
        model = ImageModel(slug=slug, name=full_name, family=family, revision=version or NO_REVISION)
        if other := self._by_revision.get((model.family, model.revision)):
            raise ModelNameError(
                f"{what} cannot be created: revision {model.revision} of that family is the model {other.slug}; write"
                f" {other.slug} if it is that model, or else another name"
            )
        self._add(model)
        self.new.append(model)
        return model

    def _advise(self, name: str, version: str) -> str:
        try:
            alike = self._by_folded_slug.get(make_slug(_join(name, version)))
        except ValueError:
            alike = None
        if alike:
            return f"did you mean {alike.slug}, named {quote_value(alike.name)}"
        family = sorted(model.slug for model in self._by_slug.values() if model.family == name)
        if family:
            return f"the models of that family are {', '.join(family[:LISTED])}"
        return f"known are {self.list_known()}"


def find_model(text: str) -> ImageModel:
    """The stored model that a command or a declaration names. Raises ModelNameError."""
    names = ModelNames()
    model = names.find(text)
    if model is None:
        raise ModelNameError(f"There is no model {_quote(text)}. Known: {names.list_known()}.")
    return model


def _join(name: str, version: str) -> str:
    return f"{name} {version}" if version else name


def _quote(name: str, version: str = "") -> str:
    return f"{quote_value(name)} of version {quote_value(version)}" if version else quote_value(name)
