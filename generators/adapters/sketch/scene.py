"""Scenes: the parts of a prompt that the sketch adapter understands, as plain data."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Relation:
    """The place of an object relative to others. ``targets`` are indices into ``Scene.objects``."""

    kind: str
    targets: tuple[int, ...]


@dataclass(frozen=True)
class SceneObject:
    """One or several things of a kind. ``implied`` marks a surface that only carries a text."""

    kind: str
    count: int = 1
    colors: tuple[str, ...] = ()
    size: str = "medium"
    position: str | None = None
    relation: Relation | None = None
    texts: tuple[str, ...] = ()
    implied: bool = False


@dataclass(frozen=True)
class Backdrop:
    """The ground of the picture: a place, a time of day and a colour, each only if the prompt names it."""

    place: str | None = None
    time: str | None = None
    color: str | None = None


@dataclass(frozen=True)
class Scene:
    """A prompt as understood."""

    objects: tuple[SceneObject, ...] = ()
    backdrop: Backdrop = Backdrop()

    @property
    def is_empty(self) -> bool:
        return not self.objects and self.backdrop == Backdrop()

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(text for thing in self.objects for text in thing.texts)
